import assert from 'node:assert/strict';
import { Decoder } from 'cbor-x';
import {
  AckCode,
  BirthKey,
  CommandKey,
  CommandKind,
  Counter,
  EventCode,
  Leaf,
  Quantity,
  ReportKey,
} from '../../firmware/link/messages.ts';
import type { ControllerEvent } from '../../gateway/fleet.ts';
import { limitCode } from '../../gateway/monitoring.ts';
import { toTalqEvents } from '../../gateway/talq/events.ts';
import { controllerFunctions } from '../../gateway/talq/functions.ts';
import { allNotices, noticesOf, thresholdsOf } from '../../gateway/talq/notices.ts';
import type { Birth } from '../../gateway/wire.ts';
import { create, logger, pulled } from './logger-rig.ts';
import { describeAttribute, eventTypes } from './oas.ts';
import { birth, type Controller, event, Rig, refusalOf, report, T0, UNIT } from './rig.ts';

/** All that any product can tell. */
const EVERY = Array.from({ length: EventCode.CounterPreset + 1 }, (_, code) => code);
const METER3 = [
  2,
  'sdm630',
  Array.from({ length: 30 }, (_, quantity) => quantity).filter((q) => q !== Quantity.Illuminance && (q < 20 || q > 25)),
];
const AIR = [3, 'xy-md02', [Quantity.Temperature, Quantity.Humidity]];
const LUX = [4, 'sen0644', [Quantity.Illuminance]];
const DUST = [5, 'qsa2700d', [Quantity.ParticulateMatter25, Quantity.ParticulateMatter10]];
const LOUD = [6, 'sm7901b', [Quantity.Noise]];
const UNITS = [UNIT, METER3, AIR, LUX, DUST, LOUD];
const told = (units: unknown[] = [UNIT], events = EVERY) =>
  birth({ [BirthKey.Units]: units, [BirthKey.Events]: events });
const bare = (units: unknown[], events: number[] | null = EVERY) =>
  ({
    board: 'b',
    control: 1,
    minimumLevel: 10,
    defaultLevel: 100,
    units,
    events: events ?? undefined,
  }) as unknown as Birth;
const time = (offset: number) => new Date(T0 + offset * 1000).toISOString();
const decode = (bytes: unknown) => new Decoder({ mapsAsObjects: false } as object).decode(bytes as Uint8Array);

