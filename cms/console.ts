/** What a person can type to a bench CMS: one command a line, answers in lines. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchCms, BenchGateway, Lamp } from './bench-cms.ts';

// biome-ignore lint/suspicious/noExplicitAny: what gateways say, as it came
type Json = any;

/** ms for which a command waits for a gateway to be attached. */
const PATIENCE = 90000;

interface CommandLine {
  usage: string;
  help: string;
  run(words: string[], rest: string): Promise<void>;
}

/** A fault of the person who types; told in one line. */
class Mistake extends Error {}

export class Console {
  /** Whether log reports are shown as they come. */
  live = true;
  /** The person wants to leave. */
  ended = false;
  private count = 0;
  private readonly commands: Record<string, CommandLine>;

  constructor(
    private readonly cms: BenchCms,
    private readonly print: (line: string) => void,
  ) {
    this.commands = {
      help: { usage: 'help', help: 'this list', run: async () => this.help() },
      gateways: { usage: 'gateways', help: 'who is attached', run: async () => this.gateways() },
      devices: { usage: 'devices', help: 'every lamp with its level and who commands it', run: () => this.devices() },
      show: { usage: 'show LAMP', help: 'every attribute of a lamp', run: ([name]) => this.show(name) },
      level: {
        usage: 'level LAMP|all PERCENT [SECONDS]',
        help: 'override, for ever or for some time',
        run: (words) => this.level(words),
      },
      resume: { usage: 'resume LAMP|all', help: 'end the override', run: ([name]) => this.override(name, undefined) },
      night: {
        usage: 'night [LAMP|all]',
        help: 'a calendar for every night: on from dusk to dawn, 30 % from 23:00 to 5:00, more for walkers',
        run: ([name = 'all']) => this.night(name),
      },
      upload: {
        usage: 'upload FILE',
        help: 'JSON with "programs" and "calendars"; ownerCMS is filled in',
        run: ([file]) => this.upload(file),
      },
      assign: {
        usage: 'assign CALENDAR|none LAMP|all',
        help: 'which calendar rules a lamp',
        run: ([id, name]) => this.assign(id, name),
      },
      logger: {
        usage: 'logger events|values [NAME]',
        help: 'have all events, or what the gateway finds useful, reported at once',
        run: (words) => this.logger(words),
      },
      unlog: { usage: 'unlog NAME', help: 'end a logger', run: ([name]) => this.unlog(name) },
      log: { usage: 'log on|off', help: 'show reports as they come', run: async ([word]) => this.log(word) },
      call: {
        usage: 'call METHOD PATH [JSON]',
        help: 'anything else of the API, e.g. call GET services',
        run: (words, rest) => this.call(words, rest),
      },
      forget: {
        usage: 'forget',
        help: 'remove the gateway: it erases what it had from here and introduces itself again',
        run: () => this.forget(),
      },
      wait: { usage: 'wait SECONDS', help: 'do nothing; for scripts', run: async ([text]) => this.wait(text) },
      quit: {
        usage: 'quit',
        help: 'leave',
        run: async () => {
          this.ended = true;
        },
      },
    };
  }

  /** Does what the line says. Never rejects: faults are printed. */
  async run(line: string): Promise<void> {
    const words = line.trim().split(/\s+/);
    const [name] = words;
    if (name === '' || name.startsWith('#')) return;
    const command = Object.hasOwn(this.commands, name) ? this.commands[name] : undefined;
    if (!command) {
      this.print(`There is no "${name}"; try help.`);
      return;
    }
    try {
      await command.run(words.slice(1), line.trim().slice(name.length).trim());
    } catch (error) {
      this.print(error instanceof Mistake ? `${error.message}: ${command.usage}` : (error as Error).message);
    }
  }

  /** Shows an entry of a log report. */
  report(logger: string, entry: Json): void {
    if (!this.live) return;
    const { data = {}, cmsRefId } = entry;
    const [address, ...rest] = String(data.srcAddress ?? '').split('/');
    const name = this.cms.lamps().find((lamp) => lamp.address === address)?.name ?? address;
    const flag = data.startEndFlag === undefined ? '' : data.startEndFlag ? ' begins' : ' ends';
    const state = data.state ?? data.command?.state;
    const what =
      data.type === 'AttributeLogData'
        ? `${data.attributeName} ${JSON.stringify(data.attributeValue?.value)}`
        : `${data.eventType}${flag}${state ? ` ${state.value} %` : ''}`;
    const info = (data.info ?? []).map(({ description }: Json) => ` (${description})`).join('');
    const because = cmsRefId === undefined ? '' : ` by ${cmsRefId}`;
    this.print(`log ${logger} ${data.timestamp} ${[name, ...rest].join('/')} ${what}${info}${because}`);
  }

