import assert from 'node:assert/strict';
import { AckCode, Leaf } from '../../firmware/link/messages.ts';
import { birth, type Call, Rig, refusalOf, report, T0 } from './rig.ts';

const UNKNOWN = '11111111-2222-4333-8444-555555555555';
const at = T0 / 1000;
const iso = (second: number) => new Date(second * 1000).toISOString();
const level = (value: number) => ({ name: 'LevelState', value });

describe('TALQ override commands', () => {
  let rig: Rig;
  let lamp: string;
  beforeEach(async () => {
    rig = await Rig.start();
    await rig.join('PAR-0001');
    lamp = await rig.address('PAR-0001');
  });
  afterEach(() => rig.close());
  const to = (...addresses: string[]) => addresses.map((address) => ({ resource: 'devices', address }));
  const post = (body: unknown, more: Call = {}) => rig.call('POST', '/override-commands', { body, ...more });
  const read = async (name: string, address = lamp) =>
    (await rig.call('GET', `/devices/${address}/lampActuator1/${name}`)).body;

  it('71 brings 50 % to the lamp, answers 201 once it acknowledged, and shows cmsRefId in the feedback', async () => {
    const [controller] = rig.controllers;
    const targetCommand = { state: level(50), reason: 'override', cmsRefId: 'op-77' };
    assert.equal((await post({ addresses: to(lamp), targetCommand })).status, 201);
    const [command] = controller.commands;
    assert.deepEqual([...command].slice(1), [
      [1, 0],
      [2, 50],
      [7, 'op-77'],
    ]);
    assert.deepEqual(await read('targetLightCommand'), {
      type: 'AttributeCommand',
      value: targetCommand,
      timestamp: iso(at),
    });
    await rig.report(controller, report({ 0: 2, 3: 50, 4: 50, 5: 1, 6: 'op-77', 8: at }));
    assert.equal((await read('actualLightState')).value.value, 50);
    assert.deepEqual(await read('feedbackLightCommand'), {
      type: 'AttributeCommand',
      value: { state: level(50), reason: 'override', cmsRefId: 'op-77', start: iso(at) },
      timestamp: iso(at),
    });
  });

  it('72 takes a device, a function and an attribute as the address, and commands no other lamp', async () => {
    const other = await rig.join('PAR-0002');
    for (const path of [lamp, `${lamp}/lampActuator1`, `${lamp.toUpperCase()}/lampActuator1/targetLightCommand`]) {
      assert.equal((await post({ addresses: to(path, path), targetCommand: { state: level(20) } })).status, 201);
    }
    assert.equal(rig.controllers[0].commands.length, 3);
    assert.equal(other.commands.length, 0);
  });

  it('73 answers 422 relatedResourceNotFound to an unknown device, function or group, and commands none of the others', async () => {
    for (const address of [UNKNOWN, `${lamp}/none`, `${lamp}/lampActuator1/none`, 'no-uuid']) {
      const reply = await post({ addresses: to(lamp, address), targetCommand: { state: level(20) } });
      assert.equal(refusalOf(reply), '422 relatedResourceNotFound', address);
      assert.equal(reply.body[0].references[0].address.address, address);
    }
    const groups = await post({
      addresses: [{ resource: 'groups', address: 'g1' }],
      targetCommand: { state: level(20) },
    });
    assert.equal(refusalOf(groups), '422 relatedResourceNotFound');
    assert.equal(rig.controllers[0].commands.length, 0);
  });

  it('74 answers 422 overrideAddressNotValid to what has no actuator, and to no addresses at all', async () => {
    const [gateway] = (await rig.call('GET', '/devices')).body;
    const targetCommand = { state: level(20) };
    for (const address of [
      gateway.address,
      `${lamp}/basic`,
      `${lamp}/lampActuator1/feedbackLightCommand`,
      `${lamp}/lampActuator1/targetLightCommand/x`,
    ]) {
      assert.equal(
        refusalOf(await post({ addresses: to(address), targetCommand })),
        '422 overrideAddressNotValid',
        address,
      );
    }
    assert.equal(
      refusalOf(await post({ addresses: [{ resource: 'calendars', address: 'c' }] })),
      '422 overrideAddressNotValid',
    );
    for (const body of [{}, { targetCommand }, { addresses: [], targetCommand }]) {
      assert.equal(refusalOf(await post(body)), '422 overrideAddressNotValid');
    }
  });

  it('75 answers 422 overrideCommandNotValid to another state, and to 5 % on gear that begins at 10 %', async () => {
    const wrong = [{ name: 'TextState', value: 'hello' }, { name: 'LevelState' }, level(5), level(9)];
    for (const state of wrong) {
      const reply = await post({ addresses: to(lamp), targetCommand: { state } });
      assert.equal(refusalOf(reply), '422 overrideCommandNotValid', JSON.stringify(state));
    }
    for (const value of [0, 10, 100]) {
      assert.equal((await post({ addresses: to(lamp), targetCommand: { state: level(value) } })).status, 201);
    }
    const lenient = await post(
      { addresses: to(lamp), targetCommand: { state: { name: 'levelState', value: 10 } } },
      { bad: true },
    );
    assert.equal(lenient.status, 201);
  });

  it('75 knows that switched gear has 0 and 100 % only', async () => {
    await rig.join('PAR-0002', birth({ 5: 0, 6: 100 }));
    const switched = await rig.address('PAR-0002');
    const reply = await post({ addresses: to(lamp, switched), targetCommand: { state: level(50) } });
    assert.equal(refusalOf(reply), '422 overrideCommandNotValid');
    assert.equal(reply.body[0].references[0].address.address, switched);
    assert.equal(rig.controllers[0].commands.length, 0);
  });

  it('76 sends the expiration, and shows the program again after it', async () => {
    const [controller] = rig.controllers;
    const expiration = iso(at + 300);
    await post({ addresses: to(lamp), targetCommand: { state: level(50), expiration, cmsRefId: 'a' } });
    assert.equal(controller.commands[0].get(4), at + 300);
    await rig.report(controller, report({ 0: 2, 3: 50, 4: 50, 5: 1, 6: 'a', 8: at, 9: at + 300 }));
    assert.equal((await read('feedbackLightCommand')).value.expiration, expiration);
    rig.now = T0 + 300000;
    await rig.report(controller, report({ 0: 3, 1: at + 300, 8: at + 300 }));
    for (const name of ['feedbackLightCommand', 'targetLightCommand']) {
      assert.deepEqual((await read(name)).value, { state: level(70), reason: 'program' });
      assert.equal((await read(name)).timestamp, iso(at + 300));
    }
  });

  it('76 answers 422 to an override that expires before it starts, or that has expired', async () => {
    const past = await post({ addresses: to(lamp), targetCommand: { state: level(50), expiration: iso(at) } });
    assert.equal(refusalOf(past), '422 overrideCommandNotValid');
    const targetCommand = { state: level(50), start: iso(at + 60), expiration: '2026-05-04T22:00:30+02:00' };
    assert.equal(refusalOf(await post({ addresses: to(lamp), targetCommand })), '422 overrideCommandNotValid');
  });

  it('77 replaces an unacknowledged override by a later one, and never sends the first again', async () => {
    const [controller] = rig.controllers;
    controller.answer = () => undefined;
    const first = post({ addresses: to(lamp), targetCommand: { state: level(50), expiration: iso(at + 300) } });
    await controller.until(() => controller.commands.length === 1);
    controller.answer = () => AckCode.Done;
    assert.equal((await post({ addresses: to(lamp), targetCommand: { state: level(20) } })).status, 201);
    await first;
    rig.now += 60000;
    rig.gateway.tick();
    await post({ addresses: to(lamp) });
    assert.deepEqual(
      controller.commands.map((command) => command.get(2)),
      [50, 20, undefined],
    );
  });

  it('78 takes the override back without targetCommand', async () => {
    await post({ addresses: to(lamp), targetCommand: { state: level(50) } });
    assert.equal((await post({ addresses: to(lamp) })).status, 201);
    assert.deepEqual([...rig.controllers[0].commands[1]].slice(1), [[1, 1]]);
  });

  it('79 sends a start 60 s ahead and ramps of 10 and 20 s, and no start that has passed', async () => {
    const [controller] = rig.controllers;
    const targetCommand = { state: level(50), start: iso(at + 60), rampToLevelTime: 10, rampFromLevelTime: 20.04 };
    await post({ addresses: to(lamp), targetCommand });
    assert.deepEqual([...controller.commands[0]].slice(1), [
      [1, 0],
      [2, 50],
      [3, at + 60],
      [5, 100],
      [6, 200],
    ]);
    await post({ addresses: to(lamp), targetCommand: { ...targetCommand, start: iso(at - 5) } });
    assert.equal(controller.commands[1].get(3), undefined);
  });

  it('82 answers 422 relatedResourceNotFound to a sensor that no program here knows', async () => {
    const body = { targetCommand: { state: level(50), reason: 'sensor', refAddress: 's1' } };
    assert.equal(refusalOf(await post(body)), '422 relatedResourceNotFound');
  });

  it('83 overrides by PATCH of targetLightCommand, as attribute, in a function and in a device', async () => {
    const [controller] = rig.controllers;
    const value = { state: level(30), cmsRefId: 'p' };
    const targetLightCommand = { type: 'AttributeCommand', value };
    const body = { id: 'lampActuator1', type: 'LampActuatorFunction', targetLightCommand };
    const device = (await rig.call('GET', `/devices/${lamp}`)).body;
    const paths: [string, unknown][] = [
      [`/devices/${lamp}/lampActuator1/targetLightCommand`, targetLightCommand],
      [`/devices/${lamp}/lampActuator1`, body],
      [`/devices/${lamp}`, { ...device, functions: [body] }],
      ['/devices', [{ ...device, functions: [body] }]],
    ];
    for (const [path, given] of paths) assert.equal((await rig.call('PATCH', path, { body: given })).status, 200, path);
    assert.equal(controller.commands.length, 4);
    assert.equal((await read('targetLightCommand')).value.reason, 'override');
    const low = { type: 'AttributeCommand', value: { state: level(3) } };
    assert.equal(refusalOf(await rig.call('PATCH', paths[0][0], { body: low })), '422 overrideCommandNotValid');
  });

  it('answers 202 after 2.5 s without an acknowledgement, and delivers when the controller is back', async () => {
    const [controller] = rig.controllers;
    const { fleet } = rig.gateway;
    await rig.during(
      () => fleet.controllers.get('PAR-0001')?.online === false,
      () => controller.drop(),
    );
    const { status } = await rig.advance(post({ addresses: to(lamp), targetCommand: { state: level(40) } }));
    assert.equal(status, 202);
    assert.ok(rig.now - T0 >= 2500 && rig.now - T0 < 3500, `${rig.now - T0} ms`);
    const back = await rig.join('PAR-0001');
    await back.until(() => back.commands.length === 1);
    assert.equal(back.commands[0].get(2), 40);
  });

  it('repeats a command after 5, 10 and 20 s until it is acknowledged, under one number', async () => {
    const [controller] = rig.controllers;
    controller.answer = () => undefined;
    const answer = rig.advance(post({ addresses: to(lamp), targetCommand: { state: level(40) } }));
    await controller.until(() => controller.commands.length === 1);
    assert.equal((await answer).status, 202);
    for (const [offset, count] of [
      [5000, 2],
      [15000, 3],
      [35000, 4],
    ]) {
      rig.now = T0 + offset + 200;
      rig.gateway.tick();
      await controller.until(() => controller.commands.length === count);
    }
    assert.equal(new Set(controller.commands.map((command) => command.get(0))).size, 1);
    await controller.send(
      Leaf.Ack,
      new Map([
        [0, controller.commands[0].get(0)],
        [1, 0],
      ]),
    );
    controller.answer = () => AckCode.Done;
    await post({ addresses: to(lamp) });
    rig.now += 3600000;
    rig.gateway.tick();
    await post({ addresses: to(lamp) });
    assert.equal(controller.commands.length, 6);
  });

  it('gives up at the expiration', async () => {
    const [controller] = rig.controllers;
    controller.answer = () => undefined;
    const expiration = iso(at + 1);
    const answer = post({ addresses: to(lamp), targetCommand: { state: level(40), expiration } });
    await controller.until(() => controller.commands.length === 1);
    assert.equal(refusalOf(await rig.advance(answer)), '422 overrideCommandNotValid');
    assert.equal(controller.commands.length, 1);
  });

  it('answers 422 when the controller refuses, and names it', async () => {
    const [controller] = rig.controllers;
    for (const code of [AckCode.Malformed, AckCode.Expired]) {
      controller.answer = () => code;
      const reply = await post({ addresses: to(lamp), targetCommand: { state: level(40) } });
      assert.equal(refusalOf(reply), '422 overrideCommandNotValid');
      assert.equal(reply.body[0].references[0].address.address, lamp);
    }
    assert.equal((await read('targetLightCommand')).value.reason, 'program');
  });

  it('repeats a command 1 s later for a controller that needs the time first', async () => {
    const [controller] = rig.controllers;
    await controller.until(() => controller.times.length > 0);
    const told = controller.times.length;
    controller.answer = () => (controller.commands.length === 1 ? AckCode.NoClock : AckCode.Done);
    const expiration = iso(at + 3600);
    const answer = post({ addresses: to(lamp), targetCommand: { state: level(40), expiration } });
    await controller.until(() => controller.commands.length === 1);
    // Its refusal comes first, by the same way.
    await controller.send(Leaf.Ask, 6000);
    await controller.until(() => controller.times.length === told + 1);
    assert.equal(controller.commands.length, 1);
    rig.now += 1000;
    rig.gateway.tick();
    assert.equal((await answer).status, 201);
    assert.equal(controller.commands.length, 2);
  });

  it('stands in for a cmsRefId of 200 characters with one of at most 64 bytes, and shows the long one', async () => {
    const [controller] = rig.controllers;
    const cmsRefId = 'é'.repeat(200);
    await post({ addresses: to(lamp), targetCommand: { state: level(40), cmsRefId } });
    const short = controller.commands[0].get(7) as string;
    assert.ok(Buffer.byteLength(short) <= 64);
    await rig.report(controller, report({ 0: 2, 3: 40, 4: 40, 5: 1, 6: short, 8: at }));
    assert.equal((await read('feedbackLightCommand')).value.cmsRefId, cmsRefId);
  });
});
