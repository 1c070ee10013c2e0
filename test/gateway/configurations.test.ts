import assert from 'node:assert/strict';
import {
  AckCode,
  BirthKey,
  CommandKey,
  CommandKind,
  Leaf,
  LONGEST_CONFIGURATION,
} from '../../firmware/link/messages.ts';
import { Clock } from '../../gateway/clock.ts';
import { Configurations, type PartName, type Parts } from '../../gateway/configurations.ts';
import { Fleet, type Outcome } from '../../gateway/fleet.ts';
import { type Random, seeded } from '../../sim/random.ts';
import { type Change, Configuration } from '../configuration.ts';
import { birth, decoder, encode, T0 } from './rig.ts';

const NAMES: readonly PartName[] = ['level', 'timetable', 'monitoring', 'groups'];
const KEYS: Record<PartName, CommandKey> = {
  level: CommandKey.Level,
  timetable: CommandKey.Timetable,
  monitoring: CommandKey.Monitoring,
  groups: CommandKey.Groups,
};
const bytes = (length: number, fill: number) => Buffer.alloc(length, fill);
const ALL: Required<Parts> = {
  level: 40,
  timetable: bytes(700, 1),
  monitoring: bytes(60, 2),
  groups: bytes(70, 3),
};

/** Short to read when it differs; what is the product's own is left out. */
const shown = (parts: Change) =>
  Object.fromEntries(
    NAMES.flatMap((name) => {
      const value = parts[name] ?? undefined;
      if (value === undefined) return [];
      return [[name, typeof value === 'number' ? `${value} %` : `${value.length} x ${value[0]}`]];
    }),
  );

/** A gateway and a controller that keeps its configuration as PROTOCOL.md says; no broker, no seal. */
class Pair {
  /** Commands that reached the controller, and their bytes. */
  readonly commands: Map<number, unknown>[] = [];
  readonly lengths: number[] = [];
  readonly log: string[] = [];
  kept = new Configuration();
  /** What it does with a command instead of taking it; undefined: it takes it. 'lost': the acknowledgement is lost. */
  answer: (command: Map<number, unknown>) => AckCode | 'lost' | 'deaf' | undefined = () => undefined;
  now = T0;
  clock!: Clock;
  fleet!: Fleet;
  configurations!: Configurations;
  private boot = 7;

  constructor() {
    this.restart();
  }

  /** Another gateway, or the same one after a restart: it remembers nothing. */
  restart(): void {
    this.clock?.close();
    this.clock = new Clock(() => this.now);
    const { fleet: before } = this;
    if (before) before.lose();
    this.fleet = new Fleet(
      this.clock,
      (_topic, content) => this.receive(typeof content === 'function' ? content((record) => record) : content),
      () => {},
    );
    this.configurations = new Configurations(this.fleet, this.clock, (line) => this.log.push(line));
  }

  private tell(leaf: Leaf, value: unknown): void {
    this.fleet.receive(`rvb1/a/${leaf}`, encode(value), false);
  }

  /** Comes with a birth, after a reboot or not. */
  async greet(more: { boot?: true } = {}): Promise<void> {
    if (more.boot) this.boot++;
    const { told } = this.kept;
    const session = bytes(8, this.boot);
    const configuration = told ? { [BirthKey.Configuration]: told } : {};
    this.tell(Leaf.Link, 1);
    this.tell(
      Leaf.Birth,
      birth({ 3: this.boot, [BirthKey.Groups]: [], [BirthKey.Session]: session, ...configuration }),
    );
    await this.rest();
  }

  leave(): void {
    this.tell(Leaf.Link, 0);
  }

  private receive(message: Buffer): void {
    const command: Map<number, unknown> = decoder.decode(message);
    if (command.get(CommandKey.Kind) !== CommandKind.Configuration) return;
    const answer = this.answer(command);
    if (answer === 'deaf') return;
    this.commands.push(command);
    this.lengths.push(message.length);
    const code = answer === undefined || answer === 'lost' ? this.kept.take(command) : answer;
    if (answer === 'lost') return;
    setImmediate(() => {
      this.tell(
        Leaf.Ack,
        new Map([
          [0, command.get(0)],
          [1, code],
        ]),
      );
      // As the firmware does.
      if (code === AckCode.Drift) void this.greet();
    });
  }

