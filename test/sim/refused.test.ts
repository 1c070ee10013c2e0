import assert from 'node:assert/strict';
import type { Board } from '../../firmware/board.ts';
import { loadBoard } from '../../scripts/board-config.mjs';
import { assignment, calendar, program } from '../gateway/control-rig.ts';
import { CALENDARS, GOOD, PROGRAMS, type Refused, YEAR } from '../gateway/refusals.ts';
import { refusalOf } from '../gateway/rig.ts';
import { Bench, toLevel } from './bench.ts';

const points = (count: number): [string, number][] =>
  Array.from({ length: count }, (_, i) => [`${String(i >> 1).padStart(2, '0')}:${i & 1 ? '30' : '00'}`, 10 + i]);
/** What the lamp of this test holds: bytes, rules, programs, switch points a program. */
const LIMITS = [400, 4, 3, 24];
const SMALL = ['p1', 'p2', 'p3', 'p4'].map((id) => program(id, [['12:00', 50]]));
/** Fits by its counts, not by its bytes: 3 programs of 24 points of 9 bytes are more than 400. */
const LARGE = ['q1', 'q2', 'q3'].map((id) => program(id, points(24)));
const rules = (...programs: string[]) => ({ rules: programs.map((id) => ({ program: id })) });

const MORE_PROGRAMS: Refused[] = [
  [
    '25 switch points',
    { fixedTimeControls: program('p', points(25)).fixedTimeControls },
    '422 serviceConstraintExceeded',
    /25 switch points.* 24/,
  ],
];
const MORE_CALENDARS: Refused[] = [
  ['5 rules', rules('p', 'p', 'p', 'p', 'p'), '422 serviceConstraintExceeded', /5 rules.* 4/],
  ['4 programs', rules('p', 'p1', 'p2'), '422 serviceConstraintExceeded', /4 programs.* 3/],
  ['a default program that nobody knows', { defaultProgram: 'q' }, '422 relatedResourceNotFound', /defaultProgram q/],
  [
    'programs of 700 bytes',
    { ...rules('q1', 'q2'), defaultProgram: 'q3' },
    '422 serviceConstraintExceeded',
    /a timetable of \d{3} bytes, only 400/,
  ],
];
// Three of its own and the default one.
MORE_CALENDARS[1][1] = { ...rules('p1', 'p2', 'p3'), defaultProgram: 'p' };

/** Without sockets between them, so that simulated time may stand still while the API answers. */
describe('a lamp whose program, calendar or assignment was to be replaced by a wrong one', function () {
  this.timeout(30_000);
  let bench: Bench;
  let lamp: string;
  let kept: string | undefined;
  before(async () => {
    const linux: Board = await loadBoard('linux');
    bench = await Bench.open({
      begin: Date.parse('2026-05-04T20:00:00Z'),
      boards: [{ ...linux, limits: LIMITS }],
      gateway: { timeZone: 'Europe/Madrid' },
    });
    await bench.ready();
    lamp = await bench.address(1);
    await bench.write('POST', '/control-programs', [GOOD, ...SMALL, ...LARGE]);
    await bench.write('POST', '/calendars', [YEAR]);
    await bench.write('POST', '/assign-commands', assignment('c', lamp));
    await bench.run(15_000);
    kept = bench.stored(1);
    assert.ok(kept !== undefined && kept.length > 100);
    // 80 % from 20:00, 40 % from 23:00, in Madrid.
    assert.equal(bench.poles[0].lamp.light, 80);
  });
  after(() => bench.close());

  /** Nothing has reached the lamp, and nothing comes later. */
  async function unchanged(): Promise<void> {
    const { received } = bench.poles[0].sim.network;
    await bench.run(400);
    assert.equal(bench.stored(1), kept);
    assert.equal(bench.poles[0].lamp.light, 80);
    assert.ok(bench.poles[0].sim.network.received - received < 20, 'no command of 30 bytes or more');
    assert.equal(bench.poles[0].firmware?.arbiter.command.level, 80);
  }

  for (const [path, good, cases] of [
    ['/control-programs', GOOD, [...PROGRAMS, ...MORE_PROGRAMS]],
    ['/calendars', YEAR, [...CALENDARS, ...MORE_CALENDARS]],
  ] as const) {
    for (const [what, change, refusal, words, bad = false] of cases) {
      it(`keeps its timetable byte by byte and its 80 % at ${what} in ${path.slice(1)}: ${refusal}`, async () => {
        const body = { ...good, ...change };
        const reply = await bench.during(bench.rig.call('PUT', `${path}/${good.id}`, { body, bad }));
        assert.equal(refusalOf(reply), refusal, JSON.stringify(reply.body));
        assert.match(reply.body[0].description, words);
        await unchanged();
      });
    }
  }

  const level = (value: unknown) => ({ type: 'AttributeLevelState', value: { name: 'LevelState', value } });
  const assign = (id: string) => ['POST', '/assign-commands', () => assignment(id, lamp)] as const;
  const command = (value: number) =>
    ['POST', '/override-commands', () => ({ ...assignmentless(), targetCommand: toLevel(value) })] as const;
  const assignmentless = () => ({ addresses: [{ resource: 'devices', address: lamp }] });
  const others: [string, string, string, () => object, string, boolean?][] = [
    ['an unknown calendar', ...assign('none'), '422 relatedResourceNotFound'],
    ['an override to 101 %', ...command(101), '400 payloadError', true],
    ['an override to 5 %, which its gear cannot do', ...command(5), '422 overrideCommandNotValid'],
    [
      'a default level of 101 %',
      'PATCH',
      '/devices/LAMP/lampActuator1/defaultLightState',
      () => level(101),
      '400 payloadError',
      true,
    ],
    [
      'a time zone on Mars',
      'PATCH',
      '/devices/LAMP/time/timeZone',
      () => ({ type: 'AttributeString', value: 'Mars/Olympus' }),
      '422 serviceConstraintExceeded',
    ],
    [
      'a place at 91 degrees north',
      'PATCH',
      '/devices/LAMP/basic/location',
      () => ({ type: 'AttributeLocation', value: { latitude: 91, longitude: 0 } }),
      '422 serviceConstraintExceeded',
    ],
  ];
  for (const [what, method, path, body, refusal, bad = false] of others) {
    it(`keeps its timetable byte by byte and its 80 % at ${what}: ${refusal}`, async () => {
      const reply = await bench.during(bench.rig.call(method, path.replace('LAMP', lamp), { body: body(), bad }));
      assert.equal(refusalOf(reply), refusal, JSON.stringify(reply.body));
      await unchanged();
    });
  }

  it('follows the good program to 40 % at 23:00, and takes the next good calendar', async () => {
    await bench.run(Date.parse('2026-05-04T21:00:01Z') - bench.now, 500);
    assert.equal(bench.poles[0].lamp.light, 40);
    assert.equal(bench.stored(1), kept);
    await bench.write('PUT', '/calendars/c', calendar('c', [{ program: 'p1' }], 'p'));
    await bench.run(2000);
    assert.equal(bench.poles[0].lamp.light, 50);
  });
});
