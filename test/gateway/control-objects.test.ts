import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  assignment,
  at,
  calendar,
  command,
  level,
  post,
  program,
  reader,
  timetable,
  timetables,
  to,
} from './control-rig.ts';
import { CALENDARS, GOOD, OTHER, PROGRAMS, YEAR } from './refusals.ts';
import { birth, CMS, Rig, refusalOf, report } from './rig.ts';

/** What a controller holds: bytes, rules, programs, switch points a program. */
const LIMITS = (...limits: number[]) => birth({ 8: limits });
const NIGHT = program(
  'prog-night',
  [
    ['05:30', 100],
    ['12:00', 100],
    ['23:00', 60],
  ],
  { activePeriods: [{ name: 'AbsoluteActivePeriod', startTime: '20:00:00', endTime: '07:00:00' }] },
);
const points = (count: number): [string, number][] =>
  Array.from({ length: count }, (_, i) => [`${String(i).padStart(2, '0')}:00`, 10 + i]);

describe('TALQ control programs and calendars', () => {
  let rig: Rig;
  beforeEach(async () => {
    rig = await Rig.start({ timeZone: 'Europe/Madrid' });
  });
  afterEach(() => rig.close());
  const call = async (method: string, path: string, body?: unknown, bad = false) =>
    rig.call(method, path, { ...(body === undefined ? {} : { body }), bad });
  const get = async (path: string) => (await rig.call('GET', path)).body;

  it('93 keeps a program with an absolute period and 3 fixed times as it came, and answers 409 to its id again', async () => {
    const created = await call('POST', '/control-programs', [NIGHT]);
    assert.equal(created.status, 201);
    assert.deepEqual(created.body, [NIGHT]);
    assert.deepEqual(await get('/control-programs/prog-night'), NIGHT);
    assert.deepEqual(await get('/control-programs'), [NIGHT]);
    assert.equal(await get('/control-programs/count'), 1);
    const again = await call('POST', '/control-programs', [NIGHT]);
    assert.equal(refusalOf(again), '409 resourceConflict');
    assert.deepEqual(again.body[0].references[0].address, { resource: 'control-programs', address: 'prog-night' });
    const twice = [program('a', []), program('a', [])];
    assert.equal(refusalOf(await call('POST', '/control-programs', twice)), '409 resourceConflict');
    assert.equal(await get('/control-programs/count'), 1);
  });

  it('93 takes every kind of active period, control, effect and operation, and gives them back unchanged', async () => {
    await rig.join('PAR-0001', birth({ 7: [[1, 'lux', [10]]], 11: 1 }), report({ 10: [null] }));
    const lamp = await rig.address('PAR-0001');
    const light = { sensorAddresses: [`${lamp}/lightSensor1`] };
    const effect = (operation: string) => ({ type: 'FixedControlEffect', source: {}, operation, command: command(9) });
    const full = program('full', [['00:00', 50]], {
      activePeriods: [
        { name: 'AbsoluteActivePeriod', startTime: '20:00:00', endTime: '20:00:00' },
        { name: 'AstroClockActivePeriod', sunsetOffset: -5, sunriseOffset: 10 },
        { name: 'SensorActivePeriod', sensor: light, onLevel: 30, offLevel: 60.5 },
        {
          name: 'AstroAndSensorActivePeriod',
          sensor: light,
          sunsetOffset: 10,
          sunriseOffset: -10,
          pcActiveBeforeSunset: 30,
          pcActiveBeforeSunrise: 20,
        },
        {
          name: 'ValueActivePeriod',
          reference: { resource: 'devices', address: `${lamp}/lightSensor1/lightLevel` },
          operator: 'LT',
          state: { name: 'FloatState', value: 12.5 },
        },
      ],
      astroClockTimeControls: [{ offset: -30, solarEventType: 'sunset', operation: 'Max', command: command(80) }],
      dynamicControls: [
        ...['Set', 'Max', 'Min', 'Add', 'Sub', 'Mul'].map((operation) => ({ effect: effect(operation) as never })),
        {
          period: { startTime: '23:00:00', endTime: '05:30:00' },
          effect: {
            type: 'ExternalControlEffect',
            operation: 'Set',
            holdTime: 12.5,
            source: { sensor: { sensorAddresses: ['elsewhere/sensor', `${lamp.toUpperCase()}/presence1`] } },
          },
        },
      ],
    });
    await post(rig, '/control-programs', full);
    assert.deepEqual(await get('/control-programs/full'), full);
  });

  it('94 answers 400 to a program without type, ownerCMS, activePeriods or fixedTimeControls', async () => {
    for (const member of ['type', 'id', 'ownerCMS', 'activePeriods', 'fixedTimeControls']) {
      const { [member]: _left, ...rest } = NIGHT as unknown as Record<string, unknown>;
      const reply = await call('POST', '/control-programs', [rest], true);
      assert.equal(refusalOf(reply), '400 payloadError', member);
      assert.match(reply.body[0].description, new RegExp(`'${member}'|/type`));
    }
    assert.deepEqual(await get('/control-programs'), []);
  });

  it('95 answers 422 to two fixed times at 23:00, and names the second', async () => {
    const twin = program('twin', [
      ['23:00', 50],
      ['22:00', 20],
      ['23:00', 60],
    ]);
    const reply = await call('POST', '/control-programs', [twin]);
    assert.equal(refusalOf(reply), '422 payloadError');
    assert.match(reply.body[0].description, /program twin: fixedTimeControls\[2\] starts at 23:00:00/);
    assert.deepEqual(reply.body[0].references[0].address, { resource: 'control-programs', address: 'twin' });
  });

  it('96 announces 16 programs a calendar, 16 switch points, offset 12 and all 11 types, and holds itself to it', async () => {
    const service = await get('/services/ControlService');
    assert.equal(service.supportedTypes.length, 11);
    assert.ok(service.maximumCalendars >= 100 && service.maximumPrograms >= 120);
    assert.deepEqual(
      [service.maxProgramsPerCalendar, service.maxSwitchPointsPerProgram, service.dayOffset],
      [16, 16, 12],
    );
    await post(rig, '/control-programs', program('most', points(16)));
    const over = await call('POST', '/control-programs', [program('over', points(17))]);
    assert.equal(refusalOf(over), '422 serviceConstraintExceeded');
    const astro = { offset: 0, solarEventType: 'sunset' as const, operation: 'Set' as const, command: command(1) };
    const both = program('both', points(16), { astroClockTimeControls: [astro] });
    assert.equal(refusalOf(await call('POST', '/control-programs', [both])), '422 serviceConstraintExceeded');
    const periods = Array.from({ length: service.maxActivePeriodsPerProgram + 1 }, () => ({
      name: 'AbsoluteActivePeriod' as const,
      startTime: '20:00:00',
      endTime: '21:00:00',
    }));
    const busy = program('busy', [], { activePeriods: periods });
    assert.equal(refusalOf(await call('POST', '/control-programs', [busy])), '422 serviceConstraintExceeded');

    const programs = Array.from({ length: 17 }, (_, i) => program(`p${i}`, []));
    await post(rig, '/control-programs', ...programs);
    const rules = programs.map(({ id }) => ({ program: id }));
    await post(rig, '/calendars', calendar('most', rules.slice(0, 16)));
    for (const many of [rules, Array.from({ length: 33 }, () => rules[0])]) {
      assert.equal(refusalOf(await call('POST', '/calendars', [calendar('c', many)])), '422 serviceConstraintExceeded');
    }
    assert.equal(await get('/calendars/count'), 1);
  });

  it('96 keeps 100 calendars and 120 programs, and refuses a bulk that would exceed that as a whole', async () => {
    const { maximumCalendars, maximumPrograms } = await get('/services/ControlService');
    const many = (count: number) => Array.from({ length: count }, (_, i) => i);
    await post(rig, '/control-programs', ...many(maximumPrograms - 1).map((i) => program(`p${i}`, [])));
    const two = [program('x', []), program('y', [])];
    assert.equal(refusalOf(await call('POST', '/control-programs', two)), '422 serviceConstraintExceeded');
    await post(rig, '/control-programs', two[0]);
    await post(rig, '/calendars', ...many(maximumCalendars).map((i) => calendar(`c${i}`, [], 'x')));
    assert.equal(refusalOf(await call('POST', '/calendars', [calendar('d', [])])), '422 serviceConstraintExceeded');
    assert.deepEqual([await get('/control-programs/count'), await get('/calendars/count')], [120, 100]);
  });

  it('96 announces what its smallest controller holds: 20 rules, 10 programs, 12 switch points', async () => {
    await rig.join('PAR-0001', LIMITS(4096, 32, 10, 24));
    await rig.join('PAR-0002', LIMITS(2048, 20, 16, 12));
    await rig.join('PAR-0003'); // says nothing
    const service = await get('/services/ControlService');
    assert.deepEqual([service.maxProgramsPerCalendar, service.maxSwitchPointsPerProgram], [10, 12]);
    await post(rig, '/control-programs', program('most', points(12)));
    const over = await call('POST', '/control-programs', [program('over', points(13))]);
    assert.equal(refusalOf(over), '422 serviceConstraintExceeded');
    const rules = (count: number) => Array.from({ length: count }, () => ({ program: 'most' }));
    assert.equal(
      refusalOf(await call('POST', '/calendars', [calendar('c', rules(21))])),
      '422 serviceConstraintExceeded',
    );
    await post(rig, '/calendars', calendar('c', rules(20)));
  });

  it('97 answers 422 to deleting a program in a calendar or an assigned calendar, and 200 with the object when free', async () => {
    await rig.join('PAR-0001');
    const lamp = await rig.address('PAR-0001');
    const year = calendar('year', [{ program: 'prog-day' }], 'prog-night');
    await post(rig, '/control-programs', NIGHT, program('prog-day', []));
    await post(rig, '/calendars', year);
    assert.equal((await call('POST', '/assign-commands', assignment('year', lamp))).status, 201);
    for (const id of ['prog-night', 'prog-day']) {
      const refused = await call('DELETE', `/control-programs/${id}`);
      assert.equal(refusalOf(refused), '422 deletingResourceIsReferred');
      assert.deepEqual(refused.body[0].references[1].address, { resource: 'calendars', address: 'year' });
    }
    const assigned = await call('DELETE', '/calendars/year');
    assert.equal(refusalOf(assigned), '422 deletingResourceIsReferred');
    assert.equal(assigned.body[0].references[1].address.address, `${lamp}/lampActuator1/calendarID`);
    assert.equal((await call('POST', '/assign-commands', assignment('', lamp))).status, 201);
    assert.deepEqual((await call('DELETE', '/calendars/year')).body, year);
    assert.deepEqual((await call('DELETE', '/control-programs/prog-night')).body, NIGHT);
    for (const path of ['/calendars/year', '/control-programs/prog-night']) {
      for (const method of ['GET', 'DELETE']) assert.equal(refusalOf(await call(method, path)), '404 resourceNotFound');
    }
    assert.equal(refusalOf(await call('PUT', '/calendars/year', year)), '404 resourceNotFound');
    assert.equal(refusalOf(await call('PUT', '/control-programs', [NIGHT])), '404 resourceNotFound');
  });

  it('98 answers 422 relatedResourceNotFound to a calendar with an unknown program, in a rule or by default', async () => {
    await post(rig, '/control-programs', NIGHT);
    for (const wrong of [calendar('c', [{ program: 'none' }], 'prog-night'), calendar('c', [], 'none')]) {
      const reply = await call('POST', '/calendars', [wrong]);
      assert.equal(refusalOf(reply), '422 relatedResourceNotFound');
      assert.match(reply.body[0].description, /none is unknown/);
    }
  });

  it('16 makes no calendar of a bulk whose second one is invalid, and replaces none', async () => {
    await post(rig, '/control-programs', NIGHT);
    const [a, b] = [calendar('a', [], 'prog-night'), calendar('b', [{ program: 'none' }])];
    assert.equal(refusalOf(await call('POST', '/calendars', [a, b])), '422 relatedResourceNotFound');
    assert.deepEqual(await get('/calendars'), []);
    await post(rig, '/calendars', a, calendar('b', []));
    const changed = calendar('a', [{ program: 'prog-night' }]);
    assert.equal(refusalOf(await call('PUT', '/calendars', [changed, b])), '422 relatedResourceNotFound');
    assert.equal(refusalOf(await call('PUT', '/calendars', [changed, calendar('z', [])])), '404 resourceNotFound');
    assert.equal(refusalOf(await call('PUT', '/calendars', [changed, changed])), '422 resourceConflict');
    assert.deepEqual(await get('/calendars/a'), a);
    assert.deepEqual((await call('PUT', '/calendars', [changed])).body, [changed]);
    assert.deepEqual((await call('PUT', '/calendars/b', calendar('b', [], 'prog-night'))).status, 200);
    assert.equal(refusalOf(await call('PUT', '/calendars/b', changed)), '422 resourceConflict');
    assert.deepEqual(
      (await get('/calendars')).map(({ id }: { id: string }) => id),
      ['a', 'b'],
    );
  });

  it('6 finds a calendar with the id "a/b c", and one of 256 letters of two bytes', async () => {
    for (const id of ['a/b c', 'é'.repeat(256), 'x%2Fy;?&']) {
      await post(rig, '/calendars', calendar(id, []));
      assert.equal((await get(`/calendars/${encodeURIComponent(id)}`)).id, id);
      assert.equal((await call('DELETE', `/calendars/${encodeURIComponent(id)}`)).status, 200);
    }
  });

  it('8 and 19 takes calendars in gzip, and answers a repeated talqRequestId with the first answer', async () => {
    const query = { talqRequestId: randomUUID() };
    const body = [calendar('zipped', [])];
    const first = await rig.call('POST', '/calendars', { body, query, encoding: 'gzip' });
    const second = await rig.call('POST', '/calendars', { body, query, encoding: 'gzip' });
    assert.deepEqual([first.status, first.headers['content-encoding']], [201, 'gzip']);
    assert.deepEqual([second.status, second.body], [201, body]);
    assert.equal(await get('/calendars/count'), 1);
  });

  it('34 shows the objects of one CMS to no other, and refuses what another CMS owns', async () => {
    await post(rig, '/control-programs', NIGHT);
    await post(rig, '/calendars', calendar('year', [], 'prog-night'));
    await rig.join('PAR-0001');
    const as = (method: string, path: string, body?: unknown) =>
      rig.call(method, path, { query: { clientAddress: OTHER }, ...(body === undefined ? {} : { body }) });
    assert.deepEqual((await as('GET', '/control-programs')).body, []);
    assert.equal((await as('GET', '/calendars/count')).body, 0);
    assert.equal(refusalOf(await as('GET', '/calendars/year')), '404 resourceNotFound');
    assert.equal(refusalOf(await as('DELETE', '/control-programs/prog-night')), '404 resourceNotFound');
    const lamp = await rig.address('PAR-0001');
    assert.equal(
      refusalOf(await as('POST', '/assign-commands', assignment('year', lamp))),
      '422 relatedResourceNotFound',
    );
    const foreign = { ...calendar('c', []), ownerCMS: OTHER };
    assert.equal(refusalOf(await call('POST', '/calendars', [foreign])), '422 resourceConflict');
    assert.equal((await as('POST', '/calendars', [{ ...foreign, ownerCMS: OTHER.toUpperCase() }])).status, 201);
    assert.equal((await get('/calendars')).length, 1);
  });

  it('17 answers 405 with the methods that exist', async () => {
    const path = (resource: string) => `/talq/gateway/${resource}?clientAddress=${CMS}`;
    for (const [resource, allow] of [
      ['calendars', 'GET, POST, PUT'],
      ['control-programs/x', 'GET, PUT, DELETE'],
      ['assign-commands', 'GET, POST'],
    ]) {
      const { status, headers } = await rig.send('PATCH', path(resource), { 'talq-api-version': '2.7.1' });
      assert.deepEqual([status, headers.allow], [405, allow]);
    }
  });

  it('keeps programs, calendars, assignments and sensor numbers over a restart, and sends nothing again', async () => {
    await rig.close();
    const dataDirectory = await mkdtemp(join(tmpdir(), 'reverbere-'));
    rig = await Rig.start({ dataDirectory });
    let controller = await rig.join('PAR-0001', birth({ 11: 1 }));
    const lamp = await rig.address('PAR-0001');
    await post(rig, '/control-programs', NIGHT);
    await post(rig, '/calendars', calendar('year', [], 'prog-night'));
    await call('POST', '/assign-commands', assignment('year', lamp));
    await timetable(controller, 1);
    const { end } = controller;
    const before = [await get('/calendars'), await get('/control-programs'), await get('/assign-commands')];
    await rig.close();

    rig = await Rig.start({ dataDirectory });
    assert.deepEqual([await get('/calendars'), await get('/control-programs'), await get('/assign-commands')], before);
    assert.equal((await get(`/devices/${lamp}/lampActuator1/calendarID`)).value, 'year');
    controller = await rig.join('PAR-0001', birth({ 11: 1 }), undefined, end);
    assert.equal((await call('POST', '/assign-commands', assignment('year', lamp))).status, 201);
    assert.equal(controller.commands.length, 0);
    await rig.close();
    await rm(dataDirectory, { recursive: true });
    rig = await Rig.start();
  });
});