describe('event codes in words of TALQ', () => {
  it('are all official event types of their function, with a status attribute of the same name but for two spellings', () => {
    const notices = allNotices(bare(UNITS));
    const functions = new Map(controllerFunctions(bare(UNITS)).map((spec) => [spec.id, spec.type]));
    assert.ok(notices.length >= 80, `${notices.length}`);
    for (const { functionId, attribute, eventType } of notices) {
      if (functionId !== undefined) assert.ok(functions.has(functionId), functionId);
      if (eventTypes().length > 0) assert.ok(eventTypes().includes(eventType), eventType);
      if (attribute === undefined) continue;
      assert.equal(attribute.toLowerCase(), eventType.toLowerCase());
      if (attribute !== eventType) assert.match(attribute, /^(phase\dP|p)owerfactorTooLow$/);
      const official = describeAttribute(String(functions.get(String(functionId))), attribute);
      if (eventTypes().length > 0)
        assert.deepEqual([official?.type, official?.scope], ['AttributeBoolean', 'event'], attribute);
    }
  });

  const named: [string, number, number | null, string][] = [
    ['a lamp failure', EventCode.LampFailure, null, 'lampMonitor1 lampFailure lampFailure'],
    ['a loss of the supply', EventCode.SupplyLoss, null, 'lampMonitor1 supplyLoss supplyLoss'],
    ['an open door', EventCode.DoorOpen, null, 'basic cabinetDoorOpen cabinetDoorOpen'],
    ['darkness', EventCode.PhotocellOutputOn, null, 'photocell1 photocellOutputOn photocellOutputOn'],
    ['a lost clock', EventCode.ClockLost, null, 'time lastSyncError lastSyncError'],
    ['a silent meter', EventCode.UnitSilent, 1, 'electricalMeter2 - functionError'],
    ['flicker', EventCode.Flicker, null, '- - deviceMalfunction'],
    ['a pole that leans', EventCode.Tilted, null, '- - deviceMalfunction'],
    ['a fault of the firmware', EventCode.FirmwareError, null, '- - deviceMalfunction'],
    ['memory that ends', EventCode.MemoryLow, null, '- - deviceMalfunction'],
    [
      'the voltage of the lamp’s supply',
      limitCode(Quantity.SupplyVoltage, 'low', true),
      0,
      'lampMonitor1 supplyVoltageTooLow supplyVoltageTooLow',
    ],
    [
      'the current of the lamp',
      limitCode(Quantity.SupplyCurrent, 'high', true),
      0,
      'lampMonitor1 currentTooHigh currentTooHigh',
    ],
    [
      'the power of the lamp',
      limitCode(Quantity.ActivePower, 'high', true),
      0,
      'lampMonitor1 absoluteLampPowerTooHigh absoluteLampPowerTooHigh',
    ],
    [
      'a hot controller',
      limitCode(Quantity.Temperature, 'high', true),
      null,
      'lampMonitor1 highTemperature highTemperature',
    ],
    [
      'the power of a meter',
      limitCode(Quantity.ActivePower, 'high'),
      1,
      'electricalMeter2 totalPowerTooHigh totalPowerTooHigh',
    ],
    [
      'the power factor of a meter',
      limitCode(Quantity.PowerFactor, 'low'),
      0,
      'electricalMeter1 powerfactorTooLow powerFactorTooLow',
    ],
    [
      'the power factor of a phase',
      limitCode(Quantity.Phase2PowerFactor, 'low'),
      1,
      'electricalMeter2 phase2PowerfactorTooLow phase2PowerFactorTooLow',
    ],
    [
      'the neutral',
      limitCode(Quantity.NeutralCurrent, 'high'),
      1,
      'electricalMeter2 neutralCurrentTooHigh neutralCurrentTooHigh',
    ],
    ['light', limitCode(Quantity.Illuminance, 'low'), 3, 'lightSensor1 levelTooLow levelTooLow'],
    ['air', limitCode(Quantity.Temperature, 'high'), 2, 'temperatureSensor1 temperatureTooHigh temperatureTooHigh'],
    ['dust', limitCode(Quantity.ParticulateMatter25, 'high'), 4, 'particulateMatterSensor1 pm2-5TooHigh pm2-5TooHigh'],
  ];
  for (const [what, code, unit, expected] of named) {
    it(`say of ${what} (${code}): ${expected}`, () => {
      const found = noticesOf(bare(UNITS), code, unit);
      assert.deepEqual(
        found.map(({ functionId = '-', attribute = '-', eventType }) => `${functionId} ${attribute} ${eventType}`),
        [expected],
      );
    });
  }

  it('that TALQ has no word for are told of as a malfunction that is described, or not at all', () => {
    assert.deepEqual(noticesOf(bare([UNIT]), EventCode.CounterPreset, null), []);
    assert.deepEqual(noticesOf(bare([UNIT]), 63, null), [], 'newer firmware');
    assert.deepEqual(noticesOf(bare([UNIT]), limitCode(Quantity.Frequency, 'low'), 0), []);
    // Both functions of the air sensor fail; a second light sensor has none.
    assert.deepEqual(
      noticesOf(bare(UNITS), EventCode.UnitSilent, 2).map(({ functionId }) => functionId),
      ['temperatureSensor1', 'humiditySensor1'],
    );
    assert.deepEqual(
      noticesOf(bare([UNIT, LUX, LUX]), EventCode.UnitSilent, 2).map(({ functionId }) => functionId),
      [undefined],
    );
  });
});

describe('thresholds of a CMS', () => {
  it('are 47 of a pole with everything, each an official attribute with its unit', () => {
    const functions = new Map(controllerFunctions(bare(UNITS)).map((spec) => [spec.id, spec]));
    const thresholds = thresholdsOf(bare(UNITS));
    assert.equal(
      thresholds.length,
      new Set(thresholds.map(({ functionId, attribute }) => `${functionId} ${attribute}`)).size,
    );
    for (const { functionId, attribute, talqUnit } of thresholds) {
      const spec = functions.get(functionId);
      const listed = spec?.attributes.find(({ name }) => name === attribute);
      assert.equal(listed?.write, 'kept', `${functionId}/${attribute}`);
      const official = describeAttribute(String(spec?.type), attribute);
      if (eventTypes().length > 0) {
        assert.deepEqual(
          [official?.type, official?.scope, official?.unit],
          ['AttributeFloat', 'configuration', talqUnit ?? 'None'],
          attribute,
        );
      }
    }
    // 2 of the supply, 7 and 29 of the meters, 2 + 2 of the air, 2 of light, 2 of dust, 1 of noise.
    assert.equal(thresholds.length, 2 + 7 + 29 + 4 + 2 + 2 + 1);
  });

  it('are none of firmware that tells no events', () => {
    assert.deepEqual(thresholdsOf(bare(UNITS, null)), []);
  });
});

