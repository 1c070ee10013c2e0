/** What controllers record by themselves, as values of TALQ attributes. */
import { LogColumn } from '../../firmware/link/messages.ts';
import { columnOf } from '../samples.ts';
import type { Birth } from '../wire.ts';
import { MEASURES, type Side, toUnit } from './mapping.ts';
import { functionOfUnit, LAMP, MONITOR, meteredUnits, SENSING } from './places.ts';

/** An attribute that a column of recorded samples fills. */
export interface Recorded {
  functionId: string;
  name: string;
  /** @param steps of the wire. @returns in TALQ's unit */
  toValue(steps: number): unknown;
}

const SIDES: Side[] = ['meter', ...SENSING.map(({ side }) => side)];

/** @returns the attributes that a column fills; none when TALQ has no word for it. */
export function recordedOf(birth: Birth, column: number): Recorded[] {
  if (column === LogColumn.Level) {
    const toValue = (steps: number): unknown => ({ name: 'LevelState', value: steps });
    return [{ functionId: LAMP, name: 'actualLightState', toValue }];
  }
  const { unit, quantity } = columnOf(column) ?? {};
  if (unit === undefined || quantity === undefined || unit >= birth.units.length) return [];
  const places: [Side, string | undefined][] = SIDES.map((side) => [side, functionOfUnit(birth, unit, side)]);
  if (unit === (meteredUnits(birth)[0] ?? 0)) places.push(['monitor', MONITOR]);
  return places.flatMap(([side, functionId]) => {
    const measure = MEASURES[quantity]?.[side];
    if (!measure || functionId === undefined) return [];
    return [{ functionId, name: measure.name, toValue: (steps: number) => toUnit(quantity, measure, steps) }];
  });
}
