import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Decoder } from 'cbor-x';
import { EventCode, Quantity } from '../../firmware/link/messages.ts';
import { to } from './control-rig.ts';
import { create, dataOf, EVENTS, eventsOf, logger, pulled } from './logger-rig.ts';
import { describeAttribute, mandatoryAttributes, propertiesOfType } from './oas.ts';
import { birth, type Controller, Rig, refusalOf } from './rig.ts';
import { TestCms } from './test-cms.ts';

const OTHER = '7c0f6a6e-91c1-4e0d-8f63-0f7d6c1c2b3a';

/** One of each kind, with the members that its makers would state; the standard's own example curves. */
const LAMP = {
  address: 'led-90',
  name: 'LED 90 W',
  controlType: '1-10V',
  wattage: 90.5,
  controlVoltMax: 10,
  controlVoltMin: 1,
  minLightOutput: 10,
  virtualLightOutput: 100,
  daliLedLinear: false,
  warmUpTime: 60,
  coolDownTime: 0,
  lowCurrentThreshold: 0.05,
  highCurrentThreshold: 0.6,
  lowLampVoltageThreshold: 40,
  highLampVoltageThreshold: 60,
  highTemperatureThreshold: 75,
  maxOperatingHours: 100000,
  powerLightGradient: 1.1,
  lampPowerTolerance: 8,
  lampPowerHighThreshold: 110,
  lampPowerLowThreshold: 5,
  powerFactorThreshold: 0.9,
  lumenDepreciationCurve: {
    entries: [
      { operatingHours: 0, percentage: 80 },
      { operatingHours: 5000, percentage: 85 },
      { operatingHours: 20000, percentage: 100 },
    ],
  },
  cloType: 'driver',
  powerFactorThresholdDimmingCurve: {
    entries: [0.65, 0.6, 0.7, 0.75, 0.8, 0.85, 0.87, 0.89, 0.9, 0.95, 0.98].map((powerFactor, i) => ({
      powerFactor,
      dimLevel: 10 * i,
    })),
  },
};
const KINDS: [string, string, object][] = [
  ['lamp-types', 'LampType', LAMP],
  ['luminaire-types', 'LuminaireType', { address: 'lum', name: 'Street 90', maximumPower: 95, cloType: 'Driver' }],
  ['bracket-types', 'BracketType', { address: 'bra', name: 'Arm', mountingOptions: ['top', 'side'], weight: 3.5 }],
  ['driver-types', 'DriverType', { address: 'dri', name: 'Driver', controlOutputType: 'CC', minOutputCurrent: 0.2 }],
  ['controller-types', 'ControllerType', { address: 'con', name: 'Node', electricalInterfaces: ['1-10V', 'on/off'] }],
  ['control-gear-dali-part102-types', 'ControlGearDaliPart102Type', { address: 'd102', gtin: '4011' }],
  [
    'control-device-dali-part103-types',
    'ControlDeviceDaliPart103Type',
    { address: 'd103', applicationControllerPresent: true },
  ],
  ['luminaire-data-dali-part251-types', 'LuminaireDataDaliPart251Type', { address: 'd251', nominalInputPower: 90 }],
  ['energy-data-dali-part252-types', 'EnergyDataDaliPart252Type', { address: 'd252', memoryBank202Version: 1 }],
  [
    'diagnostics-and-maintenance-data-dali-part253-types',
    'DiagnosticsAndMaintenanceDataDaliPart253Type',
    { address: 'd253', memoryBank205Version: 1 },
  ],
  [
    'luminaire-mounted-control-device-dali-part351-types',
    'LuminaireMountedControlDeviceDaliPart351Type',
    { address: 'd351', maxAuxSupplyPower: 3.1 },
  ],
];

