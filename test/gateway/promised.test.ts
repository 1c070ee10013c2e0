/** What was answered with 202 and comes to nothing is told. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { level, to } from './control-rig.ts';
import { create, logger, pass, pulled } from './logger-rig.ts';
import { Rig } from './rig.ts';

const MINUTE = 60_000;

describe('a command that was answered with 202', () => {
  let directory: string;
  let rig: Rig;
  let lamp: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
    rig = await Rig.start({ dataDirectory: directory });
    const controller = await rig.join('PAR-0001');
    lamp = await rig.address('PAR-0001');
    await create(rig, logger('log'));
    const { fleet } = rig.gateway;
    await rig.during(
      () => fleet.controllers.get('PAR-0001')?.online === false,
      () => controller.drop(),
    );
  });
  afterEach(async () => {
    await rig.close();
    await rm(directory, { recursive: true });
  });
  const promise = async (value: number, more = {}) => {
    const targetCommand = { state: level(value), cmsRefId: `to ${value}`, ...more };
    const body = { addresses: to(lamp), targetCommand };
    assert.equal((await rig.advance(rig.call('POST', '/override-commands', { body }))).status, 202);
  };
  const failures = async () =>
    (await pulled(rig, 'log')).flatMap(({ cmsRefId, data }) =>
      data.eventType === 'deviceMalfunction' ? [[cmsRefId, data.srcAddress, data.info[0].description]] : [],
    );
  const restart = async () => {
    await rig.close();
    const { now } = rig;
    rig = await Rig.start({ dataDirectory: directory }, now);
  };
  const inMinutes = (minutes: number) => new Date(rig.now + minutes * MINUTE).toISOString();

  it('and expires while the lamp is away is told as an event with its cmsRefId', async () => {
    await promise(40, { expiration: inMinutes(5) });
    await pass(rig, 4 * MINUTE);
    assert.deepEqual(await failures(), []);
    await pass(rig, 2 * MINUTE);
    const told = [
      'to 40',
      `${lamp}/basic`,
      'an override was not obeyed: the lamp did not acknowledge it before it expired',
    ];
    assert.deepEqual(await failures(), [told]);
    await restart();
    await pass(rig, MINUTE);
    assert.deepEqual(await failures(), [told], 'once');
  });

  it('and expires while the gateway is away is told when it is back, once', async () => {
    await promise(40, { expiration: inMinutes(5) });
    rig.now += 10 * MINUTE;
    await restart();
    await pass(rig, MINUTE);
    assert.deepEqual(
      (await failures()).map(([cmsRefId]) => cmsRefId),
      ['to 40'],
    );
    await restart();
    await pass(rig, MINUTE);
    assert.equal((await failures()).length, 1);
  });

  it('and is replaced by a later one is not a failure', async () => {
    await promise(40, { expiration: inMinutes(5) });
    await promise(50);
    await pass(rig, 10 * MINUTE);
    assert.deepEqual(await failures(), []);
  });
});
