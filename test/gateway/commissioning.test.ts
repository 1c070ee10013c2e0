import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { calendar, command, post, program, timetable, to } from './control-rig.ts';
import { birth, CMS, type Controller, type Reply, Rig, refusalOf, report } from './rig.ts';
import { TestCms } from './test-cms.ts';

const NIL = '00000000-0000-0000-0000-000000000000';
const OWN = 'f81d4fae-7dec-41d0-a765-00a0c91e6bf6';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const text = (value: string) => ({ type: 'AttributeString', value });
const comm = (id: string) => ({ id: 'communication', type: 'CommunicationFunction', physicalAddress: text(id) });

describe('TALQ devices that a CMS creates, replaces and deletes', () => {
  let rig: Rig;
  let lamp: string;
  let className: string;
  beforeEach(async () => {
    rig = await Rig.start();
    await rig.join('PAR-0001', birth({ 11: 1 }), report({ 15: 0 }));
    lamp = await rig.address('PAR-0001');
    className = (await get(`/devices/${lamp}`)).class;
  });
  afterEach(() => rig.close());
  const get = async (path: string) => (await rig.call('GET', path)).body;
  const device = (address: string, name: string, functions: object[] = []) => ({
    address,
    name,
    class: className,
    functions,
  });
  const create = (...body: object[]) => rig.call('POST', '/devices', { body });
  const referenceIn = ({ body }: Reply) => body[0].references[0].address.address;
  const value = async (address: string, path: string) => (await get(`/devices/${address}/${path}`)).value;

  it('47 gives a device without an address one of its own, and 48 keeps the one it comes with', async () => {
    const { status, body } = await create(device(NIL, 'Pole 7'), device(OWN.toUpperCase(), 'Pole 8'));
    assert.equal(status, 201);
    assert.deepEqual(
      body.map(({ name, class: of }: { name: string; class: string }) => [name, of]),
      [
        ['Pole 7', className],
        ['Pole 8', className],
      ],
    );
    assert.match(body[0].address, UUID);
    assert.equal(body[1].address, OWN);
    assert.equal(await get('/devices/count'), 4);
    assert.deepEqual(await get(`/devices/${OWN}`), body[1]);
  });

  it('48 answers 409 to an address that exists, twice in one request too, and makes nothing', async () => {
    assert.equal((await create(device(OWN, 'Pole 8'))).status, 201);
    const again = await create(device(NIL, 'Pole 9'), device(OWN, 'Pole 8'));
    assert.equal(refusalOf(again), '409 resourceConflict');
    assert.equal(referenceIn(again), OWN);
    const other = '3d6f0a8e-2b1c-4f3a-9a77-5c1d2e3f4a5b';
    assert.equal(refusalOf(await create(device(other, 'a'), device(other, 'b'))), '409 resourceConflict');
    assert.equal(refusalOf(await create(device(lamp, 'PAR-0001'))), '409 resourceConflict');
    const [gateway] = await get('/devices');
    assert.equal(refusalOf(await create(device(gateway.address, 'x'))), '409 resourceConflict');
    assert.equal(await get('/devices/count'), 3, 'not even the first of the list');
  });

  it('49 knows a controller by its physicalAddress or serial: 201 with its address for NIL, 409 for another', async () => {
    const bySerial = { id: 'basic', type: 'BasicFunction', serial: text('PAR-0001') };
    const existing = await create(device(NIL, 'x', [comm('PAR-0001')]), device(NIL, 'y', [bySerial]));
    assert.equal(existing.status, 201);
    assert.deepEqual(
      existing.body.map(({ address, name }: { address: string; name: string }) => [address, name]),
      [
        [lamp, 'PAR-0001'],
        [lamp, 'PAR-0001'],
      ],
    );
    const other = await create(device(OWN, 'x', [comm('PAR-0001')]));
    assert.equal(refusalOf(other), '409 resourceConflict');
    assert.equal(referenceIn(other), lamp);
    assert.equal(refusalOf(await create(device(NIL, 'x', [comm('no id')]))), '422 serviceConstraintExceeded');
    const twice = await create(device(NIL, 'x', [comm('PAR-0007')]), device(NIL, 'y', [comm('PAR-0007')]));
    assert.equal(refusalOf(twice), '409 resourceConflict');
    assert.equal(await get('/devices/count'), 2);
  });

  it('50 answers 422 to a device of an unknown class, of the gateway’s, or with a function outside its class', async () => {
    const unknown = await create({ ...device(NIL, 'x'), class: 'none' });
    assert.equal(refusalOf(unknown), '422 relatedResourceNotFound');
    const [gateway] = await get('/devices');
    const second = await create({ ...device(NIL, 'x'), class: gateway.class });
    assert.equal(refusalOf(second), '422 relatedResourceNotFound');
    const strange = device(NIL, 'y', [{ id: 'x9', type: 'BasicFunction' }]);
    assert.equal(refusalOf(await create(device(NIL, 'x'), strange)), '422 resourceConflict');
    assert.equal(
      refusalOf(await create(device(NIL, 'x', [{ id: 'basic', type: 'TimeFunction' }]))),
      '400 payloadError',
      'another type than its class says',
    );
    assert.equal(await get('/devices/count'), 2);
  });

  it('says nothing of a controller that has not come, but what is known without it', async () => {
    const [created] = (await create(device(OWN, 'Pole 9', [comm('PAR-0009')]))).body;
    const byId = Object.fromEntries(
      created.functions.map(({ id, type: _type, ...values }: { id: string; type: string }) => [id, values]),
    );
    assert.deepEqual(Object.keys(byId.lampMonitor1), ['actuatorReference', 'lampTypeId']);
    assert.equal(byId.communication.physicalAddress.value, 'PAR-0009');
    for (const path of ['basic/swVersion', 'communication/communicationFailure', 'lampActuator1/actualLightState']) {
      assert.equal(await value(OWN, path), undefined, path);
    }
    const nameless = (await create(device(NIL, 'Pole 10'))).body[0];
    const own = nameless.functions.find(({ id }: { id: string }) => id === 'communication');
    assert.equal(own.physicalAddress, undefined);
    const order = { addresses: to(nameless.address), targetCommand: command(50) };
    const answer = rig.call('POST', '/override-commands', { body: order });
    assert.equal((await rig.advance(answer)).status, 202, 'an override waits for it');
    const lit = { id: 'lampActuator1', type: 'LampActuatorFunction', targetLightCommand: {} };
    const targetLightCommand = { type: 'AttributeCommand', value: command(50) };
    const refused = await create(device(NIL, 'Pole 11', [{ ...lit, targetLightCommand }]));
    assert.equal(refusalOf(refused), '422 overrideCommandNotValid');
    assert.equal(await get('/devices/count'), 4);
  });

  it('brings what was written to a controller when it comes, under the address that the CMS gave it', async () => {
    await post(rig, '/control-programs', program('p', [['20:00', 60]]));
    await post(rig, '/calendars', calendar('c', [], 'p'));
    const functions = [
      comm('PAR-0009'),
      { id: 'basic', type: 'BasicFunction', assetId: text('A-9') },
      {
        id: 'lampActuator1',
        type: 'LampActuatorFunction',
        calendarID: text('c'),
        defaultLightState: { type: 'AttributeLevelState', value: { name: 'LevelState', value: 40 } },
      },
    ];
    const [created] = (await create(device(NIL, 'Pole 9', functions))).body;
    const controller = await rig.join('PAR-0009', birth({ 2: '0.3.0', 11: 1 }));
    await controller.until(() => controller.commands.length > 0);
    assert.equal(await get('/devices/count'), 3, 'no second device');
    assert.equal(await value(created.address, 'basic/swVersion'), '0.3.0');
    assert.equal(await value(created.address, 'basic/assetId'), 'A-9');
    assert.equal(await value(created.address, 'basic/displayName'), 'Pole 9');
    assert.equal(await value(created.address, 'lampActuator1/calendarID'), 'c');
    assert.equal(await value(created.address, 'communication/communicationFailure'), false);
    assert.ok((await timetable(controller, 1)).length > 0);
    assert.equal(controller.commands.length, 1, 'all at once');
    assert.equal(controller.commands[0].get(2), 40);
  });

  it('tells a planned device by PATCH which controller it is, unless that is another one', async () => {
    const [{ address }] = (await create(device(NIL, 'Pole 9'))).body;
    const path = `/devices/${address}/communication/physicalAddress`;
    const taken = await rig.call('PATCH', path, { body: text('PAR-0001') });
    assert.equal(refusalOf(taken), '422 resourceConflict');
    assert.equal((await rig.call('PATCH', path, { body: text('PAR-0009') })).status, 200);
    assert.equal(await value(address, 'basic/serial'), 'PAR-0009');
    await rig.join('PAR-0009', birth({ 11: 1 }));
    assert.equal(await get('/devices/count'), 3);
    assert.equal(await value(address, 'basic/swVersion'), '0.1.0');
    assert.equal((await rig.call('PATCH', path, { body: text('PAR-0010') })).status, 200, 'a fact by now: no effect');
    assert.equal(await value(address, 'basic/serial'), 'PAR-0009');
  });

  it('keeps planned devices over a restart', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
    let second = await Rig.start({ dataDirectory: directory });
    await second.join('PAR-0001', birth({ 11: 1 }));
    await second.call('POST', '/devices', { body: [device(OWN, 'Pole 9', [comm('PAR-0009')])] });
    await second.close();
    second = await Rig.start({ dataDirectory: directory });
    const { body } = await second.call('GET', `/devices/${OWN}`);
    assert.equal(body.name, 'Pole 9');
    await second.join('PAR-0009', birth({ 11: 1 }));
    assert.equal((await second.call('GET', `/devices/${OWN}/basic/swVersion`)).body.value, '0.1.0');
    await second.close();
    await rm(directory, { recursive: true });
  });

  it('52 takes a function out of the view by PUT, and puts it back by PATCH', async () => {
    const before = await get(`/devices/${lamp}`);
    const without = {
      ...before,
      functions: before.functions.filter(({ id }: { id: string }) => id !== 'electricalMeter1' && id !== 'presence1'),
    };
    const { status, body } = await rig.call('PUT', '/devices', { body: [without] });
    assert.equal(status, 200);
    const idsOf = (one: { functions: { id: string }[] }) => one.functions.map(({ id }) => id);
    assert.deepEqual(idsOf(body[0]), idsOf(without));
    assert.deepEqual(idsOf(await get(`/devices/${lamp}`)), idsOf(without));
    assert.equal(refusalOf(await rig.call('GET', `/devices/${lamp}/electricalMeter1`)), '404 resourceNotFound');
    const described = (await get(`/device-classes/${className}`)).functions;
    assert.ok(
      described.some((one: { functionId: string }) => one.functionId === 'presence1'),
      'a class never shrinks',
    );
    const meter = { id: 'electricalMeter1', type: 'ElectricalMeterFunction' };
    const patch = { ...device(lamp, before.name, [meter]) };
    assert.equal((await rig.call('PATCH', `/devices/${lamp}`, { body: patch })).status, 200);
    assert.equal(await value(lamp, 'electricalMeter1/totalPower'), 0.0923);
    assert.equal(refusalOf(await rig.call('GET', `/devices/${lamp}/presence1`)), '404 resourceNotFound');
    const bare = { ...before, functions: [before.functions[0]] };
    const refused = await rig.call('PUT', '/devices', { body: [bare] });
    assert.equal(refusalOf(refused), '422 resourceConflict');
    assert.match(refused.body[0].description, /lampActuator1, lampMonitor1/);
    assert.equal((await rig.call('PUT', '/devices', { body: [before] })).status, 200);
    assert.deepEqual(idsOf(await get(`/devices/${lamp}`)), idsOf(before));
  });

  it('52 takes back by PUT what a CMS wrote and no longer sends, but never what the lamp does', async () => {
    const patch = (path: string, body: object) => rig.call('PATCH', `/devices/${lamp}/${path}`, { body });
    const before = await get(`/devices/${lamp}`);
    await post(rig, '/control-programs', program('p', [['20:00', 60]]));
    await post(rig, '/calendars', calendar('c', [], 'p'));
    await patch('basic/assetId', text('A-1'));
    await patch('basic/displayName', text('Pole 1'));
    await patch('time/timeZone', text('Europe/Madrid'));
    await patch('lampActuator1/calendarID', text('c'));
    await patch('lampActuator1/defaultLightState', {
      type: 'AttributeLevelState',
      value: { name: 'LevelState', value: 40 },
    });
    const functions = before.functions.map(({ id, type }: { id: string; type: string }) => ({ id, type }));
    const body = [{ ...device(lamp, 'Pole 1', functions) }];
    assert.equal((await rig.call('PUT', '/devices', { body })).status, 200);
    assert.equal(await value(lamp, 'basic/assetId'), '');
    assert.equal(await value(lamp, 'time/timeZone'), 'Etc/UTC');
    assert.equal(await value(lamp, 'basic/timeZone'), 'Etc/UTC');
    assert.equal(await value(lamp, 'lampActuator1/calendarID'), 'c');
    assert.deepEqual(await value(lamp, 'lampActuator1/defaultLightState'), { name: 'LevelState', value: 40 });
    assert.equal(await value(lamp, 'basic/swVersion'), '0.1.0', 'facts stay');
    assert.equal(await value(lamp, 'lampMonitor1/supplyVoltage'), 231.5, 'measurements stay');
  });

  it('15 replaces none of two devices when the second is unknown', async () => {
    const one = await get(`/devices/${lamp}`);
    const renamed = { ...one, name: 'Renamed' };
    const reply = await rig.call('PUT', '/devices', { body: [renamed, { ...one, address: OWN }] });
    assert.equal(refusalOf(reply), '404 resourceNotFound');
    assert.equal((await get(`/devices/${lamp}`)).name, 'PAR-0001');
  });

  it('takes PUT of one device, function or attribute, which the text of the standard has and its document has not', async () => {
    const one = await get(`/devices/${lamp}`);
    // Unchecked, since the document has no such operation.
    const send = async (path: string, body: object) => {
      const search = `clientAddress=${CMS}&talqRequestId=${OWN.slice(0, -4)}${String(Math.random()).slice(2, 6)}`;
      const headers = { 'talq-api-version': '2.7.1', 'content-type': 'application/json' };
      return rig.send('PUT', `/talq/gateway/devices/${lamp}${path}?${search}`, headers, JSON.stringify(body));
    };
    const whole = await send('', { ...one, name: 'Pole 1' });
    assert.deepEqual([whole.status, whole.body.name], [200, 'Pole 1']);
    assert.equal((await send('/basic/assetId', text('A-1'))).status, 200);
    assert.equal((await send('/basic', { id: 'basic', type: 'BasicFunction', displayName: text('P') })).status, 200);
    assert.equal(await value(lamp, 'basic/assetId'), '', 'left out of the function');
    assert.equal(await value(lamp, 'basic/displayName'), 'P');
  });

  it('51 deletes a device: 200 with it, then 404, and it stays away until its controller connects again', async () => {
    const before = await get(`/devices/${lamp}`);
    const { status, body } = await rig.call('DELETE', `/devices/${lamp}`);
    assert.deepEqual([status, body], [200, before]);
    assert.equal(refusalOf(await rig.call('GET', `/devices/${lamp}`)), '404 resourceNotFound');
    assert.equal(await get('/devices/count'), 1);
    const [controller] = rig.controllers as [Controller];
    const dropped = rig.gateway.fleet.dropped;
    await controller.send('report' as never, report({ 0: 2 }));
    await rig.during(
      () => rig.gateway.fleet.controllers.get('PAR-0001')?.state !== undefined,
      () => controller.greet(birth({ 3: 8, 11: 1 }), report({ 7: 8 })),
    );
    assert.equal(rig.gateway.fleet.dropped, dropped, 'its reports were no riddle meanwhile');
    const back = await rig.address('PAR-0001');
    assert.notEqual(back, lamp, 'another device by now');
  });

  it('51 answers 422 deletingResourceIsReferred to a device in a group, or whose sensor a program names', async () => {
    const group = { address: 'g', ownerCMS: CMS, members: to(`${lamp}/lampActuator1`) };
    await post(rig, '/groups', group);
    const inGroup = await rig.call('DELETE', `/devices/${lamp}`);
    assert.equal(refusalOf(inGroup), '422 deletingResourceIsReferred');
    assert.equal(inGroup.body[0].references[1].address.address, 'g');
    await rig.call('DELETE', '/groups/g');
    const effect = {
      type: 'FixedControlEffect' as const,
      source: { sensor: { sensorAddresses: [`${lamp}/presence1`] } },
      operation: 'Max' as const,
      command: command(90),
    };
    await post(rig, '/control-programs', program('p', [['20:00', 60]], { dynamicControls: [{ effect }] } as never));
    const named = await rig.call('DELETE', `/devices/${lamp}`);
    assert.equal(refusalOf(named), '422 deletingResourceIsReferred');
    assert.equal(named.body[0].references[1].address.address, 'p');
    await rig.call('DELETE', '/control-programs/p');
    assert.equal((await rig.call('DELETE', `/devices/${lamp}`)).status, 200);
  });

  it('51 leaves nothing of a deleted device with the broker', async () => {
    await rig.call('DELETE', `/devices/${lamp}`);
    const kept: string[] = [];
    const { connectAsync } = await import('mqtt');
    const client = await connectAsync(`mqtt://127.0.0.1:${rig.gateway.brokerPort}`, { protocolVersion: 4 });
    client.on('message', (topic, payload) => kept.push(`${topic} ${payload.length}`));
    await client.subscribeAsync('rvb1/#', { qos: 1 });
    await client.subscribeAsync('marker', { qos: 1 });
    const marked = new Promise<void>((resolve) => client.on('message', (topic) => topic === 'marker' && resolve()));
    await client.publishAsync('marker', 'x', { qos: 1 });
    await marked;
    await client.endAsync(true);
    assert.deepEqual(
      kept.filter((line) => line.startsWith('rvb1')),
      [],
    );
  });
});