  private help(): void {
    const list = Object.values(this.commands);
    const width = Math.max(...list.map(({ usage }) => usage.length));
    for (const { usage, help } of list) this.print(`  ${usage.padEnd(width)}  ${help}`);
  }

  private gateways(): void {
    for (const { address, uri, attached, devices } of this.cms.gateways.values()) {
      this.print(`${uri} ${attached ? 'attached' : 'is being attached'} as ${address}, ${devices.size} devices`);
    }
    if (this.cms.gateways.size === 0) this.print(`none yet; gateways find this CMS at ${this.cms.server.uri}`);
  }

  private async devices(): Promise<void> {
    for (const gateway of await this.attached()) await this.cms.refresh(gateway);
    await this.announced();
    const lamps = this.cms.lamps();
    const width = Math.max(4, ...lamps.map(({ name }) => name.length));
    this.print(`${'lamp'.padEnd(width)}  level %  power W  link  command`);
    for (const { name, address, gateway } of lamps) {
      const device = gateway.devices.get(address);
      const value = (type: string, attribute: string): Json =>
        device.functions.find((one: Json) => one.type === type)?.[attribute]?.value;
      const command = value('LampActuatorFunction', 'feedbackLightCommand');
      const level = value('LampActuatorFunction', 'actualLightState')?.value;
      const power = value('LampMonitorFunction', 'activePower');
      const link = value('CommunicationFunction', 'communicationFailure') === false ? 'up' : 'down';
      const because = command
        ? [command.reason, `${command.state.value} %`, command.refAddress, command.cmsRefId].filter(Boolean).join(' ')
        : '';
      const shown = (number: number | undefined, digits: number): string => number?.toFixed(digits) ?? '-';
      this.print(
        `${name.padEnd(width)}  ${shown(level, 0).padStart(7)}  ${shown(power, 1).padStart(7)}  ${link.padEnd(4)}  ${because}`,
      );
    }
  }

  private async show(name: string | undefined): Promise<void> {
    const [{ address, gateway }] = await this.lamps(name, 'one');
    const device = await this.cms.ask(gateway, 'GET', `devices/${address}`);
    this.print(`${device.name} ${device.address} ${device.class}`);
    for (const { id, type, ...attributes } of device.functions) {
      this.print(`  ${id} (${type})`);
      for (const [attribute, { value, timestamp }] of Object.entries<Json>(attributes)) {
        this.print(`    ${attribute} ${JSON.stringify(value)} ${timestamp}`);
      }
    }
  }

  private async level([name, percent, seconds]: string[]): Promise<void> {
    const value = Number(percent);
    if (!/^\d{1,3}$/.test(percent ?? '') || value > 100) throw new Mistake('A level is 0..100');
    const state = { name: 'LevelState', value };
    const command: Json = { state, reason: 'override', cmsRefId: `console-${++this.count}` };
    if (seconds !== undefined) {
      if (!/^\d+$/.test(seconds)) throw new Mistake('A time is whole seconds');
      command.expiration = new Date(Date.now() + Number(seconds) * 1000).toISOString();
    }
    await this.override(name, command);
  }

  private async override(name: string | undefined, targetCommand: Json): Promise<void> {
    await this.each(await this.lamps(name), (addresses) => ({
      path: 'override-commands',
      body: { addresses, targetCommand },
    }));
  }

  private async night(name: string): Promise<void> {
    const lamps = await this.lamps(name);
    const command = (value: number) => ({ state: { name: 'LevelState', value } });
    const program = {
      type: 'ControlProgramOne',
      id: 'night',
      activePeriods: [{ name: 'AstroClockActivePeriod', sunsetOffset: -5, sunriseOffset: 10 }],
      fixedTimeControls: [
        { startTime: '12:00:00', command: command(100) },
        { startTime: '23:00:00', command: command(30) },
        { startTime: '05:00:00', command: command(100) },
      ],
      dynamicControls: [
        { effect: { type: 'FixedControlEffect', operation: 'Max', holdTime: 20, source: {}, command: command(100) } },
      ],
    };
    for (const gateway of new Set(lamps.map((lamp) => lamp.gateway))) {
      await this.put(gateway, 'control-programs', program);
      await this.put(gateway, 'calendars', { id: 'every-night', rules: [], defaultProgram: 'night' });
    }
    await this.assign('every-night', name);
  }

  private async upload(file: string | undefined): Promise<void> {
    if (!file) throw new Mistake('Which file');
    const { programs = [], calendars = [] } = JSON.parse(readFileSync(file, 'utf8'));
    for (const gateway of await this.attached()) {
      for (const one of programs) await this.put(gateway, 'control-programs', one);
      for (const one of calendars) await this.put(gateway, 'calendars', one);
    }
  }

