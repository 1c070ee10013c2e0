import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DateTime } from 'luxon';
import { to, ZONE } from './control-rig.ts';
import { Attached, type Data, dataOf, eventsOf, pass, turns } from './logger-rig.ts';
import { Controller, report, T0 } from './rig.ts';
import { TestCms } from './test-cms.ts';

const LIGHT = { type: 'EventRecordingMode', sourceEvents: { whiteList: ['lightStateChange'] } };
const immediate = (delay: number, numberOfRetries?: number) => ({
  reportingMode: {
    type: 'ImmediateReportingMode',
    delay,
    ...(numberOfRetries === undefined ? {} : { numberOfRetries }),
  },
});
const DAY = 86400000;
const MINUTE = 60000;

describe('log reports to the CMS', () => {
  let site: Attached;
  let lamp: string;
  let number: number;
  const open = async (options = {}) => {
    site = await Attached.open(options);
    lamp = await site.join('PAR-0001');
    number = 1;
  };
  afterEach(() => site.close());

  /** The lamp goes to another level; its event is known to the gateway when this resolves. */
  const dim = async (level: number, controller = site.rig.controllers[0]) => {
    const since = Math.floor(site.rig.now / 1000);
    const values = { 0: ++number, 1: since, 3: level, 4: level, 5: 1, 6: `op-${level}`, 8: since };
    await site.rig.report(controller, report(values));
    await turns(3);
  };
  const levels = (entries = site.entries()) => dataOf(entries).map(({ command }) => command.state.value);
  const attempts = () => site.cms.reports.length;

  it('118 119 come at once without a delay, one logger each, with its address and complete entries', async () => {
    await open();
    await site.create('log-events', { recordingMode: LIGHT, ...immediate(0) });
    await site.create('log-all', immediate(0));
    await dim(40);
    await site.until(() => attempts() >= 2);
    const mine = site.reports('log-events');
    assert.equal(mine.length, 1);
    assert.deepEqual(mine[0], [
      {
        cmsRefId: 'op-40',
        data: {
          type: 'StateChangeEventLogData',
          srcAddress: `${lamp}/lampActuator1`,
          timestamp: new Date(T0).toISOString(),
          eventType: 'lightStateChange',
          command: {
            state: { name: 'LevelState', value: 40 },
            reason: 'override',
            cmsRefId: 'op-40',
            start: new Date(T0).toISOString(),
          },
        },
      },
    ]);
    assert.deepEqual(eventsOf(site.entries('log-all')), ['lightStateChange', 'targetLightCommandChange']);
    assert.ok(site.cms.reports.every(({ body }) => Object.keys(body).sort().join() === 'address,entries'));
  });

  it('118 come once, 30 s after the first of two changes that are 20 s apart', async () => {
    await open();
    await site.create('log', { recordingMode: LIGHT, ...immediate(30) });
    await dim(40);
    await pass(site.rig, 20000);
    await dim(50);
    await pass(site.rig, 9000);
    assert.equal(attempts(), 0);
    await pass(site.rig, 1000);
    await site.until(() => attempts() === 1);
    assert.deepEqual(levels(), [40, 50]);
    await pass(site.rig, 5 * MINUTE);
    assert.equal(attempts(), 1);
  });

  it('125 come between 09:00:00 and 09:01:00 local, one a day, and none when nothing was recorded', async () => {
    await open({ timeZone: ZONE });
    const reportingMode = { type: 'ScheduledReportingMode', times: ['09:00:00'], randomTime: 60 };
    await site.create('log', { recordingMode: LIGHT, reportingMode });
    const nine = DateTime.fromISO('2026-05-05T09:00', { zone: ZONE }).toMillis();
    await dim(40);
    await dim(50);
    for (const [day, expected] of [
      [0, [[40, 50]]],
      [1, [[40, 50]]],
      [2, [[40, 50], [60]]],
    ] as [number, number[][]][]) {
      if (day === 2) await dim(60);
      const before = attempts();
      await pass(site.rig, nine + day * DAY - 1000 - site.rig.now, 10 * MINUTE);
      assert.equal(attempts(), before, 'not before nine');
      await pass(site.rig, MINUTE + 1000);
      if (expected.length > before) await site.until(() => attempts() > before);
      assert.deepEqual(
        site.reports().map((entries) => levels(entries)),
        expected,
      );
    }
  });

  it('126 127 are tried 1 + 3 times every 30 s, then come once, in order and complete, after a day without CMS', async () => {
    await open();
    await site.create('log', { recordingMode: LIGHT, ...immediate(0) });
    await dim(10);
    await site.until(() => attempts() === 1);
    await site.down();
    const tries = () => site.rig.log.filter((line) => /log-reports.*ECONNREFUSED/.test(line)).length;
    await dim(11);
    await site.until(() => tries() === 1);
    for (const expected of [2, 3, 4]) {
      await pass(site.rig, 29000);
      assert.equal(tries(), expected - 1);
      await pass(site.rig, 1000);
      await site.until(() => tries() === expected);
    }
    // Then once after 1, 2, 4, 8 minutes and every quarter of an hour.
    for (const [i, wait] of [1, 2, 4, 8, 15, 15].entries()) {
      await pass(site.rig, wait * MINUTE - 1000, 10000);
      assert.equal(tries(), 4 + i, `not yet after ${wait} minutes`);
      await pass(site.rig, 1000);
      await site.until(() => tries() === 5 + i);
    }
    const expected = [10, 11];
    for (let hour = 0; hour < 24; hour++) {
      await dim(20 + hour);
      expected.push(20 + hour);
      await pass(site.rig, 60 * MINUTE, MINUTE);
    }
    await site.up();
    await pass(site.rig, 20 * MINUTE, MINUTE);
    await site.until(() => site.entries().length >= expected.length);
    assert.deepEqual(
      site.reports().map((entries) => levels(entries)),
      // The report that nobody took is repeated as it was, what came after it follows.
      [[10], [11], expected.slice(2)],
    );
    const times = dataOf(site.entries()).map(({ timestamp }) => Date.parse(timestamp));
    assert.deepEqual(
      times.slice(2).map((time, i) => time - times[2] - i * 60 * MINUTE),
      expected.slice(2).map(() => 0),
      'the times of the field',
    );
    await pass(site.rig, 60 * MINUTE, MINUTE);
    assert.equal(attempts(), 3);
  });

  it('126 scheduled ones wait for their next time after the last retry', async () => {
    await open({ timeZone: 'UTC0' });
    const reportingMode = { type: 'ScheduledReportingMode', times: ['21:00:00', '23:00:00'], numberOfRetries: 1 };
    await site.create('log', { recordingMode: LIGHT, reportingMode });
    await dim(40);
    site.cms.judge = () => 503;
    await pass(site.rig, 119 * MINUTE, 10000);
    assert.equal(attempts(), 2);
    site.cms.judge = () => 201;
    await pass(site.rig, 60 * MINUTE, MINUTE);
    await dim(50);
    await pass(site.rig, 3 * MINUTE, 10000);
    await site.until(() => attempts() === 4);
    assert.deepEqual(
      site.reports().map((entries) => levels(entries)),
      [[40], [50]],
    );
  });

  it('127 keep their id and their entries until they are answered, so that a CMS that has them knows them', async () => {
    await open();
    await site.create('log', { recordingMode: LIGHT, ...immediate(0, 0) });
    site.cms.judge = () => undefined;
    await dim(40);
    await site.until(() => attempts() > 0);
    await dim(50);
    site.cms.judge = () => 201;
    await pass(site.rig, 2 * MINUTE);
    await site.until(() => site.reports().length === 2);
    // The HTTP client may have tried twice by itself.
    const unanswered = site.cms.reports.filter(({ status }) => status === undefined);
    const [again, rest] = site.cms.reports.filter(({ status }) => status === 201);
    for (const { id, body } of unanswered) assert.deepEqual([again.id, again.body], [id, body]);
    assert.ok(unanswered.length > 0);
    assert.notEqual(rest.id, again.id);
    assert.deepEqual([levels(again.body.entries), levels(rest.body.entries)], [[40], [50]]);
  });

  it('leave out an entry that the CMS refuses among others that it takes, and lose none of those', async () => {
    await open();
    await site.create('log', { recordingMode: LIGHT, ...immediate(10) });
    const bad = (data: Data) => data.command.state.value === 13;
    site.cms.judge = (body) => (dataOf(body.entries).some(bad) ? 422 : 201);
    for (let level = 10; level <= 20; level++) await dim(level);
    await pass(site.rig, MINUTE);
    await site.until(() => site.entries().length === 10);
    assert.deepEqual(levels(), [10, 11, 12, 14, 15, 16, 17, 18, 19, 20]);
    assert.equal(site.rig.log.filter((line) => /left out/.test(line)).length, 1);
    await dim(21);
    await pass(site.rig, 15000);
    await site.until(() => site.entries().length === 11);
    assert.equal(levels().at(-1), 21);
  });

  it('come in shorter reports to a CMS that answers 413 to long ones', async () => {
    await open();
    await site.create('log', { recordingMode: LIGHT, ...immediate(10) });
    site.cms.judge = ({ entries }) => (entries.length > 3 ? 413 : 201);
    for (let level = 10; level <= 20; level++) await dim(level);
    await pass(site.rig, 2 * MINUTE);
    await site.until(() => site.entries().length === 11);
    assert.deepEqual(levels(), [10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
  });

  it('are kept when the CMS refuses every entry, and come when it takes them again', async () => {
    await open();
    await site.create('log', { recordingMode: LIGHT, ...immediate(10) });
    site.cms.judge = () => 400;
    for (let level = 10; level <= 20; level++) await dim(level);
    await pass(site.rig, 5 * MINUTE);
    assert.ok(attempts() > 0 && site.entries().length === 0);
    assert.ok(site.rig.log.some((line) => /refuses every entry with 400; they are kept/.test(line)));
    site.cms.judge = () => 201;
    await pass(site.rig, 30 * MINUTE, 10000);
    await site.until(() => site.entries().length === 11);
    assert.deepEqual(levels(), [10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
  });

  it('tell of the entries for which there was no room, once, when the CMS is back', async () => {
    await open({ logEntries: 20 });
    await site.create('log', { recordingMode: LIGHT, ...immediate(0, 0) });
    await site.down();
    for (let level = 10; level < 60; level++) await dim(level);
    await site.up();
    await pass(site.rig, 3 * MINUTE);
    const malfunction = () => site.entries().filter(({ data }) => data.eventType === 'deviceMalfunction');
    await site.until(() => malfunction().length === 1);
    const kept = levels(site.entries().filter(({ data }) => data.eventType === 'lightStateChange'));
    // The log is looked at after every second entry.
    assert.ok(kept.length >= 20 && kept.length <= 23, String(kept.length));
    assert.deepEqual(
      kept,
      Array.from({ length: kept.length }, (_, i) => 60 - kept.length + i),
    );
    const [{ data }] = malfunction();
    assert.equal(data.srcAddress, site.cms.gatewayAddress);
    assert.match(data.info[0].description, new RegExp(`^logger log: ${50 - kept.length} entries lost`));
    await pass(site.rig, 60 * MINUTE, MINUTE);
    assert.equal(malfunction().length, 1);
  });

  it('133 end with their logger, and go on with a new configuration for what was recorded before', async () => {
    await open();
    await site.create('log', { recordingMode: LIGHT, ...immediate(600) });
    await site.create('gone', { recordingMode: LIGHT, ...immediate(600) });
    await dim(40);
    const body = site.logger('log', { recordingMode: LIGHT, sourceAddresses: {}, ...immediate(10) });
    assert.equal((await site.call('PUT', '/logger-configs/log', { body })).status, 200);
    assert.equal((await site.call('DELETE', '/logger-configs/gone')).status, 200);
    await dim(50);
    await pass(site.rig, 20 * MINUTE, 10000);
    assert.deepEqual(
      site.cms.reports.map(({ body: { address, entries } }) => [address, levels(entries)]),
      [['log', [40]]],
    );
  });

  it('30 end when the CMS removes the gateway: its loggers and logs are forgotten', async () => {
    await open();
    await site.create('log', { recordingMode: LIGHT, ...immediate(60) });
    await dim(40);
    assert.equal((await site.call('DELETE', `/devices/${site.cms.gatewayAddress}`)).status, 200);
    await pass(site.rig, 5 * MINUTE);
    assert.equal(attempts(), 0);
    assert.equal((await site.call('GET', '/log-reports/count')).body, 0);
  });

  it('are answered with 403 three times by a CMS that has forgotten the gateway: it attaches anew', async () => {
    await open();
    await site.create('log', { recordingMode: LIGHT, ...immediate(0, 0) });
    site.cms.judge = () => 403;
    const before = site.cms.received.length;
    await dim(40);
    await pass(site.rig, 10 * MINUTE, 5000);
    assert.equal(attempts(), 3);
    assert.deepEqual(site.cms.steps().slice(before)[0], 'POST /devices');
  });

  it('33 34 tell the first CMS that a second one has been attached, and each CMS only of what concerns it', async () => {
    const second = new TestCms();
    await second.listen();
    try {
      site = await Attached.open({}, [second]);
      lamp = await site.join('PAR-0001');
      number = 1;
      await site.create('log', immediate(0));
      // The second one does not configure the gateway's device, which it is given a minute for.
      await pass(site.rig, 61000);
      await site.until(() => attempts() === 1);
      const [{ data }] = site.entries('log');
      assert.deepEqual(
        [data.eventType, data.srcAddress, data.startEndFlag],
        ['newCmsAttached', `${site.cms.gatewayAddress}/gateway`, undefined],
      );
      const query = { clientAddress: second.cmsAddress };
      const body = { ...site.logger('log', immediate(0)), ownerCMS: second.cmsAddress };
      assert.equal((await site.rig.call('POST', '/logger-configs', { query, body })).status, 201);
      const nowhere = { addresses: to(second.cmsAddress), targetCommand: { state: { name: 'LevelState', value: 1 } } };
      const reply = await site.rig.call('POST', '/override-commands', { query, body: nowhere });
      assert.equal(reply.status, 422);
      await dim(40);
      await site.until(() => second.reports.flatMap((one) => one.body.entries).length === 3);
      const told = eventsOf(second.reports.flatMap((one) => one.body.entries));
      assert.deepEqual(told, ['invalidAddress', 'lightStateChange', 'targetLightCommandChange']);
      const [unknown] = dataOf(second.reports[0].body.entries);
      assert.equal(unknown.srcAddress, second.gatewayAddress);
      await site.until(() => site.entries('log').length === 3);
      assert.deepEqual(eventsOf(site.entries('log')).slice(1), ['lightStateChange', 'targetLightCommandChange']);
    } finally {
      await second.close();
      assert.deepEqual(second.violations, []);
    }
  });

  it('129 leave a logger pullable: what was acknowledged is not in it', async () => {
    await open();
    await site.create('log', { recordingMode: LIGHT, ...immediate(60) });
    const pull = async () => levels((await site.call('GET', '/log-reports/log')).body.entries);
    await dim(40);
    assert.deepEqual([await pull(), await pull()], [[40], [40]]);
    await pass(site.rig, MINUTE);
    await site.until(() => attempts() === 1);
    await turns(3);
    assert.deepEqual([levels(), await pull()], [[40], []]);
  });
});

describe('log reports after a restart of the gateway', () => {
  let directory: string;
  let site: Attached;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
  });
  afterEach(async () => {
    await site.close();
    await rm(directory, { recursive: true });
  });

  /** The data of this instant, as a killed process leaves it; the gateway that runs is put away. */
  const kill = async () => {
    const copy = await mkdtemp(join(directory, 'copy-'));
    await cp(join(directory, 'data'), copy, { recursive: true, filter: (name) => !name.endsWith('.lock') });
    for (const controller of site.rig.controllers.splice(0)) await controller.close();
    await site.rig.close();
    await site.start({ dataDirectory: copy });
  };
  /** Waits until so many entries of the logger are in the store. */
  const stored = async (count: number) => {
    const pending = async () => (await site.call('GET', '/log-reports/log')).body.entries.length;
    while ((await pending()) < count) await turns(1);
  };
  const since = () => Math.floor(site.rig.now / 1000);
  const lit = (level: number, number: number) =>
    report({ 0: number, 1: since(), 3: level, 4: level, 5: 1, 6: `op-${level}`, 8: since() });

  it('126 127 neither repeat nor lose an entry, keep the loggers and their sources, and tell of the restart', async () => {
    site = await Attached.open({ dataDirectory: join(directory, 'data') });
    const lamp = await site.join('PAR-0001');
    await site.create('log', {
      sourceAddresses: { whiteList: to(lamp) },
      reportingMode: { type: 'ImmediateReportingMode', delay: 0, numberOfRetries: 0 },
      recordingMode: LIGHT,
    });
    await site.create('gateway', {
      sourceAddresses: { whiteList: to(site.cms.gatewayAddress) },
      reportingMode: { type: 'ImmediateReportingMode', delay: 0 },
    });
    const acknowledged = () => site.entries('log').length;
    await site.rig.report(site.rig.controllers[0], lit(40, 2));
    await site.until(() => acknowledged() === 1);
    // It is taken, and the gateway is killed before it hears of that.
    site.cms.judge = ({ address }) => (address === 'log' ? undefined : 201);
    site.rig.now += 1000;
    await site.rig.report(site.rig.controllers[0], lit(50, 3));
    await site.until(() => site.cms.reports.length >= 2);
    site.rig.now += 1000;
    await site.rig.report(site.rig.controllers[0], lit(60, 4));
    await stored(2);
    await kill();
    site.cms.judge = () => 201;
    await pass(site.rig, 120000);
    await site.until(() => acknowledged() === 3);
    const lost = site.cms.reports[1];
    const again = site.cms.reports.filter(({ id, status }) => id === lost.id && status === 201);
    assert.deepEqual(
      again.map(({ body }) => body),
      [lost.body],
      'the same entries under the same id',
    );
    const levels = dataOf(site.entries('log')).map(({ command }) => command.state.value);
    assert.deepEqual(levels, [40, 50, 60]);
    assert.deepEqual(eventsOf(site.entries('gateway')), ['deviceReset']);
    assert.equal(site.entries('gateway')[0].data.srcAddress, `${site.cms.gatewayAddress}/basic`);
    // What the lamp did before is no news, what it does now is.
    await site.rig.join('PAR-0001', undefined, lit(60, 5));
    await pass(site.rig, 60000);
    await site.rig.report(site.rig.controllers[0], lit(70, 6));
    await site.until(() => acknowledged() === 4);
    assert.equal(site.entries('log')[3].data.command.state.value, 70);
  });

  it('tell of a change while the gateway was away, at its time, and of a controller that does not come back', async () => {
    site = await Attached.open({ dataDirectory: join(directory, 'data') });
    const lamp = await site.join('PAR-0001');
    const other = await site.join('PAR-0002');
    const whiteList = ['lightStateChange', 'communicationFailure'];
    await site.create('log', {
      recordingMode: { type: 'EventRecordingMode', sourceEvents: { whiteList } },
      reportingMode: { type: 'ImmediateReportingMode', delay: 0 },
    });
    await turns(20);
    await kill();
    const away = site.rig.now + 30000;
    site.rig.now += 60000;
    const back = await Controller.connect(site.rig.gateway.brokerPort, 'PAR-0001');
    site.rig.controllers.push(back);
    await site.rig.during(
      () => site.rig.gateway.fleet.controllers.get('PAR-0001')?.state?.command === 20,
      () => back.greet(undefined, report({ 0: 9, 1: since(), 3: 20, 4: 20, 8: away / 1000 })),
    );
    await pass(site.rig, 10 * MINUTE, 10000);
    await site.until(() => site.entries().length === 2);
    assert.deepEqual(
      dataOf(site.entries()).map(({ srcAddress, eventType, timestamp }) => [srcAddress, eventType, timestamp]),
      [
        [`${lamp}/lampActuator1`, 'lightStateChange', new Date(away).toISOString()],
        [`${other}/communication`, 'communicationFailure', dataOf(site.entries())[1].timestamp],
      ],
    );
  });

  it('125 are sent at once when their time passed meanwhile', async () => {
    site = await Attached.open({ dataDirectory: join(directory, 'data'), timeZone: 'UTC0' });
    await site.join('PAR-0001');
    const reportingMode = { type: 'ScheduledReportingMode', times: ['21:00:00'] };
    await site.create('log', { recordingMode: LIGHT, reportingMode });
    await site.rig.report(site.rig.controllers[0], lit(40, 2));
    await stored(1);
    site.rig.now += 3 * 3600000;
    await kill();
    await site.until(() => site.entries().length === 1);
    await pass(site.rig, DAY, 10 * MINUTE);
    assert.equal(site.cms.reports.length, 1);
  });
});
