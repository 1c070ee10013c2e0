import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BenchCms } from '../../cms/bench-cms.ts';
import { Console } from '../../cms/console.ts';
import { birth, Rig, report, T0 } from '../gateway/rig.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

describe('the console of the bench CMS', () => {
  let cms: BenchCms;
  let rig: Rig;
  let shell: Console;
  let lines: string[];
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
    await open();
    rig = await Rig.start({
      cms: [{ uri: cms.server.uri }],
      insecureHttp: true,
      location: { latitude: 50.85, longitude: 4.35 },
    });
    await rig.join('PAR-0002', birth(), report());
    await rig.join('PAR-0001', birth(), report());
    await rig.advance(
      cms.until(() => cms.lamps().length === 2, 10000),
      1000,
    );
  });
  after(async () => {
    await rig?.close();
    await cms?.close();
    await rm(directory, { recursive: true });
  });
  const open = async (port = 0) => {
    lines = [];
    cms = new BenchCms({
      file: join(directory, 'cms.json'),
      tell: (line) => lines.push(line),
      report: (logger, entry) => shell.report(logger, entry),
    });
    shell = new Console(cms, (line) => lines.push(line));
    await cms.server.listen(port);
  };
  /** @returns what a command prints. */
  const type = async (line: string) => {
    lines.length = 0;
    await rig.advance(shell.run(line));
    return lines.join('\n');
  };
  const last = (id: number) => rig.controllers[id].commands.at(-1);

  it('lists gateways, and lamps by name with level, power, link and who commands', async () => {
    assert.match(
      await type('gateways'),
      /^http:\/\/127\.0\.0\.1:\d+\/talq\/gateway attached as [0-9a-f-]{36}, 3 devices$/,
    );
    assert.deepEqual((await type('devices')).split('\n'), [
      'lamp      level %  power W  link  command',
      'PAR-0001       70     92.3  up    program 70 %',
      'PAR-0002       70     92.3  up    program 70 %',
    ]);
  });

  it('overrides one lamp or all, for ever or for some time, and ends it', async () => {
    assert.equal(await type('level PAR-0001 40'), 'override-commands console-1: PAR-0001');
    assert.equal(last(1)?.get(2), 40);
    assert.equal(last(1)?.get(7), 'console-1');
    assert.equal(await type('level all 55 60'), 'override-commands console-2: PAR-0001, PAR-0002');
    assert.deepEqual([last(0)?.get(2), last(1)?.get(2)], [55, 55]);
    assert.equal(await type('resume all'), 'override-commands resume: PAR-0001, PAR-0002');
  });

  it('uploads calendars, and assigns them', async () => {
    const printed = await type('night all');
    assert.match(
      printed,
      /^POST control-programs night\nPOST calendars every-night\nassign-commands every-night: PAR-0001, PAR-0002$/,
    );
    assert.match(await type('night PAR-0001'), /^PUT control-programs night\nPUT calendars every-night\n/);
    const file = join(directory, 'calendars.json');
    const fixed = [{ startTime: '00:00:00', command: { state: { name: 'LevelState', value: 12 } } }];
    const program = { type: 'ControlProgramOne', id: 'dim', activePeriods: [], fixedTimeControls: fixed };
    await writeFile(
      file,
      JSON.stringify({ programs: [program], calendars: [{ id: 'dim', rules: [], defaultProgram: 'dim' }] }),
    );
    assert.equal(await type(`upload ${file}`), 'POST control-programs dim\nPOST calendars dim');
    assert.equal(await type('assign dim PAR-0002'), 'assign-commands dim: PAR-0002');
    assert.match(await type('show PAR-0002'), /\n {4}calendarID "dim" /);
    assert.equal(await type('assign none PAR-0002'), 'assign-commands : PAR-0002');
  });

  it('shows log reports as they come, and not after "log off"', async () => {
    assert.equal(await type('logger events'), 'logger events: reports follow');
    const before = lines.length;
    const change = report({ 0: 2, 1: T0 / 1000 + 60, 3: 20, 4: 20, 5: 1, 8: T0 / 1000 + 55 });
    rig.now = Math.max(rig.now, T0 + 60000);
    await rig.report(rig.controllers[1], change);
    await rig.advance(
      cms.until(() => lines.length > before, 10000),
      1000,
    );
    assert.match(lines.join('\n'), /^log events \S+ PAR-0001\/lampActuator1 lightStateChange 20 %/m);
    await type('log off');
    shell.report('events', { data: { srcAddress: 'x', eventType: 'deviceReset', timestamp: 'now' } });
    assert.deepEqual(lines, []);
    assert.equal(await type('unlog events'), 'logger events has ended');
  });

  it('sends anything by hand, and tells in one line what is wrong', async () => {
    assert.match(await type('call GET services/ConfigurationService'), /"name": "ConfigurationService"/);
    assert.match(await type('call GET services/None'), /^GET \S+ was answered with 404 /);
    assert.equal(await type('level PAR-0001 140'), 'A level is 0..100: level LAMP|all PERCENT [SECONDS]');
    assert.equal(await type('level PAR-0009 40'), 'There is no lamp "PAR-0009"; devices lists them.');
    assert.equal(await type('dim'), 'There is no "dim"; try help.');
    assert.equal(await type('call GET devices {'), "Expected property name or '}' in JSON at position 1");
    assert.equal(await type('# a remark'), '');
    assert.match(await type('help'), /^ {2}help +this list$/m);
  });

  it('knows its gateways after a restart, and takes one in again that it has made forget', async () => {
    const port = Number(new URL(cms.server.uri).port);
    const { cmsAddress } = cms;
    await cms.close();
    await open(port);
    assert.equal(cms.cmsAddress, cmsAddress);
    assert.match(await type('devices'), /PAR-0001 .*\n.*PAR-0002 /);
    await type('forget');
    await rig.advance(
      cms.until(() => cms.lamps().length === 2, 10000),
      1000,
    );
    assert.match(lines.join('\n'), /introduces itself and is called/);
  });

  it('reads commands from a pipe and ends with it, with 2 at a wrong flag', async function () {
    this.timeout(60000);
    const start = (...flags: string[]) => {
      const child = spawn(process.execPath, ['--import', 'tsx', 'cms/main.ts', ...flags], { cwd: ROOT });
      let output = '';
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (chunk) => {
          output += chunk;
        });
      }
      return { child, ended: once(child, 'close').then(([code]) => ({ code, output })) };
    };
    const piped = start('--port', '0');
    piped.child.stdin.end('gateways\nnonsense\n');
    const wrong = start('--port', 'x');
    const { code, output } = await piped.ended;
    assert.equal(code, 0);
    assert.match(
      output,
      /^CMS [0-9a-f-]{36} at (http:\S+)\nnone yet; gateways find this CMS at \1\nThere is no "nonsense"; try help\.\n$/,
    );
    assert.deepEqual(await wrong.ended, { code: 2, output: '--port wants a port of 0..65535, not x (see --help)\n' });
  });
});
