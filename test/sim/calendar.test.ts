import assert from 'node:assert/strict';
import { DateTime } from 'luxon';
import type { Board } from '../../firmware/board.ts';
import { Head } from '../../firmware/link/timetable.ts';
import { loadBoard } from '../../scripts/board-config.mjs';
import { assignment, calendar, command, level, program } from '../gateway/control-rig.ts';
import { crossing } from '../reference/sun.ts';
import { Bench, near, toLevel } from './bench.ts';

const ZONE = 'Europe/Brussels';
const BRUSSELS = { latitude: 50.8503, longitude: 4.3517 };
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** ms UTC of a local time in Brussels; with an offset it is that one of two. */
const at = (local: string) => DateTime.fromISO(local, { zone: ZONE }).toMillis();
/** ms UTC by an ephemeris. */
function sun(date: string, rising: boolean): number {
  const found = crossing(Date.parse(date) / DAY, BRUSSELS.latitude, BRUSSELS.longitude, rising);
  return found.kind === 'event' ? found.time : assert.fail(found.kind);
}

const between = (startTime: string, endTime: string) => [
  { name: 'AbsoluteActivePeriod' as const, startTime: `${startTime}:00`, endTime: `${endTime}:00` },
];
/** From 5 minutes before sunset to 10 after sunrise; where somebody walks, 100 % and a minute longer. */
const WALK = program(
  'walk',
  [
    ['12:00', 80],
    ['23:00', 40],
    ['02:30', 30],
    ['05:30', 80],
  ],
  {
    activePeriods: [{ name: 'AstroClockActivePeriod', sunsetOffset: -5, sunriseOffset: 10 }],
    dynamicControls: [
      { effect: { type: 'FixedControlEffect', source: {}, operation: 'Max', holdTime: 60, command: command(100) } },
    ],
  },
);
/** Half of the night is dark. */
const PART = program(
  'part',
  [
    ['12:00', 70],
    ['00:30', 0],
    ['05:00', 60],
  ],
  {
    activePeriods: between('18:30', '07:30'),
    astroClockTimeControls: [{ offset: 120, solarEventType: 'sunset', operation: 'Sub', command: command(20) }],
  },
);
const SUNDAY = program('sunday', [['12:00', 55]], { activePeriods: between('18:00', '23:00') });

