/** What older versions of TALQ do not know: the side with the higher version adapts to the other. Source: TALQ 2.7.1 §3.5. */

/** MINOR that brought a function. Source: TALQ 2.7.1 data model, x-talq-new-in of each function. */
const SINCE: Record<string, number> = {
  TimeFunction: 4,
  LuminaireAssetFunction: 5,
  DriverAssetFunction: 5,
  ControllerAssetFunction: 5,
};

/** MINOR that brought types of controllers. */
export const TYPES_SINCE = 5;

/** A device or a class. */
export interface Described {
  functions: { type: string }[];
}

/** @returns a device or a class without the functions that came after 2.`minor`. */
export function adaptedTo<T extends Described>(minor: number, owner: T): T {
  if (minor >= 5) return owner;
  return { ...owner, functions: owner.functions.filter(({ type }) => (SINCE[type] ?? 0) <= minor) };
}
