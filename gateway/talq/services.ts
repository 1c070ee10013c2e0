/** What the gateway announces that it can do, with its limits. Source: TALQ 2.7.1 data model, Service. */
import type { Fleet } from '../fleet.ts';
import { LOGGER_PERIODS } from './active-periods.ts';
import { MOST_GROUPS, MOST_MEMBERS } from './groups.ts';
import { SAMPLING_ACCURACY } from './instants.ts';
import type { Service } from './schemas.ts';
import type { Limits } from './timetable.ts';

/** Calendars and programs that the gateway keeps. */
export const MOST_CALENDARS = 100;
export const MOST_PROGRAMS = 120;

/** Points of a curve in a lamp's type. */
export const MOST_CURVE_POINTS = 16;
/** Loggers of all CMSs together. */
export const MOST_LOGGERS = 50;

/** What is promised while no controller has said what it holds. */
const DEFAULTS: Limits = { rules: 32, programs: 16, switchPoints: 16, activePeriods: 8, dynamicControls: 8 };

/** @returns what every controller holds that has told its limits. */
export function limitsOf(fleet: Fleet): Limits {
  const told = [...fleet.controllers.values()].flatMap(({ birth }) => (birth.limits ? [birth.limits] : []));
  if (told.length === 0) return DEFAULTS;
  const least = (index: number): number => Math.min(...told.map((limits) => limits[index]));
  return { ...DEFAULTS, rules: least(1), programs: least(2), switchPoints: least(3) };
}

const TYPES = [
  'ValueActivePeriod',
  'AbsoluteActivePeriod',
  'AstroClockActivePeriod',
  'AstroClockTimeControl',
  'AstroAndSensorActivePeriod',
  'SensorActivePeriod',
  'DynamicControl',
  'ExternalControlEffect',
  'FixedControlEffect',
  'ccDate',
  'ccDay',
];

/** Packages are fetched and kept; nothing is installed, so no event tells that something was. */
const PACKAGES: Service = {
  name: 'DataPackageService',
  events: [{ type: 'packageDownloaded' }, { type: 'packageChangeFailure' }, { type: 'releaseMismatch' }],
};

/**
 * Devices come from the field; commands, calendars and programs reach them, and loggers tell of them.
 * @param packages there is a place to keep them
 * @param minor of the caller's version: ValueActivePeriod came with 2.6
 */
export function describeServices(limits: Limits, dayOffset: number, packages: boolean, minor = 7): Service[] {
  return [
    {
      name: 'ConfigurationService',
      commissioningSupported: true,
      devicesPaginationSupported: true,
      supportedProfiles: ['lighting'],
    },
    {
      name: 'ControlService',
      supportedTypes: TYPES.filter((type) => minor >= 6 || type !== 'ValueActivePeriod'),
      maximumCalendars: MOST_CALENDARS,
      maximumPrograms: MOST_PROGRAMS,
      maxProgramsPerCalendar: limits.programs,
      maxSwitchPointsPerProgram: limits.switchPoints,
      maxActivePeriodsPerProgram: limits.activePeriods,
      dayOffset,
      ccDateSupport: 'full',
      ccDaySupport: 'full',
      programSecondsSupported: true,
      maxNumberOfPowerFactorThresholdDimmingCurveItems: MOST_CURVE_POINTS,
      maxNumberOfLumenDepreciationCurveItems: MOST_CURVE_POINTS,
      events: [{ type: 'invalidCalendar' }, { type: 'invalidProgram' }],
    },
    {
      name: 'DataCollectService',
      maximumDataLogs: MOST_LOGGERS,
      supportedModes: [
        'VendorRecordingMode',
        'EventRecordingMode',
        'PeriodicRecordingMode',
        'ImmediateReportingMode',
        'ScheduledReportingMode',
      ],
      samplingAccuracy: SAMPLING_ACCURACY,
      samplingPeriodSupported: true,
      attributeScopeSupported: true,
      recordingActivePeriodsSupported: true,
      supportedTypes: LOGGER_PERIODS.filter((type) => minor >= 6 || type !== 'ValueActivePeriod'),
      events: [{ type: 'invalidLoggerConfig' }],
    },
    {
      name: 'GroupManagementService',
      maximumNumberOfGroups: MOST_GROUPS,
      maximumGroupSize: MOST_MEMBERS,
      attributes: ['purpose'],
    },
    ...(packages ? [PACKAGES] : []),
    // Asset types came with 2.5.
    ...(minor >= 5 ? [{ name: 'AssetManagementService' }] : []),
  ];
}