describe('TALQ types', () => {
  let rig: Rig;
  let lamp: string;
  let other: string;
  before(async () => {
    rig = await Rig.start();
    await rig.join('PAR-0001');
    await rig.join('PAR-0002', birth({ 1: 'switching', 5: 0, 6: 100 }));
    lamp = await rig.address('PAR-0001');
    other = await rig.address('PAR-0002');
  });
  after(() => rig.close());
  const get = async (path: string) => (await rig.call('GET', path)).body;
  const value = async (path: string, address = lamp) => (await get(`/devices/${address}/${path}`)).value;
  const assign = (resource: string, address: string, ...addresses: string[]) =>
    rig.call('POST', '/assign-commands', { body: { addresses: to(...addresses), entity: { resource, address } } });

  for (const [resource, schema, item] of KINDS) {
    it(`146 creates, counts, gives, replaces and deletes ${resource}, each id once`, async () => {
      const { address } = item as { address: string };
      const before = await get(`/${resource}/count`);
      const created = await rig.call('POST', `/${resource}`, { body: [item] });
      assert.deepEqual([created.status, created.body], [201, [item]]);
      assert.equal(refusalOf(await rig.call('POST', `/${resource}`, { body: [item] })), '409 resourceConflict');
      assert.equal(await get(`/${resource}/count`), before + 1);
      assert.deepEqual(await get(`/${resource}/${address}`), item);
      assert.deepEqual((await get(`/${resource}`)).at(-1), item);
      const changed = { ...item, vendorMember: 'kept', ...('name' in item ? { name: 'Another name' } : {}) };
      // Members of vendors are kept, and asked back; the document has no such member.
      assert.equal((await rig.call('PUT', `/${resource}`, { body: [changed] })).status, 200);
      assert.deepEqual(await get(`/${resource}/${address}`), changed);
      assert.equal((await rig.call('PUT', `/${resource}/${address}`, { body: item })).status, 200);
      const moved = { ...item, address: 'elsewhere' };
      assert.equal(
        refusalOf(await rig.call('PUT', `/${resource}/${address}`, { body: moved })),
        '422 resourceConflict',
      );
      assert.equal(refusalOf(await rig.call('PUT', `/${resource}`, { body: [moved] })), '404 resourceNotFound');
      assert.deepEqual((await rig.call('DELETE', `/${resource}/${address}`)).body, item);
      for (const method of ['GET', 'DELETE']) {
        assert.equal(
          refusalOf(await rig.call(method, `/${resource}/${address}`)),
          '404 resourceNotFound',
          `${method} ${schema}`,
        );
      }
      assert.equal(await get(`/${resource}/count`), before);
    });
  }

  it('146 knows every member of every kind that the official document has, and checks its ranges and words', async () => {
    for (const [resource, schema, item] of KINDS) {
      for (const [name, property] of Object.entries(propertiesOfType(schema))) {
        const wrong: unknown[] = property.type === 'string' ? [5] : ['x'];
        if (property.enum) wrong.push('none of them');
        if (property.minimum !== undefined) wrong.push(property.minimum - 1);
        if (property.maximum !== undefined) wrong.push(property.maximum + 1);
        if (property.type === 'integer') wrong.push(1.5);
        for (const one of wrong) {
          const reply = await rig.call('POST', `/${resource}`, { body: [{ ...item, [name]: one }], bad: true });
          assert.equal(refusalOf(reply), '400 payloadError', `${schema}.${name} = ${one}`);
        }
      }
      assert.equal(await get(`/${resource}/count`), resource === 'controller-types' ? 2 : 0);
    }
  });

  it('16 makes none of two types when the second is wrong', async () => {
    const falling = {
      ...LAMP,
      address: 'falling',
      lumenDepreciationCurve: {
        entries: [
          { operatingHours: 500, percentage: 80 },
          { operatingHours: 0, percentage: 100 },
        ],
      },
    };
    const reply = await rig.call('POST', '/lamp-types', { body: [LAMP, falling] });
    assert.equal(refusalOf(reply), '422 payloadError');
    assert.deepEqual(reply.body[0].references[0].address, { resource: 'lamp-types', address: 'falling' });
    const entries = Array.from({ length: 17 }, (_, i) => ({ operatingHours: 100 * i, percentage: 100 }));
    const long = { ...LAMP, lumenDepreciationCurve: { entries } };
    assert.equal(
      refusalOf(await rig.call('POST', '/lamp-types', { body: [long] })),
      '422 serviceConstraintExceeded',
      'more points than announced',
    );
    assert.equal((await get('/services/ControlService')).maxNumberOfLumenDepreciationCurveItems, 16);
    assert.equal(await get('/lamp-types/count'), 0);
  });

  it('takes listed words in any case, and gives them as they are listed', async () => {
    const body = [{ ...LAMP, address: 'case', controlType: '1-10v', cloType: 'Controller' }];
    const { status, body: created } = await rig.call('POST', '/lamp-types', { body, bad: true });
    assert.deepEqual([status, created[0].controlType, created[0].cloType], [201, '1-10V', 'controller']);
    await rig.call('DELETE', '/lamp-types/case');
  });

  it('146 assigns a lamp type to a device, a function and an attribute, and keeps it while it is referred to', async () => {
    await rig.call('POST', '/lamp-types', { body: [LAMP, { ...LAMP, address: 'two' }] });
    assert.equal(await value('lampActuator1/lampTypeId'), '');
    assert.equal((await assign('lamp-types', 'led-90', lamp)).status, 201);
    assert.equal(await value('lampActuator1/lampTypeId'), 'led-90');
    assert.equal(await value('lampMonitor1/lampTypeId'), 'led-90');
    assert.equal(await value('lampActuator1/lampTypeId', other), '');
    assert.equal((await assign('lamp-types', 'two', `${lamp}/lampMonitor1`)).status, 201);
    assert.equal(await value('lampActuator1/lampTypeId'), 'led-90');
    assert.equal(await value('lampMonitor1/lampTypeId'), 'two');
    const refused = await rig.call('DELETE', '/lamp-types/two');
    assert.equal(refusalOf(refused), '422 deletingResourceIsReferred');
    assert.deepEqual(
      refused.body[0].references.map((one: { address: { address: string } }) => one.address.address),
      ['two', `${lamp}/lampMonitor1/lampTypeId`],
    );
    assert.equal((await assign('lamp-types', '', `${lamp}/lampMonitor1/lampTypeId`)).status, 201);
    assert.equal((await rig.call('DELETE', '/lamp-types/two')).status, 200);
    assert.equal((await assign('lamp-types', '', lamp)).status, 201);
  });

  it('assigns each kind of asset type to the attribute that refers to it, by command and by PATCH', async () => {
    const cases = [
      ['luminaire-types', 'luminaireAsset1/luminaireTypeAddress', 'lum'],
      ['bracket-types', 'luminaireAsset1/bracketTypeAddress', 'bra'],
      ['driver-types', 'driverAsset1/driverTypeAddress', 'dri'],
      ['controller-types', 'controllerAsset1/controllerTypeAddress', 'con'],
    ];
    for (const [resource, attribute, id] of cases) {
      await rig.call('POST', `/${resource}`, { body: [KINDS.find(([name]) => name === resource)?.[2]] });
      assert.equal((await assign(resource, id, lamp)).status, 201, resource);
      assert.equal(await value(attribute), id);
      assert.equal(
        refusalOf(await rig.call('DELETE', `/${resource}/${id}`)),
        '422 deletingResourceIsReferred',
        resource,
      );
      const path = `/devices/${lamp}/${attribute}`;
      const unknown = await rig.call('PATCH', path, { body: { type: 'AttributeString', value: 'none' } });
      assert.equal(refusalOf(unknown), '422 relatedResourceNotFound', attribute);
      const none = { type: 'AttributeString', value: '' };
      assert.equal((await rig.call('PATCH', path, { body: none })).status, 200);
      assert.equal((await rig.call('DELETE', `/${resource}/${id}`)).status, 200);
    }
  });

  it('86 and 87 answers 422 to an unknown type, to no addresses, and to a kind that nothing there refers to', async () => {
    assert.equal(refusalOf(await assign('lamp-types', 'none', lamp)), '422 relatedResourceNotFound');
    assert.equal(refusalOf(await assign('lamp-types', 'led-90')), '422 assignmentAddressNotValid');
    const [gateway] = await get('/devices');
    assert.equal(refusalOf(await assign('lamp-types', 'led-90', gateway.address)), '422 assignmentAddressNotValid');
    const dali = 'control-gear-dali-part102-types';
    await rig.call('POST', `/${dali}`, { body: [{ address: 'd102' }] });
    assert.equal(refusalOf(await assign(dali, 'd102', lamp)), '422 assignmentAddressNotValid');
  });

  it('88 answers 422 assignmentEntityNotValid to a DALI lamp on a 1-10 V controller, and a 1-10 V lamp on a relay', async () => {
    const dali = { address: 'dali', name: 'D', controlType: 'DALI' };
    await rig.call('POST', '/lamp-types', { body: [dali] });
    const refused = await assign('lamp-types', 'dali', lamp);
    assert.equal(refusalOf(refused), '422 assignmentEntityNotValid');
    assert.match(refused.body[0].description, /DALI.*1-10V or Other/);
    assert.equal(refusalOf(await assign('lamp-types', 'led-90', lamp, other)), '422 assignmentEntityNotValid');
    assert.equal(await value('lampActuator1/lampTypeId'), '', 'nothing is half assigned');
    assert.equal((await assign('lamp-types', 'led-90', lamp)).status, 201);
    const turned = { ...LAMP, controlType: 'PWM' };
    assert.equal(
      refusalOf(await rig.call('PUT', '/lamp-types/led-90', { body: turned })),
      '422 assignmentEntityNotValid',
      'a type in use cannot become one that does not fit',
    );
    assert.equal((await get('/lamp-types/led-90')).controlType, '1-10V');
  });

  it('34 shows the types of one CMS to no other, and the gateway’s own to both, which neither can change', async () => {
    const asOther = { query: { clientAddress: OTHER } };
    assert.deepEqual((await rig.call('GET', '/lamp-types', asOther)).body, []);
    assert.equal(refusalOf(await rig.call('GET', '/lamp-types/led-90', asOther)), '404 resourceNotFound');
    const own = await get('/controller-types');
    assert.deepEqual(
      own.map(({ model, electricalInterfaces }: Record<string, unknown>) => [model, electricalInterfaces]),
      [
        ['linux', ['1-10V']],
        ['switching', ['on/off']],
      ],
    );
    assert.deepEqual((await rig.call('GET', '/controller-types', asOther)).body, own);
    assert.equal(await value('controllerAsset1/controllerTypeAddress', other), own[1].address);
    const path = `/controller-types/${own[0].address}`;
    assert.equal(refusalOf(await rig.call('PUT', path, { body: own[0] })), '422 resourceConflict');
    assert.equal(refusalOf(await rig.call('DELETE', path)), '422 deletingResourceIsReferred');
  });

  it('2 knows lamp types for a 2.4 peer, asset types from 2.5 on, DALI types from 2.7 on', async () => {
    const ask = async (path: string, version: string) => {
      const options = { headers: { 'talq-api-version': version } };
      return (await rig.call('GET', path, options)).status;
    };
    assert.deepEqual(
      [await ask('/lamp-types', '2.4.0'), await ask('/bracket-types', '2.4.0'), await ask('/bracket-types', '2.5.0')],
      [200, 404, 200],
    );
    const dali = '/energy-data-dali-part252-types/count';
    assert.deepEqual([await ask(dali, '2.6.3'), await ask(dali, '2.7.1')], [404, 200]);
    const older = { headers: { 'talq-api-version': '2.4.0' } };
    const { functions } = (await rig.call('GET', `/devices/${lamp}`, older)).body;
    assert.ok(!functions.some(({ type }: { type: string }) => /Asset/.test(type)));
    assert.ok(functions.some(({ type }: { type: string }) => type === 'TimeFunction'));
  });

  it('17 answers 405 with the methods that types have', async () => {
    const { status, headers } = await rig.call('PATCH', '/lamp-types', { body: [], bad: true });
    assert.deepEqual([status, headers.allow], [405, 'GET, POST, PUT']);
    const one = await rig.call('POST', '/lamp-types/x', { body: [], bad: true });
    assert.deepEqual([one.status, one.headers.allow], [405, 'GET, PUT, DELETE']);
  });

  it('38 has every attribute of the asset functions that the profile for assets demands, with its type, unit and scope', async () => {
    const { functions } = await get(`/device-classes/${(await get(`/devices/${lamp}`)).class}`);
    for (const type of ['LuminaireAssetFunction', 'DriverAssetFunction', 'ControllerAssetFunction']) {
      const { attributes } = functions.find((one: { type: string }) => one.type === type);
      const names = attributes.map(({ name }: { name: string }) => name);
      for (const mandatory of mandatoryAttributes(type)) assert.ok(names.includes(mandatory), `${type}.${mandatory}`);
      for (const { name, unit = 'None' } of attributes) {
        assert.equal(describeAttribute(type, name)?.unit ?? unit, unit, `${type}.${name}`);
      }
    }
  });

  it('62 and 64 keeps what a CMS writes of its assets, and checks words, numbers and dates', async () => {
    const path = `/devices/${lamp}/luminaireAsset1`;
    const names = Object.keys(await get(path)).sort();
    assert.deepEqual(names, ['bracketTypeAddress', 'id', 'luminaireTypeAddress', 'type'], 'the rest nobody knows yet');
    const body = {
      id: 'luminaireAsset1',
      type: 'LuminaireAssetFunction',
      paintingColor: { type: 'AttributeString', value: 'RAL-7035' },
      luminousFluxConfiguration: { type: 'AttributeInteger', value: 9500 },
      mountingOption: { type: 'AttributeMountingOption', value: 'Side' },
      installationTimestamp: { type: 'AttributeDateTime', value: '2026-04-30T09:15:00.250+02:00' },
      warrantyExpirationDate: { type: 'AttributeDateTime', value: '2036-04-30T00:00:00Z' },
      manufactureWeek: { type: 'AttributeInteger', value: 14 },
    };
    assert.equal((await rig.call('PATCH', path, { body })).status, 200);
    const { id, type, luminaireTypeAddress, bracketTypeAddress, ...values } = await get(path);
    assert.deepEqual([luminaireTypeAddress.value, bracketTypeAddress.value], ['', '']);
    assert.deepEqual([id, type], ['luminaireAsset1', 'LuminaireAssetFunction']);
    assert.deepEqual(
      Object.fromEntries(Object.entries<{ value: unknown }>(values).map(([name, one]) => [name, one.value])),
      {
        paintingColor: 'RAL-7035',
        luminousFluxConfiguration: 9500,
        mountingOption: 'Side',
        installationTimestamp: '2026-04-30T09:15:00.250+02:00',
        warrantyExpirationDate: '2036-04-30T00:00:00Z',
        manufactureWeek: 14,
      },
    );
    const wrong: [string, unknown, string, boolean][] = [
      ['mountingOption', 'Diagonal', '422 serviceConstraintExceeded', true],
      ['manufactureWeek', 54, '422 serviceConstraintExceeded', false],
      ['manufactureWeek', 1.5, '400 payloadError', true],
      ['installationTimestamp', '2026-04-31', '400 payloadError', true],
      ['installationTimestamp', '2026-13-01T00:00:00Z', '400 payloadError', true],
      ['serial', 5, '400 payloadError', true],
    ];
    for (const [name, bad, refused, against] of wrong) {
      const type = describeAttribute('LuminaireAssetFunction', name)?.type;
      const reply = await rig.call('PATCH', `${path}/${name}`, { body: { type, value: bad }, bad: against });
      assert.equal(refusalOf(reply), refused, `${name} ${bad}`);
    }
    const controller = await get(`/devices/${lamp}/controllerAsset1`);
    assert.deepEqual([controller.serial.value, controller.firmwareVersion.value], ['PAR-0001', '0.1.0']);
    assert.match(controller.registrationTimestamp.value, /^2026-05-04T/);
  });

  it('raises locationChanged when a device is farther from where it should be than it may', async () => {
    const place = (path: string, latitude: number, longitude: number) =>
      rig.call('PATCH', `/devices/${lamp}/${path}`, {
        body: { type: 'AttributeLocation', value: { latitude, longitude } },
      });
    assert.deepEqual(await get(`/devices/${lamp}/location1/locationChanged`), { type: 'AttributeBoolean' });
    await place('basic/location', 50.8503, 4.3517);
    assert.deepEqual(await value('location1/location'), { latitude: 50.8503, longitude: 4.3517 });
    assert.equal((await place('location1/location', 1, 1)).status, 200, 'a measurement: accepted without effect');
    assert.equal((await value('location1/location')).latitude, 50.8503);
    // One minute of latitude is a nautical mile, 1852 m.
    await place('location1/expectedLocation', 50.8503 + 1 / 60, 4.3517);
    const threshold = (metres: number) =>
      rig.call('PATCH', `/devices/${lamp}/location1/locationChangedThreshold`, {
        body: { type: 'AttributeFloat', value: metres },
      });
    await threshold(1840);
    assert.equal(await value('location1/locationChanged'), true);
    await threshold(1865);
    assert.equal(await value('location1/locationChanged'), false);
  });
});

