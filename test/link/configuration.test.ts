/** A whole controller that is told its configuration: all of it or nothing, whatever is wrong, and whenever the power goes. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Encoder } from 'cbor-x';
import type { Board } from '../../firmware/board.ts';
import {
  AckCode,
  AckKey,
  BirthKey,
  CommandKey,
  CommandKind,
  LogColumn,
  Quantity,
  ReportKey,
} from '../../firmware/link/messages.ts';
import { Head } from '../../firmware/link/timetable.ts';
import { LONGEST_BODY } from '../../firmware/protocols/mqtt.ts';
import { Settings } from '../../firmware/store/settings.ts';
import { Vault } from '../../firmware/store/vault.ts';
import { checkOf } from '../../gateway/configurations.ts';
import { CONTROLLER, compileMonitoring, limitCode } from '../../gateway/monitoring.ts';
import { compileTimetable } from '../../gateway/talq/timetable.ts';
import type { FlashOptions } from '../../hal/hal.ts';
import { loadBoard } from '../../scripts/board-config.mjs';
import { World } from '../../sim/clock.ts';
import { type Controller, openController } from '../../sim/controller.ts';
import { Flash } from '../../sim/flash.ts';
import { openSim } from '../../sim/index.ts';
import { type Change, Configuration } from '../configuration.ts';
import { program } from '../gateway/control-rig.ts';
import { type Letter, Post } from '../monitor/post.ts';
import { type Group, recordOf, siteKey, toField, toGroup } from '../sealed.ts';
import { sweepSettings } from '../store/settings-cuts.ts';

/** ms UTC at which the world begins: 21:00 at the pole, whose own program gives 100 %. */
const BEGIN = Date.UTC(2026, 10, 25, 20);
const SECOND = 1000;
const ID = 'pole-1';

/** @returns the timetable of programs that give a level all day, with so many switch points in all */
function timetable(level: number, points = 1): Uint8Array {
  const programs = Array.from({ length: Math.ceil(points / 48) }, (_, i) => {
    const count = Math.min(48, points - 48 * i);
    const times = Array.from({ length: count }, (_unused, j): [string, number] => [
      `${String(Math.floor(j / 2)).padStart(2, '0')}:${j % 2 ? '30' : '00'}`,
      level,
    ]);
    return program(`p${i}`, times);
  });
  const rules = programs.slice(1).map(({ id }) => ({ startDate: '--01-01', endDate: '--01-01', program: id }));
  const situation = { dayOffset: 0, zone: 'UTC0', assigned: 0, sensor: () => undefined };
  const calendar = { id: 'c', ownerCMS: 'cms', rules, defaultProgram: 'p0' };
  return compileTimetable(calendar as never, new Map(programs.map((one) => [one.id, one])) as never, situation);
}

const group = (number: number): Group => ({ number, generation: number & 255, key: Buffer.alloc(32, number) });
const GROUPS = [7, 300, 301, 302, 303, 304, 305, 65535].map(group);
/** As much as a controller judges by: 32 limits and a lamp with a curve. */
const DOCUMENT = compileMonitoring({
  lamp: {
    wattage: 60,
    tolerance: 3,
    powerFactors: Array.from({ length: 10 }, (_, i) => ({ level: 10 * i, powerFactor: 0.9 })),
  },
  limits: [
    ...Array.from({ length: 31 }, (_, i) => ({ code: 64 + i, unit: 0, threshold: 60000 + i })),
    { code: limitCode(Quantity.Temperature, 'high'), unit: CONTROLLER, threshold: 800 },
  ],
  recorder: { period: 900, columns: [LogColumn.Level] },
});

const encoder = new Encoder({ mapsAsObjects: false, useRecords: false });

