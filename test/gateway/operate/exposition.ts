/**
 * A strict reader of the text format of Prometheus, written from its description: lines end with \n; HELP and TYPE come at
 * most once and before the samples of their family; a histogram has cumulative buckets that end with +Inf.
 * Source: Prometheus, Exposition formats, text format 0.0.4.
 */
import assert from 'node:assert/strict';

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const HELP = new RegExp(`^# HELP (${NAME}) ((?:[^\\\\\\n]|\\\\\\\\|\\\\n)*)$`);
const TYPE = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram|summary|untyped)$`);
const LABEL = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\\\\\|\\\\"|\\\\n)*"';
const SAMPLE = new RegExp(`^(${NAME})(?:\\{((?:${LABEL})(?:,${LABEL})*,?)?\\})? (\\S+)$`);
const NUMBER = /^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|NaN|[+-]?Inf)$/i;

/** @returns all samples; throws an AssertionError where the text is not in that format */
export function parse(text: string): Sample[] {
  assert.ok(text.endsWith('\n'), 'the last line has an end');
  const types = new Map<string, string>();
  const helped = new Set<string>();
  const families: string[] = [];
  const seen = new Set<string>();
  const samples: Sample[] = [];
  for (const line of text.slice(0, -1).split('\n')) {
    if (line === '') continue;
    const [, type, kind] = TYPE.exec(line) ?? [];
    const [, help] = HELP.exec(line) ?? [];
    if (type !== undefined) {
      assert.ok(!types.has(type), `TYPE of ${type} comes once`);
      assert.ok(!families.includes(type), `TYPE of ${type} comes before its samples`);
      types.set(type, kind);
    } else if (help !== undefined) {
      assert.ok(!helped.has(help), `HELP of ${help} comes once`);
      helped.add(help);
    } else {
      assert.ok(!line.startsWith('#'), line);
      const [, name, inner = '', number] = SAMPLE.exec(line) ?? assert.fail(`no sample: ${line}`);
      assert.match(number, NUMBER, line);
      const family = familyOf(name, types);
      if (families.at(-1) !== family) {
        assert.ok(!families.includes(family), `the samples of ${family} stand together`);
        families.push(family);
      }
      const labels: Record<string, string> = {};
      for (const [, label, value] of inner.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)) {
        assert.ok(!(label in labels), `${label} comes twice in ${line}`);
        labels[label] = value.replace(/\\(.)/g, (_all, char) => (char === 'n' ? '\n' : char));
      }
      const key = `${name} ${JSON.stringify(Object.entries(labels).sort())}`;
      assert.ok(!seen.has(key), `${key} comes once`);
      seen.add(key);
      samples.push({ name, labels, value: Number(number.replace(/Inf$/i, 'Infinity')) });
    }
  }
  for (const family of families) assert.ok(types.has(family) && helped.has(family), `${family} has HELP and TYPE`);
  for (const [family, kind] of types) {
    if (kind === 'histogram') checkHistogram(family, samples);
    if (kind === 'counter') for (const { name, value } of samples) if (name === family) assert.ok(value >= 0, name);
  }
  return samples;
}

function familyOf(name: string, types: Map<string, string>): string {
  const base = name.replace(/_(bucket|sum|count)$/, '');
  return types.get(base) === 'histogram' ? base : name;
}

function checkHistogram(family: string, samples: Sample[]): void {
  const groups = new Map<string, Sample[]>();
  for (const sample of samples.filter(({ name }) => familyOf(name, new Map([[family, 'histogram']])) === family)) {
    const { le: _le, ...rest } = sample.labels;
    const key = JSON.stringify(Object.entries(rest).sort());
    groups.set(key, [...(groups.get(key) ?? []), sample]);
  }
  for (const group of groups.values()) {
    const of = (suffix: string) => group.filter(({ name }) => name === `${family}_${suffix}`);
    const buckets = of('bucket').map(({ labels, value }) => [Number(labels.le.replace('Inf', 'Infinity')), value]);
    assert.ok(buckets.length > 0 && of('sum').length === 1 && of('count').length === 1, family);
    for (let i = 1; i < buckets.length; i++) {
      assert.ok(buckets[i][0] > buckets[i - 1][0] && buckets[i][1] >= buckets[i - 1][1], `${family} is cumulative`);
    }
    assert.deepEqual(buckets.at(-1), [Number.POSITIVE_INFINITY, of('count')[0].value]);
  }
}
