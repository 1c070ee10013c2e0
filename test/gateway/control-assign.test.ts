import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { AckCode, BirthKey, CommandKind } from '../../firmware/link/messages.ts';
import {
  assignment,
  calendar,
  checkOf,
  hasSwitchPoints,
  level,
  levels,
  MADRID,
  post,
  program,
  timetable,
  timetables,
  to,
  ZONE,
} from './control-rig.ts';
import { birth, type Controller, Rig, refusalOf, report, T0 } from './rig.ts';
import { TestCms } from './test-cms.ts';

const UNKNOWN = '11111111-2222-4333-8444-555555555555';
const time = (offset: number) => new Date(T0 + offset * 1000).toISOString();
const NIGHT = program('night', [
  ['20:00', 80],
  ['23:00', 40],
]);
const DAY = program('day', [['12:00', 20]]);

describe('TALQ assign commands', () => {
  let rig: Rig;
  let lamp: string;
  let controller: Controller;
  beforeEach(async () => {
    rig = await Rig.start({ timeZone: ZONE, location: MADRID });
    controller = await rig.join('PAR-0001');
    lamp = await rig.address('PAR-0001');
    await post(rig, '/control-programs', NIGHT, DAY);
    await post(rig, '/calendars', calendar('a', [], 'night'), calendar('b', [], 'day'));
  });
  afterEach(() => rig.close());
  const assign = (body: object) => rig.call('POST', '/assign-commands', { body });
  const patch = (path: string, type: string, value: unknown, address = lamp) =>
    rig.call('PATCH', `/devices/${address}/${path}`, { body: { type, value } });
  const read = async (path: string, address = lamp) => (await rig.call('GET', `/devices/${address}/${path}`)).body;
  const readCalendar = async (address = lamp) => (await read('lampActuator1/calendarID', address)).value;

  it('85 assigns by device, function and attribute: 201, calendarID set, and a timetable for that lamp alone', async () => {
    const other = await rig.join('PAR-0002');
    for (const [i, form] of [
      lamp,
      `${lamp}/lampActuator1`,
      `${lamp.toUpperCase()}/lampActuator1/calendarID`,
    ].entries()) {
      const id = i % 2 === 0 ? 'a' : 'b';
      assert.equal((await assign({ ...assignment(id, form, form), cmsRefId: 'asg-12' })).status, 201);
      assert.deepEqual(await read('lampActuator1/calendarID'), {
        type: 'AttributeString',
        value: id,
        timestamp: time(0),
      });
      assert.equal(timetables(controller).length, i + 1);
    }
    assert.deepEqual(
      timetables(controller).map((bytes) => levels(bytes, '2026-05-05T21:00')[0]),
      [80, 20, 80],
    );
    assert.equal(other.commands.length, 0);
    assert.equal(await readCalendar(await rig.address('PAR-0002')), '');
    const { body } = await rig.call('GET', '/assign-commands');
    assert.equal(body.length, 3);
    assert.deepEqual(body[0], { ...assignment('a', lamp, lamp), cmsRefId: 'asg-12' });
  });

  it('85 sends nothing for the same calendar again', async () => {
    for (let i = 0; i < 3; i++) assert.equal((await assign(assignment('a', lamp))).status, 201);
    rig.now += 60000;
    assert.equal((await assign(assignment('a', lamp))).status, 201);
    assert.equal(controller.commands.length, 1);
    assert.equal((await read('lampActuator1/calendarID')).timestamp, time(0));
  });

  it('85 assigns by PATCH of calendarID, and refuses an unknown calendar and what is no text', async () => {
    assert.equal((await patch('lampActuator1/calendarID', 'AttributeString', 'a')).status, 200);
    assert.deepEqual(levels(await timetable(controller, 1), '2026-05-05T23:30'), [40]);
    const unknown = await patch('lampActuator1/calendarID', 'AttributeString', 'none');
    assert.equal(refusalOf(unknown), '422 relatedResourceNotFound');
    const number = await rig.call('PATCH', `/devices/${lamp}/lampActuator1/calendarID`, {
      body: { type: 'AttributeString', value: 5 },
      bad: true,
    });
    assert.equal(refusalOf(number), '400 payloadError');
    assert.equal(await readCalendar(), 'a');
    assert.equal(controller.commands.length, 1);
  });

  it('86 answers 422 to no addresses, to an unknown calendar, device, function or group, and 400 to no entity', async () => {
    assert.equal(refusalOf(await assign(assignment('a'))), '422 assignmentAddressNotValid');
    const unknown = await assign(assignment('none', lamp));
    assert.equal(refusalOf(unknown), '422 relatedResourceNotFound');
    assert.deepEqual(unknown.body[0].references[0].address, { resource: 'calendars', address: 'none' });
    for (const address of [UNKNOWN, `${lamp}/none`, `${lamp}/lampActuator1/none`]) {
      assert.equal(refusalOf(await assign(assignment('a', lamp, address))), '422 relatedResourceNotFound', address);
    }
    const groups = { ...assignment('a'), addresses: [{ resource: 'groups', address: 'g' }] };
    assert.equal(refusalOf(await assign(groups)), '422 relatedResourceNotFound');
    for (const wrong of [{ addresses: to(lamp) }, { addresses: to(lamp), entity: null }]) {
      const reply = await rig.call('POST', '/assign-commands', { body: wrong, bad: true });
      assert.equal(refusalOf(reply), '400 payloadError');
    }
    const program = { addresses: to(lamp), entity: { resource: 'control-programs', address: 'p' } };
    assert.equal(refusalOf(await assign(program)), '422 assignmentEntityNotValid');
    assert.equal(await readCalendar(), '');
    assert.equal(controller.commands.length, 0);
  });

  it('87 answers 422 assignmentAddressNotValid to what has no lamp actuator, and assigns to none of the others', async () => {
    const [gateway] = (await rig.call('GET', '/devices')).body;
    for (const address of [gateway.address, `${lamp}/basic`, `${lamp}/lampActuator1/defaultLightState`]) {
      const reply = await assign(assignment('a', lamp, address));
      assert.equal(refusalOf(reply), '422 assignmentAddressNotValid', address);
      assert.equal(reply.body[0].references[0].address.address, address);
    }
    assert.equal(controller.commands.length, 0);
  });

  it('89 takes the calendar away with an empty address, and sends an empty timetable', async () => {
    await assign(assignment('a', lamp));
    assert.equal((await assign(assignment('', lamp))).status, 201);
    assert.equal(await readCalendar(), '');
    assert.equal((await timetable(controller, 2)).length, 0);
    await rig.report(controller, report({ 0: 2, 3: 100, 4: 100, 5: 0 }));
    assert.deepEqual((await read('lampActuator1/feedbackLightCommand')).value, {
      state: level(100),
      reason: 'default',
    });
  });

  it('92 sets the default level to 40 %, keeps it, and tells it again to a controller that forgot it', async () => {
    const path = 'lampActuator1/defaultLightState';
    assert.equal((await patch(path, 'AttributeLevelState', level(40))).status, 200);
    assert.deepEqual([...controller.commands[0]].slice(1, 3), [
      [1, CommandKind.Configuration],
      [2, 40],
    ]);
    assert.deepEqual([...controller.commands[0].keys()], [0, 1, 2, 14, 15], 'the level alone travels');
    assert.equal((await read(path)).value.value, 40);
    assert.equal((await patch(path, 'AttributeLevelState', level(40))).status, 200);
    assert.equal(controller.commands.length, 1);
    assert.equal(refusalOf(await patch(path, 'AttributeLevelState', level(5))), '422 serviceConstraintExceeded');
    const text = { name: 'TextState', value: 'on' };
    const wrong = await rig.call('PATCH', `/devices/${lamp}/${path}`, {
      body: { type: 'AttributeLevelState', value: text },
      bad: true,
    });
    assert.equal(refusalOf(wrong), '400 payloadError');
    controller.answer = () => AckCode.Malformed;
    assert.equal(refusalOf(await patch(path, 'AttributeLevelState', level(60))), '422 overrideCommandNotValid');
    assert.equal((await read(path)).value.value, 40);
    controller.answer = () => AckCode.Done;
    await controller.greet(birth({ 3: 8, 9: 40 }), report({ 7: 8 }));
    assert.equal(controller.commands.length, 2);
    Object.assign(controller.end.configuration, { version: 0, content: {} });
    await controller.greet(birth({ 3: 9 }), report({ 7: 9 }));
    await controller.until(() => controller.commands.length === 3);
    assert.equal(controller.commands[2].get(2), 40);
  });

  it('99 sends a lamp the new program after PUT of a program or a calendar in use, and nothing when neither changed', async () => {
    await assign(assignment('a', lamp));
    assert.equal((await rig.call('PUT', '/control-programs', { body: [NIGHT, DAY] })).status, 200);
    const brighter = program('night', [['20:00', 90]]);
    assert.equal((await rig.call('PUT', '/control-programs/night', { body: brighter })).status, 200);
    assert.deepEqual(levels(await timetable(controller, 2), '2026-05-05T21:00'), [90]);
    assert.equal((await rig.call('PUT', '/calendars/a', { body: calendar('a', [], 'day') })).status, 200);
    assert.deepEqual(levels(await timetable(controller, 3), '2026-05-05T21:00'), [20]);
    // What lies on other calendars does not concern the lamp.
    await rig.call('PUT', '/calendars/b', { body: calendar('b', [], 'night') });
    await rig.call('PUT', '/control-programs/night', { body: NIGHT });
    await assign(assignment('a', lamp));
    assert.equal(controller.commands.length, 3);
  });

  it('follows the time zone and the place of the lamp, of the gateway where the lamp has none, under both names', async () => {
    await assign(assignment('a', lamp));
    const [gateway] = (await rig.call('GET', '/devices')).body;
    const zone = async (path: string, value: string, address = lamp) =>
      assert.equal((await patch(path, 'AttributeString', value, address)).status, 200, value);
    const at21 = async (count: number, utc: string) => {
      const bytes = await timetable(controller, count);
      assert.equal(controller.commands.length, count);
      return levels(bytes, utc)[0];
    };
    await zone('time/timeZone', 'Pacific/Auckland'); // 20:00 there is 08:00 UTC in May
    assert.equal(await at21(2, '2026-05-05T08:30:00Z'), 80);
    assert.equal((await read('basic/timeZone')).value, 'Pacific/Auckland');
    await zone('basic/timeZone', 'Etc/GMT+3'); // west of Greenwich
    assert.equal(await at21(3, '2026-05-05T23:30:00Z'), 80);
    assert.equal((await read('time/timeZone')).value, 'Etc/GMT+3');
    await zone('time/timeZone', 'EST5EDT,M3.2.0,M11.1.0');
    assert.equal(await at21(4, '2026-05-06T00:30:00Z'), 80);
    for (const wrong of ['Mars/Olympus', '+05:00', 'CET-1CEST']) {
      const reply = await patch('time/timeZone', 'AttributeString', wrong);
      assert.equal(refusalOf(reply), '422 serviceConstraintExceeded', wrong);
    }
    const place = { latitude: 69.6492, longitude: 18.9553, altitude: 10 };
    assert.equal((await patch('basic/location', 'AttributeLocation', place)).status, 200);
    assert.deepEqual((await read('basic/location')).value, place);
    const head = Buffer.from(await timetable(controller, 5));
    assert.deepEqual([head.readInt32BE(6), head.readInt32BE(10)], [69649200, 18955300]);
    const far = await patch('basic/location', 'AttributeLocation', { latitude: 91, longitude: 0 });
    assert.equal(refusalOf(far), '422 serviceConstraintExceeded');

    const second = await rig.join('PAR-0002');
    const other = await rig.address('PAR-0002');
    await assign(assignment('a', other));
    assert.deepEqual((await read('basic/location', other)).value, MADRID);
    await zone('time/timeZone', 'Asia/Tokyo', gateway.address);
    assert.deepEqual(levels(await timetable(second, 2), '2026-05-05T11:30:00Z'), [80]);
    assert.equal(controller.commands.length, 5);
  });

  it('65 gives the time of basic and time alike, as local time with the offset of the device', async () => {
    for (const [zone, expected] of [
      ['Europe/Brussels', '2026-05-04T22:00:00.000+02:00'],
      ['America/St_Johns', '2026-05-04T17:30:00.000-02:30'],
      ['Etc/GMT-3', '2026-05-04T23:00:00.000+03:00'],
      ['<+0545>-5:45', '2026-05-05T01:45:00.000+05:45'],
      ['NZST-12NZDT,M9.5.0,M4.1.0/3', '2026-05-05T08:00:00.000+12:00'],
    ]) {
      await patch('time/timeZone', 'AttributeString', zone);
      for (const path of ['basic/currentTime', 'time/currentTime']) {
        assert.deepEqual(await read(path), { type: 'AttributeDateTime', value: expected, timestamp: time(0) }, zone);
      }
    }
    const [gateway] = (await rig.call('GET', '/devices')).body;
    assert.equal((await read('time/currentTime', gateway.address)).value, '2026-05-04T22:00:00.000+02:00');
  });

  it('answers 202 while the controller is silent, repeats one timetable under one number, and then follows it', async () => {
    controller.answer = () => undefined;
    const reply = await rig.advance(assign(assignment('a', lamp)));
    assert.equal(reply.status, 202);
    assert.equal(await readCalendar(), 'a');
    rig.now = T0 + 5200;
    rig.gateway.tick();
    await controller.until(() => controller.commands.length === 2);
    assert.deepEqual(controller.commands[0], controller.commands[1]);
    controller.answer = () => AckCode.Done;
    rig.now = T0 + 7 * 86400000; // a timetable never expires
    rig.gateway.tick();
    await controller.until(() => controller.commands.length === 3);
    assert.equal((await assign(assignment('a', lamp))).status, 201);
    assert.equal(controller.commands.length, 3);
  });

  it('replaces a timetable that was not acknowledged by the next one, beside an override that stays', async () => {
    controller.answer = () => undefined;
    const first = assign(assignment('a', lamp));
    await controller.until(() => controller.commands.length === 1);
    const body = { addresses: to(lamp), targetCommand: { state: level(50) } };
    const override = rig.call('POST', '/override-commands', { body });
    await controller.until(() => controller.commands.length === 2);
    const second = assign(assignment('b', lamp));
    await controller.until(() => controller.commands.length === 3);
    await rig.advance(Promise.all([first, override, second]));
    controller.answer = () => AckCode.Done;
    rig.now = T0 + 12000;
    rig.gateway.tick();
    await controller.until(() => controller.commands.length >= 5);
    assert.deepEqual(
      controller.commands.slice(3, 5).map((one) => one.get(1)),
      [CommandKind.Override, CommandKind.Configuration],
    );
    assert.deepEqual(levels(timetables(controller)[2], '2026-05-05T21:00'), [20]);
  });

  describe('when a controller is born again', () => {
    const bornWith = (more: Record<number, unknown>, boot: number) =>
      controller.greet(birth({ 3: boot, ...more }), report({ 7: boot }));
    beforeEach(() => assign(assignment('a', lamp)));
    const quiet = async () => {
      const before = controller.commands.length;
      await rig.call('POST', '/override-commands', { body: { addresses: to(lamp) } });
      assert.equal(controller.commands.length, before + 1);
    };
    /** A configuration of another gateway. */
    const strange = { [BirthKey.Configuration]: [12345, 54321] };

    it('sends nothing to one that has its timetable', async () => {
      await bornWith({}, 8);
      await quiet();
    });

    it('sends the timetable to one that has another one, or was never given any', async () => {
      await bornWith(strange, 8);
      assert.deepEqual(await timetable(controller, 2), timetables(controller)[0]);
      controller.end.configuration.version = 0;
      controller.end.configuration.content = {};
      await bornWith({}, 9);
      assert.deepEqual(await timetable(controller, 3), timetables(controller)[0]);
      await quiet();
    });

    it('sends an empty one to a lamp without a calendar that has something else', async () => {
      await assign(assignment('', lamp));
      await bornWith({}, 8);
      await quiet();
      await bornWith(strange, 9);
      assert.equal((await timetable(controller, 3)).length, 0);
    });

    it('leaves its board its own timetable while no CMS has said anything about a calendar', async () => {
      const fresh = await rig.join('PAR-0002');
      await rig.call('POST', '/override-commands', { body: { addresses: to(await rig.address('PAR-0002')) } });
      assert.equal(fresh.commands.length, 1);
    });
  });

  describe('to a lamp that cannot hold the calendar', () => {
    const invalid = async (address = lamp) => (await read('lampActuator1/invalidCalendar', address)).value;

    it('refuses it as a whole when the birth told the limits', async () => {
      const small = await rig.join('PAR-0002', birth({ 8: [100, 32, 16, 16] }));
      const address = await rig.address('PAR-0002');
      const big = program(
        'big',
        Array.from({ length: 12 }, (_, i) => [`${10 + i}:00`, i] as [string, number]),
      );
      await post(rig, '/control-programs', big);
      await post(rig, '/calendars', calendar('big', [], 'big'));
      const reply = await assign(assignment('big', lamp, address));
      assert.equal(refusalOf(reply), '422 serviceConstraintExceeded');
      assert.match(reply.body[0].description, /bytes, only 100/);
      assert.equal(reply.body[0].references[0].address.address, address);
      await assign(assignment('b', address));
      const put = await rig.call('PUT', '/control-programs', { body: [{ ...big, id: 'day' }] });
      assert.equal(refusalOf(put), '422 serviceConstraintExceeded');
      assert.deepEqual((await rig.call('GET', '/control-programs/day')).body, DAY);
      assert.equal(await readCalendar(address), 'b');
      assert.deepEqual([controller.commands.length, small.commands.length], [0, 1]);
    });

    it('114 raises invalidCalendar when the controller says TooLarge, and gives the lamp its default level', async () => {
      assert.equal(await invalid(), false);
      await assign(assignment('a', lamp));
      controller.answer = (command) => (hasSwitchPoints(command) ? AckCode.TooLarge : AckCode.Done);
      assert.equal((await assign(assignment('b', lamp))).status, 202);
      assert.equal((await timetable(controller, 3)).length, 0);
      assert.deepEqual(await read('lampActuator1/invalidCalendar'), {
        type: 'AttributeBoolean',
        value: true,
        timestamp: time(0),
      });
      assert.equal(await readCalendar(), 'b');
      const { class: name } = await rig.call('GET', `/devices/${lamp}`).then(({ body }) => body);
      const { body } = await rig.call('GET', `/device-classes/${name}`);
      const actuator = body.functions.find(({ functionId }: { functionId: string }) => functionId === 'lampActuator1');
      assert.ok(actuator.events.some(({ type }: { type: string }) => type === 'invalidCalendar'));
      // Another calendar is another try; the same one is not.
      await assign(assignment('b', lamp));
      assert.equal(controller.commands.length, 3);
      controller.answer = () => AckCode.Done;
      assert.equal((await assign(assignment('a', lamp))).status, 201);
      assert.equal(await invalid(), false);
    });

    it('114 gives the default level to a lamp whose new firmware holds less, and the calendar when it holds it again', async () => {
      await assign(assignment('a', lamp));
      const first = checkOf(timetables(controller)[0]);
      await controller.greet(birth({ 3: 8, 8: [10, 32, 16, 16] }), report({ 7: 8 }));
      assert.equal((await timetable(controller, 2)).length, 0);
      assert.equal(await invalid(), true);
      await controller.greet(birth({ 3: 9, 8: [4000, 32, 16, 16] }), report({ 7: 9 }));
      assert.equal(checkOf(await timetable(controller, 3)), first);
      assert.equal(await invalid(), false);
    });
  });
});