describe('a controller and its configuration', function () {
  this.timeout(20_000);
  let world: World;
  let post: Post;
  let pole: Controller;
  let board: Board;
  let acks: [number, AckCode][];
  let births: Record<number, unknown>[];
  let told: Record<number, unknown>;
  let number: number;
  let longest: number;
  const now = () => BEGIN + world.now;
  const light = () => Math.round(pole.lamp.light);
  /** What the settings' flash holds; events and counters have their own. */
  const image = () => {
    const { address = 0, size } = board.store as FlashOptions;
    return Buffer.from(pole.sim.raw.image().subarray(address, address + size));
  };

  beforeEach(async () => {
    world = new World();
    post = new Post(world, ID);
    post.now = now;
    acks = [];
    births = [];
    number = 1000;
    longest = 0;
    post.onLetter = ({ leaf, body }: Letter) => {
      const map = body as Record<number, number>;
      if (leaf === 'ack') acks.push([map[AckKey.Number], map[AckKey.Code]]);
      if (leaf === 'birth') births.push(map);
      if (leaf === 'report') told = map;
    };
    const site = { host: 'broker', port: 1883, key: siteKey(ID) };
    board = await loadBoard('linux');
    pole = openController({ world, id: ID, board, site, dial: post.dial });
    world.run(30 * SECOND);
    assert.equal(light(), 100);
  });
  afterEach(() => pole.sim.cutPower());

  /** Sends a command as it is, with the keys of its groups wrapped. @returns what became of it; undefined: nothing yet */
  const send = (items: [CommandKey, unknown][], groups?: readonly Group[]): AckCode | undefined => {
    const { seal } = post;
    // One more than the seal has used: it counts by itself.
    const counter = now() + 1;
    const carried = items.map(([key, value]): [CommandKey, unknown] =>
      key === CommandKey.Groups && groups ? [key, recordOf(groups, ID, counter)] : [key, value],
    );
    const message = encoded([[CommandKey.Number, ++number], [CommandKey.Kind, CommandKind.Configuration], ...carried]);
    const sealed = toField(ID, 'cmd', message, counter, seal.session ?? assert.fail('no birth'));
    longest = Math.max(longest, sealed.length + `rvb1/${ID}/cmd`.length + 4);
    post.sendRaw(`rvb1/${ID}/cmd`, sealed);
    world.run(3 * SECOND);
    return acks.find(([one]) => one === number)?.[1];
  };
  const encoded = (items: [CommandKey, unknown][]) => encoder.encode(new Map(items));
  const change = (part: Change, groups?: readonly Group[]) =>
    send(post.configuration.items(groups ? { ...part, groups: recordOf(groups) } : part), groups);

  it('takes the largest one there is as one message, and tells it in its next birth', () => {
    let points = 280;
    while (timetable(40, points).length > 2560) points--;
    const whole = { level: 30, timetable: timetable(40, points), monitoring: DOCUMENT };
    assert.ok(whole.timetable.length > 2540, `${whole.timetable.length} bytes`);
    assert.equal(change(whole, GROUPS), AckCode.Done);
    assert.ok(longest > 3100 && longest + 64 < LONGEST_BODY, `${longest} bytes, and an id may be 26 longer`);
    assert.equal(light(), 40);
    assert.deepEqual(births.at(-1)?.[BirthKey.Configuration], undefined);
    pole.sim.cutPower();
    world.run(SECOND);
    pole.sim.restorePower();
    world.run(30 * SECOND);
    const { version, check } = post.configuration;
    assert.deepEqual(births.at(-1)?.[BirthKey.Configuration], [version, check]);
    assert.deepEqual(births.at(-1)?.[BirthKey.DefaultLevel], 30);
    assert.deepEqual(
      births.at(-1)?.[BirthKey.Groups],
      GROUPS.map((one) => one.number),
    );
    assert.equal(light(), 40);
  });

  it('does by all parts at once: level, timetable, limits and groups', () => {
    const hot = compileMonitoring({
      limits: [{ code: limitCode(Quantity.SupplyVoltage, 'high'), unit: 0, threshold: 10 }],
    });
    assert.equal(change({ level: 30, timetable: new Uint8Array(0), monitoring: hot }, GROUPS), AckCode.Done);
    assert.equal(light(), 30, 'no calendar: the default level');
    world.run(5 * 60 * SECOND);
    assert.ok((told[ReportKey.Active] as number[]).includes(limitCode(Quantity.SupplyVoltage, 'high')));
    const override = encoded([
      [CommandKey.Number, 5001],
      [CommandKey.Kind, CommandKind.Override],
      [CommandKey.Level, 70],
    ]);
    post.sendRaw('rvb1c/300', toGroup(GROUPS[1], override, now()));
    world.run(3 * SECOND);
    assert.equal(light(), 70);
    // Null is the product's own again, and what is not said stays.
    assert.equal(change({ groups: null, timetable: null }), AckCode.Done);
    post.sendRaw(
      'rvb1c/300',
      toGroup(
        GROUPS[1],
        encoded([
          [0, 5002],
          [1, 1],
        ]),
        now(),
      ),
    );
    world.run(3 * SECOND);
    assert.equal(light(), 70);
    post.command(CommandKind.Resume);
    world.run(3 * SECOND);
    assert.equal(light(), 100, 'its own program');
    assert.equal(pole.firmware?.settings.defaultLevel(), 30);
  });

  it('takes nothing of one in which a part is wrong, each part in turn, and says what is wrong', () => {
    assert.equal(
      change({ level: 30, timetable: timetable(40), monitoring: DOCUMENT }, GROUPS.slice(0, 2)),
      AckCode.Done,
    );
    assert.equal(light(), 40);
    const good: Change = {
      level: 50,
      timetable: timetable(60),
      monitoring: compileMonitoring({ lamp: { wattage: 45 } }),
    };
    const damaged = timetable(60).slice();
    damaged[Head.DefaultProgram] = 200;
    const limits = Array.from({ length: 33 }, (_, i) => [64 + i, 0, 1]).flat();
    const wrong: [Change & { items?: Group[] }, AckCode][] = [
      [{ level: 101 }, AckCode.Malformed],
      [{ timetable: damaged }, AckCode.Malformed],
      [{ timetable: timetable(60).subarray(1) }, AckCode.Malformed],
      [{ timetable: timetable(60, 300) }, AckCode.TooLarge],
      [{ monitoring: Uint8Array.of(0xff) }, AckCode.Malformed],
      [{ monitoring: encoder.encode(new Map([[1, [64, 9, 1]]])) }, AckCode.Malformed],
      [{ monitoring: encoder.encode(new Map([[1, limits]])) }, AckCode.TooLarge],
      [{ items: [group(3), group(2)] }, AckCode.Malformed],
      [{ items: [1, 2, 3, 4, 5, 6, 7, 8, 9].map(group) }, AckCode.TooLarge],
    ];
    const before = image();
    const report = JSON.stringify(pole.firmware?.instrument?.active());
    for (const [{ items = GROUPS.slice(0, 3), ...part }, code] of wrong) {
      const kept = { version: post.configuration.version, content: post.configuration.content };
      assert.equal(change({ ...good, ...part }, items), code, JSON.stringify(part).slice(0, 60));
      Object.assign(post.configuration, kept);
      assert.ok(image().equals(before), 'not a bit of flash has changed');
      assert.equal(light(), 40);
      assert.equal(births.length, 1, 'it knows what it has');
    }
    assert.equal(pole.firmware?.settings.defaultLevel(), 30);
    assert.ok(report !== undefined);
    assert.equal(change(good, GROUPS.slice(0, 3)), AckCode.Done, 'and all of that was good');
    assert.equal(light(), 60);
  });

  it('takes nothing that would not become what was told, or is older than what it has, and tells its birth again', () => {
    assert.equal(change({ level: 30, timetable: timetable(40) }), AckCode.Done);
    const before = image();
    const other = new Configuration();
    other.version = 100;
    other.content = { level: 30, timetable: timetable(41) };
    const cases: [CommandKey, unknown][][] = [
      // Who believes it has another timetable; who was told a version of which this one is the second.
      other.items({ level: 50 }),
      post.configuration.items({ level: 50 }).map(([key, value]) => [key, key === CommandKey.Check ? 1 : value]),
    ];
    post.configuration.content = { ...post.configuration.content, level: 30 };
    post.configuration.version = 0;
    cases.push(
      post.configuration
        .items({ level: 50, timetable: null, monitoring: null, groups: null })
        .map(([key, value]) => [key, value]),
    );
    cases[2] = cases[2].map(([key, value]) => [key, key === CommandKey.Version ? 1 : value]);
    assert.equal(send(cases[0]), AckCode.Drift);
    assert.equal(births.length, 2);
    assert.equal(send(cases[1]), AckCode.Drift);
    assert.ok(image().equals(before));
    assert.equal(light(), 40);
    const { version, check } = Object.assign(new Configuration(), {
      version: 1,
      content: { level: 30, timetable: timetable(40) },
    });
    assert.deepEqual(births.at(-1)?.[BirthKey.Configuration], [version, check]);
  });

  it('does not take an older version, whole and right as it may be', () => {
    post.configuration.version = 500;
    assert.equal(change({ level: 30, timetable: timetable(40) }), AckCode.Done);
    const older = new Configuration();
    older.version = 400;
    const before = image();
    assert.equal(
      send(older.items({ level: 90, timetable: timetable(90), monitoring: null, groups: null })),
      AckCode.Drift,
    );
    assert.ok(image().equals(before));
    assert.equal(light(), 40);
    older.version = 501;
    assert.equal(
      send(older.items({ level: 90, timetable: timetable(90), monitoring: null, groups: null })),
      AckCode.Done,
    );
    assert.equal(light(), 90);
  });

  it('leaves alone what the whole says again: nothing of it is written, and what it has learned of the lamp stays', () => {
    assert.equal(change({ level: 30, timetable: timetable(40), monitoring: DOCUMENT }, GROUPS), AckCode.Done);
    const { operations } = pole.sim.raw;
    let forgotten = 0;
    const instrument = pole.firmware?.instrument ?? assert.fail();
    const set = instrument._apply.bind(instrument);
    instrument._apply = (document, fresh, look) => {
      if (!look) forgotten++;
      return set(document, fresh, look);
    };
    assert.equal(change({ level: 50, timetable: timetable(40), monitoring: DOCUMENT }, GROUPS), AckCode.Done);
    assert.equal(forgotten, 0);
    // One record of 27 bytes: 16 bytes an operation, and what else happens in 3 s.
    assert.ok(pole.sim.raw.operations - operations <= 8, `${pole.sim.raw.operations - operations} operations`);
  });
});

