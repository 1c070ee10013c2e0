import assert from 'node:assert/strict';
import sinon from 'sinon';
import { Arbiter } from '../../firmware/control/arbiter.ts';
import type { LampCommand } from '../../firmware/control/command.ts';
import { Program } from '../../firmware/control/program.ts';
import { AckCode, Reason } from '../../firmware/link/messages.ts';
import { Schedule } from '../../firmware/schedule.ts';
import { openSim } from '../../sim/index.ts';

const at = (clock: string) => Date.parse(`2026-05-04T${clock}Z`);
const seconds = (n: number) => n * 1000;
const minutes = (n: number) => n * 60_000;

/** 100 % from 06:00, 70 % from 20:00 with a ramp of 30 s, in UTC. */
const PROGRAM = [360, 100, 0, 1200, 70, 30];

function bench(time: string | undefined, points: number[] = PROGRAM) {
  const hal = openSim();
  if (time) hal.clock.setTime(at(time));
  const schedule = new Schedule(hal.clock, {
    failed(error) {
      throw error;
    },
  });
  const apply = sinon.spy((_level: number, _ramp: number) => {});
  const arbiter = new Arbiter(hal.clock, schedule, new Program(points, 0), 100, { apply });
  arbiter.run();
  const override = (level: number, more: Partial<LampCommand> = {}) => {
    const code = arbiter.override({ level, reason: Reason.Override, ...more });
    arbiter.wake();
    hal.clock.run(0);
    return code;
  };
  return { hal, arbiter, apply, override, run: (ms: number) => hal.clock.run(ms), level: () => arbiter.command.level };
}

describe('the arbiter', () => {
  it('gives the default level of 100 % at boot, before anything else is known', () => {
    const { apply } = bench(undefined);
    assert.deepEqual(apply.firstCall.args, [100, 0]);
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
    const { level, arbiter } = bench('12:00:00', []);
    assert.deepEqual([level(), arbiter.command.reason], [100, Reason.Default]);
  });
});
