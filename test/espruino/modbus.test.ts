import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { decode } from '../../firmware/metering/register.ts';
import { bundle } from '../../scripts/bundle.mjs';
import { boot, cost, interpreter } from '../../scripts/interpreter.mjs';
import { compileProfile } from '../../scripts/meter-profile.mjs';
import { bytes, FLOATS, FRAMES, PZEM_REPLY, REQUESTS } from '../golden/modbus.ts';
import { sdm120Registers, sealed } from '../metering/units.ts';
import { generator } from '../protocols/mutate.ts';

/** The interpreter reads its console only while a timer runs. */
const AWAKE = 'setInterval("",5);';
const script = (source: string) => bundle({ source }).then(({ code }) => code as string);
const literal = (frame: ArrayLike<number>) => `new Uint8Array([${Array.from(frame)}])`;
const request = (unit: number, code: number, address: number, count: number) =>
  sealed([unit, code, address >> 8, address & 255, count >> 8, count & 255]);

const CODEC = `import { crc16 } from './firmware/protocols/crc.ts';
  import { checkReply, encodeRequest, encodeWrite } from './firmware/protocols/modbus.ts';
  import { decode } from './firmware/metering/register.ts';
  global.crc = crc16; global.check = checkReply; global.encode = encodeRequest; global.write = encodeWrite;
  global.decode = decode;`;

const sdm120 = compileProfile(
  JSON.parse(readFileSync(new URL('../../board-configs/profiles/sdm120.json', import.meta.url), 'utf8')),
);

/** Replies of an SDM120 to the two requests of its plan: 231.2 V, 0.25 A, 57.1 W, 57.5 VA, −6.4 var, −0.993, 49.98 Hz … */
function replies(unit: number): Uint8Array[] {
  const registers = new DataView(new ArrayBuffer(160));
  for (const [address, value] of Object.entries(sdm120Registers(231.2)))
    registers.setFloat32(2 * Number(address), value);
  const read = (from: number, count: number) =>
    sealed([unit, 4, 2 * count, ...new Uint8Array(registers.buffer, 2 * from, 2 * count)]);
  return [read(0, 32), read(70, 8)];
}
const READING = [2312, 250, 571, 575, -64, -993, 4998, 1234500, 250, 7000];

/** A board of `units` SDM120 on one line, on a Hal whose serial port answers by itself; none: the Hal alone. */
async function metersScript(units: number, more = ''): Promise<string> {
  const configs = Array.from({ length: units }, (_, i) => ({
    line: 0,
    unit: i + 1,
    profile: 'sdm120',
    period: 300,
    timeout: 300,
    quantities: sdm120.quantities,
    plan: sdm120.plan,
  }));
  const answers = [1, 2, 3].flatMap((unit) => replies(unit).map((reply) => Buffer.from(reply).toString('base64')));
  return script(`import { Schedule } from './firmware/schedule.ts';
    ${units > 0 ? "import { openMeters } from './firmware/metering/meter.ts';" : ''}
    const clock = {
      uptime: () => getTime() * 1000,
      after: (delay, run) => setTimeout(run, delay),
      cancel: (timer) => { if (timer) try { clearTimeout(timer); } catch (error) {} },
    };
    function openSerial(options) {
      const onData = options.onData;
      return {
        write: (data, done) => {
          const reply = atob(global.answers[2 * data[0] - 2 + (data[3] > 0 ? 1 : 0)]);
          setTimeout(() => {
            done(null);
            onData(E.toUint8Array(reply.substr(0, 11)));
            onData(E.toUint8Array(reply.substr(11)));
          }, 5);
        },
        close: () => {},
      };
    }
    global.answers = ${JSON.stringify(answers)};
    global.readings = 0;
    const schedule = new Schedule(clock, { failed(error) { global.fault = error; } });
    ${
      units > 0
        ? `global.meters = openMeters({ clock, openSerial }, schedule, [{ port: 'A', baud: 9600, echo: false }],
             ${JSON.stringify(configs)}, { reading() { global.readings++; } });`
        : 'global.kept = [schedule, openSerial];'
    }
    ${more}`);
}

async function run<T>(code: string, use: (board: ReturnType<typeof boot>) => Promise<T>): Promise<T> {
  const board = boot({ files: { '.bootcde': code + AWAKE } });
  try {
    return await use(board);
  } finally {
    await board.stop();
  }
}

