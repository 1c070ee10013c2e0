import assert from 'node:assert/strict';
import type { Board } from '../../firmware/board.ts';
import { type Firmware, start } from '../../firmware/main.ts';
import { loadBoard } from '../../scripts/board-config.mjs';
import { World } from '../../sim/clock.ts';
import { type Controller, type ControllerOptions, openController } from '../../sim/controller.ts';
import { Post } from '../monitor/post.ts';
import { siteKey } from '../sealed.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
/** ms UTC: 21:00 in the program of the linux board, which has 100 % then and 80 % from 22:00 on. */
const BEGIN = Date.parse('2026-01-05T20:00:00Z');

/** What is broken in a firmware on purpose, after it has started. */
type Break = (firmware: Firmware, controller: Controller) => void;

const fail = (what: string) => () => {
  throw new Error(what);
};

describe('the supervisor', () => {
  let board: Board;
  let world: World;
  before(async () => {
    // Its settings are in the HAL's storage, where writes are counted.
    board = { ...(await loadBoard('linux')), watchdog: 30 * SECOND, store: undefined };
  });
  beforeEach(() => {
    world = new World();
  });

  /** A pole whose firmware is broken at every start until `mended`. */
  class Pole {
    mended = false;
    readonly letters: { leaf: string; body: unknown }[] = [];
    readonly writes: Record<string, number> = {};
    readonly post = new Post(world, 'pole-1');
    readonly controller: Controller;

    constructor(harm: Break = () => {}, options: Partial<ControllerOptions> = {}) {
      this.post.now = () => BEGIN + world.now;
      this.post.onLetter = ({ leaf, body }) => this.letters.push({ leaf, body });
      this.controller = openController({
        world,
        id: 'pole-1',
        board,
        site: { host: 'broker', port: 1883, key: siteKey('pole-1') },
        dial: this.post.dial,
        begin: BEGIN,
        onUncaught: () => {},
        start: (hal, own, site) => {
          const write = hal.storage.write.bind(hal.storage);
          hal.storage.write = (key, value) => {
            this.writes[key] = (this.writes[key] ?? 0) + 1;
            write(key, value);
          };
          const firmware = start(hal, own, site);
          if (!this.mended) harm(firmware, this.controller);
          return firmware;
        },
        ...options,
      });
    }

    get firmware(): Firmware {
      return this.controller.firmware ?? assert.fail('it has not started');
    }

    /** Resets after the first boot, in s and with their reasons. */
    get resets(): [number, string][] {
      return this.controller.sim.resets.slice(1).map(({ time, reason }) => [Math.round(time / 1000), reason]);
    }

    get light(): number {
      return Math.round(this.controller.lamp.light);
    }

    /** Codes, phases, firsts and seconds of the events of the supervisor. */
    get events(): (number | undefined)[][] {
      const events = this.letters
        .filter(({ leaf }) => leaf === 'event')
        .flatMap(({ body }) => (body as unknown[]).slice(1));
      return (events as number[][])
        .map((event) => [event[1], event[2], event[12], event[13]])
        .filter(([code]) => code === 23 || code === 24);
    }

    /** Faults that the births told. */
    get told(): unknown[] {
      const births = this.letters.filter(({ leaf }) => leaf === 'birth');
      return births.map(({ body }) => (body as Record<string, unknown>)[17]);
    }
  }

  describe('and tasks', () => {
    it('lets a lamp whose decisions keep failing start anew after 3 of them, and tells why', () => {
      let starts = 0;
      const pole = new Pole((firmware) => {
        if (starts++ > 0) return;
        const decide = firmware.arbiter.run.bind(firmware.arbiter);
        firmware.arbiter.run = () => {
          decide();
          if (world.now >= 10 * MINUTE) throw new Error('the plan is upside down');
        };
      });
      world.run(10 * MINUTE);
      pole.firmware.arbiter.wake();
      world.run(30 * SECOND);
      assert.equal(pole.light, 100);
      assert.deepEqual(pole.resets, []);
      pole.firmware.arbiter.wake();
      world.run(SECOND);
      pole.firmware.arbiter.wake();
      world.run(8 * SECOND);
      assert.equal(pole.resets.length, 1);
      assert.equal(pole.resets[0][1], 'software');
      world.run(MINUTE);
      assert.equal(pole.light, 100);
      assert.deepEqual(pole.events, [[23, 2, 1, 0]]);
      assert.deepEqual(pole.told.at(-1), [1, 4, 'task 3 is stuck']);
      world.run(HOUR);
      assert.equal(pole.resets.length, 1);
    });

    it('lets the watchdog reset a board 30 s after it was fed last, when the timer of all tasks is gone', () => {
      const pole = new Pole((_firmware, { sim }) => {
        // What an interrupt leaves when the timer could not be set again.
        world.after(20 * MINUTE, () => {
          sim.clock.after = () => 0;
        });
      });
      world.run(20 * MINUTE);
      pole.mended = true;
      assert.equal(pole.resets.length, 0);
      world.run(MINUTE);
      const [at, reason] = pole.resets[0];
      assert.equal(reason, 'watchdog');
      assert.ok(at >= 20 * 60 + 22 && at <= 20 * 60 + 38, `${at} s`);
      assert.equal(pole.light, 100);
    });

    it('lets a lamp alone whose instrument fails for ever: one write, one event and one birth an hour', () => {
      const pole = new Pole((firmware) => {
        if (firmware.instrument) firmware.instrument.reading = fail('no such quantity');
      });
      world.run(4 * HOUR + MINUTE);
      assert.deepEqual(pole.resets, []);
      assert.equal(pole.light, 60);
      assert.equal(pole.writes.fault, 5);
      assert.deepEqual(
        pole.events.map(([code, phase, , kind]) => [code, phase, kind]),
        Array(5).fill([23, 2, 0]),
      );
      const counts = pole.events.map(([, , first]) => first as number);
      assert.ok(counts[0] <= 2 && counts[4] >= 200, `${counts}`);
      assert.deepEqual((pole.told.at(-1) as unknown[])[2], 'Error: no such quantity');
      assert.match(pole.firmware.status(), /, \d+ faults in boot 1: Error: no such quantity$/);
    });

    it('counts what nobody caught, cuts its text to 60 bytes of ASCII, and tells it after a reset that it did not cause', () => {
      const long = `öffnen: ${'x'.repeat(100)}`;
      const pole = new Pole((_firmware, { sim }) => void sim.clock.after(5 * MINUTE, fail(long)));
      world.run(10 * MINUTE);
      assert.deepEqual(pole.events, [[23, 2, 1, 1]]);
      pole.mended = true;
      pole.controller.sim.reset('brownout');
      world.run(MINUTE);
      const text = `Error: ?ffnen: ${'x'.repeat(45)}`;
      assert.equal(text.length, 60);
      assert.deepEqual(pole.told, [undefined, [1, 1, text], [1, 1, text]]);
      pole.controller.sim.reset('power');
      world.run(MINUTE);
      assert.equal(pole.told.at(-1), undefined);
    });
  });

  describe('and boots', () => {
    /** The firmware dies 20 s after it has opened its meters. */
    const deadly: Break = (firmware, { sim }) => {
      const die = () => void sim.clock.after(20 * SECOND, () => sim.reset('watchdog'));
      if (firmware.instrument) return die();
      const open = firmware.open.bind(firmware);
      firmware.open = () => {
        const more = open();
        if (!more) die();
        return more;
      };
    };

    it('gives the default level alone after 4 boots that failed, then program and link, then all: and again, later', () => {
      const pole = new Pole(deadly, { board: { ...board, lamp: { ...board.lamp, defaultLevel: 70 } } });
      // The first boot is one by the power, and does not count.
      world.run(5 * 21 * SECOND);
      assert.deepEqual(
        pole.resets.map(([, reason]) => reason),
        Array(5).fill('watchdog'),
      );
      const safe = pole.resets[4][0];
      const births = () => pole.letters.filter(({ leaf }) => leaf === 'birth').length;
      const before = births();
      assert.equal(pole.light, 70);
      assert.match(pole.firmware.status(), /^default level alone, 4 boots have failed/);
      world.run(50 * SECOND);
      assert.equal(pole.light, 70);
      assert.equal(births(), before);
      // A minute after the start.
      world.run(25 * SECOND);
      assert.equal(pole.light, 100);
      assert.match(pole.firmware.status(), /program 0 .* link up/);
      assert.equal(births(), before + 1);
      const report = pole.letters.findLast(({ leaf }) => leaf === 'report')?.body as Record<string, unknown>;
      assert.deepEqual(report[10], [null]);
      // This boot opens its meters 10 minutes after the link and dies, the next ones take twice the time each.
      world.run(80 * MINUTE);
      const times = pole.resets.slice(4).map(([at]) => at);
      assert.equal(times.length, 4);
      near(times[1] - safe, 11 * 60 + 20, 10);
      near(times[2] - times[1], 22 * 60 + 20, 10);
      near(times[3] - times[2], 44 * 60 + 20, 10);
    });

    it('can be reached again within 64 minutes, and has its meters back within 12 hours, however many boots have failed', () => {
      const pole = new Pole(deadly, {
        start: (hal, own, site) => {
          hal.storage.write('boot', new Uint8Array([0, 0, 1, 0, 255]));
          return start(hal, own, site);
        },
      });
      world.run(63 * MINUTE);
      assert.match(pole.firmware.status(), /^default level alone, 255 boots/);
      world.run(2 * MINUTE);
      assert.match(pole.firmware.status(), /link up/);
      assert.equal(pole.firmware.instrument, undefined);
      world.run(641 * MINUTE);
      assert.ok(pole.firmware.instrument);
    });

    it('is never dark meanwhile but for the moments of the resets, and leaves it once nothing fails any more', () => {
      const pole = new Pole(deadly);
      let dark = 0;
      for (let at = 0; at < 30 * MINUTE; at += SECOND) {
        world.run(SECOND);
        if (pole.light === 0) dark++;
      }
      // The pins let go for 0.5 s at each reset.
      assert.ok(dark <= pole.resets.length + 1, `${dark} s in ${pole.resets.length} resets`);
      const before = pole.resets.length;
      pole.mended = true;
      pole.controller.sim.reset('watchdog');
      world.run(2 * HOUR);
      assert.equal(pole.resets.length, before + 1);
      assert.ok(pole.firmware.instrument);
      pole.controller.sim.reset('watchdog');
      world.run(2 * SECOND);
      assert.ok(pole.firmware.instrument, 'the row is over');
    });

    it('takes no cabinet that is switched every evening for it, at one write an evening; two where reasons are unknown', () => {
      for (const [reason, writes] of [
        ['power', 1],
        ['unknown', 2],
      ] as const) {
        const pole = new Pole();
        pole.controller.sim.reset(reason);
        world.run(11 * MINUTE);
        for (let evening = 0; evening < 4; evening++) {
          pole.writes.boot = 0;
          pole.controller.sim.cutPower();
          world.run(13 * HOUR);
          pole.controller.sim.restorePower(reason);
          world.run(SECOND);
          assert.ok(pole.firmware.instrument, `evening ${evening}`);
          world.run(11 * MINUTE);
          assert.equal(pole.writes.boot, writes);
        }
      }
    });

    it('takes 20 cuts of the power in 20 minutes for nothing else', () => {
      const pole = new Pole();
      for (let cut = 0; cut < 20; cut++) {
        world.run(MINUTE);
        assert.ok(pole.firmware.instrument, `cut ${cut}`);
        pole.controller.sim.reset('power');
      }
    });
  });

  describe('and memory', () => {
    const total = 16383;
    const used = (pole: Pole, part: number) => {
      pole.controller.sim.memory = { used: Math.round(total * part), total };
    };

    it('tells when less than a tenth is free and ends the connection, and the end of it when there is 15 % again', () => {
      const pole = new Pole();
      const connections = () => pole.letters.filter(({ leaf }) => leaf === 'birth').length;
      world.run(15 * MINUTE);
      used(pole, 0.89);
      world.run(30 * MINUTE);
      assert.deepEqual(pole.events, []);
      assert.equal(connections(), 1);
      used(pole, 0.905);
      world.run(10 * MINUTE + 7 * SECOND);
      assert.deepEqual(pole.events, [[24, 1, undefined, undefined]]);
      assert.equal(connections(), 2);
      used(pole, 0.87);
      world.run(30 * MINUTE);
      assert.equal(pole.events.length, 1);
      used(pole, 0.84);
      world.run(2 * MINUTE);
      assert.deepEqual(pole.events.slice(1), [[24, 0, undefined, undefined]]);
      assert.deepEqual(pole.resets, []);
    });

    it('starts anew before the last 3 % are gone, and the lamp goes on with the override that it had', () => {
      const pole = new Pole();
      world.run(MINUTE);
      pole.firmware.arbiter.override({ level: 40, reason: 1 });
      pole.firmware.arbiter.wake();
      world.run(20 * MINUTE);
      assert.equal(pole.light, 40);
      // 20 jsvars a second are lost.
      let lost = 0;
      const leak = () => {
        lost += 20;
        pole.controller.sim.memory = { used: Math.min(total, 13000 + lost), total };
        if (lost < 3500) world.after(SECOND, leak);
      };
      leak();
      world.run(3 * MINUTE);
      assert.deepEqual(pole.resets, []);
      world.run(10 * MINUTE);
      assert.equal(pole.resets.length, 1);
      assert.equal(pole.resets[0][1], 'software');
      used(pole, 0.2);
      world.run(MINUTE);
      assert.equal(pole.light, 40);
      assert.match(String((pole.told.at(-1) as unknown[])[2]), /^memory: 16\d{3} of 16383 used$/);
    });

    it('starts anew all the same when who has to be told fails', () => {
      const pole = new Pole((firmware) => {
        firmware.tell = fail('who tells fails');
      });
      world.run(MINUTE);
      used(pole, 0.98);
      world.run(10 * MINUTE);
      pole.mended = true;
      world.run(2 * MINUTE);
      assert.deepEqual(
        pole.resets.map(([, reason]) => reason),
        ['software'],
      );
    });

    it('starts anew while the lamp is off when less than a tenth stays free, and not while it is lit', () => {
      const pole = new Pole();
      world.run(MINUTE);
      used(pole, 0.93);
      world.run(8 * HOUR);
      assert.equal(pole.light, 100);
      assert.deepEqual(pole.resets, []);
      world.run(4 * HOUR);
      assert.equal(pole.resets[0][1], 'software');
      // The program ends at 08:00 local time, 11 hours after the begin.
      near(pole.resets[0][0], 11 * 3600, 90);
    });

    it('is measured every ten minutes, not more often', () => {
      const pole = new Pole();
      let measured = 0;
      world.run(SECOND);
      const { memory } = pole.controller.sim.system;
      pole.controller.sim.system.memory = () => {
        measured++;
        return memory();
      };
      world.run(HOUR);
      assert.ok(measured >= 5 && measured <= 6, `${measured}`);
    });
  });
});

const near = (actual: number, expected: number, tolerance: number) =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected} ± ${tolerance}`);