describe('TALQ lamp types and the lamps that follow them', () => {
  let rig: Rig;
  let lamp: string;
  let controller: Controller;
  beforeEach(async () => {
    rig = await Rig.start();
    // It tells of failures, so it can be told what its lamp is.
    controller = await rig.join('PAR-0001', birth({ 12: [EventCode.LampFailure] }));
    lamp = await rig.address('PAR-0001');
    await rig.call('POST', '/lamp-types', { body: [LAMP, { ...LAMP, address: 'two', wattage: 45 }] });
  });
  afterEach(() => rig.close());
  const decoder = new Decoder({ mapsAsObjects: false } as never);
  const documents = () => controller.commands.filter((one) => one.has(10));
  /** Resolves with what the lamp was told to be, when that many documents have come; undefined: its own product's. */
  const told = async (count: number): Promise<number[] | undefined> => {
    await controller.until(() => documents().length >= count);
    assert.equal(documents().length, count);
    const bytes = documents()[count - 1].get(10) as Uint8Array | null;
    return bytes === null ? undefined : decoder.decode(bytes).get(0);
  };
  const assign = (resource: string, address: string, to: string) =>
    rig.call('POST', '/assign-commands', {
      body: { addresses: [{ resource: 'devices', address: to }], entity: { resource, address } },
    });

  it('146 brings wattage, gradient, tolerance, warm-up and power factors to the controller that gets the type', async () => {
    assert.equal((await assign('lamp-types', 'led-90', lamp)).status, 201);
    // 0.1 W, 0.001, 0.1 W, s, 0.1 W, then % and 0.001 point by point.
    const curve = LAMP.powerFactorThresholdDimmingCurve.entries;
    const points = curve.flatMap(({ dimLevel, powerFactor }) => [dimLevel, Math.round(powerFactor * 1000)]);
    assert.deepEqual(await told(1), [905, 1100, 80, 60, 0, ...points]);
    const limits = decoder.decode(documents()[0].get(10) as Uint8Array).get(1) as number[];
    const ofCurrent = EventCode.Limit + 4 * Quantity.SupplyCurrent + 2;
    const triples = new Map(limits.flatMap((code, i) => (i % 3 === 0 ? [[code, limits[i + 2]]] : [])) as never);
    assert.deepEqual([triples.get(ofCurrent), triples.get(ofCurrent + 1)], [50, 600], 'mA, too low and too high');
  });

  it('146 follows a type that changes, prefers that of the monitor, and takes the product’s own without any', async () => {
    await assign('lamp-types', 'led-90', lamp);
    assert.equal((await told(1))?.[0], 905);
    await rig.call('PUT', '/lamp-types/led-90', { body: { ...LAMP, wattage: 100 } });
    assert.equal((await told(2))?.[0], 1000);
    await assign('lamp-types', 'two', `${lamp}/lampMonitor1`);
    assert.equal((await told(3))?.[0], 450);
    await assign('lamp-types', '', `${lamp}/lampMonitor1`);
    assert.equal((await told(4))?.[0], 1000);
    await assign('lamp-types', '', lamp);
    assert.equal(await told(5), undefined);
    await rig.call('POST', '/luminaire-types', { body: [{ address: 'lum', name: 'L', powerConsumption: 88 }] });
    await assign('luminaire-types', 'lum', lamp);
    assert.equal((await told(6))?.[0], 880);
  });

  it('146 raises invalidLampType of a lamp whose type asks for light that its controller does not make', async () => {
    const fits = { address: 'fits', name: 'F', controlType: '1-10V', minLightOutput: 10, virtualLightOutput: 100 };
    const dim = { ...fits, address: 'dim', virtualLightOutput: 80, cloType: 'controller' };
    const entries = [{ operatingHours: 0, percentage: 80 }];
    await rig.call('POST', '/lamp-types', { body: [fits, { ...dim, lumenDepreciationCurve: { entries } }] });
    await create(
      rig,
      logger('log', { recordingMode: { ...EVENTS, sourceEvents: { whiteList: ['invalidLampType'] } } }),
    );
    const invalid = async () => (await rig.call('GET', `/devices/${lamp}/lampActuator1/invalidLampType`)).body.value;
    await assign('lamp-types', 'fits', lamp);
    assert.equal(await invalid(), undefined);
    await assign('lamp-types', 'dim', lamp);
    assert.equal(await invalid(), true);
    await rig.call('PUT', '/lamp-types/dim', { body: { ...dim, virtualLightOutput: 100 } });
    assert.equal(await invalid(), false);
    const told = await pulled(rig, 'log');
    assert.deepEqual(eventsOf(told), ['+invalidLampType', '-invalidLampType']);
    const [{ info, srcAddress }] = dataOf(told);
    assert.equal(srcAddress, `${lamp}/lampActuator1`);
    assert.match(info[0].description, /virtualLightOutput, lumenDepreciationCurve\.$/);
  });

  it('146 tells it again to a controller that was born with something else', async () => {
    await assign('lamp-types', 'led-90', lamp);
    await told(1);
    await controller.greet(birth({ 3: 8, 12: [EventCode.LampFailure], 10: [1, 2] }));
    assert.equal((await told(2))?.[0], 905);
  });
});

