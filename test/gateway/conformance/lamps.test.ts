import assert from 'node:assert/strict';
import type { Board } from '../../../firmware/board.ts';
import { loadBoard } from '../../../scripts/board-config.mjs';
import { Bench, near, toLevel } from '../../sim/bench.ts';
import { assignment, calendar, command, program } from '../control-rig.ts';
import { CMS } from '../rig.ts';

const MINUTE = 60_000;
const BEGIN = Date.parse('2026-05-04T20:00:00Z');
const instant = (time: number) => new Date(time).toISOString();

/** From the API to the light of a simulated lamp, through the real firmware; times are UTC. */
describe('lamps that a CMS commands', function () {
  this.timeout(60_000);
  let bench: Bench;
  beforeEach(async () => {
    const linux: Board = await loadBoard('linux');
    bench = await Bench.open({
      begin: BEGIN,
      boards: [{ ...linux, presence: { pin: 'D3' } }],
      lamps: [{ wattage: 60, standby: 0 }],
      gateway: { timeZone: 'Etc/UTC' },
    });
    await bench.ready();
  });
  afterEach(() => bench.close());

  const light = () => bench.poles[0].lamp.light;
  const follow = async (body: object) => {
    await bench.write('POST', '/control-programs', [body]);
    await bench.write('POST', '/calendars', [calendar('c', [], 'p')]);
    await bench.write('POST', '/assign-commands', assignment('c', await bench.address(1)));
    // Past the soft start.
    await bench.run(15_000);
  };
  const somebody = (present: boolean) => bench.poles[0].sim.pins.set('D3', present ? 1 : 0);
  const reason = () => bench.poles[0].firmware?.arbiter.command.reason;

  it('80 reach 30 % ten seconds after an override, falling all the way, and 70 % twenty seconds after its expiry', async () => {
    await follow(program('p', [['12:00', 70]]));
    near(light(), 70, 0.01);
    const end = Math.ceil(bench.now / 1000 + 40) * 1000;
    const ramps = { rampToLevelTime: 10, rampFromLevelTime: 20, expiration: instant(end) };
    await bench.override(1, toLevel(30, ramps));
    // Sockets have delays of their own: the ramp begins when the lamp has the command.
    const started = bench.poles[0].firmware?.arbiter.since ?? assert.fail();
    const seen = [light()];
    while (bench.world.now < started + 10_600) {
      await bench.run(500);
      seen.push(light());
      if (bench.world.now < started + 9000) assert.ok(light() > 30, 'not before its time');
    }
    assert.ok(seen.every((one, i) => i === 0 || one <= seen[i - 1]));
    near(light(), 30, 0.01);
    await bench.run(Math.round(end - bench.now));
    near(light(), 30, 0.5);
    await bench.run(10_000);
    near(light(), 50, 1);
    await bench.run(10_500);
    near(light(), 70, 0.01);
  });

  it('81 leave a ramp where it is when another command comes', async () => {
    await follow(program('p', [['12:00', 100]]));
    await bench.override(1, toLevel(20, { rampToLevelTime: 20 }));
    await bench.run(5000);
    near(light(), 80, 15);
    await bench.override(1, toLevel(90, { rampToLevelTime: 0 }));
    await bench.run(1000);
    near(light(), 90, 0.01);
    await bench.run(20_000);
    near(light(), 90, 0.01);
  });

  const dynamic = (value: number, operation: 'Set' | 'Max', holdTime = 0) => ({
    effect: { type: 'FixedControlEffect' as const, source: {}, operation, holdTime, command: command(value) },
  });

  it('111 follow the first of two dynamic controls that are both active', async () => {
    await follow(program('p', [['12:00', 50]], { dynamicControls: [dynamic(90, 'Max', 10), dynamic(20, 'Set', 60)] }));
    near(light(), 50, 0.01);
    somebody(true);
    await bench.run(20_000);
    near(light(), 90, 0.01);
    somebody(false);
    // The first one holds for 10 s, the second for 60 s.
    await bench.run(25_000);
    near(light(), 20, 0.01);
    await bench.run(60_000);
    near(light(), 50, 0.01);
  });

  it('112 take no notice of presence under an override, and do again after the resume', async () => {
    await follow(program('p', [['12:00', 50]], { dynamicControls: [dynamic(90, 'Max', 600)] }));
    await bench.override(1, toLevel(30));
    await bench.run(15_000);
    near(light(), 30, 0.01);
    somebody(true);
    await bench.run(15_000);
    near(light(), 30, 0.01);
    assert.equal(reason(), 1);
    await bench.override(1);
    await bench.run(15_000);
    near(light(), 90, 0.01);
    assert.equal(reason(), 2);
  });

  it('115 switch on time while the gateway and its broker are away', async () => {
    await follow(
      program('p', [
        ['12:00', 100],
        ['20:10', 40],
      ]),
    );
    near(light(), 100, 0.01);
    await bench.rig.gateway.close();
    await bench.run(Math.round(BEGIN + 10 * MINUTE - 1000 - bench.now), 500);
    near(light(), 100, 0.01);
    await bench.run(16_000);
    near(light(), 40, 0.01);
    assert.match(bench.poles[0].firmware?.status() ?? '', /program 0 point 1 40 %, link down/);
  });

  it('69 and 146 tell that they failed when their driver dies, and that they are well when it is replaced', async () => {
    const type = { address: 'led-60', name: 'LED 60 W', controlType: '1-10V', wattage: 60 };
    await bench.write('POST', '/lamp-types', [type]);
    const entity = { resource: 'lamp-types', address: type.address };
    const addresses = [{ resource: 'devices', address: await bench.address(1) }];
    await bench.write('POST', '/assign-commands', { addresses, entity });
    await bench.write('POST', '/logger-configs', {
      address: 'log',
      ownerCMS: CMS,
      sourceAddresses: { blackList: [] },
      recordingMode: { type: 'EventRecordingMode', sourceEvents: { whiteList: ['lampFailure'] } },
      reportingMode: { type: 'ImmediateReportingMode', delay: 0 },
    });
    await bench.override(1, toLevel(100));
    await bench.run(5 * MINUTE, 500);
    const told = async () =>
      (await bench.rig.call('GET', '/log-reports/log')).body.entries.map(
        ({ data }: { data: { eventType: string; startEndFlag: boolean } }) => [data.eventType, data.startEndFlag],
      );
    assert.deepEqual(await told(), []);
    bench.poles[0].lamp.fail({ gear: 'dead' });
    await bench.run(10 * MINUTE, 500);
    assert.deepEqual(await told(), [['lampFailure', true]]);
    assert.equal((await bench.read(1, 'lampMonitor1/lampFailure')).value, true);
    bench.poles[0].lamp.repair();
    await bench.run(10 * MINUTE, 500);
    assert.deepEqual(await told(), [
      ['lampFailure', true],
      ['lampFailure', false],
    ]);
    assert.equal((await bench.read(1, 'lampMonitor1/lampFailure')).value, false);
  });

  it('68 and 84 tell of a restart and of each change of their light, with what caused it', async () => {
    await bench.write('POST', '/logger-configs', {
      address: 'log',
      ownerCMS: CMS,
      sourceAddresses: { blackList: [] },
      recordingMode: { type: 'EventRecordingMode', sourceEvents: { whiteList: ['deviceReset', 'lightStateChange'] } },
      reportingMode: { type: 'ImmediateReportingMode', delay: 0 },
    });
    await bench.override(1, toLevel(30, { cmsRefId: 'op-1' }));
    await bench.run(20_000);
    bench.poles[0].sim.cutPower();
    await bench.run(5000);
    bench.poles[0].sim.restorePower();
    await bench.run(60_000, 100);
    assert.equal(bench.rig.gateway.fleet.controllers.get('pole-1')?.online, true);
    const { entries } = (await bench.rig.call('GET', '/log-reports/log')).body;
    const data = entries.map((one: { data: object }) => one.data);
    // The journal tells what came before the logger, too.
    const change = data.find((one: { command?: { reason: string } }) => one.command?.reason === 'override');
    assert.equal(change.eventType, 'lightStateChange');
    assert.equal(change.type, 'StateChangeEventLogData');
    assert.deepEqual(
      [change.command.state.value, change.command.reason, change.command.cmsRefId],
      [30, 'override', 'op-1'],
    );
    const resets = data.filter(({ eventType }: { eventType: string }) => eventType === 'deviceReset');
    const address = await bench.address(1);
    const own = resets.filter(({ srcAddress }: { srcAddress: string }) => srcAddress.startsWith(address));
    assert.equal(own.length, 1);
    assert.ok(!('startEndFlag' in own[0]));
  });
});
