import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGateway } from '../../gateway/main.ts';
import { describeAttribute, mandatoryAttributes } from './oas.ts';
import { birth, Rig, refusalOf, report, T0, UNIT } from './rig.ts';

const UNKNOWN = '11111111-2222-4333-8444-555555555555';
const time = (offset: number) => new Date(T0 + offset * 1000).toISOString();

describe('TALQ services, classes and devices', () => {
  let rig: Rig;
  let lamp: string;
  before(async () => {
    rig = await Rig.start();
    await rig.join('PAR-0001');
    await rig.join('PAR-0002', birth({ 1: 'esp32', 5: 0, 6: 100, 7: [] }), report({ 3: 100, 4: 100, 10: [] }));
    await rig.join('PAR-0003');
    lamp = await rig.address('PAR-0001');
  });
  after(() => rig.close());
  const get = async (path: string) => (await rig.call('GET', path)).body;
  const attribute = (path: string, address = lamp) => get(`/devices/${address}/${path}`);

  it('35 announces its services, gives each by name and answers 404 to others', async () => {
    const services = await get('/services');
    assert.deepEqual(
      services.map(({ name }: { name: string }) => name),
      [
        'ConfigurationService',
        'ControlService',
        'DataCollectService',
        'GroupManagementService',
        'AssetManagementService',
      ],
    );
    for (const service of services) assert.deepEqual(await get(`/services/${service.name}`), service);
    assert.ok(services[0].supportedProfiles.includes('lighting'));
    for (const name of ['controlService', 'DataPackageService']) {
      assert.equal(refusalOf(await rig.call('GET', `/services/${name}`)), '404 resourceNotFound');
    }
  });

  it('36 lists 3 classes, counts them, gives each by name and answers 404 to others', async () => {
    const classes = await get('/device-classes');
    assert.equal(classes.length, 3); // the gateway, two boards with a meter, one without
    assert.equal(await get('/device-classes/count'), 3);
    for (const one of classes) assert.deepEqual(await get(`/device-classes/${one.name}`), one);
    assert.equal(refusalOf(await rig.call('GET', '/device-classes/none')), '404 resourceNotFound');
  });

  it('36 counts in text for a client that takes only text', async () => {
    const { headers, text } = await rig.call('GET', '/device-classes/count', { headers: { accept: 'text/plain' } });
    assert.equal(headers['content-type'], 'text/plain; charset=utf-8');
    assert.equal(text, '3');
  });

  it('37 gives devices only functions, attributes and events of their class, with type, time and unit as TALQ has them', async () => {
    const classes = new Map((await get('/device-classes')).map((one: { name: string }) => [one.name, one]));
    for (const device of await get('/devices')) {
      // biome-ignore lint/suspicious/noExplicitAny: a class as the API gives it
      const described: any = classes.get(device.class);
      for (const { id, type, ...attributes } of device.functions) {
        const desc = described.functions.find((one: { functionId: string }) => one.functionId === id);
        assert.equal(desc.type, type);
        for (const [name, value] of Object.entries<{ type: string; timestamp: string }>(attributes)) {
          const listed = desc.attributes.find((one: { name: string }) => one.name === name);
          assert.ok(listed ?? desc.events.find((one: { type: string }) => one.type === name), `${id}/${name}`);
          assert.match(value.timestamp, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
          const official = describeAttribute(type, name);
          if (!official) continue;
          assert.equal(value.type, official.type, `${type}.${name}`);
          if (official.unit !== 'None' && listed) assert.equal(listed.unit, official.unit, `${type}.${name}`);
          if (['measurement', 'event'].includes(official.scope) && listed) assert.equal(listed.readOnly, true, name);
        }
      }
    }
  });

  it('38 describes a lamp with every attribute and event that the Lighting profile demands', async () => {
    const { class: name } = await get(`/devices/${lamp}`);
    const { functions } = await get(`/device-classes/${name}`);
    const types = functions.map(({ type }: { type: string }) => type);
    for (const type of [
      'BasicFunction',
      'TimeFunction',
      'CommunicationFunction',
      'LampActuatorFunction',
      'LampMonitorFunction',
    ]) {
      const { attributes, events } = functions[types.indexOf(type)];
      const listed = [
        ...attributes.map((one: { name: string }) => one.name),
        ...events.map((one: { type: string }) => one.type),
      ];
      for (const mandatory of mandatoryAttributes(type)) assert.ok(listed.includes(mandatory), `${type}.${mandatory}`);
    }
    const actuator = functions[types.indexOf('LampActuatorFunction')];
    const target = actuator.attributes.find((one: { name: string }) => one.name === 'targetLightCommand');
    assert.deepEqual(target.commands.levels, [
      { start: 0, end: 0 },
      { start: 10, end: 100 },
    ]);
  });

  it('39 gives the gateway device every GatewayFunction attribute that the profile demands', async () => {
    const [gateway] = await get('/devices');
    const own = gateway.functions.find(({ type }: { type: string }) => type === 'GatewayFunction');
    const demanded = ['cmsUri', 'cmsAddress', 'gatewayUri', 'gatewayAddress', 'retryPeriod', 'crlUrn', 'vendor'];
    for (const name of [...demanded, ...mandatoryAttributes('GatewayFunction')]) assert.ok(name in own, name);
    assert.equal(own.gatewayUri.value, rig.gateway.url);
    assert.equal(own.gatewayAddress.value, gateway.address);
    assert.equal(own.retryPeriod.value, own.gatewayRetryPeriod.value);
  });

  it('42 lists all 4 devices without pagination parameters, and no pagination headers', async () => {
    const { body, headers } = await rig.call('GET', '/devices');
    assert.equal(body.length, 4);
    assert.equal(headers['pagination-totalcount'], undefined);
    assert.equal(await get('/devices/count'), 4);
  });

  const page = async (query: Record<string, string | string[]>) => {
    const { body, headers } = await rig.call('GET', '/devices', { query });
    const numbers = ['offset', 'count', 'totalcount', 'defaultlimit'].map((name) =>
      Number(headers[`pagination-${name}`]),
    );
    return { names: body.map(({ name }: { name: string }) => name), numbers };
  };

  it('43 pages of 2 come with offset 0, count 2, total 4 and default limit 100', async () => {
    assert.deepEqual((await page({ offset: '0', limit: '2' })).numbers, [0, 2, 4, 100]);
  });

  it('44 consecutive pages are disjoint in the order of arrival; one parameter alone gets the other default', async () => {
    const first = await page({ offset: '0', limit: '2' });
    const second = await page({ offset: '2', limit: '2' });
    assert.deepEqual([...first.names, ...second.names], ['Réverbère gateway', 'PAR-0001', 'PAR-0002', 'PAR-0003']);
    assert.deepEqual(await page({ limit: '3' }), {
      names: ['Réverbère gateway', 'PAR-0001', 'PAR-0002'],
      numbers: [0, 3, 4, 100],
    });
    assert.deepEqual(await page({ offset: '3' }), { names: ['PAR-0003'], numbers: [3, 1, 4, 100] });
  });

  it('45 gives an empty page beyond the end, and 400 to offsets that are no natural number', async () => {
    assert.deepEqual(await page({ offset: '40', limit: '2' }), { names: [], numbers: [40, 0, 4, 100] });
    // The document has no minimum; that negative ones make no sense is TALQ's text.
    for (const wrong of [{ offset: '-1' }, { limit: '-2' }]) {
      assert.equal(refusalOf(await rig.call('GET', '/devices', { query: wrong })), '400 parameterValueNotValid');
    }
    for (const wrong of [{ offset: '1.5' }, { offset: 'x' }]) {
      assert.equal(
        refusalOf(await rig.call('GET', '/devices', { query: wrong, bad: true })),
        '400 parameterValueNotValid',
      );
    }
  });

  it('46 filters by one or more classes, and counts and pages what is left', async () => {
    const devices = await get('/devices');
    const [gateway, metered, plain] = devices.map((one: { class: string }) => one.class);
    assert.deepEqual((await page({ deviceClasses: metered, limit: '10' })).numbers, [0, 2, 2, 100]);
    const query = { deviceClasses: [gateway, plain] };
    assert.deepEqual(
      (await rig.call('GET', '/devices', { query })).body.map(({ name }: { name: string }) => name),
      ['Réverbère gateway', 'PAR-0002'],
    );
    assert.equal((await rig.call('GET', '/devices/count', { query })).body, 2);
    assert.equal((await rig.call('GET', '/devices/count', { query: { deviceClasses: 'none' } })).body, 0);
  });

  it('55 gives every measurement of the unit in TALQ units, at the time of its reading 12 s before the report', async () => {
    const expected: Record<string, [unknown, string?]> = {
      'lampMonitor1/supplyVoltage': [231.5],
      'lampMonitor1/supplyCurrent': [0.4],
      'lampMonitor1/activePower': [92.3],
      'lampMonitor1/reactivePower': [-8.7],
      'lampMonitor1/apparentPower': [92.7],
      'lampMonitor1/powerFactor': [0.995],
      'lampMonitor1/powerFactorSense': ['lead'],
      'lampMonitor1/activeEnergy': [1234.567],
      'electricalMeter1/supplyVoltage': [231.5],
      'electricalMeter1/totalCurrent': [0.4],
      'electricalMeter1/totalPower': [0.0923],
      'electricalMeter1/totalVAR': [-0.0087],
      'electricalMeter1/totalVA': [0.0927],
      'electricalMeter1/totalPowerFactor': [0.995],
      'electricalMeter1/totalPowerFactorSense': ['lead'],
      'electricalMeter1/frequency': [50.02],
      'electricalMeter1/totalActiveEnergy': [1234.567],
    };
    for (const [path, [value]] of Object.entries(expected)) {
      const found = await attribute(path);
      assert.equal(found.value, value, path);
      assert.equal(found.timestamp, time(-12), path);
      assert.match(found.type, /^Attribute/);
    }
  });

  it('55 gives the lamp at 70 % by its program since 10 minutes, restarted 1 h before the report', async () => {
    const state = { name: 'LevelState', value: 70 };
    assert.deepEqual(await attribute('lampActuator1/actualLightState'), {
      type: 'AttributeLevelState',
      value: state,
      timestamp: time(0),
    });
    const command = { type: 'AttributeCommand', value: { state, reason: 'program' }, timestamp: time(-600) };
    assert.deepEqual(await attribute('lampActuator1/feedbackLightCommand'), command);
    assert.deepEqual(await attribute('lampActuator1/targetLightCommand'), command);
    assert.deepEqual(await attribute('lampActuator1/lightStateChange'), {
      type: 'AttributeBoolean',
      value: true,
      timestamp: time(-600),
    });
    assert.equal((await attribute('lampActuator1/defaultLightState')).value.value, 100);
    assert.equal((await attribute('basic/deviceReset')).timestamp, time(-3600));
    assert.equal((await attribute('basic/swVersion')).value, '0.1.0');
    assert.equal((await attribute('basic/hwType')).value, 'linux');
    assert.equal((await attribute('communication/physicalAddress')).value, 'PAR-0001');
    assert.equal((await attribute('communication/communicationFailure')).value, false);
  });

  it('56 answers 404 to an unknown device, function or attribute, and 400 to what is no UUID', async () => {
    for (const path of [
      UNKNOWN,
      `${UNKNOWN}/basic`,
      `${lamp}/none`,
      `${lamp}/none/x`,
      `${lamp}/basic/none`,
      `${lamp}/basic/__proto__`,
    ]) {
      assert.equal(refusalOf(await rig.call('GET', `/devices/${path}`)), '404 resourceNotFound', path);
    }
    assert.equal(refusalOf(await rig.call('GET', '/devices/lamp-1', { bad: true })), '400 parameterValueNotValid');
    assert.equal((await get(`/devices/${lamp.toUpperCase()}`)).address, lamp);
  });

  it('57 gives only attributes of the scope asked for, in any case', async () => {
    for (const attributeScope of ['measurement', 'Measurement']) {
      const { body } = await rig.call('GET', `/devices/${lamp}/lampActuator1`, { query: { attributeScope } });
      assert.deepEqual(Object.keys(body), ['id', 'type', 'feedbackLightCommand', 'actualLightState']);
    }
    const { body } = await rig.call('GET', `/devices/${lamp}/communication`, { query: { attributeScope: 'EVENT' } });
    assert.deepEqual(Object.keys(body), ['id', 'type', 'communicationFailure']);
  });

  it('58 keeps the last values and their old times while a controller is offline, and raises communicationFailure', async () => {
    const [, , third] = rig.controllers;
    const address = await rig.address('PAR-0003');
    rig.now = T0 + 600000;
    await rig.during(
      () => rig.gateway.fleet.controllers.get('PAR-0003')?.online === false,
      () => third.drop(),
    );
    assert.deepEqual(await attribute('communication/communicationFailure', address), {
      type: 'AttributeBoolean',
      value: true,
      timestamp: time(600),
    });
    assert.equal((await attribute('lampMonitor1/activePower', address)).value, 92.3);
    assert.equal((await attribute('lampMonitor1/activePower', address)).timestamp, time(-12));
    rig.now = T0;
  });

  it('58 keeps a reading and its time when its meter no longer answers', async () => {
    const [first] = rig.controllers;
    const ages = [1812, 2315, 400, null, -87, 927, -995, 5002, 1234567];
    await rig.report(first, report({ 0: 2, 1: T0 / 1000 + 1800, 10: [ages] }));
    assert.deepEqual(await attribute('lampMonitor1/supplyVoltage'), {
      type: 'AttributeFloat',
      value: 231.5,
      timestamp: time(-12),
    });
    assert.deepEqual(await attribute('lampMonitor1/activePower'), {
      type: 'AttributeFloat',
      value: 92.3,
      timestamp: time(-12),
    });
    assert.equal((await attribute('lampActuator1/actualLightState')).timestamp, time(1800));
    await rig.report(first, report({ 0: 3, 10: [null] }));
    assert.equal((await attribute('lampMonitor1/activePower')).value, 92.3);
  });

  it('59 answers 200 without a value for what was never measured', async () => {
    assert.deepEqual(await attribute('lampMonitor1/lampFailure'), { type: 'AttributeBoolean' });
    const fourth = await rig.join(
      'PAR-0004',
      birth(),
      report({ 1: undefined, 3: undefined, 8: undefined, 10: [null] }),
    );
    const address = await rig.address('PAR-0004');
    assert.deepEqual(await attribute('lampMonitor1/activePower', address), { type: 'AttributeFloat' });
    assert.deepEqual(await attribute('lampActuator1/actualLightState', address), { type: 'AttributeLevelState' });
    assert.deepEqual(await attribute('basic/currentTime', address), { type: 'AttributeDateTime' });
    assert.ok(!('activePower' in (await get(`/devices/${address}/lampMonitor1`))));
    await fourth.close();
  });

  it('60 accepts a write of a measurement without effect', async () => {
    const body = { type: 'AttributeFloat', value: 5 };
    assert.equal((await rig.call('PATCH', `/devices/${lamp}/lampMonitor1/activePower`, { body })).status, 200);
    assert.equal((await attribute('lampMonitor1/activePower')).value, 92.3);
  });

  it('53 changes displayName alone, keeps other attributes, and ignores attributes it does not know', async () => {
    const { displayName: old, ...before } = await get(`/devices/${lamp}/basic`);
    assert.equal(old.value, 'PAR-0001');
    const functions = [
      { id: 'basic', type: 'BasicFunction', displayName: { type: 'AttributeString', value: 'Pole 1' } },
    ];
    const { name, class: className } = await get(`/devices/${lamp}`);
    const { status } = await rig.call('PATCH', `/devices/${lamp}`, {
      body: { address: lamp, name, class: className, functions },
    });
    assert.equal(status, 200);
    const { displayName, ...rest } = await get(`/devices/${lamp}/basic`);
    assert.deepEqual(displayName, { type: 'AttributeString', value: 'Pole 1', timestamp: time(0) });
    assert.deepEqual(rest, before);
    assert.equal((await get(`/devices/${lamp}`)).name, 'Pole 1');
    const vendor = { id: 'basic', type: 'BasicFunction', x: { type: 'AttributeString', value: 'y' } };
    assert.equal((await rig.call('PATCH', `/devices/${lamp}/basic`, { body: vendor, bad: true })).status, 200);
    const back = { type: 'AttributeString', value: 'PAR-0001' };
    await rig.call('PATCH', `/devices/${lamp}/basic/displayName`, { body: back });
  });

  it('62 refuses a retry period beyond its maximum with 422, and takes 45 s under both names', async () => {
    const [{ address }] = await get('/devices');
    const path = `/devices/${address}/gateway/gatewayRetryPeriod`;
    const write = (value: number) => rig.call('PATCH', path, { body: { type: 'AttributeFloat', value } });
    assert.equal(refusalOf(await write(1e9)), '422 serviceConstraintExceeded');
    assert.equal((await write(45)).status, 200);
    assert.equal((await attribute('gateway/retryPeriod', address)).value, 45);
  });

  it('63 refuses a wrong attribute type and takes a missing one', async () => {
    const path = `/devices/${lamp}/basic/assetId`;
    const wrong = await rig.call('PATCH', path, { body: { type: 'AttributeInteger', value: 5 } });
    assert.equal(refusalOf(wrong), '400 payloadError');
    assert.equal((await rig.call('PATCH', path, { body: { value: 'A-5' }, bad: true })).status, 200);
    assert.equal((await attribute('basic/assetId')).value, 'A-5');
  });

  it('15 changes nothing when one device of a bulk PATCH is unknown', async () => {
    const entry = (address: string, value: string) => ({
      address,
      name: value,
      class: 'x',
      functions: [{ id: 'basic', type: 'BasicFunction', assetId: { type: 'AttributeString', value } }],
    });
    const { class: className } = await get(`/devices/${lamp}`);
    const body = [{ ...entry(lamp, 'B-1'), class: className }, entry(UNKNOWN, 'B-2')];
    assert.equal(refusalOf(await rig.call('PATCH', '/devices', { body })), '404 resourceNotFound');
    assert.equal((await attribute('basic/assetId')).value, 'A-5');
    assert.equal((await rig.call('PATCH', '/devices', { body: body.slice(0, 1) })).status, 200);
    assert.equal((await attribute('basic/assetId')).value, 'B-1');
  });

  it('50 answers 422 to a function outside the class of a device', async () => {
    const { class: className } = await get(`/devices/${lamp}`);
    const functions = [{ id: 'x9', type: 'BasicFunction' }];
    const body = { address: lamp, name: 'PAR-0001', class: className, functions };
    assert.equal(refusalOf(await rig.call('PATCH', `/devices/${lamp}`, { body })), '422 resourceConflict');
  });

  it('66 gives two metered units an electrical meter each, W and kW in the ratio 1000', async () => {
    const second = [2, 'sdm120', [2, 7]];
    await rig.join('PAR-0005', birth({ 7: [UNIT, second] }), report({ 10: [null, [0, 505, 1000]] }));
    const address = await rig.address('PAR-0005');
    assert.equal((await attribute('electricalMeter2/totalPower', address)).value, 0.0505);
    assert.deepEqual(await attribute('electricalMeter1/totalPower', address), { type: 'AttributeFloat' });
    const [watts, kilowatts] = [
      await attribute('lampMonitor1/activePower'),
      await attribute('electricalMeter1/totalPower'),
    ];
    assert.ok(Math.abs(watts.value / kilowatts.value - 1000) < 1e-9);
  });

  it('66 shows a three-phase meter by phase and in all, and the air at the pole, in the units that TALQ has for them', async () => {
    const cabinet = [1, 'sdm630', [11, 12, 13, 14, 15, 16, 17, 18, 19, 0, 1, 2]];
    const units = [cabinet, [2, 'xy-md02', [23, 24]], [3, 'sm7901b', [20]], [4, 'qsa2700d', [21, 22]]];
    const phases = [2302, 2298, 2311, 500, 1500, 65535, 1150, -20, 0, 2303, 67535, 1130];
    const readings = [
      [0, ...phases],
      [0, -205, 546],
      [0, 536],
      [0, 250, null],
    ];
    await rig.join('PAR-0006', birth({ 1: 'cabinet', 7: units }), report({ 10: readings }));
    const address = await rig.address('PAR-0006');
    const expected: Record<string, [string, number]> = {
      'ElectricalMeterFunction electricalMeter1/phase1Voltage': ['Volts', 230.2],
      'ElectricalMeterFunction electricalMeter1/phase3Voltage': ['Volts', 231.1],
      'ElectricalMeterFunction electricalMeter1/supplyVoltage': ['Volts', 230.3],
      'ElectricalMeterFunction electricalMeter1/phase2Current': ['Amperes', 1.5],
      'ElectricalMeterFunction electricalMeter1/totalCurrent': ['Amperes', 67.535],
      'ElectricalMeterFunction electricalMeter1/phase1ActivePower': ['KiloWatt', 0.115],
      'ElectricalMeterFunction electricalMeter1/phase2ActivePower': ['KiloWatt', -0.002],
      'ElectricalMeterFunction electricalMeter1/totalPower': ['KiloWatt', 0.113],
      'TemperatureSensorFunction temperatureSensor1/temperature': ['DegreesCelcius', -20.5],
      'HumiditySensorFunction humiditySensor1/humidity': ['Percent', 54.6],
      'NoiseMonitoringSensorFunction noiseSensor1/noise': ['Decibels', 53.6],
      'ParticulateMatterSensorFunction particulateMatterSensor1/pm2-5': ['MicrogramsPerCubicMeter', 25],
    };
    const { functions } = await get(`/device-classes/${(await get(`/devices/${address}`)).class}`);
    for (const [path, [unit, value]] of Object.entries(expected)) {
      const [type, id, name] = path.split(/[ /]/);
      const found = await attribute(`${id}/${name}`, address);
      assert.deepEqual([found.type, found.value], ['AttributeFloat', value], path);
      const described = functions.find((one: { functionId: string }) => one.functionId === id);
      assert.equal(described.type, type);
      assert.equal(described.attributes.find((one: { name: string }) => one.name === name).unit, unit, path);
      const official = describeAttribute(type, name);
      if (official) assert.deepEqual([official.type, official.unit], ['AttributeFloat', unit], path);
      for (const mandatory of mandatoryAttributes(type)) {
        assert.ok(
          described.attributes.some((one: { name: string }) => one.name === mandatory),
          mandatory,
        );
      }
    }
    assert.deepEqual(await attribute('particulateMatterSensor1/pm10', address), { type: 'AttributeFloat' });
  });
});

describe('device addresses', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('stay the same over a restart, and so do names; nothing half-written is left', async () => {
    let rig = await Rig.start({ dataDirectory: directory });
    await rig.join('PAR-0002');
    await rig.join('PAR-0001');
    const lamp = await rig.address('PAR-0002');
    assert.match(lamp, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    await rig.call('PATCH', `/devices/${lamp}/basic/displayName`, {
      body: { type: 'AttributeString', value: 'Pole 2' },
    });
    const before = (await rig.call('GET', '/devices')).body;
    await rig.close();
    assert.deepEqual((await readdir(directory)).sort(), ['gateway.db', 'gateway.lock']);

    rig = await Rig.start({ dataDirectory: directory });
    const after = (await rig.call('GET', '/devices')).body;
    const identity = ({ address, name, class: className }: Record<string, string>) => [address, name, className];
    assert.deepEqual(after.map(identity), before.map(identity));
    const failure = await rig.call('GET', `/devices/${lamp}/communication/communicationFailure`);
    assert.equal(failure.body.value, true, 'offline until it says otherwise');
    await rig.join('PAR-0002', birth({ 2: '0.2.0' }));
    assert.equal((await rig.call('GET', `/devices/${lamp}/basic/swVersion`)).body.value, '0.2.0');
    await rig.close();
  });

  it('are never renewed over a damaged file: the gateway does not start and names the file', async () => {
    await writeFile(join(directory, 'gateway.db'), '{"format":1,"reco');
    await assert.rejects(
      startGateway({ port: 0, dataDirectory: directory, now: Date.now, log: () => {} }),
      new RegExp(`^Error: ${directory}/gateway.db is damaged`),
    );
    assert.equal(await readFile(join(directory, 'gateway.db'), 'utf8'), '{"format":1,"reco');
  });
});
