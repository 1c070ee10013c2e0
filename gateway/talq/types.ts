/**
 * Lamp, asset and DALI types: schemas and types from one source. Names, required members, ranges and enumerations as in
 * TALQ 2.7.1 (data model), misspelt where it is; members that this gateway does not know are kept and handed back.
 */
import Type, { type Static, type TSchema } from 'typebox';

const id = Type.String({ minLength: 1, maxLength: 256 });
const text = Type.Optional(Type.String({ maxLength: 1024 }));
const number = Type.Optional(Type.Number());
const integer = Type.Optional(Type.Integer());
const percent = Type.Optional(Type.Integer({ minimum: 0, maximum: 100 }));
const flag = Type.Optional(Type.Boolean());
const one = <T extends string>(...values: T[]) =>
  Type.Unsafe<T>(Type.Union(values.map((value) => Type.Literal(value))));
const choice = <T extends string>(...values: T[]) => Type.Optional(one(...values));
const choices = <T extends string>(...values: T[]) =>
  Type.Optional(Type.Array(one(...values), { maxItems: 32, uniqueItems: true }));
/** Points of a curve; how many a controller takes is said by the service. */
const curve = <T extends TSchema>(point: T) =>
  Type.Optional(Type.Object({ entries: Type.Array(point, { minItems: 1, maxItems: 1000 }) }));

const share = Type.Integer({ minimum: 0, maximum: 100 });
/** % of power that gives constant light, by the hours lit. */
const lumenDepreciationCurve = curve(Type.Object({ operatingHours: Type.Integer({ minimum: 0 }), percentage: share }));
const powerFactorThresholdDimmingCurve = curve(
  Type.Object({ powerFactor: Type.Number({ minimum: 0, maximum: 1 }), dimLevel: share }),
);

/** Members that both kinds of lamp share: how they are dimmed, and beyond which values something is wrong. */
const lamp = {
  minLightOutput: percent,
  virtualLightOutput: percent,
  daliLedLinear: flag,
  /** s */
  warmUpTime: Type.Optional(Type.Integer({ minimum: 0 })),
  coolDownTime: Type.Optional(Type.Integer({ minimum: 0 })),
  /** A */
  lowCurrentThreshold: number,
  highCurrentThreshold: number,
  /** °C */
  highTemperatureThreshold: number,
  /** h */
  maxOperatingHours: integer,
  /** Slope of light over power; 1 when absent. */
  powerLightGradient: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
  /** W */
  lampPowerTolerance: Type.Optional(Type.Number({ minimum: 0 })),
  lampPowerHighThreshold: number,
  lampPowerLowThreshold: number,
  powerFactorThreshold: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
  lumenDepreciationCurve,
  powerFactorThresholdDimmingCurve,
};

export type LampType = Static<typeof LampType>;
export const LampType = Type.Object({
  address: id,
  name: Type.String(),
  controlType: one('DALI', '1-10V', 'PWM', 'Bilevel', 'Switch', 'Other'),
  /** W of lamp and gear at full light */
  wattage: Type.Optional(Type.Number({ minimum: 0, maximum: 100000 })),
  controlVoltMax: Type.Optional(Type.Number({ minimum: 0, maximum: 10 })),
  controlVoltMin: Type.Optional(Type.Number({ minimum: 0, maximum: 10 })),
  lowLampVoltageThreshold: number,
  highLampVoltageThreshold: number,
  cloType: choice('controller', 'driver'),
  ...lamp,
});

