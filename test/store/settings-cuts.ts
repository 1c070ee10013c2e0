/** Power cuts while a configuration is stored. */
import assert from 'node:assert/strict';
import type { Part } from '../../firmware/link/commands.ts';
import { ConfigurationPart, OWN_LEVEL } from '../../firmware/link/messages.ts';
import { Settings } from '../../firmware/store/settings.ts';
import { Vault } from '../../firmware/store/vault.ts';
import { PowerCut } from '../../sim/clock.ts';
import { Flash } from '../../sim/flash.ts';
import { openSim } from '../../sim/index.ts';
import { seeded } from '../../sim/random.ts';

/** Longest parts, for pages of 512 bytes: in such proportion as a controller's to pages of 4 KiB. */
const LONGEST = [300, 55, 35];
const OWN = Uint8Array.of(9);

/** @returns all that a boot finds of a configuration */
const found = (settings: Settings) =>
  [
    settings.edition,
    settings.defaultLevel(),
    settings.timetable(),
    settings.partOf(ConfigurationPart.Monitoring),
    settings.groupRecord(),
  ].join('|');

/**
 * Changes a configuration so many times on 4 pages, several parts at once, and cuts the power in every flash operation of
 * each. What a boot finds is the old one or the new one, and the next change comes out right whatever the cut has left.
 * @returns how many cuts that were
 */
export function sweepSettings(steps: number, page: number): number {
  let image = new Flash({ size: 4 * page, page }).image();
  const random = seeded('settings cuts');
  const open = (raw: Flash) => {
    const sim = openSim({ raw });
    return { sim, settings: new Settings(new Vault(sim, { size: raw.size }), sim, OWN, 80) };
  };
  /** As the records say, so that no code of the firmware says what is right. */
  let model = { level: 80, parts: [undefined, undefined, undefined] as Part[] };
  const shown = (version: number, { level, parts }: typeof model) =>
    [version, level, parts[0] ?? OWN, parts[1] ?? undefined, parts[2] ?? new Uint8Array(0)].join('|');
  let cuts = 0;
  for (let version = 1; version <= steps; version++) {
    const change = LONGEST.map((length): Part => {
      if (random.chance(0.3)) return undefined;
      return random.chance(0.2) ? null : Uint8Array.from({ length: length - random.below(2) }, () => random.below(256));
    });
    const level = random.chance(0.3) ? undefined : random.chance(0.2) ? null : random.below(101);
    const start = image;
    const before = shown(version - 1, model);
    const next = {
      level: level === undefined ? model.level : (level ?? 80),
      parts: model.parts.map((part, i) => (change[i] === undefined ? part : change[i])),
    };
    const after = shown(version, next);
    for (const part of [0, 0.5, 1]) {
      for (let operation = 0; ; operation++) {
        const raw = new Flash({ image, page });
        const { sim, settings } = open(raw);
        raw.cutAfter(operation, part);
        try {
          settings.setParts(version, level === null ? OWN_LEVEL : level, [...change]);
        } catch (error) {
          if (!(error instanceof PowerCut)) throw error;
        }
        // What is deleted at the end is not worth an error.
        const cut = !sim.on;
        const at = `version ${version}, cut at operation ${operation}, part ${part}`;
        raw.keepPower();
        const now = found(open(raw).settings);
        assert.ok(now === after || (cut && now === before), at);
        // Whatever the cut has left, the change comes out right when it is made again.
        open(raw).settings.setParts(version, level === null ? OWN_LEVEL : level, [...change]);
        assert.equal(found(open(raw).settings), after, at);
        if (cut) {
          cuts++;
          continue;
        }
        image = raw.image();
        const keys = new Vault(openSim({ raw }), { size: raw.size }).keys();
        assert.equal(keys.length, 1 + next.parts.filter(Boolean).length, `${keys}`);
        break;
      }
      // The next part of an operation starts from the same state.
      if (part < 1) image = start;
    }
    model = next;
  }
  return cuts;
}
