/** What a gateway does in numbers, in the text format of Prometheus. Names end with their unit. */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { Leaf } from '../../firmware/link/messages.ts';
import type { Fleet, Outcome } from '../fleet.ts';
import type { Refusal } from '../seal.ts';

/** s */
const REQUESTS = [0.005, 0.02, 0.1, 0.5, 2, 5, 10];
const TRANSACTIONS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10];
/** ms between two looks at the event loop. */
const LOOK = 20;
/** Leaves that controllers send to; a topic of another kind is 'other'. */
const LEAVES: readonly string[] = [Leaf.Birth, Leaf.Link, Leaf.Report, Leaf.Ack, Leaf.Event, Leaf.Log, Leaf.Ask];
const OUTCOMES: Outcome[] = ['done', 'refused', 'tooLarge', 'expired', 'superseded', 'drift'];

/** What the numbers are read from, while this gateway leads. */
export interface Subject {
  fleet: Fleet;
  /** Messages whose seal was not believed, by reason. */
  refused: Readonly<Record<Refusal, number>>;
  /** Whether the MQTT broker is connected. */
  connected(): boolean;
  /** By the URI of each CMS: whether it is attached, and how many entries of logs wait for it. */
  cms(): { uri: string; attached: boolean }[];
  /** Entries that wait to be reported, by the URI of the CMS; 'none': until somebody pulls them. */
  waiting(): Promise<ReadonlyMap<string, number>>;
}

export class Metrics {
  private readonly registry = new Registry();
  private readonly delay: IntervalHistogram;
  private readonly messages: Counter<'leaf'>;
  private readonly requests: Histogram<'method' | 'resource' | 'status'>;
  private readonly transactions: Histogram;
  private readonly failures: Counter;

  /**
   * @param subject undefined: this gateway does not lead, and the numbers of the field are another's
   * @param backlog events and samples that are not in the database yet
   */
  constructor(
    version: string,
    private readonly subject: () => Subject | undefined,
    leads: () => boolean,
    backlog: () => number,
  ) {
    const { registry } = this;
    const registers = [registry];
    this.delay = monitorEventLoopDelay({ resolution: LOOK });
    this.delay.enable();
    this.messages = new Counter({
      name: 'reverbere_messages_total',
      help: 'Messages from the broker, by the last part of their topic.',
      labelNames: ['leaf'],
      registers,
    });
    for (const leaf of [...LEAVES, 'other']) this.messages.inc({ leaf }, 0);
    this.requests = new Histogram({
      name: 'reverbere_http_request_duration_seconds',
      help: 'TALQ requests from the first byte to the last of the answer.',
      labelNames: ['method', 'resource', 'status'],
      buckets: REQUESTS,
      registers,
    });
    this.transactions = new Histogram({
      name: 'reverbere_database_transaction_duration_seconds',
      help: 'Transactions of the database, failed ones too.',
      buckets: TRANSACTIONS,
      registers,
    });
    this.failures = new Counter({
      name: 'reverbere_database_failures_total',
      help: 'Transactions of the database that failed.',
      registers,
    });
    const info = new Gauge({
      name: 'reverbere_info',
      help: 'Always 1; says which version runs.',
      labelNames: ['version'],
      registers,
    });
    info.set({ version }, 1);
    this.gauge('reverbere_leader', 'Whether this gateway leads.', () => Number(leads()));
    this.gauge('reverbere_inbox_backlog', 'Events and samples that are not durable yet.', backlog);
    this.addField();
    this.addProcess();
  }

  /** @returns everything, and under which media type */
  async text(): Promise<{ type: string; body: string }> {
    return { type: this.registry.contentType, body: await this.registry.metrics() };
  }

  message(topic: string): void {
    const leaf = topic.slice(topic.lastIndexOf('/') + 1);
    this.messages.inc({ leaf: LEAVES.includes(leaf) ? leaf : 'other' });
  }

  /** @param resource first part of the path below the base, of those that there are */
  request(method: string, resource: string, status: number, seconds: number): void {
    this.requests.observe({ method, resource, status: `${Math.floor(status / 100)}xx` }, seconds);
  }

