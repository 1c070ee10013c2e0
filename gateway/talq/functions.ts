/** Which functions and attributes the gateway's own device and its controllers have. Source: TALQ 2.7.1 data model. */
import { createHash } from 'node:crypto';
import { Counter, Quantity } from '../../firmware/link/messages.ts';
import { productOf } from '../fleet.ts';
import type { Birth } from '../wire.ts';
import { ASSETS } from './assets.ts';
import { type AttributeSpec, event, factory, kept, measured, refers } from './attributes.ts';
import { MEASURES, type Side, toLevels } from './mapping.ts';
import { announcedOf, photocell } from './notices.ts';
import { LAMP, MONITOR, meteredUnits, PHOTOCELL, PRESENCE, SENSING, sensingUnit } from './places.ts';
import type { DeviceClass } from './schemas.ts';

export { LAMP, LIGHT, meteredUnits, PRESENCE, SENSING, SENSORS, sensingUnit } from './places.ts';

export interface FunctionSpec {
  id: string;
  type: string;
  attributes: AttributeSpec[];
  /** Types of events that have no status attribute. */
  events?: string[];
  vendorEvents?: { name: string; description: string }[];
}

const retries = { minValue: 0, maxValue: 100 };
const period = { minValue: 1, maxValue: 86400, unit: 'Seconds' };

/** Where a device stands. The gateway's own is that of every device that has none. */
const situated = [kept('location', 'AttributeLocation'), kept('timeZone')];
const clock = [kept('timeZone'), measured('currentTime', 'AttributeDateTime')];

/** Id of the function that tells where a device is, and whether that is where it should be. */
export const LOCATION = 'location1';
const position = [
  kept('expectedLocation', 'AttributeLocation'),
  kept('locationChangedThreshold', 'AttributeFloat', { minValue: 0, unit: 'Meters' }),
  measured('location', 'AttributeLocation'),
  kept('applicationType'),
  event('locationChanged'),
];

/** Class of the gateway's own device. */
export const GATEWAY_CLASS = 'reverbere-gateway-3';

export const GATEWAY_FUNCTIONS: FunctionSpec[] = [
  {
    id: 'basic',
    type: 'BasicFunction',
    attributes: [
      kept('displayName'),
      kept('assetId'),
      factory('swVersion'),
      ...situated,
      measured('currentTime', 'AttributeDateTime'),
      event('deviceReset'),
    ],
  },
  {
    id: 'gateway',
    type: 'GatewayFunction',
    attributes: [
      factory('cmsUri', 'AttributeUri'),
      kept('cmsAddress'),
      factory('gatewayUri', 'AttributeUri'),
      factory('gatewayAddress'),
      kept('retryPeriod', 'AttributeFloat', period),
      kept('gatewayRetryPeriod', 'AttributeFloat', period),
      kept('cmsRetryPeriod', 'AttributeFloat', period),
      kept('gatewayNumberOfRetries', 'AttributeInteger', retries),
      kept('cmsNumberOfRetries', 'AttributeInteger', retries),
      kept('crlUrn', 'AttributeUri'),
      factory('vendor'),
      kept('pkgUrl', 'AttributeUri'),
      event('newCmsAttached'),
    ],
  },
  { id: 'time', type: 'TimeFunction', attributes: clock },
];

/** @returns the functions of a controller's device, by what its birth says. */
export function controllerFunctions(birth: Birth): FunctionSpec[] {
  const announced = announcedOf(birth);
  return measuringFunctions(birth).map((spec) => {
    const { attributes = [], events = [], vendorEvents = [] } = announced.get(spec.id) ?? {};
    const known = new Set(spec.attributes.map(({ name }) => name));
    return {
      ...spec,
      attributes: [...spec.attributes, ...attributes.filter(({ name }) => !known.has(name))],
      ...(events.length > 0 ? { events } : {}),
      ...(vendorEvents.length > 0 ? { vendorEvents } : {}),
    };
  });
}

