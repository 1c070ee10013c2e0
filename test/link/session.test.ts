import assert from 'node:assert/strict';
import { AckCode, AckKey, CommandKey, CommandKind, Reason } from '../../firmware/link/messages.ts';
import { loadBoard } from '../../scripts/board-config.mjs';
import { World } from '../../sim/clock.ts';
import { type Controller, openController } from '../../sim/controller.ts';
import { seeded } from '../../sim/random.ts';
import { type Letter, Post } from '../monitor/post.ts';
import { siteKey } from '../sealed.ts';

/** ms UTC at which the world begins: 21:00 at the pole, whose own program gives 100 %. */
const BEGIN = Date.UTC(2026, 10, 25, 20);
const SECOND = 1000;
const MINUTE = 60 * SECOND;

interface Pole {
  post: Post;
  controller: Controller;
  /** What it has acknowledged. */
  acks: Record<string, unknown>[];
}

async function poleIn(world: World, id: string, latency = 10): Promise<Pole> {
  const post = new Post(world, id, latency);
  const acks: Pole['acks'] = [];
  post.now = () => BEGIN + world.now;
  post.onLetter = ({ leaf, body }: Letter) => {
    if (leaf === 'ack') acks.push(body as Record<string, unknown>);
  };
  const site = { host: 'broker', port: 1883, key: siteKey(id) };
  const controller = openController({ world, id, board: await loadBoard('linux'), site, dial: post.dial });
  return { post, controller, acks };
}

/** @returns the item that makes a command wait until an instant of the world, ms */
const at = (instant: number): [CommandKey, unknown] => [CommandKey.At, Math.ceil((BEGIN + instant) / 100) % 600];
const level = (percent: number): [CommandKey, unknown] => [CommandKey.Level, percent];
const ack = (number: number, code: AckCode, percent: number, reason: Reason) => ({
  [AckKey.Number]: number,
  [AckKey.Code]: code,
  [AckKey.Level]: percent,
  [AckKey.Reason]: reason,
});

