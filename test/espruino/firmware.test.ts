import assert from 'node:assert/strict';
import type { Site } from '../../firmware/board.ts';
import type { Controller } from '../../gateway/fleet.ts';
import { bundle } from '../../scripts/bundle.mjs';
import { boot, interpreter } from '../../scripts/interpreter.mjs';
import { freePort } from '../free-port.ts';
import { assignment, calendar, program } from '../gateway/control-rig.ts';
import { CMS, Rig, T0 } from '../gateway/rig.ts';
import { siteKey } from '../sealed.ts';
import { MeterLine, Mosquitto, missing } from './peers.ts';

const ID = 'pole-1';
/** Linux builds fill and empty their input queue from two threads without a lock. Source: Espruino src/jsdevices.c. */
const LOST_QUEUE = /ASSERT\(len <= 64\)/;

/** V, A, W, var, VA, Hz, Wh and varh: what the meter's registers hold. */
const READINGS = {
  SupplyVoltage: 231.2,
  SupplyCurrent: 0.26,
  ActivePower: 59.6,
  ReactivePower: -7.2,
  ApparentPower: 60.1,
  PowerFactor: 0.993,
  Frequency: 49.98,
  ActiveEnergy: 1234567,
  ExportedEnergy: 0,
  ReactiveEnergy: 7000,
};

/** The same in the lamp monitor's units: V, A, W, var, VA and kWh. Source: TALQ 2.7.1, LampMonitorFunction. */
const MONITOR = {
  supplyVoltage: 231.2,
  supplyCurrent: 0.26,
  activePower: 59.6,
  reactivePower: -7.2,
  apparentPower: 60.1,
  powerFactor: 0.993,
  // The controller's own counter begins when it first sees the meter.
  activeEnergy: 0,
};

/** @returns a function that tells the time since now */
function stopwatch(): () => string {
  const start = performance.now();
  return () => `${((performance.now() - start) / 1000).toFixed(1)} s`;
}

