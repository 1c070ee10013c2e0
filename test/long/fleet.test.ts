/** A town comes back: 100,000 real uplinks in simulated time, and 2,000 of them on real sockets to a real mosquitto. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { windowFor } from '../../scripts/provision/window.mjs';
import { dialTcp, Network } from '../../sim/network.ts';
import { freePort } from '../free-port.ts';
import { Crowd } from '../link/crowd.ts';

const FLEET = 100_000;
const RATE = 200;
const WINDOW = windowFor(FLEET, RATE);

const say = (what: string, crowd: Crowd, from = 0, fleet = FLEET): void => {
  const { peak, mean } = crowd.load(from);
  const busiest = crowd.packets.reduce((most, count) => Math.max(most, count ?? 0), 0);
  const columns = [mean.toFixed(1), peak, busiest || '', `${crowd.online} of ${fleet}`].map((text, at) =>
    String(text).padStart([9, 7, 10, 19][at]),
  );
  console.log(`      ${what.padEnd(58)}${columns.join('')}`);
};

describe(`${FLEET} controllers at a broker that takes ${RATE} connections a second`, function () {
  this.timeout(300_000);
  before(() =>
    console.log(`      ${''.padEnd(58)}${'mean/s'.padStart(9)}${'peak/s'.padStart(7)}${'packets/s'.padStart(10)}`),
  );

  it('never ask for more after a blackout, with the window that npm run provision gives', () => {
    const crowd = new Crowd({ fleet: FLEET, window: WINDOW, seed: 1 });
    crowd.world.run((WINDOW + 1) * 1000);
    say(`blackout, W = ${WINDOW} s`, crowd);
    assert.ok(crowd.load().peak <= RATE);
    assert.equal(crowd.online, FLEET, 'all are there after one window');
  });

  it('would ask for more with W = N / R: the margin is needed', () => {
    const fleet = FLEET / 5;
    const crowd = new Crowd({ fleet, window: fleet / RATE, seed: 2 });
    crowd.world.run((fleet / RATE + 1) * 1000);
    say(`blackout, W = N / R = ${fleet / RATE} s`, crowd, 0, fleet);
    assert.ok(crowd.load().peak > RATE);
  });

  it('never ask for more when the broker is down for 10 min, refuses one in ten, crashes again, and mains flicker', () => {
    const crowd = new Crowd({ fleet: FLEET, window: WINDOW, seed: 3 });
    const wait = (seconds: number) => crowd.world.run(seconds * 1000);
    crowd.mood = 'down';
    wait(600);
    say('blackout, broker down for 10 min', crowd);
    crowd.mood = 'serving';
    crowd.refusing = 0.1;
    wait(500);
    say('it is back and refuses one in ten', crowd, 600);
    crowd.crash();
    wait(120);
    crowd.mood = 'serving';
    wait(300);
    say('it crashes again, down for 2 min', crowd, 1100);
    crowd.blackout((index) => index % 4 === 0);
    wait(30);
    crowd.blackout((index) => index % 4 === 0);
    crowd.refusing = 0;
    wait(2 * WINDOW);
    say('the mains of one in four flicker', crowd, 1520);
    assert.ok(crowd.load().peak <= RATE, `${crowd.load().peak}`);
    assert.ok(crowd.online > 0.9 * FLEET);
  });
});

const CLIENTS = 2000;
const CLIENT_RATE = 80;
/** ms of simulated time for each look at the sockets, and ms of real time that a look takes at least. */
const STEP = 50;
const PAUSE = 10;

