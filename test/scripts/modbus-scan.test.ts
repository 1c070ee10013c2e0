import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { server } from 'jsmodbus';
import { run } from '../../scripts/modbus/command.mjs';
import { DUMPS } from '../golden/profiles.ts';
import { ServerUnit, sealed } from '../metering/units.ts';

const profileOf = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../board-configs/profiles/${name}.json`, import.meta.url), 'utf8'));
const dumpOf = (name: string) => DUMPS.find(({ profile }) => profile === name) as (typeof DUMPS)[number];

/** A unit of a profile: jsmodbus holds its registers; of others than the profile's it knows nothing. */
class FieldUnit {
  readonly server = new ServerUnit(0x400c);
  readonly profile: ReturnType<typeof profileOf>;

  constructor(name: string) {
    this.profile = profileOf(name);
    const table = this.profile.function === 3 ? this.server.holding : this.server.input;
    for (const [address, hex] of Object.entries(dumpOf(name).registers)) table.write(hex, 2 * Number(address), 'hex');
  }

  /** @returns the answer to a frame without CRC */
  answer(request: Uint8Array): Uint8Array {
    const [unit, code, high, low, , count] = request;
    const address = 256 * high + low;
    const refuse = (exception: number) => Uint8Array.from([unit, code | 128, exception]);
    if (code !== 6) {
      if (code !== this.profile.function) return refuse(1);
      const { registers, maximumGap = 0, maximumRegisters } = this.profile;
      const known = registers.some(({ address: at, type }: { address: number; type: string }) => {
        return address >= at && address <= at + (type.endsWith('16') ? 0 : 1) + maximumGap;
      });
      const last = Math.max(...registers.map((one: { address: number }) => one.address)) + 1;
      if (!known || count > maximumRegisters || address + count - 1 > last) return refuse(2);
    } else if (address !== this.profile.addressRegister) return refuse(2);
    return this.server.answer(sealed(request)).subarray(0, -2);
  }
}

describe('npm run modbus-scan', () => {
  let units: Map<number, FieldUnit>;
  let network: Server;
  let port: string;
  let requests: number[];

  /** A Modbus TCP gateway in front of a line; to units that are not there it says nothing, or exception 11. */
  const gateway = async (missing?: number) => {
    requests = [];
    network = createServer((socket) => {
      socket.on('data', (data) => {
        const [unit] = data.subarray(6);
        requests.push(unit);
        const there = units.get(unit);
        if (!there && missing === undefined) return;
        const body = there?.answer(data.subarray(6)) ?? Uint8Array.from([unit, data[7] | 128, missing as number]);
        const moved = there?.server.holding.readUInt16BE(2 * (there.profile.addressRegister ?? 0)) ?? 0;
        if (there && data[7] === 6 && moved > 0 && units.delete(unit)) units.set(moved, there);
        socket.write(Buffer.concat([data.subarray(0, 4), Buffer.from([0, body.length]), body]));
      });
    }).listen(0, '127.0.0.1');
    await once(network, 'listening');
    port = `tcp://127.0.0.1:${(network.address() as AddressInfo).port}`;
  };

  const lineWith = async (...there: [number, string][]) => {
    units = new Map(there.map(([unit, name]) => [unit, new FieldUnit(name)]));
    for (const { server: one } of units.values()) await one.ready();
  };

  const command = async (...words: string[]) => {
    const written = { stdout: '', stderr: '' };
    const sink = (name: 'stdout' | 'stderr') => ({
      write: (text: string) => {
        written[name] += text;
      },
    });
    const code = await run(words, { stdout: sink('stdout'), stderr: sink('stderr') });
    return { code, ...written };
  };

  afterEach(() => new Promise((resolve) => (network ? network.close(resolve) : resolve(undefined))));

  it('finds 4 units among 9 addresses, and says that an EM111 passes for its kin, but an SDM630 is none other', async () => {
    await lineWith([1, 'sdm630'], [3, 'pzem-016'], [5, 'em111'], [8, 'xy-md02']);
    await gateway(11);
    const { code, stdout, stderr } = await command('--port', port, '--to', '9', '--timeout', '300');
    assert.equal(
      stdout,
      ['  1  sdm630', '  3  pzem-016', '  5  em111 (em112 fit as well)', '  8  xy-md02', ''].join('\n'),
    );
    assert.deepEqual([code, stderr], [0, 'address 1 of 1 to 9\n']);
  });

  it('asks each address once for a given profile, waits for silent ones, and ends with 1 when nobody answers', async () => {
    await lineWith();
    await gateway();
    const { code, stdout, stderr } = await command(
      '--port',
      port,
      '--to',
      '3',
      '--profile',
      'sdm120',
      '--timeout',
      '20',
    );
    assert.deepEqual([code, stdout, requests], [1, '', [1, 2, 3]]);
    assert.match(stderr, /No unit answered/);
  });

  it('reads a PZEM-016 from a Modbus TCP server of jsmodbus itself', async () => {
    network = createServer();
    const input = Buffer.alloc(200);
    input.write(dumpOf('pzem-016').registers[0], 'hex');
    new server.TCP(network, { input, holding: Buffer.alloc(200), coils: Buffer.alloc(1), discrete: Buffer.alloc(1) });
    network.listen(0, '127.0.0.1');
    await once(network, 'listening');
    port = `tcp://127.0.0.1:${(network.address() as AddressInfo).port}`;
    const { code, stdout } = await command('--port', port, '--to', '1', '--profile', 'pzem-016');
    assert.deepEqual([code, stdout], [0, '  1  pzem-016\n']);
    const wrong = await command('--port', port, '--to', '1', '--profile', 'sdm120');
    assert.deepEqual([wrong.code, wrong.stdout], [0, '  1  a unit, but no profile fits\n']);
  });

  it('moves a PZEM-016 from 1 to 7 with --yes, but not onto another unit', async () => {
    await lineWith([1, 'pzem-016'], [2, 'pzem-016']);
    await gateway(11);
    const move = (to: string, ...more: string[]) =>
      command('--port', port, '--profile', 'pzem-016', '--from', '1', '--set-address', to, ...more);
    const unsure = await move('7');
    assert.deepEqual([unsure.code, requests], [2, []]);
    assert.match(unsure.stderr, /^--yes is missing: the unit at 1 would become 7\.\n/);
    const taken = await move('2', '--yes');
    assert.deepEqual([taken.code, taken.stderr], [1, 'A unit already answers at 2: nothing was written.\n']);
    assert.deepEqual(await move('7', '--yes'), { code: 0, stdout: 'The unit at 1 is now at 7.\n', stderr: '' });
    assert.deepEqual([...units.keys()], [2, 7]);
    assert.match((await move('9', '--yes')).stderr, /^No unit answers at 1\./);
  });

  const wrong: [string, string[], RegExp][] = [
    ['no port', [], /^--port is missing\./],
    ['a URL of another kind', ['--port', 'http://x:1'], /^--port http:\/\/x:1 is neither/],
    ['a TCP port beyond 65535', ['--port', 'tcp://x:99999'], /^--port tcp:\/\/x:99999 is neither/],
    ['address 248', ['--port', 'tcp://x:1', '--to', '248'], /^--to 248 is no number from 1 to 247\./],
    ['a range backwards', ['--port', 'tcp://x:1', '--from', '9', '--to', '3'], /^--to 3 is less than --from 9\./],
    ['an unknown profile', ['--port', 'tcp://x:1', '--profile', 'sdm121'], /known: adw300, ddsu666, /],
    ['an unknown option', ['--port', 'tcp://x:1', '--fast'], /--fast/],
    [
      'an address without profile',
      ['--port', 'tcp://x:1', '--set-address', '4', '--yes'],
      /needs --profile and --from/,
    ],
    [
      'an address for a type whose register is unknown',
      ['--port', 'tcp://x:1', '--profile', 'sdm120', '--from', '1', '--set-address', '4', '--yes'],
      /does not know how/,
    ],
  ];
  for (const [name, words, message] of wrong) {
    it(`ends with 2 on ${name}`, async () => {
      const { code, stdout, stderr } = await command(...words);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, message);
      assert.match(stderr, /"npm run modbus-scan -- --help" says how\.\n$/);
    });
  }

  it('ends with 1 and a reason when the port is not there', async () => {
    const { code, stderr } = await command('--port', '/dev/ttyNONE');
    assert.equal(code, 1);
    assert.match(stderr, /^There is no \/dev\/ttyNONE\./);
  });
});