describe('the linux bundle on the interpreter, a real mosquitto and a jsmodbus meter', function () {
  this.timeout(90_000);
  /** 21:00 on the pole, whose program has 100 % from 17:00 to 22:00 without a ramp. Real time runs on from there. */
  const began = performance.now();
  const now = () => T0 + performance.now() - began;
  const say = (line: string) => console.log(`      ${line}`);
  const readings = { ...READINGS };
  let made: Awaited<ReturnType<typeof bundle>>;
  let mosquitto: Mosquitto;
  let meter: MeterLine;
  let rig: Rig;
  let board: ReturnType<typeof boot>;
  let lamp: string;

  before(async function () {
    const lacking = [...(interpreter() ? [] : ['ESPRUINO']), ...missing(['mosquitto', 'socat'])];
    if (lacking.length > 0) {
      console.log(`    SKIPPED: the bundle from end to end needs ${lacking.join(', ')}`);
      this.skip();
    }
    made = await bundle({ board: 'linux' });
    const [line] = made.board?.lines ?? [];
    const format = { baud: line.baud, data: line.data ?? 8, parity: line.parity ?? 'none', stop: line.stop ?? 1 };
    mosquitto = new Mosquitto(await freePort());
    meter = new MeterLine(format, 1, 'sdm120', readings);
    await Promise.all([mosquitto.start(), meter.open()]);
    rig = await Rig.start({ brokerUrl: `mqtt://127.0.0.1:${mosquitto.port}`, now });
    await start().catch(again);
    lamp = await rig.address(ID);
  });

  after(async () => {
    await board?.stop();
    await rig?.close();
    await meter?.close();
    await mosquitto?.close();
  });

  /** Boots the bundle, which begins with the host's time. Resolves when it reports in the gateway's. */
  async function start(): Promise<void> {
    const site: Site = { id: ID, host: '127.0.0.1', port: mosquitto.port, key: siteKey(ID), paths: [meter.path] };
    const took = stopwatch();
    const before = rig.gateway.fleet.controllers.get(ID)?.state;
    board = boot({ files: { '.bootcde': made.code, 'site.json': JSON.stringify(site) } });
    const told = ({ state }: Controller) => state && state !== before && Math.abs(state.time - now()) < 60_000;
    await until((pole) => told(pole) === true, "report in the gateway's time", 30_000);
    say(`${made.code.length} bytes from flash to a report in the gateway's time: ${took()}`);
  }

  /** Starts everything anew when the interpreter lost its input queue; any other error is one. */
  async function again(error: Error): Promise<void> {
    if (!LOST_QUEUE.test(board.output())) throw error;
    say('the interpreter lost its own input queue (ASSERT in jsdevices.c): once more');
    await board.stop();
    await mosquitto.kill();
    await mosquitto.start();
    meter.unit.connected = true;
    Object.assign(readings, READINGS);
    await start();
  }

  /** A test that is repeated once after such a loss. */
  const scenario = (name: string, run: () => Promise<void>) =>
    it(name, () => run().catch((error) => again(error).then(run)));

  /** Resolves when the pole satisfies `condition`, looked at after each change; rejects with the console's last words. */
  function until(condition: (pole: Controller) => boolean, what: string, timeout = 20_000): Promise<Controller> {
    const { fleet } = rig.gateway;
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const pole = fleet.controllers.get(ID);
        if (!pole || !condition(pole)) return;
        end();
        resolve(pole);
      };
      const fail = (reason: string): void => {
        end();
        const last = JSON.stringify(fleet.controllers.get(ID)?.state);
        reject(new Error(`no ${what}: ${reason}; last report ${last}, console:\n${board.output().slice(-2000)}`));
      };
      const stop = fleet.onChange(look);
      const timer = setTimeout(() => fail(`${timeout} ms are over`), timeout);
      const end = (): void => {
        stop();
        clearTimeout(timer);
      };
      board.exited.then(() => fail('the interpreter ended'));
      look();
    });
  }

  const read = async (path: string) => (await rig.call('GET', `/devices/${lamp}/${path}`)).body;
  const feedback = async () => (await read('lampActuator1/feedbackLightCommand')).value;
  const toLevel = (value: number, more = {}) => ({ state: { name: 'LevelState', value }, ...more });
  const shows = (level: number) => (pole: Controller) => pole.state?.level === level && pole.state.command === level;

  /** @param targetCommand absent: takes the override back */
  async function override(targetCommand?: object): Promise<void> {
    const body = { addresses: [{ resource: 'devices', address: lamp }], targetCommand };
    const { status } = await rig.call('POST', '/override-commands', { body });
    assert.ok(status === 201 || status === 202, `status ${status}`);
  }

  scenario('stands behind the TALQ API with 100 % of its program and the values that its meter holds', async () => {
    const took = stopwatch();
    await until(({ readings: [unit] }) => unit.every((reading) => reading !== undefined), 'reading');
    await until(({ state }) => state?.reason === 3 && state.level === 100, 'program');
    const device = (await rig.call('GET', '/devices')).body.find(({ name }: { name: string }) => name === ID);
    const of = (id: string) => device.functions.find((entry: { id: string }) => entry.id === id);
    assert.deepEqual(of('lampActuator1').actualLightState.value, { name: 'LevelState', value: 100 });
    assert.deepEqual(of('lampActuator1').feedbackLightCommand.value, toLevel(100, { reason: 'program' }));
    const monitor = of('lampMonitor1');
    const shown = Object.fromEntries(Object.keys(MONITOR).map((name) => [name, monitor[name].value]));
    say(`${JSON.stringify(shown)} after ${took()} and ${meter.unit.answers} Modbus answers`);
    assert.deepEqual(shown, MONITOR);
    assert.equal(of('electricalMeter1').totalPower.value, 0.0596);
    assert.equal(of('electricalMeter1').totalActiveEnergy.value, 1234.567);
    assert.equal(of('electricalMeter1').frequency.value, 49.98);
    const age = now() - Date.parse(monitor.activePower.timestamp);
    assert.ok(age >= 0 && age < 15_000, `${age} ms old`);
  });

  scenario('answers rvb.status() at its console', async () => {
    const from = board.output().length;
    // A short line: the more is typed at once, the likelier is the loss.
    board.type('rvb.status()');
    const [, status] = await board.expect(/="([^"]*)"/, { from, timeout: 10_000 });
    say(status);
    assert.match(status, /^100 %, program 0 point \d 100 %, link up$/);
  });

  scenario('obeys an override to 40 % with a cmsRefId, and ramps back to its program when it expires', async () => {
    const took = stopwatch();
    // The wire has whole seconds.
    const end = Math.ceil(now() / 1000 + 5) * 1000;
    const expiration = new Date(end).toISOString();
    await override(toLevel(40, { reason: 'override', cmsRefId: 'op-40', expiration, rampFromLevelTime: 4 }));
    await until(shows(40), 'report of 40 %');
    say(`40 % reported ${took()} after the request`);
    const { start: from, ...rest } = await feedback();
    assert.deepEqual(rest, toLevel(40, { reason: 'override', cmsRefId: 'op-40', expiration }));
    assert.ok(Math.abs(Date.parse(from) - now()) < 5000, from);
    assert.deepEqual((await read('lampActuator1/actualLightState')).value, { name: 'LevelState', value: 40 });

    const begun = await until(({ state }) => state?.reason === 3, 'end of the override');
    const { level = 0, command, reference } = begun.state ?? assert.fail();
    say(`when it has expired: ${level} % on the way to ${command} %`);
    assert.ok(level >= 40 && level < 100, `${level} %`);
    assert.deepEqual([command, reference], [100, undefined]);
    const back = await until(shows(100), 'report of 100 %');
    const { since, time } = back.state ?? assert.fail();
    say(`program in action ${(since - end) / 1000} s after the expiration, at 100 % ${(time - end) / 1000} s after it`);
    assert.ok(Math.abs(since - end) <= 1000, `${since - end} ms`);
    assert.ok(time - end >= 4000 && time - end <= 7000, `${time - end} ms`);
    assert.deepEqual(await feedback(), toLevel(100, { reason: 'program' }));
  });

  scenario('reads its meter when it is asked, within 5 s, long before its own poll is due', async () => {
    // Whatever was read for the tests before is no longer fresh.
    await new Promise((resolve) => setTimeout(resolve, 3500));
    readings.SupplyVoltage = 224.4;
    const took = stopwatch();
    const { value, timestamp } = await read('lampMonitor1/supplyVoltage');
    say(`${value} V of ${Math.round((now() - Date.parse(timestamp)) / 1000)} s ago after ${took()}`);
    assert.equal(value, 224.4);
    assert.ok(now() - Date.parse(timestamp) < 5000, timestamp);
    readings.SupplyVoltage = READINGS.SupplyVoltage;
  });

  scenario('is found again by itself after mosquitto was killed and started again, and obeys', async () => {
    const took = stopwatch();
    await mosquitto.kill();
    await until(({ online }) => !online, 'loss of the link');
    assert.equal((await read('communication/communicationFailure')).value, true);
    await mosquitto.start();
    // The first attempt comes within 5 s, the second within 10 s more, the third within another 20 s.
    await until(({ online }) => online, 'new connection', 40_000);
    say(`killed, started, and online again after ${took()}`);
    assert.equal((await read('communication/communicationFailure')).value, false);
    await override(toLevel(20, { cmsRefId: 'op-20' }));
    await until(shows(20), 'report of 20 %');
    assert.equal((await feedback()).cmsRefId, 'op-20');
  });

  scenario('keeps the last power with its old time while the meter is unplugged for 3 polls, never 0', async () => {
    // As last reported: a read on demand would be one more poll.
    const activePower = async () => {
      const devices = (await rig.call('GET', '/devices')).body;
      const { functions } = devices.find(({ name }: { name: string }) => name === ID);
      return functions.find(({ id }: { id: string }) => id === 'lampMonitor1').activePower;
    };
    const before = await activePower();
    assert.equal(before.value, 59.6);
    const took = stopwatch();
    const seen = new Set<unknown>();
    const stop = rig.gateway.fleet.onChange(({ readings: [unit] }) => seen.add(unit[2]?.value));
    meter.unit.connected = false;
    readings.ActivePower = 23.9;
    const polls: string[] = [];
    for (let poll = 1; poll <= 3; poll++) {
      // Every poll is tried 3 times.
      await meter.hear(3);
      await override(toLevel(20 + poll));
      await until(shows(20 + poll), 'report');
      const { value, timestamp } = await activePower();
      polls.push(`${value} W of ${Math.round((now() - Date.parse(timestamp)) / 1000)} s ago`);
    }
    say(`unplugged for ${took()}: ${polls.join(', ')}`);
    const stale = await activePower();
    assert.equal(stale.value, 59.6);
    assert.ok(now() - Date.parse(stale.timestamp) > 9_000, stale.timestamp);

    meter.unit.connected = true;
    // Every change of the lamp makes it look at its meter 3 s later.
    await override(toLevel(30));
    await until(({ readings: [unit] }) => unit[2]?.value === 239, 'fresh reading');
    stop();
    const fresh = await activePower();
    say(`plugged again: ${fresh.value} W after ${took()}`);
    assert.equal(fresh.value, 23.9);
    assert.ok(Date.parse(fresh.timestamp) > Date.parse(stale.timestamp) + 9_000, fresh.timestamp);
    assert.deepEqual([...seen], [596, 239]);
    await override();
    await until(shows(100), 'report of 100 %');
    assert.deepEqual(await feedback(), toLevel(100, { reason: 'program' }));
  });

  scenario(
    'takes level, calendar, threshold and group as its configuration, and agrees with the gateway at its next birth',
    async () => {
      const took = stopwatch();
      const devices = [{ resource: 'devices', address: lamp }];
      const patch = async (path: string, body: object) => {
        const { status } = await rig.call('PATCH', `/devices/${lamp}/${path}`, { body });
        assert.ok(status === 200 || status === 202, `status ${status}`);
      };
      // A repetition finds them there.
      await rig.call('POST', '/groups', { body: [{ address: 'street', ownerCMS: CMS, members: devices }] });
      await rig.call('POST', '/control-programs', { body: [program('p', [['00:00', 45]])] });
      await rig.call('POST', '/calendars', { body: [calendar('c', [], 'p')] });
      await patch('lampActuator1/defaultLightState', { type: 'AttributeLevelState', value: toLevel(60).state });
      await patch('lampMonitor1/highSupplyVoltageThreshold', { type: 'AttributeFloat', value: 253.4 });
      await rig.call('POST', '/assign-commands', { body: assignment('c', lamp) });
      await until(shows(45), 'report of 45 %');
      await until(({ groups }) => groups?.length === 1, 'group');
      say(`level, threshold, calendar and group are at the lamp ${took()} after the first request`);
      const outcomes = { ...rig.gateway.fleet.outcomes };
      await mosquitto.kill();
      await until(({ online }) => !online, 'loss of the link');
      await mosquitto.start();
      const { birth } = await until(({ online }) => online, 'new connection', 40_000);
      say(`configuration ${birth.configuration} in the birth`);
      assert.ok(birth.configuration);
      await new Promise((resolve) => setTimeout(resolve, 2000));
      assert.deepEqual(rig.gateway.fleet.outcomes, outcomes, 'nothing was sent');
      const targetCommand = toLevel(25);
      await rig.call('POST', '/override-commands', {
        body: { addresses: [{ resource: 'groups', address: 'street' }], targetCommand },
      });
      await until(shows(25), 'report of 25 %');
      await override();
      await until(shows(45), 'report of 45 %');
      assert.deepEqual(
        rig.log.filter((line) => /configuration|did not take/.test(line)),
        [],
      );
    },
  );
});