describe('TALQ types over a restart and at the CMS', () => {
  it('146 and 32 are kept with what refers to them, and those of the gateway keep their address', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
    let rig = await Rig.start({ dataDirectory: directory });
    await rig.join('PAR-0001');
    const lamp = await rig.address('PAR-0001');
    await rig.call('POST', '/lamp-types', { body: [LAMP] });
    const body = { addresses: to(lamp), entity: { resource: 'lamp-types', address: LAMP.address } };
    await rig.call('POST', '/assign-commands', { body });
    const own = (await rig.call('GET', '/controller-types')).body;
    await rig.close();
    rig = await Rig.start({ dataDirectory: directory });
    assert.deepEqual((await rig.call('GET', '/lamp-types')).body, [LAMP]);
    assert.deepEqual((await rig.call('GET', '/controller-types')).body, own);
    assert.equal((await rig.call('GET', `/devices/${lamp}/lampMonitor1/lampTypeId`)).body.value, LAMP.address);
    assert.equal(refusalOf(await rig.call('DELETE', '/lamp-types/led-90')), '422 deletingResourceIsReferred');
    const [{ address }] = (await rig.call('GET', '/devices')).body;
    assert.equal((await rig.call('DELETE', `/devices/${address}`)).status, 200, 'the CMS removes the gateway');
    assert.deepEqual((await rig.call('GET', '/lamp-types')).body, []);
    assert.deepEqual((await rig.call('GET', '/controller-types')).body, own);
    assert.equal((await rig.call('GET', `/devices/${lamp}/lampMonitor1/lampTypeId`)).body.value, '');
    await rig.close();
    await rm(directory, { recursive: true });
  });

  it('146 and 27 announces a controller type before its devices, and replaces it by PUT when its controllers change', async () => {
    const cms = new TestCms();
    await cms.listen();
    const rig = await Rig.start({ cms: [{ uri: cms.uri }], insecureHttp: true });
    const configured = rig.advance(cms.until(5), 1000);
    await configured;
    const controller = await rig.join('PAR-0001');
    await cms.until(7);
    const [first] = cms.types;
    assert.deepEqual([first.method, first.path, first.body[0].model], ['POST', '/controller-types', 'linux']);
    assert.equal(cms.received[first.after].path, '/device-classes', 'before the class and the device');
    const asCms = { query: { clientAddress: cms.cmsAddress } };
    assert.deepEqual((await rig.call('GET', '/controller-types', asCms)).body, first.body);
    // The same board with another output: a relay instead of 1-10 V.
    await controller.greet(birth({ 3: 8, 5: 0, 6: 100 }));
    await cms.until(9);
    const [, second] = cms.types;
    assert.deepEqual([second.method, second.body[0].address], ['PUT', first.body[0].address]);
    assert.deepEqual(second.body[0].electricalInterfaces, ['on/off']);
    assert.equal(cms.types.length, 2);

    assert.deepEqual(cms.violations, []);
    await cms.close();
    await rig.close();
  });
});