describe('the example of a configuration in PROTOCOL.md', () => {
  it('has the check value that firmware, gateway and tests compute', () => {
    const text = readFileSync(new URL('../../PROTOCOL.md', import.meta.url), 'utf8');
    const [, version, level, check] =
      /With version (\d+), (\d+) %,.* the check value is ([0-9a-f]{8})\./.exec(text) ?? [];
    const timetable = new Uint8Array(0);
    const sim = openSim();
    const settings = new Settings(sim.storage, sim, timetable, 100);
    const tests = new Configuration();
    tests.version = Number(version);
    tests.content = { level: Number(level), timetable };
    const found = [
      settings.checkWith(Number(version), Number(level), [timetable, undefined, undefined]),
      checkOf(Number(version), { level: Number(level), timetable }),
      tests.check,
    ];
    assert.deepEqual(
      found.map((value) => value.toString(16).padStart(8, '0')),
      [check, check, check],
    );
  });
});

describe('a configuration in storage', () => {
  it('is the old one or the new one, whole, whenever the power goes in 4 changes of any parts', () => {
    const cuts = sweepSettings(4, 512);
    console.log(`      ${cuts} cuts`);
    assert.ok(cuts > 200);
  });

  it('always finds room on 4 pages of 4 KiB: 200 times as large as it may be, with overrides in between', () => {
    const raw = new Flash({ size: 16384 });
    const sim = openSim({ raw });
    const settings = new Settings(new Vault(sim, { size: raw.size }), sim, new Uint8Array(0), 100);
    for (let version = 1; version <= 200; version++) {
      const part = (length: number) => new Uint8Array(length).fill(version);
      settings.setParts(version, version % 101, [part(2560), part(460), part(280)]);
      const override = { level: 40, reason: 1, start: version, expiration: version, reference: 'x'.repeat(64) };
      for (let i = 0; i < version % 7; i++) settings.setOverrides({ ...override, level: i }, override);
      assert.deepEqual([settings.timetable(), settings.groupRecord()], [part(2560), part(280)]);
    }
    const again = new Settings(new Vault(openSim({ raw }), { size: raw.size }), sim, new Uint8Array(0), 100);
    assert.deepEqual([again.edition, again.timetable()?.length, again.overrides().length], [200, 2560, 2]);
  });
});
