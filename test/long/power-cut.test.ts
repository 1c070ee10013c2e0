import assert from 'node:assert/strict';
import { AckCode, CommandKind } from '../../firmware/link/messages.ts';
import { crossing, DAY } from '../reference/sun.ts';
import { transitions } from '../reference/zone.ts';
import { DAWN, DUSK } from '../store/night.ts';
import { Night, told } from '../store/power-cuts.ts';

const SEED = 1;
const COMMANDS = 200;
const HOUR = 3_600_000;

/** Source of the numbers: the firmware's promises in PROTOCOL.md; the levels are the reference model's. */
describe(`a power cut in a night of ${COMMANDS} commands`, function () {
  this.timeout(600_000);
  let night: Night;

  before(async () => {
    night = await Night.live(COMMANDS, SEED);
  });

  after(() => console.log(`      ${told(night, SEED)}`));

  it('happens between dusk and dawn of more than 14 h, in which the clocks go back', () => {
    const day = Math.floor(DUSK / DAY);
    const sunset = crossing(day, 50.8503, 4.3517, false);
    const sunrise = crossing(day + 1, 50.8503, 4.3517, true);
    assert.ok(sunset.kind === 'event' && sunrise.kind === 'event');
    // The program's night is 5 minutes longer in the evening, 10 in the morning.
    assert.ok(sunset.time - 300_000 > DUSK && sunrise.time + 600_000 < DAWN);
    assert.ok(sunrise.time - sunset.time + 900_000 > 14 * HOUR);
    assert.deepEqual(transitions('Europe/Brussels', DUSK, DAWN), [Date.UTC(2026, 9, 25, 1)]);
  });

  it('falls among commands of every kind, some of them refused, some waiting, some with ramps', () => {
    const { orders } = night;
    assert.equal(orders.length, COMMANDS);
    const kinds = [CommandKind.Override, CommandKind.Resume, CommandKind.Configuration, CommandKind.Sensor];
    for (const kind of kinds) {
      const count = orders.filter(({ command }) => command.kind === kind).length;
      assert.ok(count >= 10, `${count} of kind ${kind}`);
    }
    const parts = ['level', 'timetable', 'monitoring'] as const;
    const several = orders.filter(
      ({ code, command }) =>
        code === AckCode.Done &&
        command.kind === CommandKind.Configuration &&
        parts.filter((name) => command[name] !== undefined).length > 1,
    );
    assert.ok(several.length >= 15, `${several.length} configurations of several parts`);
    for (const name of parts) assert.ok(several.filter(({ command }) => command[name] !== undefined).length >= 5, name);
    assert.ok(orders.filter(({ code }) => code === AckCode.Malformed).length >= 5);
    assert.ok(orders.filter(({ code }) => code === AckCode.Expired).length >= 3);
    assert.ok(orders.filter(({ at, command: { start = 0 } }) => start * 1000 > at).length >= 10);
    assert.ok(orders.filter(({ command: { rampTo = 0 } }) => rampTo > 0).length >= 20);
  });

  it('at every second leaves the right level 5 s after a boot that knows the time', () => {
    assert.equal(night.seconds.length, 53_400);
    for (let second = 0; second < night.seconds.length; second++) night.cutAt(second, true, 0);
  });

  it('at every second leaves the right level 5 s after a boot that is told the time 2 s later', () => {
    for (let second = 0; second < night.seconds.length; second++) night.cutAt(second, false, night.outage(second));
  });

  it('in each flash operation of each command leaves all of the command or nothing', () => {
    const before = night.counts.cuts;
    for (let order = 0; order < COMMANDS; order++) night.cutInOrder(order);
    // A record of 16 bytes of header and its content at 16 bytes an operation, cut in three ways.
    assert.ok(night.counts.cuts - before > 3 * 2 * 150, `${night.counts.cuts - before} cuts`);
  });

  it('in each flash operation of the 5 s after a boot leaves the right level', () => {
    for (const second of night.lastSeconds()) night.cutInBoot(second);
  });

  it('was met while the program, an override and the default level ruled', () => {
    for (const reason of ['program', 'override', 'default']) assert.ok(night.counts.reasons[reason] > 1000, reason);
    assert.ok(night.counts.unsettled < night.counts.boots / 500, `${night.counts.unsettled} unsettled`);
  });
});
