/**
 * What hangs on a pole as a thing that was bought: luminaire, driver and controller. A CMS writes and reads these
 * attributes, nothing happens to the lamp. Source: TALQ 2.7.1 data model, LuminaireAssetFunction, DriverAssetFunction,
 * ControllerAssetFunction.
 */
import { factory, kept, refers } from './attributes.ts';
import type { FunctionSpec } from './functions.ts';

/** Id of the function that shows the lamp as a thing. */
export const LUMINAIRE_ASSET = 'luminaireAsset1';
/** Id of the function that shows the controller itself. */
export const CONTROLLER_ASSET = 'controllerAsset1';

const date = (name: string) => kept(name, 'AttributeDateTime');
const year = (name: string, more: { unit?: string } = {}) =>
  kept(name, 'AttributeInteger', { minValue: 0, maxValue: 9999, ...more });
const made = [year('manufactureYear'), kept('manufactureWeek', 'AttributeInteger', { minValue: 1, maxValue: 53 })];

export const ASSETS: FunctionSpec[] = [
  {
    id: LUMINAIRE_ASSET,
    type: 'LuminaireAssetFunction',
    attributes: [
      refers('luminaireTypeAddress', 'luminaire-types'),
      refers('bracketTypeAddress', 'bracket-types'),
      kept('serial'),
      kept('projectID'),
      kept('luminousFluxConfiguration', 'AttributeInteger', { minValue: 0, unit: 'Lumens' }),
      kept('paintingColor'),
      date('installationTimestamp'),
      kept('identification'),
      kept('identificationNumber'),
      kept('mountingOption', 'AttributeMountingOption', { enumValues: ['Top', 'Bottom', 'Side', 'Other'] }),
      date('warrantyExpirationDate'),
      ...made,
      year('warrantyYears', { unit: 'Years' }),
      kept('applicationType'),
    ],
  },
  {
    id: 'driverAsset1',
    type: 'DriverAssetFunction',
    attributes: [
      refers('driverTypeAddress', 'driver-types'),
      kept('serial'),
      kept('projectID'),
      kept('firmwareVersion'),
      date('installationTimestamp'),
      ...made,
      date('warrantyExpirationDate'),
      year('warrantyYears'),
      kept('applicationType'),
    ],
  },
  {
    id: CONTROLLER_ASSET,
    type: 'ControllerAssetFunction',
    attributes: [
      refers('controllerTypeAddress', 'controller-types'),
      factory('serial'),
      factory('firmwareVersion'),
      date('installationTimestamp'),
      date('registrationTimestamp'),
      kept('projectID'),
      kept('controllerColor'),
      kept('connectionType', 'AttributeLuminaireConnectionType', {
        enumValues: ['Nema', 'Zhaga', '20mm', 'Integrated', 'Other'],
      }),
      date('warrantyExpirationDate'),
      ...made,
      year('warrantyYears'),
      kept('applicationType'),
    ],
  },
];
