import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandKind } from '../../firmware/link/messages.ts';
import { calendar, level, MADRID, post, program, to, ZONE } from './control-rig.ts';
import { CMS, type Controller, Rig, refusalOf } from './rig.ts';

const OTHER = '7c0f6a6e-91c1-4e0d-8f63-0f7d6c1c2b3a';
const UNKNOWN = '11111111-2222-4333-8444-555555555555';
const groupsOf = (...addresses: string[]) => addresses.map((address) => ({ resource: 'groups', address }));
const group = (address: string, members: object[], more = {}) => ({ address, ownerCMS: CMS, members, ...more });

describe('TALQ groups', () => {
  let rig: Rig;
  let controllers: Controller[];
  let lamps: string[];
  beforeEach(async () => {
    rig = await Rig.start({ timeZone: ZONE, location: MADRID });
    controllers = [await rig.join('PAR-0001'), await rig.join('PAR-0002'), await rig.join('PAR-0003')];
    lamps = [await rig.address('PAR-0001'), await rig.address('PAR-0002'), await rig.address('PAR-0003')];
  });
  afterEach(() => rig.close());
  const create = (...body: object[]) => rig.call('POST', '/groups', { body });
  const get = (path: string, query = {}) => rig.call('GET', path, { query });
  const put = (path: string, body: object) => rig.call('PUT', path, { body });
  const remove = (path: string) => rig.call('DELETE', path);
  const overridden = () =>
    controllers.map(({ commands }) => commands.filter((one) => one.get(1) === CommandKind.Override).length);

  it('are announced with 500 groups of 10000 members', async () => {
    assert.deepEqual((await get('/services/GroupManagementService')).body, {
      name: 'GroupManagementService',
      maximumNumberOfGroups: 500,
      maximumGroupSize: 10000,
      attributes: ['purpose'],
    });
  });

  it('135 takes a device, a function and another group of the same request; 409 the second time', async () => {
    const street = group('street', [...to(lamps[0], `${lamps[1]}/lampActuator1`), ...groupsOf('square')], {
      purpose: 'override',
    });
    const square = group('square', to(lamps[2]));
    const reply = await create(street, square);
    assert.equal(reply.status, 201);
    assert.deepEqual(reply.body, [street, square]);
    assert.deepEqual((await get('/groups')).body, [street, square]);
    assert.deepEqual((await get('/groups/street')).body, street);
    assert.equal((await get('/groups/count')).body, 2);
    assert.equal((await get('/groups/street/members/count')).body, 3);
    assert.equal(refusalOf(await create(square)), '409 resourceConflict');
    assert.equal(refusalOf(await create(group('twice', []), group('twice', []))), '409 resourceConflict');
    assert.equal((await get('/groups/count')).body, 2);
  });

  it('135 refuses members that are not there with 422, names them, and then has none of the groups', async () => {
    const strangers = [
      ...to(UNKNOWN, `${lamps[0]}/none`, `${lamps[0]}/lampActuator1/none`, 'no-uuid'),
      ...groupsOf('nowhere'),
      { resource: 'calendars', address: 'c' },
    ];
    for (const stranger of strangers) {
      const reply = await create(group('good', to(lamps[0])), group('bad', [stranger]));
      assert.equal(refusalOf(reply), '422 relatedResourceNotFound', stranger.address);
      assert.deepEqual(reply.body[0].references[0].address, stranger);
    }
    const foreign = await create({ ...group('g', []), ownerCMS: OTHER });
    assert.equal(refusalOf(foreign), '422 resourceConflict');
    for (const wrong of [{ address: 'g', ownerCMS: CMS }, group('g', [], { purpose: 'party' }), group('g', [{}])]) {
      const reply = await rig.call('POST', '/groups', { body: [wrong], bad: true });
      assert.equal(refusalOf(reply), '400 payloadError');
    }
    assert.deepEqual((await get('/groups')).body, []);
  });

  it('135 refuses a group that contains itself, at once or three groups further, and names the way', async () => {
    assert.equal(refusalOf(await create(group('self', groupsOf('self')))), '422 resourceConflict');
    await post(rig, '/groups', group('a', groupsOf('b')), group('b', groupsOf('c')), group('c', to(lamps[0])));
    for (const reply of [
      await put('/groups/c', group('c', groupsOf('a'))),
      await put('/groups', [group('c', groupsOf('a'))]),
      await put('/groups/c/members', groupsOf('a')),
    ]) {
      assert.equal(refusalOf(reply), '422 resourceConflict');
      assert.match(reply.body[0].description, /c > a > b > c/);
    }
    assert.deepEqual((await get('/groups/c')).body.members, to(lamps[0]));
  });

  it('136 adds members to those there, each once in any case of its UUID, and replaces them all by PUT of the group', async () => {
    await post(rig, '/groups', group('g', to(lamps[0])));
    const added = await put('/groups/g/members', to(lamps[1], lamps[0].toUpperCase(), lamps[1]));
    assert.equal(added.status, 200);
    assert.deepEqual(added.body, to(lamps[0], lamps[1]));
    assert.equal((await get('/groups/g/members/count')).body, 2);
    const replaced = await put('/groups/g', group('g', to(lamps[2])));
    assert.equal(replaced.status, 200);
    assert.deepEqual((await get('/groups/g')).body.members, to(lamps[2]));
    assert.equal(refusalOf(await put('/groups/g', group('h', []))), '422 resourceConflict');
    assert.equal(refusalOf(await put('/groups/none', group('none', []))), '404 resourceNotFound');
    assert.equal(refusalOf(await put('/groups', [group('g', []), group('none', [])])), '404 resourceNotFound');
    assert.equal(refusalOf(await put('/groups', [group('g', []), group('g', [])])), '422 resourceConflict');
    assert.equal(refusalOf(await put('/groups/none/members', to(lamps[0]))), '404 resourceNotFound');
    assert.equal(refusalOf(await put('/groups/g/members', to(UNKNOWN))), '422 relatedResourceNotFound');
    assert.equal((await get('/groups/g/members/count')).body, 1);
  });

  it('137 removes a device, a function or a group from the members; 404 to what is none', async () => {
    const lampOf = `${lamps[1]}/lampActuator1`;
    await post(rig, '/groups', group('in', []), group('g/1 a', [...to(lamps[0], lampOf), ...groupsOf('in')]));
    const path = `/groups/${encodeURIComponent('g/1 a')}/members`;
    const first = await remove(`${path}/devices/${lamps[0]}`);
    assert.deepEqual([first.status, first.body], [200, to(lamps[0])[0]]);
    assert.equal(refusalOf(await remove(`${path}/devices/${lamps[0]}`)), '404 resourceNotFound');
    assert.equal(refusalOf(await remove(`${path}/devices/${lamps[1]}`)), '404 resourceNotFound');
    assert.deepEqual((await remove(`${path}/devices/${encodeURIComponent(lampOf)}`)).body, to(lampOf)[0]);
    assert.deepEqual((await remove(`${path}/groups/in`)).body, groupsOf('in')[0]);
    assert.equal(refusalOf(await remove('/groups/none/members/groups/in')), '404 resourceNotFound');
    assert.deepEqual((await get(`/groups/${encodeURIComponent('g/1 a')}`)).body.members, []);
  });

  it('138 commands every lamp of a group of groups once, and passes over members that are no lamps', async () => {
    const [gateway] = (await get('/devices')).body;
    await post(
      rig,
      '/groups',
      group('all', [...groupsOf('inner'), ...to(lamps[0], gateway.address)]),
      group('inner', to(lamps[0], `${lamps[1]}/lampActuator1`, `${lamps[2]}/lampMonitor1`)),
    );
    const targetCommand = { state: level(30) };
    const body = { addresses: [...groupsOf('all'), ...to(lamps[0])], targetCommand };
    assert.equal((await rig.call('POST', '/override-commands', { body })).status, 201);
    assert.deepEqual(overridden(), [1, 1, 0]);
    // Who is in the group is asked when the command comes.
    await put('/groups/inner/members', to(lamps[2]));
    assert.equal((await rig.call('POST', '/override-commands', { body })).status, 201);
    assert.deepEqual(overridden(), [2, 2, 1]);
    await put('/groups/inner', group('inner', to(gateway.address)));
    const lampless = { addresses: groupsOf('inner'), targetCommand };
    const none = await rig.call('POST', '/override-commands', { body: lampless });
    assert.equal(refusalOf(none), '422 overrideAddressNotValid');
    const unknown = { addresses: groupsOf('none'), targetCommand };
    const reply = await rig.call('POST', '/override-commands', { body: unknown });
    assert.equal(refusalOf(reply), '422 relatedResourceNotFound');
    assert.deepEqual(reply.body[0].references[0].address, groupsOf('none')[0]);
  });

  it('90 assigns a calendar to who is in a group, and not to who joins or leaves it later', async () => {
    await post(rig, '/control-programs', program('night', [['20:00', 80]]));
    await post(rig, '/calendars', calendar('c', [], 'night'));
    await post(rig, '/groups', group('g', to(lamps[0], lamps[1])));
    const body = { addresses: groupsOf('g'), entity: { resource: 'calendars', address: 'c' } };
    assert.equal((await rig.call('POST', '/assign-commands', { body })).status, 201);
    await put('/groups/g', group('g', to(lamps[1], lamps[2])));
    const calendars = await Promise.all(
      lamps.map(async (lamp) => (await get(`/devices/${lamp}/lampActuator1/calendarID`)).body.value),
    );
    assert.deepEqual(calendars, ['c', 'c', '']);
  });

  it('139 keeps a group that is in another one, and gives back what it deletes', async () => {
    await post(rig, '/groups', group('outer', groupsOf('inner')), group('inner', to(lamps[0])));
    const refused = await remove('/groups/inner');
    assert.equal(refusalOf(refused), '422 deletingResourceIsReferred');
    assert.deepEqual(refused.body[0].references[1].address, groupsOf('outer')[0]);
    assert.deepEqual((await remove('/groups/outer')).body, group('outer', groupsOf('inner')));
    assert.deepEqual((await remove('/groups/inner')).body, group('inner', to(lamps[0])));
    assert.equal(refusalOf(await remove('/groups/inner')), '404 resourceNotFound');
    assert.equal(refusalOf(await get('/groups/inner')), '404 resourceNotFound');
  });

  it('139 refuses more than 500 groups and more than 10000 members', async () => {
    const many = Array.from({ length: 500 }, (_, i) => group(`g${i}`, []));
    await post(rig, '/groups', ...many);
    assert.equal(refusalOf(await create(group('one more', []))), '422 serviceConstraintExceeded');
    const names = Array.from({ length: 10001 }, (_, i) => ({ resource: 'groups', address: `g${i}` }));
    assert.equal(refusalOf(await put('/groups/g0', group('g0', names))), '422 serviceConstraintExceeded');
  });

  it('34 belong to the CMS that made them: others neither see nor use nor change them', async () => {
    await post(rig, '/groups', group('g', to(lamps[0])));
    const query = { clientAddress: OTHER };
    assert.deepEqual((await get('/groups', query)).body, []);
    assert.equal((await get('/groups/count', query)).body, 0);
    for (const [method, path, body] of [
      ['GET', '/groups/g'],
      ['DELETE', '/groups/g'],
      ['PUT', '/groups/g/members', []],
      ['GET', '/groups/g/members/count'],
    ] as const) {
      assert.equal(refusalOf(await rig.call(method, path, { query, body })), '404 resourceNotFound');
    }
    const body = { addresses: groupsOf('g'), targetCommand: { state: level(30) } };
    const reply = await rig.call('POST', '/override-commands', { query, body });
    assert.equal(refusalOf(reply), '422 relatedResourceNotFound');
    const own = await rig.call('POST', '/groups', { query, body: [{ ...group('g', []), ownerCMS: OTHER }] });
    assert.equal(own.status, 201, 'the same name is free for another CMS');
    assert.equal((await get('/groups/g/members/count')).body, 1);
  });

  it('outlive a restart, and are forgotten with their CMS', async () => {
    const dataDirectory = await mkdtemp(join(tmpdir(), 'reverbere-'));
    try {
      let gateway = await Rig.start({ dataDirectory });
      await gateway.join('PAR-0001');
      const kept = group('g', to(await gateway.address('PAR-0001')));
      await post(gateway, '/groups', kept);
      await gateway.close();
      gateway = await Rig.start({ dataDirectory });
      assert.deepEqual((await gateway.call('GET', '/groups')).body, [kept]);
      const [own] = (await gateway.call('GET', '/devices')).body;
      assert.equal((await gateway.call('DELETE', `/devices/${own.address}`)).status, 200);
      assert.deepEqual((await gateway.call('GET', '/groups')).body, []);
      await gateway.close();
    } finally {
      await rm(dataDirectory, { recursive: true });
    }
  });
});