/** The functions without what the controller notices. */
function measuringFunctions(birth: Birth): FunctionSpec[] {
  const metered = meteredUnits(birth);
  const monitored = birth.units[metered[0] ?? 0];
  const dark = photocell(birth);
  return [
    {
      id: 'basic',
      type: 'BasicFunction',
      attributes: [
        kept('displayName'),
        kept('assetId'),
        factory('serial'),
        factory('hwType'),
        factory('swVersion'),
        kept('installationDate', 'AttributeDateTime'),
        ...situated,
        measured('currentTime', 'AttributeDateTime'),
        ...counted(birth, measured('operatingHours', 'AttributeInteger', 'Hours')),
        event('deviceReset'),
      ],
    },
    { id: 'time', type: 'TimeFunction', attributes: clock },
    { id: LOCATION, type: 'LocationSensorFunction', attributes: position },
    {
      id: 'communication',
      type: 'CommunicationFunction',
      attributes: [
        factory('communicationType'),
        factory('logicalAddress'),
        factory('physicalAddress'),
        kept('applicationType'),
        event('communicationFailure'),
      ],
    },
    { id: LAMP, type: 'LampActuatorFunction', attributes: actuator(birth) },
    {
      id: MONITOR,
      type: 'LampMonitorFunction',
      attributes: [
        factory('actuatorReference'),
        refers('lampTypeId', 'lamp-types'),
        kept('monitoringReference'),
        kept('numberOfLamps', 'AttributeInteger', { minValue: 0 }),
        kept('supplyType', 'AttributeSupplyType', { enumValues: ['AC', 'DC'] }),
        kept('applicationType'),
        ...measures(monitored?.[2] ?? [], 'monitor'),
        ...counted(birth, ...(monitored?.[2].includes(Quantity.ActiveEnergy) ? [] : [ENERGY]), ...BURNED),
        event('lampFailure'),
      ],
    },
    ...metered.map((unit, i) => ({
      id: `electricalMeter${i + 1}`,
      type: 'ElectricalMeterFunction',
      attributes: [
        ...measures(birth.units[unit][2], 'meter'),
        ...(i === 0 ? counted(birth, ...uncounted(birth.units[unit][2])) : []),
        kept('applicationType'),
      ],
    })),
    ...(dark ? [{ id: PHOTOCELL, type: 'PhotocellFunction', attributes: dark }] : []),
    ...(birth.presence === 1
      ? [
          {
            id: PRESENCE,
            type: 'PresenceSensorFunction',
            attributes: [
              measured('presenceStatus', 'AttributeBoolean'),
              kept('applicationType'),
              event('presenceStatusChanged'),
            ],
          },
        ]
      : []),
    ...SENSING.flatMap(({ id, type, side }) => {
      const unit = birth.units[sensingUnit(birth, side)];
      return unit ? [{ id, type, attributes: [...measures(unit[2], side), kept('applicationType')] }] : [];
    }),
    ...ASSETS,
  ];
}

/** What the controller counts of its lamp. */
const ENERGY = measured('activeEnergy', 'AttributeFloat', 'KiloWattHours');
const BURNED: AttributeSpec[] = [
  // The one measurement that a CMS may write, after the lamp was replaced.
  {
    name: 'operatingHours',
    type: 'AttributeFloat',
    scope: 'measurement',
    unit: 'Hours',
    minValue: 0,
    maxValue: 1_000_000,
    write: 'counter',
    counter: Counter.LampTime,
  },
  measured('switchOnCounter', 'AttributeInteger'),
  measured('supplyLossCount', 'AttributeInteger'),
];
const ENERGIES: [Quantity | undefined, AttributeSpec][] = [
  [Quantity.ActiveEnergy, measured('totalActiveEnergy', 'AttributeFloat', 'KiloWattHours')],
  [Quantity.ReactiveEnergy, measured('totalReactiveEnergy', 'AttributeFloat', 'KiloVoltAmpereReactiveHours')],
  [undefined, measured('totalApparentEnergy', 'AttributeFloat', 'KiloVoltAmpereHours')],
];

/** @returns the attributes, if the controller counts at all: firmware that tells events does */
function counted(birth: Birth, ...attributes: AttributeSpec[]): AttributeSpec[] {
  return birth.events === undefined ? [] : attributes;
}