/** Two poles in the night in which summer time ends: 25 October 2026, 03:00 CEST is 02:00 CET. */
describe('lamps with a calendar, from the TALQ API to the light', function () {
  this.timeout(60_000);
  let bench: Bench;
  before(async () => {
    const linux: Board = await loadBoard('linux');
    const board = { ...linux, presence: { pin: 'D3' } };
    bench = await Bench.open({
      begin: at('2026-10-24T17:00'),
      boards: [board, board],
      lamps: [
        { wattage: 60, standby: 0 },
        { wattage: 60, standby: 0 },
      ],
      apart: true,
      gateway: { timeZone: ZONE, location: BRUSSELS },
    });
    await bench.ready();
    await bench.write('POST', '/control-programs', [WALK, PART, SUNDAY]);
    const saturday = { type: 'ccDay', days: [{ start: 6 }] };
    const october = { startDate: '2026-10-24', endDate: '2026-10-24' };
    const rule = { program: 'sunday', condition: { type: 'ccDay', days: [{ start: 7 }] } };
    await bench.write('POST', '/calendars', [
      calendar('street', [{ ...october, program: 'walk', condition: saturday }, rule], 'walk'),
      calendar('park', [{ program: 'part', condition: saturday }, rule], 'part'),
    ]);
    await bench.write('POST', '/assign-commands', assignment('street', await bench.address(1)));
    await bench.write('POST', '/assign-commands', assignment('park', await bench.address(2)));
  });
  after(() => bench.close());

  const lights = () => bench.poles.map(({ lamp }) => Math.round(lamp.light * 100) / 100);
  const feedback = async (pole: number) => (await bench.read(pole, 'lampActuator1/feedbackLightCommand')).value;
  /** Both lamps, at instants in ms UTC. */
  async function follow(...expected: [number, number, number][]): Promise<void> {
    for (const [time, ...levels] of expected) {
      await bench.runTo(time);
      assert.deepEqual(lights(), levels, DateTime.fromMillis(time, { zone: ZONE }).toISO() ?? '');
    }
  }
  /** What the API shows, once meters have been read again: light, W, command. */
  async function shows(pole: number, value: number, watts: number, command: object): Promise<void> {
    await bench.until(() => Math.abs(bench.watts(pole) - watts) < 0.3, 70_000);
    near((await bench.read(pole, 'lampMonitor1/activePower')).value as number, watts, 0.3);
    assert.deepEqual((await bench.read(pole, 'lampActuator1/actualLightState')).value, level(value));
    const { start: _start, ...rest } = (await feedback(pole)) as { start?: string };
    assert.deepEqual(rest, { ...toLevel(value), ...command });
  }
  const byProgram = (refAddress: string) => ({ reason: 'program', refAddress });

  it('are dark in the afternoon, and lit a minute within the ephemeris and the clock', async () => {
    const sunset = sun('2026-10-24', false);
    await shows(1, 0, 0, byProgram('walk'));
    const on = sunset - 5 * MINUTE;
    assert.ok(on < at('2026-10-24T18:29') && on > at('2026-10-24T18:20'), 'sunset in Brussels is at 18:28');
    await follow([on - MINUTE, 0, 0], [on + MINUTE, 80, 0]);
    await follow([at('2026-10-24T18:29:58'), 80, 0], [at('2026-10-24T18:30:04'), 80, 70]);
    await shows(1, 80, 48, byProgram('walk'));
    await shows(2, 70, 42, byProgram('part'));
    // 70 % less 20 from two hours after sunset.
    await follow([sunset + 119 * MINUTE, 80, 70], [sunset + 121 * MINUTE, 80, 50]);
    await shows(2, 50, 30, byProgram('part'));
    await follow([at('2026-10-24T22:59:58'), 80, 50], [at('2026-10-24T23:00:02'), 40, 50]);
  });

  it('give 100 % within 1 s while somebody walks and 60 s longer, with the sensor as source, and 40 % then', async () => {
    const { sim } = bench.poles[0];
    const sensor = `${await bench.address(1)}/presence1`;
    sim.pins.set('D3', 1);
    await bench.run(1000);
    assert.deepEqual(lights(), [100, 50]);
    await shows(1, 100, 60, { reason: 'sensor', refAddress: sensor });
    assert.equal((await bench.read(1, 'presence1/presenceStatus')).value, true);
    assert.equal((await bench.read(2, 'presence1/presenceStatus')).value, false);
    sim.pins.set('D3', 0);
    await bench.run(59_000);
    assert.deepEqual(lights(), [100, 50]);
    await bench.run(2000);
    assert.deepEqual(lights(), [40, 50]);
    await shows(1, 40, 24, byProgram('walk'));
    assert.equal((await bench.read(1, 'presence1/presenceStatus')).value, false);
  });

  it('obey an override whoever walks, and return to what rules meanwhile at a resume', async () => {
    const { sim } = bench.poles[0];
    await bench.override(1, toLevel(25, { cmsRefId: 'op-1' }));
    await bench.run(1000);
    sim.pins.set('D3', 1);
    await bench.run(2000);
    assert.equal(bench.poles[0].lamp.light, 25);
    await shows(1, 25, 15, { reason: 'override', cmsRefId: 'op-1' });
    await bench.override(1);
    await bench.run(1000);
    assert.deepEqual(lights(), [100, 50]);
    assert.equal(((await feedback(1)) as { reason: string }).reason, 'sensor');
    sim.pins.set('D3', 0);
    await bench.run(61_000);
    assert.deepEqual(lights(), [40, 50]);
    await shows(1, 40, 24, byProgram('walk'));
  });

  it('pass the end of summer time: 02:30 comes once, and 05:00 five and a half hours after 00:30', async () => {
    await follow(
      [at('2026-10-25T00:29:58'), 40, 50],
      [at('2026-10-25T00:30:04'), 40, 0],
      [at('2026-10-25T02:29:58+02:00'), 40, 0],
      [at('2026-10-25T02:30:02+02:00'), 30, 0],
      [at('2026-10-25T02:00:30+01:00'), 30, 0],
      [at('2026-10-25T02:29:30+01:00'), 30, 0],
      [at('2026-10-25T02:31:00+01:00'), 30, 0],
    );
    assert.equal(at('2026-10-25T05:00') - at('2026-10-25T00:30'), 5.5 * HOUR);
    await shows(2, 0, 0, byProgram('part'));
  });

  it('go on without the gateway, and at the default level after a power cut until it is back', async () => {
    const kept = [1, 2].map((pole) => bench.stored(pole));
    await bench.rig.close();
    await bench.run(at('2026-10-25T04:59') - bench.now, 500);
    assert.deepEqual(lights(), [30, 0]);
    bench.poles[1].sim.cutPower();
    await bench.run(10_000);
    assert.deepEqual(lights(), [30, 0]);
    bench.poles[1].sim.restorePower();
    await bench.run(20_000);
    // Nobody has told the time: light is the safe side.
    assert.deepEqual(lights(), [30, 100]);
    await bench.run(at('2026-10-25T05:01') - bench.now, 500);
    const { received } = bench.poles[1].sim.network;
    await bench.startGateway();
    await bench.ready();
    await bench.run(2000);
    // Two hours after sunset is still the last that the sun said: 60 less 20.
    assert.deepEqual(lights(), [30, 40]);
    assert.deepEqual(
      [1, 2].map((pole) => bench.stored(pole)),
      kept,
    );
    // The time came; the timetable of some 200 bytes did not come again.
    assert.ok(bench.poles[1].sim.network.received - received < (kept[1] as string).length / 2);
    await shows(2, 40, 24, byProgram('part'));
    await shows(1, 30, 18, byProgram('walk'));
  });

  it('follow the calendar alone for 2 days without a link, and the API is right when they are back', async () => {
    const cut = at('2026-10-25T05:10');
    await bench.runTo(cut);
    for (const { sim } of bench.poles) {
      sim.network.refuse = true;
      sim.network.cut();
    }
    await bench.run(2000);
    assert.equal((await bench.read(1, 'communication/communicationFailure')).value, true);
    const sunrise = sun('2026-10-25', true) + 10 * MINUTE;
    const alone: [number, number, number][] = [
      [at('2026-10-25T05:29:58'), 30, 40],
      [at('2026-10-25T05:30:02'), 80, 40],
      [at('2026-10-25T07:29:58'), 80, 40],
      [at('2026-10-25T07:30:05'), 80, 0],
      [sunrise - MINUTE, 80, 0],
      [sunrise + MINUTE, 0, 0],
      [at('2026-10-25T17:59:58'), 0, 0],
      // Sunday's program, both.
      [at('2026-10-25T18:00:05'), 55, 55],
      [at('2026-10-25T22:59:58'), 55, 55],
      [at('2026-10-25T23:00:05'), 0, 0],
      [at('2026-10-26T12:00:05'), 0, 0],
      // Monday's are the default programs; sunset is at 17:24 in winter time.
      [sun('2026-10-26', false) - 6 * MINUTE, 0, 0],
      [sun('2026-10-26', false) - 4 * MINUTE, 80, 0],
      [at('2026-10-26T18:30:05'), 80, 70],
      [sun('2026-10-26', false) + 121 * MINUTE, 80, 50],
      [at('2026-10-27T00:30:05'), 40, 0],
      [at('2026-10-27T02:30:05'), 30, 0],
    ];
    for (const [time, ...levels] of alone) {
      // No sockets: time may jump.
      bench.world.run(time - bench.now);
      assert.deepEqual(lights(), levels, DateTime.fromMillis(time, { zone: ZONE }).toISO() ?? '');
    }
    bench.world.run(cut + 2 * DAY - bench.now);
    for (const { sim } of bench.poles) sim.network.refuse = false;
    const { fleet } = bench.rig.gateway;
    const online = () => [...fleet.controllers.values()].every((one) => one.online);
    await bench.until(online, HOUR + MINUTE, 500);
    // They may be back at once, or within an hour.
    await bench.runTo(Math.max(bench.now + 2000, at('2026-10-27T05:30:05')));
    assert.equal((await bench.read(1, 'communication/communicationFailure')).value, false);
    assert.deepEqual(lights(), [80, 40]);
    await shows(1, 80, 48, byProgram('walk'));
    await shows(2, 40, 24, byProgram('part'));
    near(
      Date.parse((await bench.read(1, 'lampActuator1/feedbackLightCommand')).timestamp),
      at('2026-10-27T05:30'),
      2000,
    );
  });

  it('follow a changed program, calendar, place and time zone within 2 s, and the stored timetable with them', async () => {
    await bench.write('PUT', '/control-programs/part', { ...PART, fixedTimeControls: WALK.fixedTimeControls });
    await bench.run(1000);
    // 80 % since 05:30, less 20.
    assert.deepEqual(lights(), [80, 60]);
    await bench.write('PUT', '/calendars/park', calendar('park', [], 'sunday'));
    await bench.run(2000);
    assert.deepEqual(lights(), [80, 0]);
    await shows(2, 0, 0, byProgram('sunday'));

    const before = bench.stored(1) as string;
    const stored = () => Buffer.from(bench.stored(1) as string, 'hex');
    const lamp = await bench.address(1);
    const patch = (path: string, type: string, value: unknown) =>
      bench.write('PATCH', `/devices/${lamp}/${path}`, { type, value });
    // 100 degrees to the east the day began 6 h ago.
    await patch('basic/location', 'AttributeLocation', { ...BRUSSELS, longitude: 104.3517 });
    await bench.run(2000);
    assert.equal(stored().readInt32BE(Head.Longitude), 104_351_700);
    assert.notEqual(bench.stored(1), before);
    assert.deepEqual(lights(), [0, 0]);
    await patch('basic/location', 'AttributeLocation', BRUSSELS);
    // The relay stays open for 10 s.
    await bench.run(12_000);
    assert.equal(bench.stored(1), before);
    assert.deepEqual(lights(), [80, 0]);
    // Soon after midnight in New York, where 40 % holds since 23:00.
    await patch('time/timeZone', 'AttributeString', 'America/New_York');
    await bench.run(2000);
    assert.ok(stored().includes('5<-04>,M3.2.0,M11.1.0'));
    assert.deepEqual(lights(), [40, 0]);
    await patch('time/timeZone', 'AttributeString', ZONE);
    await bench.run(2000);
    assert.equal(bench.stored(1), before);
    assert.deepEqual(lights(), [80, 0]);
  });
});
