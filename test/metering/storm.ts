/** Damaged replies, by the thousand: what is accepted must be true, and afterwards everything works as before. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { crc16modbus } from 'crc';
import { openMeters } from '../../firmware/metering/meter.ts';
import { checkReply, encodeRequest, Fault } from '../../firmware/protocols/modbus.ts';
import { Schedule } from '../../firmware/schedule.ts';
import { compileProfile } from '../../scripts/meter-profile.mjs';
import { generator, mutate } from '../protocols/mutate.ts';
import { FakeLine } from './fake-line.ts';
import { sealed } from './units.ts';

const same = (a: Uint8Array, b: Uint8Array) => a.every((byte, i) => byte === b[i]);
const sound = (frame: Uint8Array) => crc16modbus(Buffer.from(frame)) === 0;

/**
 * Judges `count` damaged replies to random requests of functions 3, 4, 6 and 16.
 *
 * @returns damaged replies that were accepted although they differ from the true one. Each has a right CRC by the `crc`
 * package: 16 bits of checksum cannot tell them, whoever the receiver is.
 */
export function judged(count: number, seed: number): number {
  const random = generator(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const request = new Uint8Array(8);
  let others = [sealed([1, 4, 2, 0, 0])];
  let collisions = 0;
  for (let i = 0; i < count; i++) {
    const unit = 1 + below(3);
    const code = [3, 4, 6][below(3)];
    const registers = 1 + below(20);
    encodeRequest(request, unit, code, below(100), registers);
    const data = Array.from({ length: 2 * registers }, () => below(256));
    const truth = code === 6 ? Uint8Array.from(request) : sealed([unit, code, 2 * registers, ...data]);
    const damaged = mutate(truth, others, random);
    const fault = checkReply(request, damaged, damaged.length);
    if (fault === Fault.None) {
      const accepted = damaged.subarray(0, truth.length);
      assert.ok(sound(accepted), 'accepted with a wrong CRC');
      if (!same(accepted, truth)) collisions++;
    } else if (fault > 0) {
      assert.ok(sound(damaged.subarray(0, 5)), 'an exception with a wrong CRC');
    }
    others = [truth, ...others].slice(0, 4);
  }
  return collisions;
}

/**
 * Polls an SDM120 whose replies are damaged, until `count` have been sent.
 *
 * @returns readings that were taken, and those that hold a damaged reply whose CRC is right by accident
 */
export function polled(count: number, seed: number): { readings: number; collisions: number } {
  const profile = JSON.parse(
    readFileSync(new URL('../../board-configs/profiles/sdm120.json', import.meta.url), 'utf8'),
  );
  const random = generator(seed);
  const bus = new FakeLine();
  const schedule = new Schedule(bus.clock, {
    failed(error) {
      throw error;
    },
  });
  const meter = { line: 0, unit: 1, profile: 'sdm120', period: 1000, ...compileProfile(profile) };
  const lines = [{ port: 'Serial2', baud: 9600, echo: false }];
  /** True replies of this poll, by first address: one for each attempt, and any of them may be taken. */
  const truth = new Map<number, Uint8Array[]>();
  let poll = '';
  /** Of this unit's own replies only pieces: a whole one at the wrong time nobody could tell from the true one. */
  const others = new Map<number, Uint8Array>([[0, sealed([2, 4, 2, 0, 0])]]);
  let replies = 0;
  let calm = false;
  /** A damaged reply with a right CRC went out since the last reading. */
  let collided = false;
  let readings = 0;
  let collisions = 0;

  bus.answer = (request) => {
    const registers = request[5];
    const data = new DataView(new ArrayBuffer(2 * registers));
    for (let at = 0; at < registers; at += 2) data.setFloat32(2 * at, Math.fround(random() * 0.9));
    const reply = sealed([1, 4, 2 * registers, ...new Uint8Array(data.buffer)]);
    const current = `${readings} ${meters.failures(0)}`;
    if (current !== poll) truth.clear();
    poll = current;
    truth.set(request[3], [...(truth.get(request[3]) ?? []), reply]);
    if (calm || random() < 0.3) return [{ at: 40, bytes: reply }];
    const damaged = mutate(reply, [...others.values()], random);
    others.set(registers, reply.subarray(0, reply.length - 1));
    others.set(0, sealed([2, ...reply.subarray(1, reply.length - 2)]));
    for (let at = 0; at + reply.length <= damaged.length; at++) {
      const piece = damaged.subarray(at, at + reply.length);
      if (piece[0] === 1 && piece[1] === 4 && sound(piece) && !same(piece, reply)) collided = true;
    }
    replies++;
    const cut = Math.floor(random() * damaged.length);
    return [
      { at: 40, bytes: damaged.subarray(0, cut) },
      { at: 40 + 60 * random(), bytes: damaged.subarray(cut) },
    ];
  };

  const meters = openMeters(bus.hal, schedule, lines, [meter], {
    reading() {
      if (meters.failures(0) > 0) return;
      readings++;
      if (collided) collisions++;
      else assertTrue(meters.values(0), meter.plan, truth);
      collided = false;
    },
  });

  let most = 0;
  while (replies < count) {
    const before = meters.values(0);
    const time = meters.time(0);
    bus.clock.run(10_000);
    if (meters.time(0) === time) assert.deepEqual(meters.values(0), before);
    most = Math.max(most, bus.clock.timers.size);
    bus.sent = [];
  }
  assert.ok(most <= 8, `${most} timers`);
  calm = true;
  collided = false;
  bus.clock.run(70_000);
  assert.equal(meters.failures(0), 0);
  assert.ok(bus.clock.now - (meters.time(0) as number) < 2000);
  return { readings, collisions };
}

/** Every request's values are those of one of its true replies, computed apart from the firmware: all are floats. */
function assertTrue(values: (number | undefined)[], plan: number[], truth: Map<number, Uint8Array[]>) {
  const steps = [10, 1000, 10, 10, 10, 1000, 100, 1000, 1000, 1000];
  let first = 0;
  for (let at = 1; at < plan.length; at += 4 + 3 * plan[at + 3]) {
    const items = Array.from({ length: plan[at + 3] }, (_, i) => plan.slice(at + 4 + 3 * i, at + 7 + 3 * i));
    const candidates = (truth.get(plan[at + 1]) as Uint8Array[]).map((reply) => {
      const view = new DataView(reply.buffer, 3);
      return items.map(([offset, format]) => Math.round(view.getFloat32(2 * offset) * steps[format >> 8])).join();
    });
    const taken = values.slice(first, first + items.length).join();
    assert.ok(candidates.includes(taken), `${taken} is none of ${candidates.join(' | ')}`);
    first += items.length;
  }
}