export type LuminaireType = Static<typeof LuminaireType>;
export const LuminaireType = Type.Object({
  address: id,
  name: Type.String(),
  gtin: text,
  manufacturerName: text,
  productFamily: text,
  model: text,
  hardwareVersion: text,
  maximumLuminousFluxOutput: integer,
  minimumLuminousFluxOutput: integer,
  lightSourceType: choice('LED', 'HPS', 'LPS', 'MH', 'COSMO', 'FLUORESCENT', 'MERCURY VAPOR', 'OTHER'),
  lightDistributionType: choice('TYPE I', 'TYPE II', 'TYPE III', 'TYPE IV', 'TYPE V', 'TYPE VS'),
  lcsRating: text,
  lightPhotometry: text,
  driverReplaceable: choice('On site', 'Workshop', 'No replaceable'),
  lightSourceReplaceable: choice('On site', 'Workshop', 'No replaceable'),
  corrosionClass: choice('C1', 'C2', 'C3', 'C4 and C5'),
  /** W */
  maximumPower: Type.Optional(Type.Number({ minimum: 0 })),
  powerConsumption: Type.Optional(Type.Number({ minimum: 0 })),
  powerAtMinimumDimLevel: number,
  weight: number,
  aerodinamicResistance: number,
  aerodynamicResistance: number,
  materialEnclosure: choice('Plastic', 'Alluminium', 'Steel', 'Other'),
  materialLlightCover: choice('Polycarbonate', 'Glass', 'Acrylic', 'None'),
  materialLightCover: choice('Polycarbonate', 'Glass', 'Acrylic', 'None'),
  lightCoverShape: choice('Flat', 'Curved', 'Other'),
  luminaireEfficacy: number,
  socketTypes: Type.Optional(
    Type.Array(Type.Object({ position: Type.String(), type: one('NEMA', 'Zhaga', 'Other') }), { maxItems: 32 }),
  ),
  controlVoltMax: number,
  controlVoltMin: number,
  cloType: choice('Controller', 'Driver'),
  ...lamp,
  warrantyYears: integer,
  lightSourceLedCurrent: number,
  lightSourceLedVoltage: number,
  lightSourceLedNumber: integer,
  lightSourceGtin: text,
  lightSourceManufacturerName: text,
  lightSourceProductFamily: text,
  lightSourceModel: text,
  lightSourceLedEficacy: number,
  minimumOperatingTemperature: number,
  maximumOperatingTemperature: number,
  commonModeOverVoltageProtection: number,
  diferentialModeOverVoltageProtection: number,
  electricalIsolationClass: choice('Class 0', 'Class I', 'Class 0I', 'Class II', 'Class IIFE', 'Class III'),
  lor: Type.Optional(Type.Number({ minimum: 0, maximum: 100 })),
  cct: integer,
  cri: percent,
  backlightCutType: text,
});

export const BracketType = Type.Object({
  address: id,
  name: Type.String(),
  gtin: text,
  manufacturerName: text,
  productFamily: text,
  model: text,
  mountingOptions: choices('top', 'bottom', 'side', 'pending'),
  mountMinDiameter: number,
  mountMaxDiameter: number,
  tiltMinimum: integer,
  tiltMaximum: integer,
  weight: number,
  aerodinamicResistance: number,
  aerodynamicResistance: number,
});

export const DriverType = Type.Object({
  address: id,
  name: Type.String(),
  controlElectricalInterfaceTypes: choices('DALI', 'D4i', '0-10V', 'PWM', 'Other'),
  controlInterfaceProtocolTypes: choices('DALI 1', 'DALI 2', 'D4i', 'SR', 'Other'),
  programInterfaceType: choice('DALI', 'NFC', 'LEDSET', 'NFC Zhaga Book 24', 'Other'),
  nominalAcMainsVoltage: integer,
  maxAcMainsVoltage: integer,
  minAcMainsVoltage: integer,
  nominalDcMainsVoltage: integer,
  maxDcMainsVoltage: integer,
  minDcMainsVoltage: integer,
  gtin: text,
  manufacturerName: text,
  productFamily: text,
  model: text,
  hardwareVersion: text,
  minOutputCurrent: number,
  maxOutputCurrent: number,
  minOutputVoltage: number,
  maxOutputVoltage: number,
  controlOutputType: choice('CC', 'CV'),
  dimmingOutputType: choice('PWM', 'CC', 'CV', 'None'),
  dimmingOutputs: integer,
  driverNominalCurrent: number,
  driverNominalVoltage: number,
  ratedLifeTime: integer,
  warrantyYears: integer,
});

export type ControllerType = Static<typeof ControllerType>;
export const ControllerType = Type.Object({
  address: id,
  name: Type.String(),
  gtin: text,
  powerConsumption: number,
  locationPrecision: integer,
  manufacturerName: text,
  productFamily: text,
  model: text,
  warrantyYears: integer,
  mechanicalInterfaces: choices('NEMA', 'Zhaga', 'Other'),
  electricalInterfaces: choices(
    'D4i type A',
    'D4i type B',
    'D4i type C',
    'D4i type D',
    '0-10V',
    '1-10V',
    'on/off',
    'Other',
  ),
  protocols: choices(
    'DALI PART 103',
    'DALI PART 303',
    'DALI PART 304',
    'DALI PART 305',
    'DALI PART 306',
    'DALI PART 351',
    'Other',
  ),
});

