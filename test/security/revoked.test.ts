import assert from 'node:assert/strict';
import { Leaf } from '../../firmware/link/messages.ts';
import { ControllerKeys } from '../../gateway/keys/controller-keys.ts';
import { birth, CMS, type Controller, Rig, report } from '../gateway/rig.ts';
import { keyOf } from '../sealed.ts';

/** @returns the keys of these controllers, as their tests' ends have them */
function keysOf(...ids: string[]): ControllerKeys {
  const keys = new ControllerKeys();
  for (const id of ids) keys.add(id, { key: keyOf(id) });
  return keys;
}

describe('a controller whose credentials are taken away', () => {
  const keys = keysOf('kept', 'stolen', 'elsewhere');
  let rig: Rig;
  const poles: Record<string, Controller> = {};
  const generation = (id: string) => [...poles[id].end.groups.values()].map((group) => group.generation);

  before(async () => {
    rig = await Rig.start({ keys });
    for (const id of ['kept', 'stolen', 'elsewhere']) poles[id] = await rig.join(id, birth({ 14: [] }));
    const of = async (id: string) => ({ resource: 'devices', address: await rig.address(id) });
    const group = (address: string, members: object[]) => ({ address, ownerCMS: CMS, members, purpose: 'override' });
    const groups = [group('elm', [await of('kept'), await of('stolen')]), group('oak', [await of('elsewhere')])];
    assert.equal((await rig.call('POST', '/groups', { body: groups })).status, 201);
    await Promise.all(Object.keys(poles).map((id) => poles[id].until(() => poles[id].end.groups.size === 1)));
  });
  after(() => rig.close());

  it('is not believed from then on, and its neighbours get another key for their group', async () => {
    const before = Object.fromEntries(Object.keys(poles).map((id) => [id, generation(id)]));
    assert.deepEqual(before.kept, before.stolen);
    keys.become(keysOf('kept', 'elsewhere'));
    await poles.kept.until(() => generation('kept')[0] !== before.kept[0]);
    assert.deepEqual(generation('stolen'), before.stolen);
    assert.deepEqual(generation('elsewhere'), before.elsewhere);

    await poles.stolen.send(Leaf.Report, report({ 0: 2, 3: 10 }));
    await rig.report(poles.kept, report({ 0: 2, 3: 20 }));
    const levelOf = (id: string) => rig.gateway.fleet.controllers.get(id)?.state?.level;
    assert.deepEqual([levelOf('stolen'), levelOf('kept')], [70, 20]);
    assert.ok(
      rig.log.some((line) => line.includes('rvb1/stolen/report') && line.includes('no key')),
      rig.log.join('\n'),
    );
  });
});
