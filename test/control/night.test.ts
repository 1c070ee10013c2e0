import assert from 'node:assert/strict';
import { Night } from '../../firmware/control/night.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Dusks at 20:00 of days 0, 1, 2, …, with nights of these lengths in hours; 0: no edges that day. */
function learned(...hours: number[]): Night {
  const night = new Night();
  hours.forEach((length, day) => {
    if (length === 0) return;
    night.edge(true, day * DAY + 20 * HOUR);
    night.edge(false, day * DAY + (20 + length) * HOUR);
  });
  return night;
}

/** @returns first and last minute of the night that is predicted on a day after its noon, in hours; undefined: unknown */
function predicted(night: Night, day: number): [number, number] | undefined {
  const noon = day * DAY + 12 * HOUR;
  const minutes: number[] = [];
  for (let minute = 0; minute < 1440; minute++) {
    const dark = night.dark(noon + minute * MINUTE);
    if (dark === undefined) return undefined;
    if (dark) minutes.push(minute);
  }
  return [12 + minutes[0] / 60, 12 + (minutes[minutes.length - 1] + 1) / 60];
}

describe('learned night', () => {
  it('is unknown without two nights that agree within 15 min', () => {
    assert.equal(predicted(learned(), 1), undefined);
    assert.equal(predicted(learned(8), 1), undefined);
    assert.equal(predicted(learned(8, 8.3), 2), undefined);
    assert.notEqual(predicted(learned(8, 8.2), 2), undefined);
  });

  it('is the last dusk and the mean of the last 3 lengths, 30 min longer at both ends', () => {
    // The mean of 8.2, 8.1 and 8 h is 8.1 h.
    assert.deepEqual(predicted(learned(8.4, 8.2, 8.1, 8), 4), [19.5, 28.6]);
    assert.deepEqual(predicted(learned(8.4, 8.2, 8.1, 8), 10), [19.5, 28.6]);
  });

  it('changes at its very instants', () => {
    const night = learned(8, 8);
    const dusk = 2 * DAY + 19.5 * HOUR;
    assert.deepEqual([night.dark(dusk - 1), night.dark(dusk)], [false, true]);
    assert.deepEqual([night.dark(dusk + 9 * HOUR - 1), night.dark(dusk + 9 * HOUR)], [true, false]);
  });

  it('is unknown again 14 days after the last learned dusk', () => {
    const night = learned(8, 8);
    const end = 15 * DAY + 20 * HOUR;
    assert.deepEqual([night.dark(end - 1), night.dark(end)], [true, undefined]);
  });

  it('ignores nights below 4 h, above 24 h, and a single one that differs by more than 15 min', () => {
    for (const strange of [3.9, 7.7, 8.3]) {
      const night = learned(8, 8, strange);
      assert.deepEqual(predicted(night, 3), [19.5, 28.5]);
      assert.equal(night.dark(15 * DAY + 20 * HOUR), undefined, 'counts from the last good one');
    }
    const night = learned(8, 8);
    night.edge(true, 2 * DAY + 20 * HOUR);
    night.edge(false, 3 * DAY + 21 * HOUR);
    assert.equal(night.dark(15 * DAY + 20 * HOUR), undefined);
    assert.equal(predicted(learned(25, 0, 25), 4), undefined);
  });

  it('learns anew from the second night that differs, and after 14 days without one', () => {
    assert.equal(predicted(learned(8, 8, 9, 9), 4), undefined);
    assert.deepEqual(predicted(learned(8, 8, 9, 9, 9), 5), [19.5, 29.5]);
    assert.deepEqual(predicted(learned(8, 9, 9), 3), [19.5, 29.5]);
    assert.deepEqual(predicted(learned(8, 8, 9, 8, 9), 5), [19.5, 28.5]);
    const late = learned(8, 8, ...Array(14).fill(0), 10, 10);
    assert.deepEqual(predicted(late, 18), [19.5, 30.5]);
  });

  it('follows nights that grow by 7 min a day, as at 60 degrees north', () => {
    const lengths = Array.from({ length: 30 }, (_, day) => 10 + (7 * day) / 60);
    const [, end] = predicted(learned(...lengths), 30) as [number, number];
    const [last] = lengths.slice(-1);
    assert.ok(end >= 20 + last + 7 / 60, `${end}`);
  });

  it('pays no heed to a dawn without a dusk, nor to a thunderstorm at noon', () => {
    const night = new Night();
    night.edge(false, 6 * HOUR);
    assert.equal(night.dark(DAY), undefined);
    const day = learned(8, 8);
    day.edge(true, 2 * DAY + 12 * HOUR);
    day.edge(false, 2 * DAY + 12.7 * HOUR);
    assert.deepEqual(predicted(day, 3), [19.5, 28.5]);
  });

  it('ends in "unknown" when the sun stops setting or rising, and never leaves 24 h dark unlit', () => {
    const summer = learned(5, 4.9, 4.8, 4.7);
    assert.equal(summer.dark(3 * DAY + 20 * HOUR + 14 * DAY), undefined);
    const winter = learned(23.2, 23.3, 23.4);
    for (let hour = 0; hour < 14 * 24; hour++) assert.notEqual(winter.dark(3 * DAY + hour * HOUR), false);
    assert.equal(winter.dark(17 * DAY), undefined);
  });
});
