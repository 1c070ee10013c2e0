import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { BenchCms } from '../../cms/bench-cms.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** `npm start` with flags, without npm in between. */
class Bench {
  output = '';
  errors = '';
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly ended: Promise<number | null>;
  #look = () => {};

  constructor(...flags: string[]) {
    const command = ['--import', 'tsx', 'sim/main.ts', ...flags];
    this.child = spawn(process.execPath, command, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stdout.on('data', (chunk) => {
      this.output += chunk;
      this.#look();
    });
    this.child.stderr.on('data', (chunk) => {
      this.errors += chunk;
    });
    this.ended = once(this.child, 'close').then(([code]) => code);
  }

  /** Resolves with the match once the output has it. */
  async until(pattern: RegExp): Promise<RegExpMatchArray> {
    const found = new Promise<RegExpMatchArray>((resolve) => {
      this.#look = () => {
        const match = this.output.match(pattern);
        if (match) resolve(match);
      };
      this.#look();
    });
    const early = this.ended.then((code) => {
      throw new Error(`ended with ${code} before ${pattern}:\n${this.output}${this.errors}`);
    });
    return Promise.race([found, early]);
  }
}

describe('npm start', function () {
  this.timeout(60_000);

  it('ends with one line and exit code 2 at a wrong flag', async () => {
    const bench = new Bench('--lamps', 'many');
    assert.equal(await bench.ended, 2);
    assert.match(bench.errors, /^--lamps wants a whole number from 1 to 10000, not "many" \(see --help\)\n$/);
    assert.equal(bench.output, '');
  });

  it('ends with one line and exit code 1 where the port is occupied', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const bench = new Bench('--port', String(port));
    assert.equal(await bench.ended, 1);
    assert.match(bench.errors, new RegExp(`^[^\\n]*${port}[^\\n]* is occupied\\n$`));
    server.close();
  });

  it('shows 2 lamps, gives a curl that dims the first to 40 %, 24 W, and ends with 0 at Ctrl-C', async () => {
    const bench = new Bench('--lamps', '2', '--port', '0', '--speed', '10', '--at', '2025-12-21T18:00:00Z');
    const command = await bench.until(/curl -i "([^"]+)" \\\n {2}-H '([^']+)' -H '([^']+)' \\\n {2}-d '([^']+)'\n/);
    await bench.until(/lamp-01 +100\.0 +60\.0 +up .*\nlamp-02 +100\.0 +60\.0 +up /);
    const [, printed, ...rest] = command;
    // The shell makes a fresh id of this at every try.
    const url = printed.replace("$(node -p 'crypto.randomUUID()')", randomUUID());
    assert.notEqual(url, printed);
    const headers = Object.fromEntries(rest.slice(0, 2).map((line) => line.split(': ')));
    const answer = await fetch(url, { method: 'POST', headers, body: rest[2] });
    assert.equal(answer.status, 201);
    await bench.until(/lamp-01 +40\.0 +24\.0 +up .*\nlamp-02 +100\.0 +60\.0 +up /);
    bench.child.kill('SIGINT');
    assert.equal(await bench.ended, 0);
    assert.equal(bench.errors, '');
    assert.match(bench.output, /[Oo]pen test mode/);
  });

  it('bootstraps with a CMS, and is what it was after SIGKILL and a start with the same data', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'street-'));
    const told: string[] = [];
    const resets = new Set<string>();
    const cms = new BenchCms({
      tell: (line) => told.push(line),
      report: (_logger, { data }) => {
        if (data.eventType === 'deviceReset' && data.startEndFlag === undefined)
          resets.add(data.srcAddress.split('/')[0]);
      },
    });
    await cms.server.listen(0);
    const flags = ['--lamps', '2', '--cms', cms.server.uri, '--insecure-http', '--data', directory, '--speed', '1'];
    let bench = new Bench('--port', '0', ...flags);
    await cms.until(() => cms.lamps().length === 2, 50_000);
    const [gateway] = cms.gateways.values();
    const port = new URL(gateway.uri).port;
    const [first, second] = cms.lamps();
    const read = async (lamp: { address: string }, path: string) =>
      (await cms.ask(gateway, 'GET', `devices/${lamp.address}/${path}`)).value;
    const to = (...lamps: { address: string }[]) => lamps.map(({ address }) => ({ resource: 'devices', address }));
    const until = async (condition: () => Promise<boolean>, patience: number) => {
      const end = performance.now() + patience;
      while (!(await condition().catch(() => false))) {
        assert.ok(performance.now() < end, `not within ${patience} ms`);
        await sleep(100);
      }
    };

    // From the factory: no calendar, no override, all light.
    for (const lamp of [first, second]) {
      assert.equal(await read(lamp, 'lampActuator1/calendarID'), '');
      assert.deepEqual(await read(lamp, 'lampActuator1/defaultLightState'), { name: 'LevelState', value: 100 });
      // Until it knows the time, its photocell decides.
      await until(async () => (await read(lamp, 'lampActuator1/feedbackLightCommand')).reason === 'default', 10_000);
      assert.equal((await read(lamp, 'lampActuator1/actualLightState')).value, 100);
      assert.equal(typeof (await read(lamp, 'presence1/presenceStatus')), 'boolean');
    }

    // An IANA zone of whole hours, whose sign is that of POSIX: five hours behind UTC.
    const zone = { type: 'AttributeString', value: 'Etc/GMT+5' };
    const place = { type: 'AttributeLocation', value: { latitude: 40.7, longitude: -74 } };
    await cms.ask(gateway, 'PATCH', `devices/${second.address}/time/timeZone`, zone);
    await cms.ask(gateway, 'PATCH', `devices/${second.address}/basic/location`, place);
    assert.match(await read(second, 'time/currentTime'), /-05:00$/);
    const program = {
      type: 'ControlProgramOne',
      id: 'half',
      ownerCMS: cms.cmsAddress,
      activePeriods: [],
      fixedTimeControls: [{ startTime: '00:00:00', command: { state: { name: 'LevelState', value: 50 } } }],
    };
    await cms.ask(gateway, 'POST', 'control-programs', [program]);
    const year = { id: 'year', ownerCMS: cms.cmsAddress, rules: [], defaultProgram: 'half' };
    await cms.ask(gateway, 'POST', 'calendars', [year]);
    const entity = { resource: 'calendars', address: 'year' };
    await cms.ask(gateway, 'POST', 'assign-commands', { addresses: to(second), entity });
    const targetCommand = { state: { name: 'LevelState', value: 30 }, cmsRefId: 'kept' };
    await cms.ask(gateway, 'POST', 'override-commands', { addresses: to(first), targetCommand });
    await cms.ask(gateway, 'POST', 'logger-configs', {
      address: 'resets',
      ownerCMS: cms.cmsAddress,
      sourceAddresses: { blackList: [] },
      recordingMode: { type: 'EventRecordingMode', sourceEvents: { whiteList: ['deviceReset'] } },
      reportingMode: { type: 'ImmediateReportingMode', delay: 0 },
    });
    // Acknowledged is kept, also when the process ends at once.
    bench.child.kill('SIGKILL');
    await bench.ended;

    const before = told.length;
    const killed = Date.now();
    bench = new Bench('--port', port, ...flags);
    await bench.until(/TALQ 2\.7\.1 at /);
    const reset = async (lamp: { address: string }) => {
      const attribute = await cms.ask(gateway, 'GET', `devices/${lamp.address}/basic/deviceReset`);
      return attribute.value === true && Date.parse(attribute.timestamp) > killed - 1000;
    };
    await until(async () => (await reset(first)) && (await reset(second)), 15_000);
    await until(async () => (await read(first, 'lampActuator1/actualLightState')).value === 30, 3000);
    await until(async () => (await read(second, 'lampActuator1/actualLightState')).value === 50, 3000);
    await until(async () => resets.has(first.address) && resets.has(second.address), 15_000);
    assert.equal((await read(first, 'lampActuator1/feedbackLightCommand')).cmsRefId, 'kept');
    assert.equal(await read(second, 'lampActuator1/calendarID'), 'year');
    assert.equal(await read(second, 'time/timeZone'), 'Etc/GMT+5');
    assert.deepEqual(await read(second, 'location1/location'), place.value);
    assert.equal((await cms.ask(gateway, 'GET', 'devices')).length, 3);
    assert.deepEqual(told.slice(before), [], 'neither a bootstrap nor an announcement');
    bench.child.kill('SIGTERM');
    assert.equal(await bench.ended, 0);
    await cms.close();
    rmSync(directory, { recursive: true });
  });
});
