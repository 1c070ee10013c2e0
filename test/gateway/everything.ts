/** Writes of every kind, and all that has to outlive a gateway's process. */
import { assignment, calendar, level, program, to } from './control-rig.ts';
import { logger } from './logger-rig.ts';
import { CMS, type Reply } from './rig.ts';

/** Everything that a CMS can read back of what it wrote. */
const COLLECTIONS = [
  '/control-programs',
  '/calendars',
  '/assign-commands',
  '/groups',
  '/bracket-types',
  '/logger-configs/log',
  '/log-reports/count',
];
const PLANNED = '3d6f0a8e-2b1c-4f3a-9a77-5c1d2e3f4a5b';
/** Attributes that are not the field's. */
const KEPT = [
  'basic/displayName',
  'basic/assetId',
  'basic/timeZone',
  'basic/location',
  'gateway/retryPeriod',
  'lampActuator1/calendarID',
  'lampActuator1/targetLightCommand',
  'lampActuator1/defaultLightState',
];

export interface Device {
  address: string;
  class: string;
}

export type Ask = (method: string, path: string, body?: object) => Promise<Reply>;

/** @returns all that has to outlive the process. */
export async function memory(ask: Ask): Promise<unknown> {
  const devices = (await ask('GET', '/devices')).body as { functions: Record<string, unknown>[] }[];
  const kept = devices.map(({ functions, ...identity }) => [
    identity,
    ...KEPT.map((path) => {
      const [id, name] = path.split('/');
      const attribute = functions.find((spec) => spec.id === id)?.[name] as { value?: { reason?: string } } | undefined;
      // A program's command is the field's report.
      return attribute?.value?.reason === 'program' ? undefined : attribute;
    }),
  ]);
  const collections = await Promise.all(COLLECTIONS.map(async (path) => (await ask('GET', path)).body));
  return { kept, collections };
}

export const text = (value: string) => ({ type: 'AttributeString', value });

/** The last of these writes delete. */
export const TAKEN_BACK = 4;

/** @returns writes of every kind, in an order in which all are accepted. */
export function writes(own: Device, pole: Device): [method: string, path: string, body?: object][] {
  const [{ address: gateway }, { address: lamp, class: className }] = [own, pole];
  const group = { address: 'street', ownerCMS: CMS, members: to(lamp), purpose: 'calendar' };
  const lampActuator = `/devices/${lamp}/lampActuator1`;
  const bracket = (weight: number) => ({ address: 'bra', name: 'Arm', mountingOptions: ['top', 'side'], weight });
  return [
    ['PATCH', `/devices/${gateway}/gateway/retryPeriod`, { type: 'AttributeFloat', value: 45 }],
    ['PATCH', `/devices/${lamp}/basic/displayName`, text('Pole 1')],
    ['PATCH', `/devices/${lamp}/basic/timeZone`, text('Europe/Brussels')],
    ['POST', '/control-programs', [program('night', [['20:00', 40]]), program('late', [['23:00', 20]])] as object],
    ['PUT', '/control-programs/late', program('late', [['23:30', 10]])],
    ['DELETE', '/control-programs/late'],
    ['POST', '/calendars', [calendar('year', [], 'night'), calendar('other', [], 'night')] as object],
    ['DELETE', '/calendars/other'],
    ['POST', '/groups', [group] as object],
    ['PUT', '/groups/street/members', to(`${lamp}/lampActuator1`) as object],
    ['POST', '/bracket-types', [bracket(3)] as object],
    ['PUT', '/bracket-types/bra', bracket(3.5)],
    ['POST', '/devices', [{ address: PLANNED, name: 'Pole 9', class: className, functions: [] }] as object],
    ['PATCH', `/devices/${PLANNED}/basic/assetId`, text('A9')],
    ['POST', '/assign-commands', assignment('year', lamp)],
    ['POST', '/logger-configs', logger('log', { sourceAddresses: { whiteList: to(lamp) } })],
    ['PUT', '/logger-configs/log', logger('log', { sourceAddresses: { blackList: to(lamp) } })],
    [
      'POST',
      '/override-commands',
      { addresses: to(lamp), targetCommand: { state: level(30), cmsRefId: 'é'.repeat(100) } },
    ],
    ['PATCH', `${lampActuator}/defaultLightState`, { type: 'AttributeLevelState', value: level(60) }],
    ['PATCH', `${lampActuator}/calendarID`, text('')],
    ['DELETE', '/groups/street'],
    ['DELETE', '/logger-configs/log'],
    ['DELETE', `/devices/${PLANNED}`],
  ];
}