describe('TALQ devices at two CMSs', () => {
  it('41 tells the other CMS of a created and of a deleted device, and not the one that did it', async () => {
    const [first, second] = [new TestCms(), new TestCms()];
    await first.listen();
    await second.listen();
    const rig = await Rig.start({ cms: [{ uri: first.uri }, { uri: second.uri }], insecureHttp: true });
    await rig.advance(Promise.all([first.until(5), second.until(5)]), 1000);
    await rig.join('PAR-0001');
    await Promise.all([first.until(7), second.until(7)]);
    const asFirst = { query: { clientAddress: first.cmsAddress } };
    const { class: className } = first.received[6].body[0];
    const body = [{ address: OWN, name: 'Pole 9', class: className, functions: [comm('PAR-0009')] }];
    assert.equal((await rig.call('POST', '/devices', { ...asFirst, body })).status, 201);
    await second.until(8);
    await rig.join('PAR-0002');
    await Promise.all([first.until(8), second.until(9)]);
    const announced = (cms: TestCms) => cms.received.slice(7).map((one) => one.body[0].name);
    assert.deepEqual(announced(first), ['PAR-0002']);
    assert.deepEqual(announced(second), ['Pole 9', 'PAR-0002']);
    assert.equal((await rig.call('DELETE', `/devices/${OWN}`, asFirst)).status, 200);
    await second.until(10);
    await rig.join('PAR-0003');
    await Promise.all([first.until(9), second.until(11)]);
    assert.deepEqual(first.steps().slice(8), ['POST /devices']);
    assert.deepEqual(second.steps().slice(9), [`DELETE /devices/${OWN}`, 'POST /devices']);
    assert.deepEqual([...first.violations, ...second.violations], []);
    await rig.close();
    await first.close();
    await second.close();
  });
});