  /** What a command carried, by name. */
  carried(index: number): PartName[] {
    return NAMES.filter((name) => this.commands.at(index)?.has(KEYS[name]));
  }

  want(parts: Parts): Record<PartName, Promise<Outcome>> {
    const asked = NAMES.map((name) => [name, this.configurations.want('a', name, parts[name])]);
    return Object.fromEntries(asked) as Record<PartName, Promise<Outcome>>;
  }

  /** Lets everything happen that happens at this instant. */
  async rest(): Promise<void> {
    for (let turn = 0; turn < 12; turn++) await new Promise(setImmediate);
  }

  async run(ms: number): Promise<void> {
    for (const end = this.now + ms; this.now < end; ) {
      this.now = Math.min(end, this.now + 5000);
      this.clock.tick();
      await this.rest();
    }
  }

  /** What the controller has, without what is the product's own. */
  get has(): Record<string, string> {
    return shown(this.kept.content);
  }
}

describe('the configuration of a controller', () => {
  let pair: Pair;
  beforeEach(async () => {
    pair = new Pair();
    await pair.greet();
  });
  afterEach(() => pair.clock.close());
  const given = async (parts: Parts = ALL) => {
    const asked = pair.want(parts);
    await pair.rest();
    return Object.fromEntries(
      await Promise.all(Object.entries(asked).map(async ([name, outcome]) => [name, await outcome])),
    );
  };
  /** Forgets the messages so far. */
  const quiet = () => {
    pair.commands.length = pair.lengths.length = 0;
  };

  it('leaves one alone that was never given any while nobody wants anything', async () => {
    assert.deepEqual(await given({}), { level: 'done', timetable: 'done', monitoring: 'done', groups: 'done' });
    assert.equal(pair.commands.length, 0);
  });

  it('travels as one message, however many parts are wanted at once', async () => {
    assert.deepEqual(await given(), { level: 'done', timetable: 'done', monitoring: 'done', groups: 'done' });
    assert.deepEqual([pair.commands.length, pair.carried(0)], [1, [...NAMES]]);
    assert.deepEqual(pair.has, shown(ALL));
  });

  it('travels only as far as it changes: 24 bytes for another level, and as many as it has for another part', async () => {
    await given();
    quiet();
    await given({ ...ALL, level: 55 });
    // A map; number and version of 5 bytes, the check value of as many, each with its key; kind and level.
    assert.deepEqual([pair.carried(0), pair.lengths], [['level'], [1 + 6 + 2 + 3 + 6 + 6]]);
    await given({ ...ALL, level: 55, monitoring: bytes(61, 9) });
    assert.deepEqual([pair.carried(1), pair.lengths[1]], [['monitoring'], 1 + 6 + 2 + 3 + 61 + 6 + 6]);
    await given({ ...ALL, level: 55, monitoring: undefined });
    assert.equal(pair.commands[2].get(CommandKey.Monitoring), null);
    assert.equal(pair.commands.length, 3);
  });

  it('has versions that grow, and are s UTC or more', async () => {
    for (const level of [1, 2, 3]) await given({ ...ALL, level });
    const versions = () => pair.commands.map((one) => one.get(CommandKey.Version));
    assert.deepEqual(versions(), [T0 / 1000, T0 / 1000 + 1, T0 / 1000 + 2]);
    await pair.run(60_000);
    await given({ ...ALL, level: 4 });
    assert.equal(versions()[3], T0 / 1000 + 60);
  });

  describe('after a birth', () => {
    beforeEach(async () => {
      await given();
      quiet();
    });

    it('is not sent to one that agrees, ten times over, nor by a gateway that has forgotten everything', async () => {
      for (let i = 0; i < 10; i++) await pair.greet({ boot: true });
      pair.restart();
      const asked = pair.want(ALL);
      assert.equal(await Promise.race([asked.level, 'nothing']), 'superseded', 'nobody knows it');
      await pair.greet();
      await given();
      assert.equal(pair.commands.length, 0);
      assert.deepEqual(pair.log, []);
      // And from there only what changes.
      await given({ ...ALL, level: 41 });
      assert.deepEqual([pair.commands.length, pair.carried(0)], [1, ['level']]);
    });

    /** How a controller may come to have something else. */
    const drifts: [string, () => void, PartName[]][] = [
      ['has lost its storage', () => Object.assign(pair.kept, { version: 0, content: {} }), [...NAMES]],
      ['has another level', () => pair.kept.change({ level: 41 }), [...NAMES]],
      ['has lost a part', () => pair.kept.change({ timetable: null }), [...NAMES]],
      [
        'comes from another gateway, with a version of next year',
        () => {
          pair.kept = new Configuration();
          pair.kept.version = T0 / 1000 + 365 * 86400;
          pair.kept.change({ level: 10, timetable: bytes(20, 9) });
        },
        [...NAMES],
      ],
    ];
    for (const [what, happen, carried] of drifts) {
      it(`is sent whole, by itself and once, to one that ${what}`, async () => {
        happen();
        const { version } = pair.kept;
        await pair.greet({ boot: true });
        assert.deepEqual([pair.commands.length, pair.carried(0)], [1, carried]);
        assert.deepEqual(pair.has, shown(ALL));
        assert.ok(pair.kept.version > version);
        for (let i = 0; i < 3; i++) await pair.greet({ boot: true });
        await pair.run(3_600_000);
        assert.equal(pair.commands.length, 1);
        assert.equal(pair.log.filter((line) => /has another configuration/.test(line)).length, 1, `${pair.log}`);
      });
    }

    it('is taken back from one of another gateway for which nobody wants anything', async () => {
      pair.restart();
      await pair.greet();
      await given({});
      assert.deepEqual([pair.commands.length, pair.has], [1, {}]);
    });
  });

  it('is not asked for twice by one whose acknowledgement was lost, be it changed meanwhile or not', async () => {
    await given();
    quiet();
    pair.answer = () => 'lost';
    const first = pair.want({ ...ALL, level: 50 });
    await pair.rest();
    const second = pair.want({ ...ALL, level: 50, monitoring: bytes(62, 8) });
    await pair.rest();
    pair.answer = () => undefined;
    await pair.run(10_000);
    assert.deepEqual([await first.level, await second.level, await second.monitoring], ['done', 'done', 'done']);
    // What may have arrived travels again with what is new, so that no answer is needed to know what results.
    assert.deepEqual(pair.carried(1), ['level', 'monitoring']);
    assert.equal(pair.log.length, 0);
    assert.deepEqual(pair.has, shown({ ...ALL, level: 50, monitoring: bytes(62, 8) }));
  });

  it('waits for one that is away, and only what is wanted last is sent', async () => {
    await given();
    quiet();
    pair.leave();
    const levels = [50, 60, 70].map((level) => pair.want({ ...ALL, level }).level);
    await pair.run(60_000);
    assert.equal(pair.commands.length, 0);
    await pair.greet();
    assert.deepEqual(await Promise.all(levels), ['superseded', 'superseded', 'done']);
    assert.deepEqual([pair.commands.length, pair.has.level], [1, '70 %']);
  });

  describe('with a part that the controller refuses', () => {
    const refuse = (name: PartName, code: AckCode) => {
      pair.answer = (command) => (command.get(KEYS[name]) instanceof Uint8Array ? code : undefined);
    };

    it('has the others all the same, and tells each who asked what became of theirs', async () => {
      for (const [name, code, outcome] of [
        ['timetable', AckCode.TooLarge, 'tooLarge'],
        ['monitoring', AckCode.Malformed, 'refused'],
        ['groups', AckCode.TooLarge, 'tooLarge'],
      ] as const) {
        pair.kept = new Configuration();
        await pair.greet({ boot: true });
        refuse(name, code);
        const { [name]: left, ...rest } = ALL;
        assert.deepEqual(await given(), {
          level: 'done',
          timetable: 'done',
          monitoring: 'done',
          groups: 'done',
          [name]: outcome,
        });
        assert.deepEqual(pair.has, shown(rest));
        assert.ok(left);
        quiet();
        // It does not insist, until the controller has started anew or something else is wanted.
        await given();
        await pair.greet();
        await pair.run(3_600_000);
        assert.equal(pair.commands.length, 0);
        pair.answer = () => undefined;
        await pair.greet({ boot: true });
        await pair.rest();
        assert.deepEqual([pair.commands.length, pair.has], [1, shown(ALL)]);
        await given({});
      }
    });

    it('keeps what it had of that part', async () => {
      await given();
      refuse('timetable', AckCode.TooLarge);
      const outcomes = await given({ ...ALL, level: 70, timetable: bytes(900, 7) });
      assert.deepEqual([outcomes.level, outcomes.timetable], ['done', 'tooLarge']);
      assert.deepEqual(pair.has, shown({ ...ALL, level: 70 }));
    });

    it('has the others also when nobody knows what it has', async () => {
      pair.kept.change({ level: 3, monitoring: bytes(3, 3) });
      refuse('monitoring', AckCode.Malformed);
      await pair.greet({ boot: true });
      const { monitoring: _refused, ...rest } = ALL;
      await given();
      assert.deepEqual(pair.has, shown(rest));
    });
  });

  it('goes without its monitoring document when it is too long in all, and says so', async () => {
    const timetable = bytes(LONGEST_CONFIGURATION - 70 - 59, 1);
    const { monitoring, timetable: taken } = await given({ ...ALL, timetable });
    assert.deepEqual([monitoring, taken, pair.has.monitoring], ['tooLarge', 'done', undefined]);
    assert.match(pair.log.join(), /a gets no monitoring: 3301 bytes of configuration are too many/);
    await given({ ...ALL, timetable: timetable.subarray(1) });
    assert.deepEqual(pair.has, shown({ ...ALL, timetable: timetable.subarray(1) }));
    assert.ok(Math.max(...pair.lengths) < 3424 - 90, 'with its seal and its topic it fits');
  });

  it('is tried less and less often at one that never agrees', async () => {
    pair.answer = () => AckCode.Drift;
    await given({});
    pair.want(ALL);
    await pair.run(24 * 3_600_000);
    // At once, at once, then after 5, 10, 20 … s up to an hour: ten until an hour has passed, then 23.
    assert.ok(pair.commands.length >= 30 && pair.commands.length <= 38, `${pair.commands.length} attempts in a day`);
    pair.answer = () => undefined;
    await pair.run(3_600_000);
    assert.deepEqual(pair.has, shown(ALL));
  });

  it('comes right whatever is lost, restarted or changed on the way (40 lives, seed 3)', async () => {
    for (let life = 0; life < 40; life++) {
      const random = seeded(`3 ${life}`);
      pair.clock.close();
      pair = new Pair();
      await pair.greet();
      let wanted: Parts = {};
      for (let step = 0; step < 30; step++) wanted = await happen(pair, random, wanted);
      pair.answer = () => undefined;
      await pair.greet({ boot: true });
      pair.want(wanted);
      await pair.run(7_200_000);
      assert.deepEqual(pair.has, shown(wanted), `life ${life}`);
      const { length } = pair.commands;
      await pair.greet({ boot: true });
      pair.want(wanted);
      await pair.run(600_000);
      assert.equal(pair.commands.length, length, 'and then nothing more is said');
    }
  });
});

async function happen(pair: Pair, random: Random, before: Parts): Promise<Parts> {
  const wanted: Parts = { ...before };
  const kind = random.next();
  if (kind < 0.4) {
    const name = NAMES[random.below(4)];
    if (random.chance(0.3)) delete wanted[name];
    else if (name === 'level') wanted.level = random.below(101);
    else wanted[name] = bytes(1 + random.below(40), random.below(256));
    pair.want(wanted);
  } else if (kind < 0.5) pair.leave();
  else if (kind < 0.65) {
    await pair.greet(random.chance(0.5) ? { boot: true } : {});
    pair.want(wanted);
  } else if (kind < 0.7) Object.assign(pair.kept, { version: 0, content: {} });
  else if (kind < 0.75) pair.kept.change({ level: random.below(101) });
  else if (kind < 0.8) pair.restart();
  else {
    const answers = [undefined, undefined, 'lost', 'deaf', AckCode.TooLarge, AckCode.Malformed, AckCode.Drift] as const;
    const answer = answers[random.below(answers.length)];
    pair.answer = () => answer;
  }
  if (random.chance(0.5)) await pair.rest();
  else await pair.run(1 + random.below(30_000));
  return wanted;
}