describe('assign commands that end late', () => {
  let cms: TestCms;
  let rig: Rig;
  let good: Controller;
  let bad: Controller;
  let addresses: string[];
  const query = () => ({ clientAddress: cms.cmsAddress });
  beforeEach(async () => {
    cms = new TestCms();
    await cms.listen();
    rig = await Rig.start({ cms: [{ uri: cms.uri }], insecureHttp: true });
    await cms.until(3);
    const own = { type: 'AttributeString', value: cms.cmsAddress };
    const functions = [{ id: 'gateway', type: 'GatewayFunction', cmsAddress: own }];
    await rig.call('PATCH', `/devices/${cms.gatewayAddress}`, { query: query(), body: { functions }, bad: true });
    await cms.until(5);
    good = await rig.join('PAR-0001');
    bad = await rig.join('PAR-0002');
    const told = (name: string): string | undefined =>
      cms.received
        .filter(({ method, path }) => method === 'POST' && path === '/devices')
        .flatMap(({ body }) => body)
        .find((device) => device.name === name)?.address;
    while (!told('PAR-0001') || !told('PAR-0002')) await cms.until(cms.received.length + 1);
    addresses = [told('PAR-0001'), told('PAR-0002')] as string[];
    const owned = <T extends object>(item: T) => ({ ...item, ownerCMS: cms.cmsAddress });
    await rig.call('POST', '/control-programs', { query: query(), body: [owned(NIGHT)] });
    await rig.call('POST', '/calendars', { query: query(), body: [owned(calendar('a', [], 'night'))] });
  });
  afterEach(async () => {
    await rig.close();
    await cms.close();
    assert.deepEqual(cms.violations, []);
  });
  /** Assigns to both lamps. @returns the id of the request, which was answered with 202 */
  const assignBoth = async () => {
    const talqRequestId = randomUUID();
    const body = assignment('a', ...addresses);
    const answer = rig.call('POST', '/assign-commands', { query: { ...query(), talqRequestId }, body });
    await Promise.all([good, bad].map((one) => one.until(() => one.commands.length >= 1)));
    assert.equal((await rig.advance(answer)).status, 202);
    return talqRequestId;
  };

  it('91 tells the CMS by PATCH of the lamp that follows, not of the one that said TooLarge', async () => {
    good.answer = () => undefined;
    bad.answer = (command) => (hasSwitchPoints(command) ? AckCode.TooLarge : AckCode.Done);
    const before = cms.received.length;
    const talqRequestId = await assignBoth();
    good.answer = () => AckCode.Done;
    rig.now += 5000;
    rig.gateway.tick();
    await cms.until(before + 1);
    const { method, path, query: told, body } = cms.received[before];
    assert.deepEqual([method, path, told.talqOriginRequestId], ['PATCH', '/devices', talqRequestId]);
    assert.deepEqual(
      body.map(({ address }: { address: string }) => address),
      addresses.slice(0, 1),
    );
    const { calendarID, invalidCalendar } = body[0].functions[0];
    assert.deepEqual([calendarID.value, invalidCalendar.value], ['a', false]);
    const { body: failed } = await rig.call('GET', `/devices/${addresses[1]}/lampActuator1`, { query: query() });
    assert.equal(failed.invalidCalendar.value, true);
  });

  it('91 tells of the lamp that follows after a minute, although the other one stays away, and of that one when it is back', async () => {
    bad.answer = () => undefined;
    const before = cms.received.length;
    const talqRequestId = await assignBoth();
    rig.now += 60000;
    rig.gateway.tick();
    await cms.until(before + 1);
    bad.answer = () => AckCode.Done;
    rig.now += 60000;
    rig.gateway.tick();
    await cms.until(before + 2);
    const patches = cms.received.slice(before);
    assert.deepEqual(
      patches.map(({ body }) => body[0].address),
      addresses,
    );
    for (const { query: told } of patches) assert.equal(told.talqOriginRequestId, talqRequestId);
  });

  it('announces its services again when a smaller controller joins', async () => {
    const before = cms.received.length;
    await rig.join('PAR-0003', birth({ 8: [2048, 20, 10, 12] }));
    await cms.until(before + 2);
    const { method, path, body } = cms.received[before];
    assert.deepEqual([method, path], ['POST', '/services']);
    assert.deepEqual([body[1].maxProgramsPerCalendar, body[1].maxSwitchPointsPerProgram], [10, 12]);
  });

  it('30 forgets calendars and programs with the CMS that deletes the gateway, and lamps get their default level', async () => {
    await assignBoth().catch(() => {});
    await rig.call('DELETE', `/devices/${cms.gatewayAddress}`, { query: query() });
    assert.equal((await timetable(good, 2)).length, 0);
    assert.equal((await timetable(bad, 2)).length, 0);
  });
});
