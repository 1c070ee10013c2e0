/** An uplink on a simulated clock, and the broker at the other end, which does what a test tells it. */
import assert from 'node:assert/strict';
import mqttPacket from 'mqtt-packet';
import { Uplink, type UplinkOptions } from '../../firmware/link/uplink.ts';
import { Schedule } from '../../firmware/schedule.ts';
import type { Bytes, Clock, Stream, StreamOptions } from '../../hal/hal.ts';
import { connack, made, type PeerPacket, suback } from '../protocols/mqtt-peer.ts';

/** Time that moves when told; timers run in the order they are due. */
export class FakeClock implements Clock {
  private now = 0;
  private timers = new Map<number, { due: number; run: () => void }>();
  private last = 0;
  uptime(): number {
    return this.now;
  }
  time(): undefined {
    return undefined;
  }
  setTime(): void {}
  after(delay: number, run: () => void): number {
    assert.ok(delay >= 0 && delay < 2 ** 31, `delay ${delay}`);
    this.timers.set(++this.last, { due: this.now + delay, run });
    return this.last;
  }
  cancel(timer: number): void {
    this.timers.delete(timer);
  }
  /** Lets ms pass. */
  pass(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const [id, timer] = [...this.timers].sort(([, a], [, b]) => a.due - b.due)[0] ?? [];
      if (!id || !timer || timer.due > end) break;
      this.timers.delete(id);
      this.now = Math.max(this.now, timer.due);
      timer.run();
    }
    this.now = end;
  }
}

/** One connection, seen from the broker. */
export class Link implements Stream {
  /** Packets that the client sent and nobody has looked at. */
  readonly packets: PeerPacket[] = [];
  /** All that the client wrote. */
  readonly writes: Buffer[] = [];
  closed = false;
  /** What `write` answers. */
  room = true;
  private opened = false;
  private blocked = false;
  private parser = mqttPacket.parser({ protocolVersion: 4 });

  constructor(
    readonly options: StreamOptions,
    readonly since: number,
  ) {
    this.parser.on('packet', (packet) => this.packets.push(packet));
    this.parser.on('error', (error) => {
      throw error;
    });
  }

  write(data: Bytes): boolean {
    assert.ok(this.opened && !this.closed, 'written before it was open, or after its end');
    assert.ok(!this.blocked, 'written without room');
    this.blocked = !this.room;
    this.writes.push(Buffer.from(data));
    this.parser.parse(Buffer.from(data));
    return this.room;
  }
  close(): void {
    this.closed = true;
  }

  /** Connected, or room again. */
  open(): void {
    if (this.closed) return;
    this.opened = true;
    this.blocked = false;
    this.options.onWritable();
  }
  /** @param chunk bytes or packets for the client */
  send(...chunk: (PeerPacket | Uint8Array)[]): void {
    const data = Buffer.concat(chunk.map((part) => (part instanceof Uint8Array ? part : made(part))));
    if (!this.closed) this.options.onData(new Uint8Array(data));
  }
  fail(): void {
    if (!this.closed) this.options.onError(new Error('reset'));
  }
  /** @returns the next packet from the client, which must be of this kind. */
  take<C extends PeerPacket['cmd']>(cmd: C): Extract<PeerPacket, { cmd: C }> {
    const packet = this.packets.shift();
    assert.equal(packet?.cmd, cmd);
    return packet as Extract<PeerPacket, { cmd: C }>;
  }
  /** @returns the payload of the next packet, which must be a PUBLISH. */
  taken(): number[] {
    return [...(this.take('publish').payload as Buffer)];
  }
  none(): void {
    assert.deepEqual(this.packets, []);
  }
  /** Takes the client in. */
  accept(): void {
    this.open();
    this.take('connect');
    this.send(connack());
    const { messageId, subscriptions } = this.take('subscribe');
    this.send(
      suback(
        subscriptions.map(({ qos }) => qos),
        messageId,
      ),
    );
  }
}

export class Bench {
  readonly clock = new FakeClock();
  readonly failures: unknown[] = [];
  readonly schedule = new Schedule(this.clock, { failed: (error) => this.failures.push(error) });
  readonly links: Link[] = [];
  readonly received: [string, number[]][] = [];
  online = 0;
  /** What the board's chance is: 0 <= x < 1. */
  chance: number;
  /** Throws in the next `connect`. */
  broken = false;
  onMessage: (topic: string, payload: Bytes) => void = () => {};
  onOnline: () => void = () => {};
  readonly uplink: Uplink;

  constructor(options: Partial<UplinkOptions> = {}, chance = 0.5) {
    this.chance = chance;
    const hal = {
      clock: this.clock,
      random: () => this.chance,
      connect: (wanted: StreamOptions) => {
        if (this.broken) throw new Error('no network');
        const before = this.links.at(-1);
        assert.ok(!before || before.closed, 'one connection at a time');
        const link = new Link(wanted, this.clock.uptime());
        this.links.push(link);
        return link;
      },
    };
    this.uplink = new Uplink(hal, this.schedule, {
      host: 'broker.example',
      port: 1883,
      tls: false,
      clientId: 'c1',
      keepAlive: 60,
      willTopic: 'rvb1/c1/link',
      willPayload: new Uint8Array([0]),
      subscriptions: ['rvb1/c1/cmd', 'rvb1/c1/time'],
      owner: {
        greet: () => {
          this.online++;
          this.onOnline();
        },
        receive: (topic, payload) => {
          this.received.push([topic, [...payload]]);
          this.onMessage(topic, payload);
        },
      },
      ...options,
    });
  }

  get link(): Link {
    return this.links.at(-1) as Link;
  }
  /** Until the next attempt to connect, at most an hour. @returns its link. */
  attempt(): Link {
    const before = this.links.length;
    const end = this.clock.uptime() + 3_700_000;
    while (this.links.length === before && this.clock.uptime() < end) this.clock.pass(100);
    assert.equal(this.links.length, before + 1, 'an attempt to connect');
    return this.link;
  }
  /** @returns the link of an uplink that is online. */
  connect(): Link {
    const link = this.attempt();
    link.accept();
    assert.equal(this.uplink.online, true);
    return link;
  }
  publish(byte: number, qos: 0 | 1 = 1, done?: () => void): boolean {
    return this.uplink.publish('rvb1/c1/report', Uint8Array.of(byte), qos, false, done && { arrived: done });
  }
}