/** @returns the energies that the meter itself has no register for */
function uncounted(quantities: readonly number[]): AttributeSpec[] {
  return ENERGIES.filter(([quantity]) => quantity === undefined || !quantities.includes(quantity)).map(
    ([, one]) => one,
  );
}

function actuator(birth: Birth): AttributeSpec[] {
  return [
    {
      name: 'defaultLightState',
      type: 'AttributeLevelState',
      scope: 'configuration',
      unit: 'Percent',
      write: 'default',
    },
    {
      name: 'targetLightCommand',
      type: 'AttributeCommand',
      scope: 'operational',
      write: 'override',
      commands: {
        scope: 'default',
        states: [{ name: 'LevelState' }],
        levels: toLevels(birth),
        attributes: ['reason', 'cmsRefId', 'start', 'expiration', 'rampToLevelTime', 'rampFromLevelTime'],
      },
    },
    measured('feedbackLightCommand', 'AttributeCommand'),
    measured('actualLightState', 'AttributeLevelState', 'Percent'),
    { name: 'calendarID', type: 'AttributeString', scope: 'operational', write: 'assign' },
    refers('lampTypeId', 'lamp-types'),
    kept('applicationType'),
    event('lightStateChange'),
    event('targetLightCommandChange'),
    event('programChange'),
    event('calendarChange'),
    event('invalidCalendar'),
    event('invalidProgram'),
    event('invalidLampType'),
  ];
}

function measures(quantities: readonly number[], side: Side): AttributeSpec[] {
  const result: AttributeSpec[] = [];
  for (const quantity of quantities) {
    const measure = MEASURES[quantity]?.[side];
    if (measure) result.push(measured(measure.name, 'AttributeFloat', measure.unit));
    if (quantity === Quantity.ReactivePower && quantities.includes(Quantity.PowerFactor)) {
      result.push(measured(side === 'monitor' ? 'powerFactorSense' : 'totalPowerFactorSense', 'AttributeFactorSense'));
    }
  }
  return result;
}

/** @returns the class as announced: every attribute and event that its devices use. Source: TALQ 2.7.1 §4.1. */
export function describeClass(name: string, functions: FunctionSpec[]): DeviceClass {
  return {
    name,
    functions: functions.map((spec) => ({
      functionId: spec.id,
      type: spec.type,
      attributes: spec.attributes
        .filter((attribute) => attribute.scope !== 'event')
        .map(
          ({ type: _t, scope: _s, write: _w, refers: _r, counter: _c, eventType: _e, ...description }) => description,
        ),
      events: [
        ...spec.attributes.filter(({ scope }) => scope === 'event').map(({ name, eventType = name }) => eventType),
        ...(spec.events ?? []),
      ].map((type) => ({ type })),
      ...(spec.vendorEvents ? { vendorEvents: spec.vendorEvents } : {}),
    })),
  };
}

/** What birth messages mean, by all in them that matters: thousands of controllers are of few kinds. */
const KINDS = new Map<string, Kind>();
const MOST_KINDS = 1000;

export interface Kind {
  readonly functions: FunctionSpec[];
  readonly className: string;
}

/** @returns what controllers with such a birth have in common; shared, so not to be changed. */
export function kindOf(birth: Birth): Kind {
  const key = productOf(birth);
  const known = KINDS.get(key);
  if (known) return known;
  if (KINDS.size >= MOST_KINDS) KINDS.clear();
  const functions = controllerFunctions(birth);
  const kind = { functions, className: controllerClass(birth, functions) };
  KINDS.set(key, kind);
  return kind;
}

/** The board's name for people, the content's hash for the rule that a class never shrinks: other content, other class. */
export function controllerClass(birth: Birth, functions: FunctionSpec[]): string {
  const content = JSON.stringify(describeClass('', functions));
  const hash = createHash('sha256').update(content).digest('hex').slice(0, 8);
  return `reverbere-${birth.board.replace(/[^A-Za-z0-9_-]/g, '_')}-${hash}`;
}
