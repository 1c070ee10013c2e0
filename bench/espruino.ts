/**
 * `npm run bench:espruino`: instructions that the real modules take on the interpreter, against their limits. Counted by
 * callgrind on the interpreter's Linux build as the difference of two run lengths, so that boot and loading cancel out.
 * `--only TEXT` runs the lines whose name contains it; 'decision' and 'steady' are groups.
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { bundle } from '../scripts/bundle.mjs';
import { boot, cost, interpreter } from '../scripts/interpreter.mjs';
import { keyOf, toField } from '../test/sealed.ts';
import { deepestChain, type Measurement, measureDecision } from './decision.ts';
import { measureSteady } from './steady.ts';

interface Line {
  name: string;
  /** JavaScript that runs once, its imports relative to the repository's root; leaves its function in `global.run`. */
  source: string;
  /** Instructions; absent: for comparison only. */
  limit?: number;
  /** Leaves the message's length in `global.size`, which this limits in bytes. */
  bytes?: number;
}

/** A clock that the benchmark moves: `pass` jumps to the next timer and runs it. */
const CLOCK = `
let now = 1000, due = 0, next;
const clock = {
  uptime() { return now; },
  time() { return 1764090000000 + now; },
  after(delay, run) { due = now + delay; next = run; return 1; },
  cancel() {},
};
const owner = { failed(error) { print('ERROR: ' + error); }, greet() {}, receive() {} };
function pass() { now = due; const run = next; run(); }
`;

/** A report's 12 fields as a controller on its pole has them: state, command, and one meter's values. */
const FIELDS = [48213, 1764090123, 863421, 60, 60, 3, 17, 1764086400, 2304, 873, 1987, 4821337];
const NAMES = ['n', 'time', 'up', 'lvl', 'cmd', 'why', 'boot', 'since', 'u', 'i', 'p', 'e'];

const cbor: Line = {
  name: 'report of 12 fields, CBOR',
  limit: 1_200_000,
  bytes: 84,
  source: `import { CborWriter } from './firmware/protocols/cbor.ts';
    const writer = new CborWriter(128);
    const fields = ${JSON.stringify(FIELDS)};
    global.run = function () { writer.map(12); writer.pairs(0, fields); global.size = writer.finish().length; };`,
};

const json: Line = {
  name: 'the same fields, native JSON',
  source: `const report = ${JSON.stringify(Object.fromEntries(NAMES.map((name, index) => [name, FIELDS[index]])))};
    global.run = function () { global.size = JSON.stringify(report).length; };`,
};

/** Ten registers of a meter, as unit 1 answers function 4. */
const REPLY = `
const reply = new Uint8Array(25);
reply.set([1, 4, 20, 0x43, 0x66, 0x80, 0, 0x3f, 0x80, 0, 0, 0x43, 0x66, 0x80, 0, 0x3f, 0x80, 0, 0, 0x43, 0x66, 0x80, 0]);
const check = crc16(reply, 23);
reply.set([check & 255, check >> 8], 23);
const request = new Uint8Array(8);
`;

const modbus: Line = {
  name: 'Modbus request, its reply of 10 registers, read',
  limit: 2_500_000,
  source: `import { checkReply, encodeRequest } from './firmware/protocols/modbus.ts';
    import { crc16 } from './firmware/protocols/crc.ts';
    ${REPLY}
    const view = new DataView(reply.buffer, 3);
    global.run = function () {
      encodeRequest(request, 1, 4, 0, 10);
      if (checkReply(request, reply, 25) !== 0) print('ERROR: fault');
      for (let at = 0; at < 20; at += 2) view.getUint16(at);
    };`,
};

const exchange: Line = {
  name: 'the same through the line and its 3 appointments',
  source: `import { ModbusLine } from './firmware/metering/line.ts';
    import { encodeRequest } from './firmware/protocols/modbus.ts';
    import { crc16 } from './firmware/protocols/crc.ts';
    import { Schedule } from './firmware/schedule.ts';
    ${CLOCK}
    let hear, sent, read = 0;
    const serial = { write(data, done) { sent = done; }, close() {} };
    const hal = { clock, openSerial(options) { hear = options.onData; return serial; } };
    const schedule = new Schedule(clock, owner);
    const line = new ModbusLine(hal, schedule, { port: 'Serial1', baud: 9600, data: 8, parity: 'none', stop: 1, echo: false });
    ${REPLY}
    const transaction = {
      request, timeout: 500, gap: 20, retries: 1,
      done(fault, data) { if (fault !== 0) print('ERROR: fault ' + fault); read += data[3]; },
    };
    global.run = function () {
      encodeRequest(request, 1, 4, 0, 10);
      line.submit(transaction);
      while (!sent) pass();
      const done = sent;
      sent = undefined;
      now += 8;
      done();
      now += 30;
      hear(reply);
      const before = read;
      while (read === before) pass();
    };`,
};

const appointment: Line = {
  name: 'an appointment of the schedule beside 10 others, made and kept',
  source: `import { Schedule } from './firmware/schedule.ts';
    ${CLOCK}
    let kept = 0;
    const schedule = new Schedule(clock, owner);
    for (let other = 0; other < 10; other++) schedule.at(schedule.add({ run() {} }), 1e9);
    const task = schedule.add({ run() { kept++; } });
    global.run = function () { schedule.at(task, 0); pass(); };`,
};