describe('a session and its commands', () => {
  let world: World;
  let pole: Pole;
  const lit = () => Math.round(pole.controller.lamp.light);
  beforeEach(async () => {
    world = new World();
    pole = await poleIn(world, 'pole-1');
    world.run(30 * SECOND);
    assert.equal(pole.controller.firmware?.arbiter.command.reason, Reason.Program);
  });

  it('acknowledges with the level and the reason that hold then: 40 % by override, 100 % by the program again', () => {
    pole.post.command(CommandKind.Override, [level(40)]);
    world.run(SECOND);
    pole.post.command(CommandKind.Resume);
    world.run(SECOND);
    // It starts later: what holds is still the program.
    const start = (BEGIN + world.now) / 1000 + 60;
    pole.post.command(CommandKind.Override, [level(20), [CommandKey.Start, Math.floor(start)]]);
    world.run(SECOND);
    pole.post.command(CommandKind.Override, [level(120)]);
    world.run(SECOND);
    assert.deepEqual(pole.acks, [
      ack(1, AckCode.Done, 40, Reason.Override),
      ack(2, AckCode.Done, 100, Reason.Program),
      ack(3, AckCode.Done, 100, Reason.Program),
      ack(4, AckCode.Malformed, 100, Reason.Program),
    ]);
  });

  it('gives the last 8 numbers the same answer again, and obeys none of them twice', () => {
    pole.post.command(CommandKind.Override, [level(40)]);
    for (let i = 0; i < 7; i++) pole.post.command(i === 3 ? (99 as CommandKind) : CommandKind.Resume);
    world.run(SECOND);
    const first = [...pole.acks];
    assert.deepEqual(
      first.map((one) => one[AckKey.Code]),
      [0, 0, 0, 0, 1, 0, 0, 0],
    );
    pole.acks.length = 0;
    for (let number = 1; number <= 8; number++) pole.post.command(CommandKind.Override, [level(10)], number);
    world.run(SECOND);
    assert.deepEqual(
      pole.acks.map((one) => [one[AckKey.Number], one[AckKey.Code], one[AckKey.Level]]),
      first.map((one, i) => [i + 1, one[AckKey.Code], 100]),
    );
    assert.equal(lit(), 100);
    // Of a ninth it knows nothing any more.
    pole.post.command(CommandKind.Resume);
    pole.post.command(CommandKind.Override, [level(10)], 1);
    world.run(SECOND);
    assert.equal(pole.acks.at(-1)?.[AckKey.Level], 10);
  });

  it('obeys again what it could not obey for want of a clock, and asks for the time at once', async () => {
    const other = new World();
    const lost = await poleIn(other, 'pole-2');
    lost.post.now = () => undefined;
    other.run(20 * MINUTE);
    lost.post.now = () => BEGIN + other.now;
    const expiration: [CommandKey, unknown] = [CommandKey.Expiration, (BEGIN + other.now) / 1000 + 3600];
    lost.post.command(CommandKind.Override, [level(40), expiration]);
    other.run(SECOND);
    lost.post.command(CommandKind.Override, [level(40), expiration], 1);
    other.run(SECOND);
    assert.deepEqual(lost.acks, [
      ack(1, AckCode.NoClock, 100, Reason.Default),
      ack(1, AckCode.Done, 40, Reason.Override),
    ]);
  });

  it('holds a command until its instant, to 100 ms, and acknowledges it then', () => {
    const instant = world.now + 2000;
    pole.post.command(CommandKind.Override, [level(40), at(instant)]);
    // The same by another way.
    pole.post.command(CommandKind.Override, [level(40), at(instant)], 1);
    world.run(1990);
    assert.deepEqual([lit(), pole.acks], [100, []]);
    world.run(210);
    assert.deepEqual([lit(), pole.acks], [40, [ack(1, AckCode.Done, 40, Reason.Override)]]);
  });

  it('obeys at once when the instant has passed, is more than 5 s away, or there is no clock', async () => {
    for (const [i, wait] of [-100, -3000, 8000, 55_000].entries()) {
      pole.post.command(CommandKind.Override, [level(40 + i), at(world.now + wait)]);
      world.run(100);
      assert.equal(lit(), 40 + i, `${wait} ms`);
    }
    pole.post.command(CommandKind.Override, [level(20), [CommandKey.At, 600]]);
    world.run(SECOND);
    assert.equal(pole.acks.at(-1)?.[AckKey.Code], AckCode.Malformed);
    const other = new World();
    const lost = await poleIn(other, 'pole-2');
    lost.post.now = () => undefined;
    other.run(30 * SECOND);
    lost.post.command(CommandKind.Override, [level(30), at(other.now + 2000)]);
    other.run(100);
    assert.equal(Math.round(lost.controller.lamp.light), 30);
  });

  it('obeys commands in the order in which they come, also while one of them waits', () => {
    pole.post.command(CommandKind.Override, [level(40), at(world.now + 2000)]);
    world.run(1000);
    pole.post.command(CommandKind.Override, [level(70)]);
    world.run(100);
    assert.equal(lit(), 70);
    pole.post.command(CommandKind.Override, [level(50), at(world.now + 1000)]);
    pole.post.command(CommandKind.Resume, [at(world.now + 1500)]);
    world.run(500);
    assert.equal(lit(), 50);
    world.run(5000);
    assert.equal(lit(), 100);
    assert.deepEqual(
      pole.acks.map((one) => [one[AckKey.Number], one[AckKey.Level]]),
      [
        [1, 40],
        [2, 70],
        [3, 50],
        [4, 100],
      ],
    );
  });
});

describe('a street of 20 poles', () => {
  it('changes within 100 ms when told 2 s ahead, over ways of 5 to 900 ms and with clocks that are 40 ms wrong', async () => {
    const world = new World();
    const random = seeded('together');
    const poles: Pole[] = [];
    for (let i = 0; i < 20; i++) {
      const pole = await poleIn(world, `pole-${i}`, 5 + 895 * random.next());
      // What its ways are not alike, either way.
      const wrong = 80 * random.next() - 40;
      pole.post.now = () => BEGIN + world.now + wrong;
      poles.push(pole);
    }
    world.run(3 * MINUTE);
    for (const [percent, soft] of [
      [40, undefined],
      [85, undefined],
      [30, 50],
    ] as [number, number | undefined][]) {
      world.run(20 * SECOND + 1000 * random.next());
      const given = world.now;
      const ramp: [CommandKey, unknown][] = soft === undefined ? [] : [[CommandKey.RampTo, soft]];
      const before = poles.map(({ controller }) => controller.lamp.light);
      for (const { post } of poles) post.command(CommandKind.Override, [level(percent), at(given + 2000), ...ramp]);
      const changed: (number | undefined)[] = poles.map(() => undefined);
      while (world.now < given + 3000) {
        world.run(2);
        for (const [i, { controller }] of poles.entries()) {
          if (controller.lamp.light !== before[i]) changed[i] ??= world.now - given;
        }
      }
      const instants = changed.map((instant) => instant ?? Number.NaN);
      const [first, last] = [Math.min(...instants), Math.max(...instants)];
      console.log(`      ${percent} %: from ${first.toFixed(0)} to ${last.toFixed(0)} ms after the command`);
      assert.ok(last - first <= 100, `${last - first} ms`);
      assert.ok(first >= 1900 && last <= 2250);
    }
  });
});
