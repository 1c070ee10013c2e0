import type { Bytes } from '../../hal/hal.ts';
import { AckCode } from '../link/messages.ts';
import { Head, NONE, Part, Rule, Size, TIMETABLE_VERSION } from '../link/timetable.ts';

/**
 * Looks whether a timetable can be run before it is stored: its parts lie inside it, its rules name programs that it has,
 * and it is not more than the board holds.
 *
 * @param limits bytes, rules, programs, switch points a program
 * @returns `Done`, `Malformed` or `TooLarge`
 */
export function checkTimetable(bytes: Bytes, limits: readonly number[]): AckCode {
  const length = bytes.length;
  if (length < Head.Size + 4 || bytes[Head.Version] !== TIMETABLE_VERSION) return AckCode.Malformed;
  const programs = bytes[Head.Programs];
  if (length > limits[0] || bytes[Head.Rules] > limits[1] || programs > limits[2]) return AckCode.TooLarge;
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  let at = Head.Size + 2 * programs;
  const last = bytes[Head.DefaultProgram];
  if (last !== NONE && last >= programs) return AckCode.Malformed;
  for (let rule = 0; rule < bytes[Head.Rules]; rule++) {
    if (!(bytes[at + Rule.Program] < programs)) return AckCode.Malformed;
    at += Rule.Ranges + 4 * bytes[at + Rule.RangeCount];
  }
  at += bytes[Head.ZoneLength];
  for (let program = 0; program < programs; program++) {
    if (view.getUint16(Head.Size + 2 * program) !== at) return AckCode.Malformed;
    if (bytes[at + Part.Fixed] > limits[3]) return AckCode.TooLarge;
    const points = bytes[at + Part.Fixed] + bytes[at + Part.Astro];
    at +=
      Part.Size +
      points * Size.Point +
      bytes[at + Part.Periods] * Size.Period +
      bytes[at + Part.Dynamic] * Size.Dynamic;
  }
  return at + 4 === length ? AckCode.Done : AckCode.Malformed;
}
