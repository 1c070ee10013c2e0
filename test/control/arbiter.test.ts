import assert from 'node:assert/strict';
import sinon from 'sinon';
import { Arbiter } from '../../firmware/control/arbiter.ts';
import type { LampCommand } from '../../firmware/control/command.ts';
import { Sensors } from '../../firmware/control/sensors.ts';
import { sunEvent } from '../../firmware/control/sun.ts';
import { Timetable } from '../../firmware/control/timetable.ts';
import { AckCode, Reason } from '../../firmware/link/messages.ts';
import { Schedule } from '../../firmware/schedule.ts';
import type { ControlProgram } from '../../gateway/talq/control-objects.ts';
import { compileTimetable } from '../../gateway/talq/timetable.ts';
import { openSim } from '../../sim/index.ts';

const at = (clock: string) => Date.parse(`2026-05-04T${clock}Z`);
const seconds = (n: number) => n * 1000;
const minutes = (n: number) => n * 60_000;

const level = (value: number) => ({ state: { name: 'LevelState', value } });

/** 100 % from 06:00, 70 % from 20:00 with a ramp of 30 s, in UTC. */
const PROGRAM: ControlProgram = {
  type: 'ControlProgramOne',
  id: 'p',
  ownerCMS: 'cms',
  activePeriods: [],
  fixedTimeControls: [
    { startTime: '06:00:00', command: level(100) },
    { startTime: '20:00:00', command: { ...level(70), rampToLevelTime: 30 } },
  ],
};
const TIMETABLE = compileTimetable({ id: 'c', ownerCMS: 'cms', defaultProgram: 'p' }, new Map([['p', PROGRAM]]), {
  dayOffset: 0,
  zone: 'UTC0',
  assigned: 0,
  sensor: () => undefined,
});

function bench(
  time: string | undefined,
  bytes: Uint8Array | undefined = TIMETABLE,
  kept: (LampCommand | undefined)[] = [],
) {
  const hal = openSim();
  if (time) hal.clock.setTime(at(time));
  const schedule = new Schedule(hal.clock, {
    failed(error) {
      throw error;
    },
  });
  const apply = sinon.spy((_level: number, _ramp: number | undefined) => {});
  const timetable = new Timetable({ timetable: () => bytes }, new Sensors(), sunEvent);
  const night: Record<'dark' | 'isNight', () => boolean | undefined> = {
    dark: () => undefined,
    isNight: () => undefined,
  };
  const store = { setOverrides: sinon.spy(), overrides: () => kept };
  const arbiter = new Arbiter(hal.clock, schedule, timetable, store, 100, { apply }, night);
  arbiter.run();
  const override = (level: number, more: Partial<LampCommand> = {}) => {
    const code = arbiter.override({ level, reason: Reason.Override, ...more });
    arbiter.wake();
    hal.clock.run(0);
    return code;
  };
  const run = (ms: number) => hal.clock.run(ms);
  return { hal, arbiter, apply, override, run, level: () => arbiter.command.level, night, store, timetable };
}

