/** Which items of the checklist the tests of a run have shown: by the numbers at the beginning of their titles. */
import { CHECKLIST, type Chapter } from './checklist.ts';

export interface Test {
  title: string;
  /** 'pending': skipped; undefined: it did not run. */
  state: 'passed' | 'failed' | 'pending' | undefined;
}

export interface Result {
  id: number;
  /** An item without a test is failed, as is one whose test was skipped: nothing was shown. */
  state: 'passed' | 'failed' | 'not applicable';
  /** Why it failed or does not apply; the titles of its tests when it passed. */
  why: string;
}

const NUMBERS = /^((?:\d{1,3}(?:-\d{1,3})?)(?:(?:, and |, | and | )\d{1,3}(?:-\d{1,3})?)*) \D/;

/** @returns the items that a title names: '8 and 19 takes …', '20-27 introduces …', '62, 63 and 64 keeps …'. */
export function idsOf(title: string): number[] {
  const numbers = NUMBERS.exec(title)?.[1].match(/\d+(-\d+)?/g) ?? [];
  return numbers.flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
  });
}

export function summarize(tests: readonly Test[], checklist: readonly Chapter[] = CHECKLIST): Result[] {
  const byId = new Map<number, Test[]>();
  for (const test of tests) {
    for (const id of idsOf(test.title)) byId.set(id, [...(byId.get(id) ?? []), test]);
  }
  return checklist.flatMap(({ items }) =>
    items.map(({ id, inapplicable }): Result => {
      const found = byId.get(id) ?? [];
      const bad = found.find(({ state }) => state !== 'passed');
      if (bad) return { id, state: 'failed', why: `${bad.state ?? 'never ran'}: ${bad.title}` };
      if (inapplicable === undefined && found.length === 0) return { id, state: 'failed', why: 'no test' };
      if (inapplicable !== undefined && found.length > 0) {
        return { id, state: 'failed', why: `does not apply, and yet there is a test: ${found[0].title}` };
      }
      if (inapplicable !== undefined) return { id, state: 'not applicable', why: inapplicable };
      return { id, state: 'passed', why: found.map(({ title }) => title).join('; ') };
    }),
  );
}

/** @returns the lines that tell of it: the sums, and each item that is not passed. */
export function report(results: readonly Result[]): string[] {
  const count = (state: Result['state']): number => results.filter((one) => one.state === state).length;
  const others = results.filter(({ state }) => state !== 'passed');
  return [
    `TALQ conformance: ${count('passed')} passed, ${count('failed')} failed, ${count('not applicable')} not applicable, of ${results.length}`,
    ...others.map(({ id, state, why }) => `  ${id} ${state}: ${why}`),
  ];
}
