import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAsync, type MqttClient } from 'mqtt';
import { AckCode, BirthKey, CommandKind } from '../../firmware/link/messages.ts';
import { numbersIn } from '../../gateway/keys/group-keys.ts';
import { level, to } from './control-rig.ts';
import { birth, CMS, type Controller, Rig } from './rig.ts';

const IDS = ['PAR-0001', 'PAR-0002', 'PAR-0003', 'PAR-0004'];
const OVERRIDES: unknown[] = [CommandKind.Override, CommandKind.Resume];
const AWARE = { [BirthKey.Groups]: [] };
const streets = (...addresses: string[]) => addresses.map((address) => ({ resource: 'groups', address }));
const group = (address: string, members: object[], more = {}) => ({ address, ownerCMS: CMS, members, ...more });

/** Published commands are counted at the broker, by a client that hears them all. */
describe('an override of a group', () => {
  let directory: string;
  let rig: Rig;
  let listener: MqttClient;
  let published: string[];
  let controllers: Controller[];
  let lamps: string[];
  const start = async () => {
    rig = await Rig.start({ dataDirectory: directory });
    listener = await connectAsync(`mqtt://127.0.0.1:${rig.gateway.brokerPort}`);
    await listener.subscribeAsync(['rvb1/+/cmd', 'rvb1c/#'], { qos: 1 });
    published = [];
    listener.on('message', (topic) => published.push(topic));
  };
  const stop = async () => {
    await listener.endAsync(true);
    await rig.close();
  };
  const join4 = async (replaced: Record<number, unknown> = AWARE) => {
    const before = controllers ?? [];
    controllers = [];
    for (const [i, id] of IDS.entries()) {
      controllers.push(await rig.join(id, birth(replaced), undefined, before[i]?.end));
    }
    const devices = (await rig.call('GET', '/devices')).body as { name: string; address: string }[];
    lamps = IDS.map((id) => devices.find(({ name }) => name === id)?.address ?? '');
  };
  beforeEach(async () => {
    controllers = [];
    directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
    await start();
    await join4();
  });
  afterEach(async () => {
    await stop();
    await rm(directory, { recursive: true });
  });
  const create = async (...groups: object[]) =>
    assert.equal((await rig.call('POST', '/groups', { body: groups })).status, 201);
  const told = ({ commands }: Controller) =>
    commands
      .filter((one) => one.has(12))
      .map((one) => numbersIn((one.get(12) as Uint8Array | null) ?? Buffer.alloc(0)));
  const levels = ({ commands }: Controller) =>
    commands.filter((one) => OVERRIDES.includes(one.get(1))).map((one) => one.get(2));
  /** Waits until these controllers were told that many lists of groups, and have acknowledged them. */
  const listening = async (count: number, ...some: Controller[]) => {
    for (const controller of some) {
      await controller.until(() => told(controller).length >= count);
      const wanted = told(controller).at(-1)?.join();
      const { fleet } = rig.gateway;
      while (fleet.controllers.get(controller.id)?.groups?.join() !== wanted) await new Promise(setImmediate);
    }
    published.length = 0;
  };
  const override = async (value: number | undefined, addresses: object[]) => {
    const targetCommand = value === undefined ? undefined : { state: level(value), cmsRefId: 'é'.repeat(100) };
    const { status } = await rig.call('POST', '/override-commands', { body: { addresses, targetCommand } });
    assert.equal(status, 201);
  };
  const groupTopics = () => published.filter((topic) => topic.startsWith('rvb1c/'));

  it('is one message, whatever is in the group, and so is its end; every lamp acknowledges', async () => {
    await create(group('street', to(...lamps)));
    await listening(1, ...controllers);
    await override(40, streets('street'));
    assert.deepEqual(published, [`rvb1c/${told(controllers[0])[0][0]}`]);
    assert.deepEqual(controllers.map(levels), [[40], [40], [40], [40]]);
    const shown = await rig.call('GET', `/devices/${lamps[3]}/lampActuator1/targetLightCommand`);
    assert.equal(shown.body.value.cmsRefId, 'é'.repeat(100));
    await override(undefined, streets('street'));
    assert.equal(published.length, 2);
    assert.deepEqual(controllers.map(levels)[2], [40, undefined]);
  });

  it('goes to lamps that were addressed beside the group by themselves, once to each', async () => {
    await create(group('street', to(lamps[0], lamps[1])));
    await listening(1, controllers[0], controllers[1]);
    await override(40, [...streets('street'), ...to(lamps[1], lamps[2])]);
    assert.deepEqual(controllers.map(levels), [[40], [40], [40], []]);
    assert.deepEqual(published.map((topic) => topic.replace(/c\/\d+/, 'c/n')).sort(), ['rvb1/PAR-0003/cmd', 'rvb1c/n']);
  });

  it('reaches lamps of groups in the group by the number of the outer one', async () => {
    await create(group('street', to(lamps[0], lamps[1])), group('town', [...streets('street'), ...to(lamps[2])]));
    await listening(1, ...controllers.slice(0, 3));
    assert.deepEqual(
      controllers.map(told).map((lists) => lists.at(-1)?.length),
      [2, 2, 1, undefined],
    );
    await override(40, streets('town'));
    assert.equal(published.length, 1);
    assert.deepEqual(controllers.map(levels), [[40], [40], [40], []]);
  });

  it('is sent to each by itself where firmware knows no groups, or the group is not for overrides', async () => {
    await create(group('street', to(...lamps), { purpose: 'calendar' }));
    await override(40, streets('street'));
    assert.deepEqual(groupTopics(), []);
    assert.deepEqual(controllers.map(levels), [[40], [40], [40], [40]]);
    for (const controller of controllers) await controller.close();
    await stop();
    await start();
    await join4({});
    await create(group('lane', to(...lamps)));
    await override(50, streets('lane'));
    assert.deepEqual(groupTopics(), []);
    assert.deepEqual(controllers.map(told), [[], [], [], []]);
    assert.deepEqual(controllers.map(levels), [[50], [50], [50], [50]]);
  });

  it('never reaches a lamp that has left the group, whether it has heard of that or not', async () => {
    await create(group('street', to(...lamps)));
    await listening(1, ...controllers);
    const [old] = told(controllers[0])[0];
    controllers[3].answer = (command) => (command.has(12) ? undefined : AckCode.Done);
    const path = `/groups/street/members/devices/${lamps[3]}`;
    assert.equal((await rig.call('DELETE', path)).status, 200);
    await override(40, streets('street'));
    await listening(2, ...controllers.slice(0, 3));
    await override(50, streets('street'));
    assert.deepEqual(groupTopics(), [`rvb1c/${told(controllers[0])[1][0]}`]);
    assert.notEqual(told(controllers[0])[1][0], old);
    assert.deepEqual(controllers.map(levels), [[40, 50], [40, 50], [40, 50], []]);
  });

  it('reaches a lamp that has joined the group at once, and by the same message once it listens', async () => {
    await create(group('street', to(lamps[0], lamps[1])));
    await listening(1, controllers[0], controllers[1]);
    assert.equal((await rig.call('PUT', '/groups/street/members', { body: to(lamps[2]) })).status, 200);
    await override(40, streets('street'));
    await listening(1, controllers[2]);
    await override(50, streets('street'));
    assert.equal(published.length, 1);
    assert.deepEqual(controllers.map(levels), [[40, 50], [40, 50], [40, 50], []]);
    assert.equal(told(controllers[0]).length, 1, 'those that were there before are not told again');
  });

  it('is repeated to a lamp alone that does not acknowledge it, under the same number', async () => {
    await create(group('street', to(...lamps)));
    await listening(1, ...controllers);
    controllers[1].answer = () => undefined;
    const answer = rig.advance(
      rig.call('POST', '/override-commands', {
        body: { addresses: streets('street'), targetCommand: { state: level(40) } },
      }),
    );
    assert.equal((await answer).status, 202);
    controllers[1].answer = () => AckCode.Done;
    rig.now += 5000;
    rig.gateway.tick();
    await controllers[1].until(() => levels(controllers[1]).length === 2);
    assert.deepEqual(controllers.map(levels), [[40], [40, 40], [40], [40]]);
    assert.equal(new Set(controllers[1].commands.slice(-2).map((one) => one.get(0))).size, 1);
    assert.deepEqual(controllers[1].topics.slice(-1), ['rvb1/PAR-0002/cmd']);
  });

  it('avoids a number that a stranger listens to: one that comes from another gateway', async () => {
    await create(group('street', to(lamps[0], lamps[1])));
    await listening(1, controllers[0], controllers[1]);
    const [number] = told(controllers[0])[0];
    const [, , , stranger] = controllers;
    await stranger.listen([number]);
    stranger.answer = (command) => (command.has(12) ? undefined : AckCode.Done);
    await rig.during(
      () => rig.gateway.fleet.controllers.get(stranger.id)?.groups?.length === 1,
      () => stranger.greet(birth({ [BirthKey.Groups]: [number], [BirthKey.Configuration]: [1, 2] })),
    );
    await listening(2, controllers[0], controllers[1]);
    await override(40, streets('street'));
    assert.deepEqual(controllers.map(levels), [[40], [40], [], []]);
    assert.equal(published.length, 1);
    assert.deepEqual(told(stranger).at(-1), []);
  });

  it('is one message after a restart of the gateway too, without telling anybody the groups again', async () => {
    await create(group('street', to(...lamps)));
    await listening(1, ...controllers);
    const [numbers] = told(controllers[0]);
    for (const controller of controllers) await controller.close();
    await stop();
    await start();
    await join4({ [BirthKey.Groups]: numbers });
    for (const controller of controllers) await controller.listen(numbers);
    published.length = 0;
    await override(40, streets('street'));
    assert.deepEqual(published, [`rvb1c/${numbers[0]}`]);
    assert.deepEqual(controllers.map(told), [[], [], [], []]);
  });
});
