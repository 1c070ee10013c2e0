/** How deep the minified firmware's calls go in a night with everything that can happen to a controller. */
import assert from 'node:assert/strict';
import type { start } from '../../firmware/main.ts';
import { loadBoard } from '../../scripts/board-config.mjs';
import { bundle } from '../../scripts/bundle.mjs';
import { Depth, instrument, LIMIT } from '../../scripts/call-depth.mjs';
import { World } from '../../sim/clock.ts';
import { openController } from '../../sim/controller.ts';
import { dialPipe, type FarEnd } from '../../sim/network.ts';

const MINUTE = 60_000;
/** s UTC of a winter evening, 17:00. */
const EVENING = Date.UTC(2025, 11, 1, 17) / 1000;

const uint32 = (value: number) => [0x1a, ...new Uint8Array(new Uint32Array([value]).buffer).reverse()];
/** A CBOR map of small unsigned keys to 32-bit unsigned integers. Source: RFC 8949 §3. */
const cborMap = (pairs: [key: number, value: number][]) =>
  Uint8Array.from([0xa0 + pairs.length, ...pairs.flatMap(([key, value]) => [key, ...uint32(value)])]);

/** A broker for one controller: takes and acknowledges everything. Source: MQTT 3.1.1 §3. */
class Broker {
  reports = 0;
  acks = 0;
  #end: FarEnd | undefined;
  #id = '';
  #packet = 1;

  accept = (end: FarEnd) => {
    this.#end = end;
    let rest: number[] = [];
    end.onData = (data) => {
      rest.push(...data);
      for (;;) {
        let length = 0;
        let at = 1;
        for (let shift = 0; at < rest.length; shift += 7) {
          length += (rest[at] & 127) << shift;
          if (rest[at++] < 128) break;
        }
        if (rest.length < 2 || rest.length < at + length) return;
        const body = rest.slice(at, at + length);
        this.#take(rest[0], body);
        rest = rest.slice(at + length);
      }
    };
  };

  /** Publishes with quality of service 1 to `rvb1/<id>/<leaf>`. */
  send(leaf: string, payload: Uint8Array): void {
    const topic = Buffer.from(`rvb1/${this.#id}/${leaf}`);
    const id = this.#packet++ & 0xffff || 1;
    const body = [topic.length >> 8, topic.length & 255, ...topic, id >> 8, id & 255, ...payload];
    assert.ok(body.length < 128);
    this.#end?.write(Uint8Array.from([0x32, body.length, ...body]));
  }

  #take(head: number, body: number[]): void {
    const answer = (...bytes: number[]) => this.#end?.write(Uint8Array.from(bytes));
    const kind = head >> 4;
    if (kind === 1) answer(0x20, 2, 0, 0);
    if (kind === 8) {
      let filters = 0;
      for (let at = 2; at < body.length; at += 3 + body[at] * 256 + body[at + 1]) filters++;
      answer(0x90, 2 + filters, body[0], body[1], ...Array(filters).fill(1));
    }
    if (kind === 12) answer(0xd0, 0);
    if (kind !== 3) return;
    const length = body[0] * 256 + body[1];
    const [, id, leaf] = Buffer.from(body.slice(2, 2 + length))
      .toString()
      .split('/');
    this.#id = id;
    if (leaf === 'report') this.reports++;
    if (leaf === 'ack') this.acks++;
    if ((head & 6) === 2) answer(0x40, 2, body[2 + length], body[3 + length]);
  }
}

describe('calls from an event', function () {
  this.timeout(120_000);

  it(`go at most ${LIMIT} deep in a night of 14 h with commands, outages and silent meters`, async () => {
    const made = await bundle({
      source: "import { start } from './firmware/main.ts'; firmwareIs(start);",
    });
    const { code, names } = instrument(made.code, made.map);
    const depth = new Depth();
    let built: typeof start | undefined;
    const take = (given: typeof start) => {
      built = given;
    };
    new Function('firmwareIs', '__enter', '__leave', code)(take, depth.enter, depth.leave);
    const world = new World();
    const broker = new Broker();
    const errors: unknown[] = [];
    const pole = openController({
      world,
      id: 'depth-1',
      board: await loadBoard('esp32'),
      site: { host: 'broker', port: 1883 },
      dial: dialPipe(world, broker.accept),
      start: built,
      onUncaught: (error) => errors.push(error),
    });
    world.run(5000);
    const now = () => EVENING + Math.floor(world.now / 1000);
    const setTime = () =>
      broker.send(
        'time',
        cborMap([
          [0, now()],
          [1, 0],
        ]),
      );
    setTime();
    for (let hour = 0; hour < 14; hour++) {
      // An override with ramps that begins later and expires, then one without end, then none.
      const [start, expiration] = [now() + 60, now() + 600];
      broker.send(
        'cmd',
        cborMap([
          ...[
            [0, hour * 3],
            [1, 0],
            [2, 40],
            [3, start],
            [4, expiration],
            [5, 100],
            [6, 50],
          ],
        ] as []),
      );
      world.run(20 * MINUTE);
      broker.send(
        'cmd',
        cborMap([
          ...[
            [0, hour * 3 + 1],
            [1, 0],
            [2, 0],
          ],
        ] as []),
      );
      pole.meters[0].connected = hour % 3 !== 1;
      world.run(10 * MINUTE);
      broker.send(
        'cmd',
        cborMap([
          ...[
            [0, hour * 3 + 2],
            [1, 1],
          ],
        ] as []),
      );
      broker.send('cmd', Uint8Array.from([0xa1, 0x00]));
      if (hour % 4 === 2) pole.sim.network.cut();
      if (hour % 5 === 3) pole.sim.network.silent = true;
      world.run(15 * MINUTE);
      pole.sim.network.silent = false;
      world.run(15 * MINUTE);
      setTime();
    }
    const chain = depth.deepest.map((number) => names[number]);
    console.log(`      ${chain.length} deep: ${chain.join(' > ')}`);
    assert.deepEqual(errors, []);
    assert.ok(broker.reports > 100, `${broker.reports} reports`);
    assert.ok(broker.acks > 30, `${broker.acks} acks`);
    assert.ok(chain.length >= 3 && chain.length <= LIMIT, `${chain.length} deep`);
  });
});