const mqtt = (qos: 0 | 1, limit: number): Line => ({
  name: `MQTT publish of 64 bytes, QoS ${qos}${qos ? ' and its PUBACK' : ''}`,
  limit,
  source: `import { Uplink } from './firmware/link/uplink.ts';
    import { Schedule } from './firmware/schedule.ts';
    ${CLOCK}
    const topic = 'rvb1/lamp-01/report';
    const payload = new Uint8Array(64);
    const acknowledgement = new Uint8Array([0x40, 2, 0, 0]);
    let stream, packet;
    const hal = {
      clock,
      random() { return 0; },
      connect(options) { stream = options; return { write(data) { packet = data; return true; }, close() {} }; },
    };
    const uplink = new Uplink(hal, new Schedule(clock, owner), {
      host: 'broker', port: 1883, tls: false, clientId: 'lamp-01', keepAlive: 60,
      willTopic: 'rvb1/lamp-01/link', willPayload: new Uint8Array([0]), subscriptions: ['rvb1/lamp-01/cmd'],
      owner,
    });
    while (!stream) pass();
    stream.onWritable();
    stream.onData(new Uint8Array([0x20, 2, 0, 0]));
    stream.onData(new Uint8Array([0x90, 3, packet[2], packet[3], 1]));
    if (!uplink.online) print('ERROR: not online');
    uplink.publish(topic, payload, 1, false);
    acknowledgement.set(packet.subarray(4 + topic.length, 6 + topic.length), 2);
    stream.onData(acknowledgement);
    global.run = function () {
      if (!uplink.publish(topic, payload, ${qos}, false)) print('ERROR: refused');
      ${qos ? 'stream.onData(acknowledgement);' : ''}
    };`,
});

/** An override to 40 % with a reference of 20 bytes, and what makes a seal of it on the interpreter. */
const COMMAND = Buffer.from('a40000010002182807740102030405060708090a0b0c0d0e0f1011121314', 'hex');
const ID = 'lamp-01';
const BOOT = Buffer.alloc(8, 7);
const SEAL = `import { Seal } from './firmware/link/seal.ts';
    import { mac } from './hal/espruino/system.ts';
    function from(base64) { return E.toUint8Array(atob(base64)); }
    const hal = {
      clock: { uptime() { return 1000; }, time() { return 1795644000000; } },
      // The session is made of this one: here it is known beforehand.
      mac() { return new Uint8Array(32).fill(7); },
      random() { return 0; },
    };
    const seal = new Seal(hal, from("${keyOf(ID).toString('base64')}"), 'rvb1/${ID}/', 1);
    hal.mac = mac;`;

const opening: Line = {
  name: 'authentication of one command',
  limit: 1_500_000,
  source: `${SEAL}
    const commands = [${Array.from(
      { length: 80 },
      (_, i) => `from("${toField(ID, 'cmd', COMMAND, 1_795_644_000_000 + i, BOOT).toString('base64')}")`,
    ).join(',')}];
    let next = 0;
    global.run = function () { if (!seal.open('cmd', commands[next++])) print('ERROR: refused'); };`,
};

const sealing: Line = {
  name: 'seal of a report of 84 bytes',
  limit: 1_500_000,
  source: `${SEAL}
    const message = new Uint8Array(84);
    global.run = function () { global.size = seal.seal('report', message).length; };`,
};

const LINES: Line[] = [mqtt(0, 520_000), mqtt(1, 585_000), cbor, json, modbus, exchange, appointment, opening, sealing];

/** Runs the line once on the interpreter. @returns `size` as it left it. Throws when the line does not work there. */
async function tryOut(code: string): Promise<number | undefined> {
  const device = boot({ files: { '.bootcde': `${code}\nrun();run();print("<done:"+global.size+">");` } });
  try {
    const [line, size] = await device.expect(/<done:(.*?)>|(?:Uncaught|ERROR).*/);
    if (size === undefined) throw new Error(line.trim());
    return size === 'undefined' ? undefined : Number(size);
  } finally {
    await device.stop();
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } });
  if (!interpreter()) {
    console.log('SKIPPED: ESPRUINO is not set; it names the interpreter to count on');
    return;
  }
  if (spawnSync('valgrind', ['--version']).status !== 0) {
    console.error('valgrind is not installed: apt-get install valgrind');
    process.exit(1);
  }
  let missed = 0;
  const show = ({ name, value, unit, limit }: Measurement) => {
    const parts = [name.padEnd(60), `${value.toLocaleString('en').padStart(11)} ${unit}`];
    if (limit !== undefined)
      parts.push(`limit ${limit.toLocaleString('en')}`, value <= limit ? 'reached' : 'NOT reached');
    if (limit !== undefined && value > limit) missed++;
    console.log(parts.join('  '));
  };
  const wanted = (name: string) => name.includes(values.only);
  for (const { name, source, limit, bytes } of LINES.filter((line) => wanted(line.name))) {
    const { code } = await bundle({ source });
    const size = await tryOut(code);
    show({ name, value: cost(code, 'run();'), unit: 'instructions', limit });
    if (size !== undefined) show({ name: `${name}: size`, value: size, unit: 'bytes', limit: bytes });
  }
  if (wanted('decision')) {
    console.log(`deepest chain of a decision: ${(await deepestChain(2)).join(' > ')}`);
    for (const measurement of await measureDecision()) show(measurement);
  }
  if (wanted('steady')) for (const measurement of await measureSteady((line) => console.log(line))) show(measurement);
  process.exit(missed > 0 ? 1 : 0);
}

await main();