describe('the arbiter', () => {
  it('gives the default level of 100 % at boot, before anything else is known', () => {
    const { apply } = bench(undefined);
    assert.deepEqual(apply.firstCall.args, [100, undefined]);
  });

  it('follows the program once the clock is known, and each switch point at its second', () => {
    const { hal, arbiter, level, run } = bench(undefined);
    hal.clock.setTime(at('19:59:00'));
    arbiter.run();
    assert.deepEqual([level(), arbiter.command.reason], [100, Reason.Program]);
    run(seconds(59));
    assert.equal(level(), 100);
    run(seconds(1));
    assert.equal(level(), 70);
  });

  it('does not take a switch point back when a fast clock is corrected by a tenth of a second', () => {
    const { hal, arbiter, apply, level, run } = bench('19:59:59');
    run(seconds(1) + 20);
    assert.equal(level(), 70);
    const calls = apply.callCount;
    hal.clock.setTime((hal.clock.time() as number) - 83);
    arbiter.wake();
    run(0);
    assert.equal(level(), 70);
    run(minutes(10));
    assert.equal(apply.callCount, calls);
  });

  it('keeps the next switch point at its second while the clock glides by half a second a minute', () => {
    for (const step of [83, -83]) {
      const { hal, arbiter, level, run } = bench('19:50:00');
      const now = () => hal.clock.time() as number;
      while (now() < at('19:59:50')) {
        run(seconds(10));
        hal.clock.setTime(now() + step);
        arbiter.wake();
      }
      run(at('20:00:00') - now() - 1);
      assert.equal(level(), 100);
      run(2);
      assert.equal(level(), 70);
    }
  });

  it('gives what holds at the new instant when the clock is set over switch points, and none of those between', () => {
    const { hal, arbiter, apply, level, run } = bench('12:00:00');
    assert.equal(level(), 100);
    const calls = apply.callCount;
    hal.clock.setTime(at('03:00:00') + 24 * 3_600_000 * 3);
    arbiter.wake();
    run(0);
    assert.deepEqual([level(), apply.callCount], [70, calls + 1]);
    hal.clock.setTime(at('12:00:00'));
    arbiter.wake();
    run(0);
    assert.deepEqual([level(), apply.callCount], [100, calls + 2]);
  });

  it("lets yesterday's last switch point rule before the first of today", () => {
    assert.equal(bench('03:00:00').level(), 70);
  });

  it('asks for the ramp of a switch point', () => {
    const { apply, run } = bench('19:59:59');
    run(seconds(1));
    assert.equal(apply.lastCall.args[1], 30_000);
  });

  it('lets an override rule until it expires, then ramps back with its rampFrom of 20 s', () => {
    const { arbiter, apply, override, run, level } = bench('22:00:00');
    const code = override(30, { expiration: at('23:00:00'), rampTo: 10_000, rampFrom: 20_000 });
    assert.equal(code, AckCode.Done);
    assert.deepEqual([level(), apply.lastCall.args[1]], [30, 10_000]);
    run(minutes(60) - 1);
    assert.equal(level(), 30);
    run(1);
    assert.deepEqual([level(), arbiter.command.reason, apply.lastCall.args[1]], [70, Reason.Program, 20_000]);
  });

  // Source: TALQ 2.7.1 §4.3: one override slot, the latest command wins, its predecessor's expiration dies with it.
  it('keeps the second of two overrides when the first would have expired, until a resume', () => {
    const { arbiter, override, run, level } = bench('22:00:00');
    override(30, { expiration: at('23:00:00') });
    run(minutes(15));
    assert.equal(level(), 30);
    run(minutes(15));
    override(80);
    run(minutes(35));
    assert.equal(level(), 80);
    arbiter.resume();
    arbiter.run();
    assert.equal(level(), 70);
  });

  it('keeps a running override until a later one starts, and a resume clears both', () => {
    const { arbiter, override, run, level } = bench('22:00:00');
    override(30);
    override(50, { start: at('22:01:00') });
    run(seconds(59));
    assert.equal(level(), 30);
    run(seconds(1));
    assert.equal(level(), 50);
    override(20, { start: at('22:05:00') });
    arbiter.resume();
    arbiter.run();
    run(minutes(10));
    assert.equal(level(), 70);
  });

  it('refuses an override that has expired, and one with instants while no clock is known', () => {
    assert.equal(bench('22:00:00').override(30, { expiration: at('21:59:59') }), AckCode.Expired);
    assert.equal(bench(undefined).override(30, { expiration: at('23:00:00') }), AckCode.NoClock);
    assert.equal(bench(undefined).override(30), AckCode.Done);
  });

  it('decides again, once, when the clock steps over a switch point', () => {
    const { hal, arbiter, apply, level } = bench('12:00:00');
    const before = apply.callCount;
    hal.clock.setTime(at('21:00:00'));
    arbiter.run();
    assert.deepEqual([level(), apply.callCount], [70, before + 1]);
  });

  it('sleeps between switch points: one wake-up a day is all it needs', () => {
    const { hal, run } = bench('20:00:01');
    const time = sinon.spy(hal.clock, 'time');
    run(minutes(9 * 60));
    assert.ok(time.callCount <= 9, `${time.callCount} looks at the clock in 9 h`);
  });

  it('gives the default level without switch points', () => {
    const { level, arbiter } = bench('12:00:00', new Uint8Array(0));
    assert.deepEqual([level(), arbiter.command.reason], [100, Reason.Default]);
  });

  it('stores an override before it obeys, with its start, and again when it has ended', () => {
    const { override, run, store } = bench('22:00:00');
    override(30, { expiration: at('22:10:00'), reference: 'op-1' });
    assert.equal(store.setOverrides.callCount, 1);
    const [running, pending] = store.setOverrides.firstCall.args;
    const expected = [30, at('22:00:00'), at('22:10:00'), 'op-1'];
    assert.deepEqual([running.level, running.start, running.expiration, running.reference], expected);
    assert.equal(pending, undefined);
    run(minutes(10));
    assert.deepEqual(store.setOverrides.lastCall.args, [undefined, undefined]);
    assert.equal(store.setOverrides.callCount, 2);
  });

  it('refuses what cannot be stored, and the lamp stays as it was', () => {
    const { override, store, level } = bench('22:00:00');
    override(30);
    store.setOverrides = sinon.fake.throws(new Error('full'));
    assert.deepEqual([override(80), level()], [AckCode.TooLarge, 30]);
  });

  const kept = (level: number, more: Partial<LampCommand> = {}): LampCommand => ({
    level,
    reason: Reason.Override,
    ...more,
  });

  it('resumes an override after a restart at once, and what is left of it ends at its expiration', () => {
    const { apply, level, run } = bench('22:00:00', TIMETABLE, [
      kept(30, { start: at('21:00:00'), expiration: at('22:30:00') }),
    ]);
    assert.deepEqual([level(), apply.callCount, apply.firstCall.args[0]], [30, 1, 30]);
    run(minutes(30) - 1);
    assert.equal(level(), 30);
    run(1);
    assert.equal(level(), 70);
  });

  it('forgets an override that ended while the power was off, and starts the one that began meanwhile', () => {
    const ended = kept(0, { start: at('20:00:00'), expiration: at('21:00:00') });
    assert.equal(bench('22:00:00', TIMETABLE, [ended]).level(), 70);
    const waiting = kept(20, { start: at('21:30:00') });
    assert.equal(bench('22:00:00', TIMETABLE, [ended, waiting]).level(), 20);
    assert.equal(bench('21:29:59', TIMETABLE, [kept(40), waiting]).level(), 40);
  });

  it('without a clock lets a kept override last as long as it was meant to in all, then gives the default level', () => {
    const dark = kept(0, { start: at('20:00:00'), expiration: at('21:00:00') });
    const { level, run, store } = bench(undefined, TIMETABLE, [dark]);
    assert.equal(level(), 0);
    run(minutes(59));
    assert.equal(level(), 0);
    run(minutes(1));
    assert.deepEqual([level(), store.setOverrides.lastCall.args], [100, [undefined, undefined]]);
    assert.equal(bench(undefined, TIMETABLE, [kept(0)]).level(), 0);
  });

  it('lets the photocell decide while the clock is unknown, then what was learned, and only then the default level', () => {
    const { arbiter, night, hal, level, run } = bench(undefined);
    const states: [boolean | undefined, boolean, number, Reason][] = [
      [true, true, 100, Reason.Photocell],
      [false, true, 0, Reason.Photocell],
      [true, false, 100, Reason.Learned],
      [false, false, 0, Reason.Learned],
      [undefined, false, 100, Reason.Default],
    ];
    for (const [dark, measured, expected, reason] of states) {
      night.isNight = () => dark;
      night.dark = () => (measured ? dark : undefined);
      run(minutes(1));
      assert.deepEqual([level(), arbiter.command.reason], [expected, reason]);
    }
    night.isNight = night.dark = () => false;
    hal.clock.setTime(at('21:00:00'));
    arbiter.wake();
    run(0);
    assert.deepEqual([level(), arbiter.command.reason], [70, Reason.Program]);
  });

  it('gives the default level when a decision throws, and tries again after a minute', () => {
    const { arbiter, timetable, apply, level, run, hal } = bench('21:00:00');
    assert.equal(level(), 70);
    const decide = sinon.stub(timetable, 'decide').throws(new Error('broken'));
    hal.clock.setTime(at('21:30:00'));
    arbiter.wake();
    assert.throws(() => run(0), /broken/);
    assert.deepEqual([level(), apply.lastCall.args[0], arbiter.command.reason], [100, 100, Reason.Default]);
    assert.throws(() => run(minutes(1)), /broken/);
    assert.equal(decide.callCount, 2);
    decide.restore();
    run(minutes(1));
    assert.equal(level(), 70);
  });

  it('gives the default level at the next look when an interrupt took the decision', () => {
    const { arbiter, apply, level, run } = bench('21:00:00');
    // What an out-of-memory interrupt leaves: no code ran after it.
    (arbiter as unknown as { _open: number })._open = 1;
    apply.resetHistory();
    arbiter.wake();
    run(0);
    assert.deepEqual([apply.firstCall.args, level()], [[100, 0], 70]);
  });

  it('takes no ramp after a restart, nor when the clock becomes known: the change is older than that', () => {
    const { apply, hal, arbiter, run } = bench('20:00:10');
    assert.deepEqual(apply.lastCall.args, [70, undefined]);
    const restarted = bench('22:00:00', TIMETABLE, [kept(80, { rampTo: 3_600_000 })]);
    assert.deepEqual(restarted.apply.lastCall.args, [80, undefined]);
    const timeless = bench(undefined);
    timeless.hal.clock.setTime(at('20:00:10'));
    timeless.arbiter.wake();
    timeless.run(0);
    assert.deepEqual(timeless.apply.lastCall.args, [70, undefined]);
    hal.clock.setTime(at('06:00:00'));
    arbiter.wake();
    run(0);
    assert.equal(apply.lastCall.args[0], 100);
  });

  it('counts the length of an override that should have begun ten days ago from now', () => {
    const { override, store } = bench('22:00:00');
    override(0, { start: at('22:00:00') - 10 * 86_400_000, expiration: at('23:00:00') });
    assert.equal(store.setOverrides.lastCall.args[0].start, at('22:00:00'));
  });

  it('obeys a new default level in a program without switch points at once', () => {
    const empty = compileTimetable(
      { id: 'c', ownerCMS: 'cms', defaultProgram: 'p' },
      new Map([['p', { ...PROGRAM, fixedTimeControls: [] }]]),
      { dayOffset: 0, zone: 'UTC0', assigned: 0, sensor: () => undefined },
    );
    const { arbiter, level, run } = bench('12:00:00', empty);
    assert.equal(level(), 100);
    arbiter.setDefaultLevel(40);
    arbiter.wake();
    run(0);
    assert.equal(level(), 40);
  });

  it('sleeps through a switch point while the installer has the lamp, and follows it afterwards', () => {
    const { hal, arbiter, level, run } = bench('19:59:30');
    arbiter.test({ level: 55, reason: Reason.Test });
    arbiter.wake();
    run(0);
    const time = sinon.spy(hal.clock, 'time');
    run(minutes(2));
    assert.ok(time.callCount <= 3, `${time.callCount} looks at the clock in 2 min`);
    arbiter.test(undefined);
    arbiter.wake();
    run(0);
    assert.equal(level(), 70);
  });

  it('gives the lamp to the installer, above an override, and takes it back', () => {
    const { arbiter, override, level, run } = bench('22:00:00');
    override(30);
    arbiter.test({ level: 55, reason: Reason.Test });
    arbiter.wake();
    run(0);
    assert.deepEqual([level(), arbiter.command.reason], [55, Reason.Test]);
    arbiter.test(undefined);
    arbiter.wake();
    run(0);
    assert.equal(level(), 30);
  });
});