  transaction(seconds: number, failed: boolean): void {
    this.transactions.observe(seconds);
    if (failed) this.failures.inc();
  }

  close(): void {
    this.delay.disable();
    this.registry.clear();
  }

  private addField(): void {
    const { registry, subject } = this;
    const registers = [registry];
    const fleet = (): Fleet | undefined => subject()?.fleet;
    const all = () => [...(fleet()?.controllers.values() ?? [])];
    this.gauge('reverbere_controllers', 'Controllers that are known.', () => all().length);
    this.gauge('reverbere_controllers_online', 'Controllers that are connected.', () => {
      return all().filter(({ online }) => online).length;
    });
    this.total('reverbere_messages_dropped_total', 'Messages that could not be understood.', () => fleet()?.dropped);
    new Counter({
      name: 'reverbere_messages_refused_total',
      help: 'Messages whose seal was not believed, by reason.',
      labelNames: ['reason'],
      registers,
      collect() {
        this.reset();
        for (const [reason, count] of Object.entries(subject()?.refused ?? {})) this.inc({ reason }, count);
      },
    });
    this.gauge('reverbere_messages_refused_by_controllers', 'Messages that controllers refused since their boot.', () =>
      all().reduce((sum, { state }) => sum + (state?.refused ?? 0), 0),
    );
    this.gauge('reverbere_commands_pending', 'Commands that no controller has acknowledged yet.', () => {
      return fleet()?.waiting ?? 0;
    });
    new Counter({
      name: 'reverbere_commands_total',
      help: 'Commands that have ended, by how.',
      labelNames: ['outcome'],
      registers,
      collect() {
        this.reset();
        for (const outcome of OUTCOMES) this.inc({ outcome }, fleet()?.outcomes[outcome] ?? 0);
      },
    });
    this.gauge('reverbere_broker_connected', 'Whether the MQTT broker is connected.', () =>
      Number(subject()?.connected() ?? false),
    );
    new Gauge({
      name: 'reverbere_cms_attached',
      help: 'Whether a CMS is attached.',
      labelNames: ['cms'],
      registers,
      collect() {
        this.reset();
        for (const { uri, attached } of subject()?.cms() ?? []) this.set({ cms: uri }, Number(attached));
      },
    });
    new Gauge({
      name: 'reverbere_report_entries_waiting',
      help: 'Entries of logs that wait to be reported to a CMS.',
      labelNames: ['cms'],
      registers,
      async collect() {
        const counts = (await subject()?.waiting()) ?? new Map<string, number>();
        this.reset();
        for (const [cms, count] of counts) this.set({ cms }, count);
      },
    });
  }

  /** Under the names that Prometheus recommends. */
  private addProcess(): void {
    const { delay } = this;
    const started = Math.round(performance.timeOrigin) / 1000;
    this.gauge('process_start_time_seconds', 'When the process began, since 1970.', () => started);
    this.gauge('process_resident_memory_bytes', 'Memory of the process.', () => process.memoryUsage.rss());
    this.gauge('nodejs_heap_size_used_bytes', 'Memory of objects.', () => process.memoryUsage().heapUsed);
    this.gauge('nodejs_external_memory_bytes', 'Memory of buffers.', () => process.memoryUsage().external);
    this.total('process_cpu_seconds_total', 'CPU time of the process.', () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    });
    new Gauge({
      name: 'nodejs_eventloop_lag_seconds',
      help: 'How late the event loop was since the last look, by quantile; 1: at most.',
      labelNames: ['quantile'],
      registers: [this.registry],
      collect() {
        const late = (ns: number): number => (Number.isFinite(ns) ? Math.max(0, ns / 1e9 - LOOK / 1000) : 0);
        for (const quantile of [0.5, 0.99]) {
          this.set({ quantile: String(quantile) }, late(delay.percentile(100 * quantile)));
        }
        this.set({ quantile: '1' }, late(delay.max));
        delay.reset();
      },
    });
  }

  private gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.set(read());
      },
    });
  }

  /** A counter that somebody else counts. */
  private total(name: string, help: string, read: () => number | undefined): void {
    new Counter({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.reset();
        this.inc(read() ?? 0);
      },
    });
  }
}
