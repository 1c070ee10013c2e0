/** How deep the minified firmware's calls go in a night with everything that can happen to a controller. */
import assert from 'node:assert/strict';
import { decode } from 'cbor-x';
import { generate, type Packet, parser } from 'mqtt-packet';
import { timetable } from '../../bench/decision.ts';
import { CommandKind, LogColumn, TOPIC_ROOT } from '../../firmware/link/messages.ts';
import type { start } from '../../firmware/main.ts';
import { compileMonitoring } from '../../gateway/monitoring.ts';
import { encodeCommand, encodeTime, type FieldCommand } from '../../gateway/wire.ts';
import { bundle } from '../../scripts/bundle.mjs';
import { Depth, instrument, LIMIT } from '../../scripts/call-depth.mjs';
import { World } from '../../sim/clock.ts';
import { openController } from '../../sim/controller.ts';
import { dialPipe, type FarEnd } from '../../sim/network.ts';
import { Configuration } from '../configuration.ts';
import { fullBoard } from '../full-board.ts';
import { GatewayEnd, siteKey } from '../sealed.ts';

const MINUTE = 60_000;
/** Documents that make what was recorded go out, of a lamp that draws too much. */
const MONITORING = [900, 1800].map((period) =>
  compileMonitoring({
    lamp: {
      wattage: 30,
      powerFactors: [
        { level: 50, powerFactor: 0.85 },
        { level: 80, powerFactor: 0.9 },
      ],
    },
    recorder: { period, columns: [LogColumn.Level] },
  }),
);
/** s UTC of a winter evening, 17:00. */
const EVENING = Date.UTC(2025, 11, 1, 17) / 1000;

/** A broker for one controller: takes and acknowledges everything. Source: MQTT 3.1.1 §3. */
class Broker {
  reports = 0;
  acks = 0;
  /** ms UTC */
  now: () => number = () => 0;
  #seal = new GatewayEnd('depth-1');
  #end: FarEnd | undefined;
  #id = '';
  #packet = 1;

  accept = (end: FarEnd) => {
    this.#end = end;
    const reader = parser();
    reader.on('packet', (packet) => this.#take(packet));
    end.onData = (data) => {
      reader.parse(Buffer.from(data));
    };
  };

  /** Publishes with quality of service 1 to `rvb1/<id>/<leaf>`. */
  send(leaf: string, message: Buffer): void {
    const messageId = this.#packet++ & 0xffff || 1;
    const topic = `rvb1/${this.#id}/${leaf}`;
    const payload = this.#seal.seal(leaf, message, this.now());
    this.#write({ cmd: 'publish', topic, payload, qos: 1, messageId, dup: false, retain: false });
  }

  #write(packet: Packet): void {
    this.#end?.write(new Uint8Array(generate(packet)));
  }

  #take(packet: Packet): void {
    const { messageId } = packet;
    if (packet.cmd === 'connect') this.#write({ cmd: 'connack', returnCode: 0, sessionPresent: false });
    if (packet.cmd === 'subscribe') {
      this.#write({ cmd: 'suback', messageId, granted: packet.subscriptions.map(() => 1) });
    }
    if (packet.cmd === 'pingreq') this.#write({ cmd: 'pingresp' });
    if (packet.cmd !== 'publish') return;
    const [root, id, leaf] = packet.topic.split('/');
    // Neighbours tell each other of presence without a seal.
    if (root !== TOPIC_ROOT) return;
    this.#id = id;
    const message = this.#seal.open(packet.topic, packet.payload as Buffer);
    if (leaf === 'report') this.reports++;
    if (leaf === 'ack') this.acks++;
    if (leaf === 'ask') this.send('time', encodeTime(this.now(), decode(message)));
    if (packet.qos === 1) this.#write({ cmd: 'puback', messageId });
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
      board: await fullBoard(),
      site: { host: 'broker', port: 1883, group: 'street', key: siteKey('depth-1') },
      temperature: 20,
      dial: dialPipe(world, broker.accept),
      start: built,
      onUncaught: (error) => errors.push(error),
    });
    const now = () => EVENING + Math.floor(world.now / 1000);
    broker.now = () => now() * 1000;
    world.run(5000);
    let number = 0;
    const configuration = new Configuration();
    const command = (order: FieldCommand) => broker.send('cmd', encodeCommand(++number, order));
    for (let hour = 0; hour < 14; hour++) {
      command(configuration.change({ timetable: timetable(hour % 3), monitoring: MONITORING[hour % 2], groups: null }));
      // An override with ramps that begins later and expires, then one without end, then none.
      const [start, expiration] = [now() + 60, now() + 600];
      command({ kind: CommandKind.Override, level: 40, start, expiration, rampTo: 100, rampFrom: 50, reference: 'op' });
      world.run(20 * MINUTE);
      command({ kind: CommandKind.Override, level: 0 });
      pole.meters[0].connected = hour % 3 !== 1;
      pole.meters[1].connected = hour % 4 !== 3;
      pole.light.glare = hour % 2 ? 100 : 0;
      pole.sim.pins.set('D5', hour % 2 ? 1 : 0);
      pole.sim.temperature = 70 + 2 * hour;
      world.run(5 * MINUTE);
      command(configuration.change({ level: 70 + hour }));
      command({ kind: CommandKind.Sensor, sensor: 1, level: 80, expiration: now() + 60 });
      world.run(5 * MINUTE);
      command({ kind: CommandKind.Resume });
      broker.send('cmd', Buffer.of(0xa1, 0x00));
      if (hour % 4 === 2) pole.sim.network.cut();
      if (hour % 5 === 3) pole.sim.network.silent = true;
      world.run(15 * MINUTE);
      pole.sim.network.silent = false;
      world.run(15 * MINUTE);
    }
    const chain = depth.deepest.map((number) => names[number]);
    console.log(`      ${chain.length} deep: ${chain.join(' > ')}`);
    assert.deepEqual(errors, []);
    assert.ok(broker.reports > 100, `${broker.reports} reports`);
    assert.ok(broker.acks > 30, `${broker.acks} acks`);
    assert.ok(chain.length >= 3 && chain.length <= LIMIT, `${chain.length} deep`);
  });
});
