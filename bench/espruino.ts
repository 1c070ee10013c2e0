/**
 * `npm run bench:espruino`: instructions that the real modules take on the interpreter, against their limits. Counted by
 * callgrind on the interpreter's Linux build as the difference of two run lengths, so that boot and loading cancel out.
 * `--only TEXT` runs the lines whose name contains it.
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { bundle } from '../scripts/bundle.mjs';
import { boot, cost, interpreter } from '../scripts/interpreter.mjs';

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
    const writer = new CborWriter(new Uint8Array(128));
    const fields = ${JSON.stringify(FIELDS)};
    global.run = function () { writer.map(12); writer.pairs(0, fields); global.size = writer.finish().length; };`,
};

const json: Line = {
  name: 'the same fields, native JSON',
  source: `const report = ${JSON.stringify(Object.fromEntries(NAMES.map((name, index) => [name, FIELDS[index]])))};
    global.run = function () { global.size = JSON.stringify(report).length; };`,
};

const modbus: Line = {
  name: 'Modbus request and 10 registers',
  limit: 2_500_000,
  source: `import { ModbusLine } from './firmware/metering/line.ts';
    import { encodeRequest } from './firmware/protocols/modbus.ts';
    import { crc16 } from './firmware/protocols/crc.ts';
    import { Schedule } from './firmware/schedule.ts';
    ${CLOCK}
    let hear, sent, read = 0;
    const serial = { write(data, done) { sent = done; }, close() {} };
    const hal = { clock, openSerial(options) { hear = options.onData; return serial; } };
    const schedule = new Schedule(clock, (error) => { print('ERROR: ' + error); });
    const line = new ModbusLine(hal, schedule, { port: 'Serial1', baud: 9600, data: 8, parity: 'none', stop: 1, echo: false });
    const reply = new Uint8Array(25);
    reply.set([1, 4, 20, 0x43, 0x66, 0x80, 0, 0x3f, 0x80, 0, 0, 0x43, 0x66, 0x80, 0, 0x3f, 0x80, 0, 0, 0x43, 0x66, 0x80, 0]);
    const check = crc16(reply, 23);
    reply.set([check & 255, check >> 8], 23);
    const request = new Uint8Array(8);
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

const LINES: Line[] = [cbor, json, modbus];

/** Runs the line once on the interpreter. @returns `size` as it left it. Throws when the line does not work there. */
async function tryOut(code: string): Promise<number | undefined> {
  const device = boot({ files: { '.bootcde': `${code}\nrun();run();print("<done:"+global.size+">");` } });
  try {
    const [line, size] = await device.expect(/<done:(.*?)>|(?:Uncaught|ERROR)[^]*?\n.*\n/);
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
  for (const { name, source, limit, bytes } of LINES) {
    if (!name.includes(values.only)) continue;
    const { code } = await bundle({ source });
    const size = await tryOut(code);
    const instructions = cost(code, 'run();');
    const reached = (limit === undefined || instructions < limit) && (bytes === undefined || (size ?? 0) <= bytes);
    if (!reached) missed++;
    const parts = [name.padEnd(34), `${instructions.toLocaleString('en').padStart(10)} instructions`];
    if (limit !== undefined) parts.push(`limit ${limit.toLocaleString('en').padStart(9)}`);
    if (size !== undefined) parts.push(`${size} bytes${bytes === undefined ? '' : ` of ${bytes}`}`);
    if (limit !== undefined) parts.push(reached ? 'reached' : 'NOT reached');
    console.log(parts.join('  '));
  }
  process.exit(missed > 0 ? 1 : 0);
}

await main();