  /** Creates an object, or replaces the one with its id. */
  private async put(gateway: BenchGateway, resource: string, object: Json): Promise<void> {
    const body = [{ ...object, ownerCMS: this.cms.cmsAddress }];
    const known: Json[] = await this.cms.ask(gateway, 'GET', resource);
    const method = known.some(({ id }) => id === object.id) ? 'PUT' : 'POST';
    await this.cms.ask(gateway, method, resource, body);
    this.print(`${method} ${resource} ${object.id}`);
  }

  private async assign(id: string | undefined, name: string | undefined): Promise<void> {
    if (id === undefined) throw new Mistake('Which calendar');
    const entity = { resource: 'calendars', address: id === 'none' ? '' : id };
    await this.each(await this.lamps(name), (addresses) => ({ path: 'assign-commands', body: { addresses, entity } }));
  }

  private async logger([kind, name]: string[]): Promise<void> {
    if (kind !== 'events' && kind !== 'values') throw new Mistake('A logger is of events or of values');
    const recordingMode =
      kind === 'events'
        ? { type: 'EventRecordingMode', sourceEvents: { blackList: [] } }
        : { type: 'VendorRecordingMode' };
    const config = {
      address: name ?? kind,
      ownerCMS: this.cms.cmsAddress,
      sourceAddresses: { blackList: [] },
      recordingMode,
      reportingMode: { type: 'ImmediateReportingMode', delay: 0, numberOfRetries: 3 },
    };
    for (const gateway of await this.attached()) await this.cms.ask(gateway, 'POST', 'logger-configs', config);
    this.print(`logger ${config.address}: reports follow${this.live ? '' : ' after "log on"'}`);
  }

  private async unlog(name: string | undefined): Promise<void> {
    if (name === undefined) throw new Mistake('Which logger');
    for (const gateway of await this.attached()) {
      await this.cms.ask(gateway, 'DELETE', `logger-configs/${encodeURIComponent(name)}`);
    }
    this.print(`logger ${name} has ended`);
  }

  private log(word: string | undefined): void {
    if (word !== 'on' && word !== 'off') throw new Mistake('On or off');
    this.live = word === 'on';
  }

  private async call([method, path, ...more]: string[], rest: string): Promise<void> {
    if (!method || !path) throw new Mistake('A method and a path');
    const text = rest.slice(rest.indexOf(path) + path.length).trim();
    const body = more.length > 0 ? JSON.parse(text) : undefined;
    for (const gateway of await this.attached()) {
      const answer = await this.cms.ask(gateway, method.toUpperCase(), path, body);
      this.print(answer === undefined ? 'done' : JSON.stringify(answer, undefined, 2));
    }
  }

  private async forget(): Promise<void> {
    for (const gateway of await this.attached()) {
      await this.cms.ask(gateway, 'DELETE', `devices/${gateway.address}`);
      this.print(`gateway ${gateway.uri} has forgotten this CMS`);
    }
  }

  private async wait(text: string | undefined): Promise<void> {
    if (!/^\d+(\.\d+)?$/.test(text ?? '')) throw new Mistake('How many seconds');
    await sleep(Number(text) * 1000);
  }

  /** @returns the attached gateways; waits for the first one, so that a script can begin at once. */
  private async attached(): Promise<BenchGateway[]> {
    const found = (): BenchGateway[] => [...this.cms.gateways.values()].filter((gateway) => gateway.attached);
    await this.cms
      .until(() => found().length > 0, PATIENCE)
      .catch((error) => {
        throw new Error(`no gateway is attached: ${error.message}`);
      });
    return found();
  }

  /** Waits for the first lamp. */
  private async announced(): Promise<void> {
    await this.attached();
    await this.cms
      .until(() => this.cms.lamps().length > 0, PATIENCE)
      .catch((error) => {
        throw new Error(`no lamp was announced: ${error.message}`);
      });
  }

  private async lamps(name: string | undefined, number: 'one' | 'many' = 'many'): Promise<Lamp[]> {
    if (name === undefined) throw new Mistake('Which lamp');
    await this.announced();
    const all = this.cms.lamps();
    const found =
      name === 'all' && number === 'many' ? all : all.filter((lamp) => lamp.name === name || lamp.address === name);
    if (found.length === 0) throw new Error(`There is no lamp "${name}"; devices lists them.`);
    return found;
  }

  /** One request to each gateway of these lamps. */
  private async each(lamps: Lamp[], make: (addresses: Json[]) => { path: string; body: Json }): Promise<void> {
    for (const gateway of new Set(lamps.map((lamp) => lamp.gateway))) {
      const own = lamps.filter((lamp) => lamp.gateway === gateway);
      const { path, body } = make(own.map(({ address }) => ({ resource: 'devices', address })));
      await this.cms.ask(gateway, 'POST', path, body);
      this.print(
        `${path} ${body.targetCommand?.cmsRefId ?? body.entity?.address ?? 'resume'}: ${own.map(({ name }) => name).join(', ')}`,
      );
    }
  }
}
