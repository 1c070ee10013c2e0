/** What the gateway announces that it can do, with its limits. Source: TALQ 2.7.1 data model, Service. */
import type { Service } from './schemas.ts';

/**
 * Devices come from the field, and commands reach them; calendars, programs and loggers do not exist in this version,
 * and the limits say so.
 */
export const SERVICES: Service[] = [
  {
    name: 'ConfigurationService',
    commissioningSupported: false,
    devicesPaginationSupported: true,
    supportedProfiles: ['lighting'],
  },
  {
    name: 'ControlService',
    supportedTypes: [],
    maximumCalendars: 0,
    maximumPrograms: 0,
  },
  {
    name: 'DataCollectService',
    maximumDataLogs: 0,
    supportedModes: [],
  },
];