describe('Modbus on the interpreter', () => {
  before(function () {
    if (interpreter()) return;
    console.log('    SKIPPED: Modbus on the interpreter needs ESPRUINO');
    this.skip();
  });

  it(`makes the ${REQUESTS.length} published requests, the CRC of ${FRAMES.length} frames, and judges replies as Node does`, async () => {
    await run(await script(CODEC), async (board) => {
      for (const [unit, code, address, value, hex] of REQUESTS) {
        const made = await board.evaluate(
          `(function(f){return encode(f,${[unit, code, address, value]})+","+f.join()})(new Uint8Array(8))`,
        );
        assert.equal(made, `8,${bytes(hex)}`);
      }
      const frames = FRAMES.map(([, hex]) => bytes(hex));
      const crcs = await board.evaluate(`[${frames.map((frame) => `crc(${literal(frame)},${frame.length})`)}]`);
      assert.deepEqual(
        crcs,
        frames.map(() => 0),
      );
      const written = await board.evaluate(
        `(function(f){return write(f,17,1,[10,258])+","+f.join()})(new Uint8Array(13))`,
      );
      // Source: MODBUS Application V1.1b3 §6.12, the example's values.
      assert.equal(written, `13,${sealed([17, 16, 0, 1, 0, 2, 4, 0, 10, 1, 2])}`);
      const ours = request(1, 4, 0, 10);
      const pzem = bytes(PZEM_REPLY);
      const damaged = pzem.map((byte, i) => (i === 7 ? byte ^ 4 : byte));
      const verdicts = [];
      for (const reply of [
        pzem,
        damaged,
        sealed([1, 0x84, 2]),
        sealed([2, 4, 20, ...Array(20).fill(0)]),
        pzem.subarray(0, 9),
      ]) {
        verdicts.push(await board.evaluate(`check(${literal(ours)},${literal(reply)},${reply.length})`));
      }
      assert.deepEqual(verdicts, [0, -1, 2, -2, -1]);
      assert.match(
        await board.evaluate(`(function(){try{encode(new Uint8Array(8),1,3,0,126)}catch(e){return e.message}})()`),
        /no request/,
      );
    });
  });

  it('decodes 320 random registers of every type, word order and quantity, and the published floats, as Node does', async () => {
    const random = generator(3);
    const below = (limit: number) => Math.floor(random() * limit);
    const vectors = FLOATS.map(([, hex]) => ({ data: [...bytes(hex)], format: 4 + 16 * 9 + 256 * 2, multiplier: 1 }));
    for (let i = 0; i < 320; i++) {
      const data = Array.from({ length: 4 }, () => below(256));
      if (i % 4 > 1) data[0] &= 0x43;
      const format = below(5) + 8 * below(2) + 16 * (6 + below(6)) + 256 * below(25);
      vectors.push({ data, format, multiplier: 1 + below(40) });
    }
    // In the script, not typed: the console loses characters of long lines on a busy machine.
    const source = `${CODEC}
      global.results = [];
      for (const vector of ${JSON.stringify(vectors.map(({ data, format, multiplier }) => [data, format, multiplier]))}) {
        const registers = new DataView(new Uint8Array(vector[0]).buffer);
        global.results.push(decode(registers, 0, vector[1], vector[2]));
      }`;
    const here = vectors.map(({ data, format, multiplier }) => {
      const value = decode(new DataView(Uint8Array.from(data).buffer), 0, format, multiplier);
      return Number.isNaN(value) ? null : value;
    });
    assert.ok(here.filter((value) => value !== null).length > 80);
    await run(await script(source), async (board) => {
      for (let from = 0; from < here.length; from += 20) {
        const theirs: unknown[] = await board.evaluate(`results.slice(${from},${from + 20})`);
        assert.deepEqual(
          theirs.map((value) => (typeof value === 'number' ? value : null)),
          here.slice(from, from + 20),
        );
      }
    });
  });

  it('polls 3 units of one line and gives the readings that Node gives', async () => {
    const birth = `import { quantitiesOf } from './firmware/metering/meter.ts'; global.quantitiesOf = quantitiesOf;`;
    await run(await metersScript(3, birth), async (board) => {
      await new Promise((resolve) => setTimeout(resolve, 1500));
      for (const unit of [0, 1, 2]) assert.deepEqual(await board.evaluate(`meters.values(${unit})`), READING);
      assert.ok((await board.evaluate('readings')) >= 3);
      assert.equal(await board.evaluate('"" + global.fault'), 'undefined');
      assert.deepEqual(await board.evaluate('quantitiesOf(meters, 2)'), sdm120.quantities);
    });
  });

  it('takes at most 40 jsvars for one further unit', async () => {
    const used = [];
    for (const units of [0, 1, 2, 3]) {
      const code = await metersScript(units);
      used.push(
        await run(code, async (board) => {
          await new Promise((resolve) => setTimeout(resolve, 1500));
          let least = Number.POSITIVE_INFINITY;
          for (let i = 0; i < 10; i++) least = Math.min(least, await board.evaluate('process.memory().usage'));
          return least;
        }),
      );
    }
    console.log(
      `      Modbus and meters with one unit: ${used[1] - used[0]} jsvars; a further unit: ${used[2] - used[1]}, ${used[3] - used[2]}`,
    );
    assert.ok(used[2] - used[1] <= 40);
    assert.ok(used[3] - used[2] <= 40);
  });

  it('makes a request and judges its 10-register reply within 2,500,000 instructions', async function () {
    this.timeout(300_000);
    const setup = `${await script(CODEC)};var request=new Uint8Array(8),reply=${literal(bytes(PZEM_REPLY))},view=new DataView(reply.buffer,3);`;
    const poll = 'encode(request,1,4,0,10);if(check(request,reply,25))throw 1;';
    const instructions = cost(setup, poll);
    const words = cost(setup, `${poll}for(var at=0;at<20;at+=2)view.getUint16(at);`);
    const crc = cost(setup, 'crc(reply,6);crc(reply,25);');
    console.log(
      `      request and reply: ${instructions} instructions, ${crc} of them CRC; with 10 registers read: ${words}`,
    );
    assert.ok(words < 2_500_000);
  });
});