describe(`${CLIENTS} uplinks on sockets, and mosquitto`, function () {
  this.timeout(300_000);
  let directory: string;
  let port: number;
  let broker: ChildProcess;
  let taken = 0;

  const start = () =>
    new Promise<void>((resolve, reject) => {
      broker = spawn('mosquitto', ['-v', '-c', join(directory, 'mosquitto.conf')]);
      broker.once('error', reject);
      broker.stderr?.on('data', (text) => {
        taken += String(text).match(/New client connected/g)?.length ?? 0;
        if (/running/.test(String(text))) resolve();
      });
    });
  const kill = () =>
    new Promise((resolve) => {
      broker.once('exit', resolve);
      broker.kill('SIGKILL');
    });
  /** @returns s of processor time that the broker has used. Source: proc(5), /proc/[pid]/stat, in ticks of 10 ms. */
  const busy = (): number => {
    const fields = readFileSync(`/proc/${broker.pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  };

  before(async function () {
    if (spawnSync('mosquitto', ['-h']).error) {
      console.log('SKIPPED: mosquitto is not installed (Debian package mosquitto)');
      this.skip();
    }
    directory = mkdtempSync(join(tmpdir(), 'reverbere-'));
    port = await freePort();
    writeFileSync(
      join(directory, 'mosquitto.conf'),
      `listener ${port} 127.0.0.1\nallow_anonymous true\nlog_type error\nlog_type notice\nlog_dest stderr\n`,
    );
    await start();
  });
  after(async () => {
    if (broker?.exitCode === null) await kill();
    if (directory) rmSync(directory, { recursive: true, force: true });
  });

  it('connect when the model says, all of them, after a blackout and after the broker was killed', async () => {
    const window = windowFor(CLIENTS, CLIENT_RATE);
    const options = { fleet: CLIENTS, window, seed: 4 };
    const model = new Crowd(options);
    const networks: Network[] = [];
    const real = new Crowd({
      ...options,
      connect: (power, stream, world) => {
        const network = new Network(world, dialTcp);
        networks.push(network);
        return network.connect(power, {
          ...stream,
          host: '127.0.0.1',
          port,
          tls: false,
          onWritable: () => stream.onWritable(),
          onData: (data) => stream.onData(data),
          onError: (error) => stream.onError(error),
        });
      },
    });
    const advance = async (ms: number): Promise<void> => {
      for (let passed = 0; passed < ms; passed += STEP) {
        await Promise.all([real.world.advance(STEP, STEP), sleep(PAUSE)]);
      }
      model.world.run(ms);
    };
    /** @returns s by which going online differs between sockets and the model, the worst of all */
    const difference = (): number =>
      Math.max(...real.onlineAt.map((time, index) => Math.abs(time - model.onlineAt[index]))) / 1000;
    const print = (what: string, from: number, began: number, worked: number): void => {
      const seconds = (performance.now() - began) / 1000;
      const tries = [model, real].map((crowd) => `${crowd.load(from).mean.toFixed(1)}, peak ${crowd.load(from).peak}`);
      console.log(
        `      ${what}: attempts/s in the model ${tries[0]}, on sockets ${tries[1]}; online ${difference().toFixed(2)} s`,
        `from the model at worst; mosquitto took ${taken} in all, busy for ${(100 * (worked / seconds)).toFixed(0)} % of ${seconds.toFixed(0)} s`,
      );
    };

    let began = performance.now();
    await advance((window + 2) * 1000);
    print(`${CLIENTS} after a blackout, W = ${window} s`, 0, began, busy());
    assert.deepEqual([real.online, model.online, taken], [CLIENTS, CLIENTS, CLIENTS]);
    assert.ok(difference() < 2, `${difference()} s`);
    assert.ok(real.load().peak <= CLIENT_RATE);

    began = performance.now();
    const from = real.attempts.length;
    await kill();
    model.crash();
    await advance(10_000);
    taken = 0;
    await start();
    model.mood = 'serving';
    await advance(2 * (window + 2) * 1000);
    print('after SIGKILL to mosquitto, down for 10 s', from, began, busy());
    assert.deepEqual([real.online, model.online, taken], [CLIENTS, CLIENTS, CLIENTS]);
    assert.ok(difference() < 2, `${difference()} s`);
    assert.ok(real.load().peak <= CLIENT_RATE, `${real.load().peak}`);
    for (const network of networks) network.reset();
  });
});