describe('an instrument in TALQ', () => {
  let rig: Rig;
  let controller: Controller;
  let lamp: string;
  let number = 1;
  before(async () => {
    rig = await Rig.start();
    controller = await rig.join('PAR-0001', told());
    lamp = await rig.address('PAR-0001');
  });
  after(() => rig.close());
  const attribute = async (path: string, address = lamp) => (await rig.call('GET', `/devices/${address}/${path}`)).body;
  const say = (values: Record<number, unknown>, of = controller) => rig.report(of, report({ 0: ++number, ...values }));
  const happen = async (...events: unknown[][]) => {
    const { fleet } = rig.gateway;
    let stop = () => {};
    const arrived = new Promise<void>((resolve) => {
      stop = fleet.onEvents(() => resolve());
    });
    await controller.send(Leaf.Event, [7, ...events]);
    await arrived;
    stop();
  };

  it('announces its events, thresholds and counters, valid by the official document', async () => {
    const { class: name } = await attribute('');
    const { functions } = (await rig.call('GET', `/device-classes/${name}`)).body;
    const of = (id: string) => functions.find((one: { functionId: string }) => one.functionId === id);
    const events = (id: string) => of(id).events.map(({ type }: { type: string }) => type);
    for (const type of [
      'lampFailure',
      'cyclingFailure',
      'supplyVoltageTooHigh',
      'absoluteLampPowerTooLow',
      'highTemperature',
    ]) {
      assert.ok(events('lampMonitor1').includes(type), type);
    }
    assert.ok(!events('lampMonitor1').includes('lampVoltageTooHigh'), 'nothing measures the voltage at the lamp');
    assert.equal(events('lampMonitor1').filter((type: string) => type === 'powerFactorTooLow').length, 1);
    assert.ok(events('electricalMeter1').includes('powerFactorTooLow'));
    assert.ok(events('electricalMeter1').includes('functionError'));
    assert.ok(events('basic').includes('deviceMalfunction'));
    assert.deepEqual(
      of('lampMonitor1').vendorEvents.map((one: { name: string }) => one.name),
      ['flicker', 'sag', 'swell'],
    );
    assert.deepEqual(
      of('basic').vendorEvents.map((one: { name: string }) => one.name),
      ['tilted'],
    );
    const threshold = of('electricalMeter1').attributes.find(
      (one: { name: string }) => one.name === 'totalPowerHighThreshold',
    );
    assert.deepEqual(threshold, { name: 'totalPowerHighThreshold', unit: 'KiloWatt' });
  });

  it('has no failure since its birth, one since the event that said so, and none since it ended', async () => {
    assert.deepEqual(await attribute('lampMonitor1/lampFailure'), {
      type: 'AttributeBoolean',
      value: false,
      timestamp: time(0),
    });
    await happen(event());
    assert.deepEqual(await attribute('lampMonitor1/lampFailure'), {
      type: 'AttributeBoolean',
      value: true,
      timestamp: time(-600),
    });
    await happen(event({ 0: 2, 2: 0, 4: T0 / 1000 - 60 }));
    assert.deepEqual(await attribute('lampMonitor1/lampFailure'), {
      type: 'AttributeBoolean',
      value: false,
      timestamp: time(-60),
    });
  });

  it('takes a power factor too low from either of the two codes that say so', async () => {
    const code = limitCode(Quantity.PowerFactor, 'low', true);
    await happen(
      event({ 0: 3, 1: code, 4: T0 / 1000 - 50, 5: 0 }),
      event({ 0: 4, 1: EventCode.PowerFactorTooLow, 4: T0 / 1000 - 40 }),
    );
    assert.equal((await attribute('lampMonitor1/powerFactorTooLow')).timestamp, time(-50));
    await happen(event({ 0: 5, 1: code, 2: 0, 4: T0 / 1000 - 30, 5: 0 }));
    assert.deepEqual(await attribute('lampMonitor1/powerFactorTooLow'), {
      type: 'AttributeBoolean',
      value: true,
      timestamp: time(-40),
    });
    assert.equal((await attribute('electricalMeter1/powerfactorTooLow')).value, false);
  });

  it('shows what the photocell has decided, and nothing before', async () => {
    assert.deepEqual(await attribute('photocell1/photocellOutput'), { type: 'AttributeBinary' });
    await happen(event({ 0: 6, 1: EventCode.PhotocellOutputOn, 4: T0 / 1000 - 20 }));
    assert.deepEqual(await attribute('photocell1/photocellOutput'), {
      type: 'AttributeBinary',
      value: 'ON',
      timestamp: time(-20),
    });
    assert.equal((await attribute('photocell1/photocellOutputOn')).value, true);
  });

  it('counts hours, switchings, losses and energy, and leaves the meter its own register', async () => {
    assert.deepEqual(await attribute('lampMonitor1/operatingHours'), { type: 'AttributeFloat' });
    // 0.1 Wh, 0.1 varh, 0.1 VAh, s lit, s powered, times on, losses, from the meter's register.
    await say({ [ReportKey.Counters]: [41_827_000, 12_345, 50_001, 5400, 9000, 3, 2 ** 32 + 4, 2] });
    const expected: Record<string, [string, number]> = {
      'lampMonitor1/activeEnergy': ['AttributeFloat', 4182.7],
      'lampMonitor1/operatingHours': ['AttributeFloat', 1.5],
      'lampMonitor1/switchOnCounter': ['AttributeInteger', 3],
      'lampMonitor1/supplyLossCount': ['AttributeInteger', 4],
      'basic/operatingHours': ['AttributeInteger', 2],
      'electricalMeter1/totalActiveEnergy': ['AttributeFloat', 1234.567],
      'electricalMeter1/totalReactiveEnergy': ['AttributeFloat', 1.2345],
      'electricalMeter1/totalApparentEnergy': ['AttributeFloat', 5.0001],
    };
    for (const [path, [type, value]] of Object.entries(expected)) {
      const found = await attribute(path);
      assert.deepEqual([found.type, found.value], [type, value], path);
      assert.equal(found.timestamp, path.endsWith('totalActiveEnergy') ? time(-12) : time(0), path);
    }
  });

  it('computes the energy of a lamp without a meter, and shows no counter that nobody counts', async () => {
    const plain = await rig.join(
      'PAR-0002',
      told([], [0, 8]),
      report({ 10: [], [ReportKey.Counters]: [2500, null, null, 60, 60, null, 0, 0] }),
    );
    const address = await rig.address('PAR-0002');
    assert.equal((await attribute('lampMonitor1/activeEnergy', address)).value, 0.25);
    assert.deepEqual(await attribute('lampMonitor1/switchOnCounter', address), { type: 'AttributeInteger' });
    await plain.close();
  });

  it('sets the hours of a new lamp when a CMS writes them', async () => {
    const body = { type: 'AttributeFloat', value: 0.5 };
    const { status } = await rig.call('PATCH', `/devices/${lamp}/lampMonitor1/operatingHours`, { body });
    assert.equal(status, 200);
    const command = controller.commands.at(-1);
    assert.equal(command?.get(CommandKey.Kind), CommandKind.Counters);
    assert.deepEqual(command?.get(CommandKey.Counters), [Counter.LampTime, 1800]);
    assert.equal((await attribute('lampMonitor1/operatingHours')).value, 0.5);
    const wrong = await rig.call('PATCH', `/devices/${lamp}/lampMonitor1/operatingHours`, {
      body: { ...body, value: -1 },
    });
    assert.equal(refusalOf(wrong), '422 serviceConstraintExceeded');
  });

  const documents = (of = controller) =>
    of.commands
      .filter((one) => one.get(CommandKey.Kind) === CommandKind.Configuration && one.has(CommandKey.Monitoring))
      .map((one) => one.get(CommandKey.Monitoring) as Buffer);
  const write = (path: string, value: number, address = lamp) =>
    rig.call('PATCH', `/devices/${address}/${path}`, { body: { type: 'AttributeFloat', value } });

  it('sends thresholds as limits in steps of the wire, keeps them, and sends the same only once', async () => {
    assert.deepEqual(documents(), []);
    assert.equal((await write('lampMonitor1/highSupplyVoltageThreshold', 253.4)).status, 200);
    assert.equal((await write('electricalMeter1/totalPowerHighThreshold', 0.15)).status, 200);
    assert.equal((await write('electricalMeter1/powerfactorThreshold', 0.85)).status, 200);
    assert.equal((await write('electricalMeter1/powerfactorThreshold', 0.85)).status, 200);
    const sent = documents().map(decode);
    assert.equal(sent.length, 3);
    assert.deepEqual(
      sent.at(-1),
      new Map([
        [
          1,
          [
            limitCode(Quantity.SupplyVoltage, 'high', true),
            0,
            2534,
            limitCode(Quantity.ActivePower, 'high'),
            0,
            1500,
            limitCode(Quantity.PowerFactor, 'low'),
            0,
            850,
          ],
        ],
      ]),
    );
    assert.deepEqual(await attribute('lampMonitor1/highSupplyVoltageThreshold'), {
      type: 'AttributeFloat',
      value: 253.4,
      timestamp: time(0),
    });
  });

  it('sends the document again when a birth tells of another, and not when it tells of this one', async () => {
    const document = documents().at(-1) as Buffer;
    const before = documents().length;
    const born = (more = {}) => birth({ 3: 7, [BirthKey.Units]: [UNIT], [BirthKey.Events]: EVERY, ...more });
    await controller.send(Leaf.Birth, born());
    await controller.send(Leaf.Birth, born({ [BirthKey.Configuration]: [1, 0] }));
    await controller.until(() => documents().length > before);
    assert.equal(documents().length, before + 1);
    assert.equal(Buffer.compare(documents().at(-1) as Buffer, document), 0);
  });

  it('keeps a threshold that the controller refuses, says so in the log, and does not insist', async () => {
    controller.answer = (command) => (command.has(CommandKey.Monitoring) ? AckCode.Malformed : AckCode.Done);
    await write('lampMonitor1/lowSupplyVoltageThreshold', 200);
    await write('lampMonitor1/lowSupplyVoltageThreshold', 200);
    assert.equal((await attribute('lampMonitor1/lowSupplyVoltageThreshold')).value, 200);
    assert.equal(
      rig.log.filter((line) => /PAR-0001 did not take its monitoring document of \d+ bytes: refused/.test(line)).length,
      1,
    );
    controller.answer = () => AckCode.Done;
  });

  it('refuses what nothing can measure, and the 33rd limit', async () => {
    assert.equal(
      refusalOf(await write('electricalMeter1/totalPowerHighThreshold', 1e9)),
      '422 serviceConstraintExceeded',
    );
    await rig.join('PAR-0003', told(UNITS), report({ 10: UNITS.map(() => null) }));
    const address = await rig.address('PAR-0003');
    const functions = new Map<string, Record<string, unknown>>();
    const types = new Map(controllerFunctions(bare(UNITS)).map(({ id, type }) => [id, type]));
    for (const { functionId, attribute: name } of thresholdsOf(bare(UNITS)).slice(0, 33)) {
      const known = functions.get(functionId) ?? { id: functionId, type: types.get(functionId) };
      functions.set(functionId, { ...known, [name]: { type: 'AttributeFloat', value: 1 } });
    }
    const { class: className } = await attribute('', address);
    const body = { address, name: 'PAR-0003', class: className, functions: [...functions.values()] };
    assert.equal(refusalOf(await rig.call('PATCH', `/devices/${address}`, { body })), '422 serviceConstraintExceeded');
    assert.deepEqual(await attribute('lampMonitor1/lowSupplyVoltageThreshold', address), { type: 'AttributeFloat' });
    const [first, ...rest] = functions.values();
    const { highSupplyVoltageThreshold: _, ...fewer } = first as Record<string, unknown>;
    assert.equal(
      (await rig.call('PATCH', `/devices/${address}`, { body: { ...body, functions: [fewer, ...rest] } })).status,
      200,
    );
  });

  it('tells loggers each event once, with the time and evidence of the controller, valid by the official document', async () => {
    await create(rig, logger('all'));
    const failed = event({ 0: 20, 4: T0 / 1000 - 5 });
    const dipped = event({ 0: 21, 1: EventCode.Sag, 2: 2, 4: T0 / 1000 - 4, 12: 3, 13: 1710 });
    const dimmed = event({ 0: 22, 1: EventCode.LightStateChange, 2: 2, 4: T0 / 1000 - 3, 6: 70, 12: 70, 13: 3 });
    const silent = event({ 0: 23, 1: EventCode.UnitSilent, 2: 1, 4: T0 / 1000 - 2, 5: 0 });
    await happen(failed, dipped, dimmed, silent);
    await controller.send(Leaf.Event, [7, failed, dipped, dimmed, silent]);
    const entries = (await pulled(rig, 'all')).map(({ data }) => data);
    assert.deepEqual(
      entries.map(({ eventType, startEndFlag, timestamp, srcAddress }) => [
        eventType,
        startEndFlag,
        timestamp,
        srcAddress,
      ]),
      [
        ['lampFailure', true, time(-5), `${lamp}/lampMonitor1`],
        ['deviceMalfunction', undefined, time(-4), lamp],
        ['lightStateChange', undefined, time(-3), `${lamp}/lampActuator1`],
        ['functionError', true, time(-2), `${lamp}/electricalMeter1`],
      ],
    );
    assert.equal(entries[0].attributes.length, 4);
    assert.match(entries[1].info[0].description, /^sag: .* 0\.3 s, 171 V\./);
    assert.deepEqual([entries[2].type, entries[2].command.reason], ['StateChangeEventLogData', 'program']);
    // The report that follows a change of light does not tell of it again.
    await say({ 3: 50, 4: 50 });
    const changes = (await pulled(rig, 'all')).filter(({ data }) => data.eventType === 'lightStateChange');
    assert.equal(changes.length, 1);
  });

  it('tells a lamp failure with what was measured, under addresses of the device’s class', () => {
    const known = rig.gateway.fleet.controllers.get('PAR-0001');
    assert.ok(known);
    const failure = {
      epoch: 7,
      number: 9,
      code: 0,
      phase: 'start',
      uptime: 1,
      time: T0,
      timed: true,
      level: 70,
      voltage: 2315,
      current: 12,
      power: 8,
      powerFactor: -300,
      temperature: 415,
    };
    const [{ attributes, ...rest }] = toTalqEvents(known, failure as ControllerEvent);
    assert.deepEqual(rest, {
      functionId: 'lampMonitor1',
      eventType: 'lampFailure',
      phase: 'start',
      time: T0,
      info: '41.5 °C in the controller.',
    });
    assert.deepEqual(
      attributes.map(({ functionId, name, value }) => [functionId, name, value.value, value.timestamp]),
      [
        ['lampActuator1', 'actualLightState', { name: 'LevelState', value: 70 }, time(0)],
        ['lampMonitor1', 'supplyVoltage', 231.5, time(0)],
        ['lampMonitor1', 'supplyCurrent', 0.012, time(0)],
        ['lampMonitor1', 'activePower', 0.8, time(0)],
        ['lampMonitor1', 'powerFactor', 0.3, time(0)],
      ],
    );
  });

  it('tells a change of light with its cause, a sag with its depth, and a time that is not the controller’s', () => {
    const known = rig.gateway.fleet.controllers.get('PAR-0001');
    assert.ok(known);
    const at = { epoch: 7, number: 9, uptime: 1, time: T0, timed: true, phase: 'instant' as const };
    const [change] = toTalqEvents(known, { ...at, code: EventCode.LightStateChange, level: 62, first: 60, second: 3 });
    assert.deepEqual(change.command, { state: { name: 'LevelState', value: 60 }, reason: 'program' });
    assert.deepEqual(change.state, { name: 'LevelState', value: 62 });
    const feedback = { state: { name: 'LevelState', value: 60 }, reason: 'program' as const, refAddress: 'p1' };
    assert.deepEqual(
      toTalqEvents(known, { ...at, code: EventCode.LightStateChange, first: 60, second: 3 }, feedback)[0].command,
      feedback,
    );
    const [sag] = toTalqEvents(known, { ...at, timed: false, code: EventCode.Sag, first: 3, second: 1710 });
    assert.deepEqual(
      [sag.eventType, sag.functionId, sag.info],
      [
        'deviceMalfunction',
        undefined,
        'sag: The supply voltage was too low for a moment. 0.3 s, 171 V. The clock was not set: the time is computed.',
      ],
    );
  });
});
