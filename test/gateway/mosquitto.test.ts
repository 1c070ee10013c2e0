import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../free-port.ts';
import { Controller, Rig, report } from './rig.ts';

describe('mosquitto as the external broker', () => {
  let port: number;
  let directory: string;
  let broker: ChildProcess | undefined;
  const start = () =>
    new Promise<void>((resolve, reject) => {
      const child = spawn('mosquitto', ['-v', '-c', join(directory, 'mosquitto.conf')]);
      broker = child;
      child.once('error', reject);
      child.stderr?.on('data', (text) => /running/.test(String(text)) && resolve());
    });
  const stop = () =>
    new Promise((resolve) => {
      broker?.once('exit', resolve);
      broker?.kill();
    });

  before(async function () {
    if (spawnSync('mosquitto', ['-h']).error) {
      console.log('skipped: mosquitto is not installed; an external broker was not tested');
      this.skip();
    }
    port = await freePort();
    directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
    await writeFile(
      join(directory, 'mosquitto.conf'),
      `listener ${port} 127.0.0.1\nallow_anonymous true\nlog_dest stderr\n`,
    );
    await start();
  });
  after(async () => {
    if (!broker) return;
    await stop();
    await rm(directory, { recursive: true });
  });

  it('carries a birth, a report, an override and a last will', async () => {
    const rig = await Rig.start({ brokerUrl: `mqtt://127.0.0.1:${port}` });
    assert.equal(rig.gateway.brokerPort, 0);
    const { fleet } = rig.gateway;
    const controller = await Controller.connect(port, 'PAR-0001');
    await controller.greet();
    await rig.during(
      () => fleet.controllers.get('PAR-0001')?.online === true,
      () => {},
    );
    // The first report may have come before the gateway's subscription.
    await rig.report(controller, report({ 0: 2 }));
    const lamp = await rig.address('PAR-0001');
    assert.equal((await rig.call('GET', `/devices/${lamp}/lampMonitor1/activePower`)).body.value, 92.3);
    const body = {
      addresses: [{ resource: 'devices', address: lamp }],
      targetCommand: { state: { name: 'LevelState', value: 40 } },
    };
    assert.equal((await rig.call('POST', '/override-commands', { body })).status, 201);
    assert.equal(controller.commands[0].get(2), 40);
    await rig.during(
      () => fleet.controllers.get('PAR-0001')?.online === false,
      () => controller.drop(),
    );
    await rig.close();
  });

  it('is found again after a restart; meanwhile every controller counts as unreachable', async () => {
    const rig = await Rig.start({ brokerUrl: `mqtt://127.0.0.1:${port}` });
    const { fleet } = rig.gateway;
    const first = await Controller.connect(port, 'PAR-0002');
    await first.greet();
    await rig.during(
      () => fleet.controllers.get('PAR-0002')?.online === true,
      () => {},
    );
    await rig.during(() => fleet.controllers.get('PAR-0002')?.online === false, stop);
    await start();
    const again = await Controller.connect(port, 'PAR-0002');
    await again.greet();
    await rig.during(
      () => fleet.controllers.get('PAR-0002')?.online === true,
      () => {},
    );
    await again.close();
    await first.close();
    await rig.close();
  });
});