/** Standards that a unit on the bus was made to, and how many logical units share it. */
const unit = {
  gtin: text,
  hardwareVersion: text,
  part101VersionNumber: text,
  part102VersionNumber: text,
  part103VersionNumber: text,
  numberOfLogicalControlDevicesInBus: integer,
  numberOfLogicalControlGearsInBus: integer,
  currentBusUnitConfiguration: integer,
  oemGtin: text,
};

/** DALI types have no name: their address is all that they need. */
export const ControlGearDaliPart102Type = Type.Object({
  address: id,
  ...unit,
  additionalControlGearInformation: text,
});

export const ControlDeviceDaliPart103Type = Type.Object({
  address: id,
  ...unit,
  firmwareVersion: text,
  additionalControlDeviceInformation: text,
  applicationControllerPresent: flag,
  applicationControllerAlwaysActive: flag,
});

export const LuminaireDataDaliPart251Type = Type.Object({
  address: id,
  nominalInputPower: integer,
  powerAtMinimumDimLevel: integer,
  nominalMinimumAcMainsVoltage: integer,
  nominalMaximumAcMainsVoltage: integer,
  nominalLightOutput: integer,
  cri: integer,
  cct: integer,
  lightDistributionType: integer,
  lightDistribution: text,
  oemName: text,
  customerStockingNumber: text,
  lampCurrentAtMaximumOutputLevel: number,
  freeUseCharacters: text,
  manufacturerSpecific: text,
});

export const EnergyDataDaliPart252Type = Type.Object({
  address: id,
  memoryBank202Version: integer,
  memoryBank203Version: integer,
  memoryBank204Version: integer,
});

export const DiagnosticsAndMaintenanceDataDaliPart253Type = Type.Object({
  address: id,
  memoryBank205Version: integer,
  memoryBank206Version: integer,
  memoryBank207Version: integer,
});

export const LuminaireMountedControlDeviceDaliPart351Type = Type.Object({
  address: id,
  memoryBank201Version: integer,
  typeOfDevice: integer,
  maxBusCurrentConsumption: number,
  maxAuxSupplyPower: number,
});

/** Every kind by its path, and the MINOR of the version that brought it. Source: TALQ 2.7.1 gateway API, data model. */
export const TYPES = {
  'lamp-types': { schema: LampType, since: 0 },
  'luminaire-types': { schema: LuminaireType, since: 5 },
  'bracket-types': { schema: BracketType, since: 5 },
  'driver-types': { schema: DriverType, since: 5 },
  'controller-types': { schema: ControllerType, since: 5 },
  'control-gear-dali-part102-types': { schema: ControlGearDaliPart102Type, since: 7 },
  'control-device-dali-part103-types': { schema: ControlDeviceDaliPart103Type, since: 7 },
  'luminaire-data-dali-part251-types': { schema: LuminaireDataDaliPart251Type, since: 7 },
  'energy-data-dali-part252-types': { schema: EnergyDataDaliPart252Type, since: 7 },
  'diagnostics-and-maintenance-data-dali-part253-types': {
    schema: DiagnosticsAndMaintenanceDataDaliPart253Type,
    since: 7,
  },
  'luminaire-mounted-control-device-dali-part351-types': {
    schema: LuminaireMountedControlDeviceDaliPart351Type,
    since: 7,
  },
} as const;

export type TypeResource = keyof typeof TYPES;
/** What all types have in common. */
export interface TypeItem {
  address: string;
  [member: string]: unknown;
}

export const isTypeResource = (resource: string): resource is TypeResource => Object.hasOwn(TYPES, resource);

/**
 * Spells enumerated words as TALQ lists them, which has the same ones in different cases in different places.
 * @param value is changed; what does not fit the schema is left to its check
 */
export function spellAsListed(schema: TSchema, value: unknown): void {
  const { items, properties, anyOf } = schema as {
    items?: TSchema;
    properties?: Record<string, TSchema>;
    anyOf?: { const?: unknown }[];
  };
  if (items && Array.isArray(value)) {
    value.forEach((item, i) => {
      value[i] = spelt(items, item);
    });
  }
  if (!properties || typeof value !== 'object' || value === null || anyOf) return;
  const members = value as Record<string, unknown>;
  for (const [name, property] of Object.entries(properties)) {
    if (Object.hasOwn(members, name)) members[name] = spelt(property, members[name]);
  }
}

function spelt(schema: TSchema, value: unknown): unknown {
  const { anyOf } = schema as { anyOf?: { const?: unknown }[] };
  if (anyOf && typeof value === 'string') {
    const found = anyOf.find((listed) => String(listed.const).toLowerCase() === value.toLowerCase());
    return found ? found.const : value;
  }
  spellAsListed(schema, value);
  return value;
}
