import assert from 'node:assert/strict';
import { loadBoard } from '../../scripts/board-config.mjs';
import { interpreter } from '../../scripts/interpreter.mjs';
import { Soak, type Soaked, type Today } from './soaking.ts';

/** Days of the run by default, and of the one with restarts; `SOAK_DAYS=365` lives a year, in about an hour. */
const DAYS = Number(process.env.SOAK_DAYS ?? 6);
const RESTARTS = 3;
/** ms of real time: a day takes about 12 s of a processor, and several may share it. */
const PATIENCE = 300_000;
/** The part by which memory may differ between the first day and the last. */
const DRIFT = 0.02;

/**
 * What is coarser than in the product, so that months fit into minutes: units are polled, reports sent and counters stored
 * every hour instead of every minute, the keep-alive is an hour, and no command has a long ramp. Everything else is the
 * product's bundle as it is: its parts still look every minute at what no unit measures.
 */
async function coarse() {
  const board = await loadBoard('linux');
  const period = 3_600_000;
  const meters = board.meters.map((meter) => ({ ...meter, period }));
  const counters = board.counters && { ...board.counters, period };
  return {
    ...board,
    meters,
    counters,
    reportPeriod: period,
    timetable: [],
    network: { ...board.network, keepAlive: 3600 },
  };
}

describe('a controller on the interpreter, soaked', () => {
  const every = Math.ceil(DAYS / 12);
  const say = ({ day, jsvars, timers, polls, messages, lit }: Today): void => {
    if (day > 2 && day % every > 0 && day < DAYS) return;
    const hours = Math.round(lit / 360) / 10;
    console.log(
      `      day ${day}: ${jsvars} jsvars, ${timers} timers wait; ${polls} polls, ${messages} messages, lit ${hours} h`,
    );
  };
  const told = (soaked: Soaked): string => {
    const { outages, cuts, stalls, obeyed, events, reports, batches, last } = soaked;
    return `${soaked.days.length} days, ${outages} outages of the link, ${cuts} of the power; ${reports} reports, ${events} events, ${batches} batches of samples, ${obeyed} overrides obeyed; ${stalls} answers missing; ${last}`;
  };
  before(function () {
    if (interpreter()) return;
    console.log('    SKIPPED: the soak needs ESPRUINO');
    this.skip();
  });

  it(`takes no more memory after ${DAYS} days with an outage of the link on each, and throws nothing`, async function () {
    this.timeout(DAYS * PATIENCE);
    const soaked = await new Soak({ board: await coarse(), days: DAYS, onDay: say }).run();
    console.log(`      ${told(soaked)}`);
    const [first] = soaked.days;
    const last = soaked.days[DAYS - 1];
    const grown = (last.jsvars - first.jsvars) / first.jsvars;
    console.log(
      `      ${first.jsvars} jsvars after the first day, ${last.jsvars} after the last: ${(100 * grown).toFixed(1)} %`,
    );
    assert.deepEqual(soaked.trouble, []);
    assert.ok(Math.abs(grown) <= DRIFT, `${first.jsvars} jsvars became ${last.jsvars}`);
    assert.equal(soaked.stalls, 0);
    assert.ok(soaked.outages >= DAYS - 1, `${soaked.outages} outages`);
    assert.ok(soaked.reports >= 20 * DAYS, `${soaked.reports} reports`);
    assert.ok(last.polls >= 24 * DAYS, `${last.polls} polls`);
    // The calendar rules from the first evening on: 4 changes of light and more a night.
    assert.ok(soaked.events >= 4 * (DAYS - 1), `${soaked.events} events`);
    assert.ok(soaked.batches >= DAYS - 1, `${soaked.batches} batches`);
    assert.ok(soaked.obeyed >= DAYS - 2, `${soaked.obeyed} overrides obeyed`);
    assert.match(soaked.last, /^online/);
  });

  it(`comes back after each of ${RESTARTS - 1} cuts of the power in ${RESTARTS} days, and throws nothing`, async function () {
    this.timeout(RESTARTS * PATIENCE);
    const soaked = await new Soak({ board: await coarse(), days: RESTARTS, cuts: 1 }).run();
    console.log(`      ${told(soaked)}`);
    assert.deepEqual(soaked.trouble, []);
    assert.equal(soaked.cuts, RESTARTS - 1);
    assert.equal(soaked.stalls, 0);
    // A boot begins with no lamp lit and ends a day later: it was lit for half of it at least.
    for (const { day, lit } of soaked.days.slice(1))
      assert.ok(lit > 6 * 3600 && lit < 86400, `day ${day}: lit ${lit} s`);
    assert.match(soaked.last, /^online, reason 3/);
  });
});
