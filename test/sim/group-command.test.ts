import assert from 'node:assert/strict';
import { connectAsync, type MqttClient } from 'mqtt';
import { loadBoard } from '../../scripts/board-config.mjs';
import { level } from '../gateway/control-rig.ts';
import { CMS } from '../gateway/rig.ts';
import { Bench } from './bench.ts';

/** The real firmware at both ends of one message: four poles, three of them in the group. */
describe('a command for a group of poles', function () {
  this.timeout(30_000);
  let bench: Bench;
  let listener: MqttClient;
  const published: string[] = [];
  before(async () => {
    const linux = await loadBoard('linux');
    bench = await Bench.open({ boards: [linux, linux, linux, linux], gateway: { timeZone: 'Europe/Brussels' } });
    await bench.ready();
    listener = await connectAsync(`mqtt://127.0.0.1:${bench.rig.gateway.brokerPort}`);
    await listener.subscribeAsync(['rvb1/+/cmd', 'rvb1c/#'], { qos: 1 });
    listener.on('message', (topic) => published.push(topic));
    const addresses = await Promise.all([1, 2, 3].map((pole) => bench.address(pole)));
    const members = addresses.map((address) => ({ resource: 'devices', address }));
    await bench.write('POST', '/groups', [{ address: 'rue-haute', ownerCMS: CMS, members, purpose: 'override' }]);
    // The poles learn their group, and say so.
    await bench.run(5000);
  });
  after(async () => {
    await listener.endAsync(true);
    await bench.close();
  });
  const lights = () => bench.poles.map(({ lamp }) => Math.round(lamp.light));
  const override = (percent: number) =>
    bench.write('POST', '/override-commands', {
      targetCommand: { state: level(percent) },
      addresses: [{ resource: 'groups', address: 'rue-haute' }],
    });

  it('is one publish, and dims its three members to 40 % and no other lamp', async () => {
    published.length = 0;
    const before = lights();
    await override(40);
    await bench.run(3000);
    assert.deepEqual(lights(), [40, 40, 40, before[3]]);
    assert.deepEqual(
      published.map((topic) => topic.split('/')[0]),
      ['rvb1c'],
    );
  });

  it('is obeyed after a power cut at a member, which remembers its group', async () => {
    bench.poles[1].sim.cutPower();
    bench.poles[1].sim.restorePower();
    await bench.run(20_000);
    published.length = 0;
    await override(70);
    await bench.run(3000);
    assert.deepEqual(lights().slice(0, 3), [70, 70, 70]);
    assert.equal(published.filter((topic) => topic.startsWith('rvb1c/')).length, 1);
  });
});