/** Must not change anything: neither the object, nor the lamp. */
describe('refused control input', () => {
  let rig: Rig;
  let lamp: string;
  let bytes: Uint8Array;
  before(async () => {
    rig = await Rig.start({ timeZone: 'Europe/Madrid' });
    await rig.join('PAR-0001');
    lamp = await rig.address('PAR-0001');
    await post(rig, '/control-programs', GOOD);
    await post(rig, '/calendars', YEAR);
    assert.equal((await rig.call('POST', '/assign-commands', { body: assignment('c', lamp) })).status, 201);
    bytes = await timetable(rig.controllers[0], 1);
  });
  after(() => rig.close());

  const kinds = [
    ['/control-programs', GOOD, PROGRAMS],
    ['/calendars', YEAR, CALENDARS],
  ] as const;
  for (const [path, good, cases] of kinds) {
    for (const [what, change, refusal, words, bad = false] of cases) {
      it(`answers ${refusal} to ${what} in ${path.slice(1)}, and everything stays as it was`, async () => {
        const wrong = { ...good, ...change };
        for (const [method, where, body] of [
          ['PUT', path, [wrong]],
          ['PUT', `${path}/${good.id}`, wrong],
          ['POST', path, [{ ...wrong, id: 'new' }]],
        ] as const) {
          const reply = await rig.call(method, where, { body, bad });
          assert.equal(refusalOf(reply), refusal, `${method} ${JSON.stringify(reply.body)}`);
          assert.match(reply.body[0].description, words);
        }
        assert.deepEqual((await rig.call('GET', path)).body, [good]);
        assert.equal(rig.controllers[0].commands.length, 1);
      });
    }
  }
  it('leaves the lamp at 80 % at 21:00 and 40 % at 23:00, and its next command is the next one given', async () => {
    const tonight = reader(timetables(rig.controllers[0])[0]);
    assert.deepEqual([tonight.level(at('2026-05-05T21:00')), tonight.level(at('2026-05-05T23:00'))], [80, 40]);
    assert.deepEqual(timetables(rig.controllers[0]), [bytes]);
    const body = { addresses: to(lamp), targetCommand: { state: level(50) } };
    assert.equal((await rig.call('POST', '/override-commands', { body })).status, 201);
    assert.equal(rig.controllers[0].commands.length, 2);
  });
});
