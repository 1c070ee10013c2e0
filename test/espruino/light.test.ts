import assert from 'node:assert/strict';
import { bundle } from '../../scripts/bundle.mjs';
import { boot, interpreter } from '../../scripts/interpreter.mjs';

/** The interpreter reads its console only while a timer runs. */
const AWAKE = 'setInterval("",5);';

/** A controller's light on gear of 1..10 V that dims to 10.091 %; its clock stands and its outputs are remembered. */
const SCRIPT = `import { Lamp } from './firmware/control/lamp.ts';
  import { Light } from './firmware/control/light.ts';
  import { Protection } from './firmware/control/protection.ts';
  import { AnalogDriver } from './firmware/drivers/analog.ts';
  import { Schedule } from './firmware/schedule.ts';
  const clock = {
    uptime: () => global.now,
    time: () => Date.parse('2026-07-02T12:00:00Z'),
    after: (delay, run) => { global.tick = run; return 1; },
    cancel: () => {},
  };
  const storage = {
    read: () => global.stored,
    write: (key, bytes) => { global.stored = bytes; },
  };
  const hal = {
    clock, storage,
    system: { temperature: () => global.celsius },
    openAnalog: () => ({ write: (share) => { global.share = share; } }),
    openDigital: () => ({ write: () => {} }),
  };
  const owner = { failed: (error) => { global.fault = error; }, changed: () => {} };
  global.now = 0;
  global.make = (curve, light, softStart) => {
    const schedule = new Schedule(clock, owner);
    const dim = { pin: 'A', inverted: false, fullScale: 10, minimum: 1, maximum: 10, curve };
    const config = { dim, minimumLevel: 10.091, minimumOffTime: 0, dischargeTime: 0 };
    const driver = new AnalogDriver(hal, schedule, config, owner);
    global.lamp = new Lamp(clock, schedule, driver, 10.091, owner, softStart, light && new Light(clock, hal.storage, light));
    global.protection = new Protection(hal.system, schedule, global.lamp, 75, 85);
    return '';
  };
  global.at = (time) => { global.now = time; global.tick(); return Math.round(global.share * 10000); };
  global.go = (level, ramp) => { global.lamp.apply(level, ramp); return Math.round(global.share * 10000); };`;

describe('light on the interpreter', () => {
  let board: ReturnType<typeof boot>;
  const ask = async (expression: string) => JSON.parse(await board.evaluate(expression));

  before(async function () {
    if (!interpreter()) {
      console.log('    SKIPPED: light on the interpreter needs ESPRUINO');
      this.skip();
    }
    const { code } = await bundle({ source: SCRIPT });
    board = boot({ files: { '.bootcde': code + AWAKE } });
  });
  after(() => board?.stop());

  // Source: IEC 62386-102, dimming curve: 50.531 % is arc level 229, 10.091 % is 170, 100 % is 254.
  it('gives 7.321 V for 50.531 % on logarithmic gear, 4.5 V for 35 % on gear of points', async () => {
    await ask('make("logarithmic",undefined,0)+"1"');
    assert.ok(Math.abs((await ask('go(50.531,0)')) - 7321) <= 2);
    await ask('make([10,1.5,20,3,50,6,80,8,100,9.5],undefined,0)+"1"');
    assert.equal(await ask('go(35,0)'), 4500);
  });

  // Source: TALQ 2.7.1, LampType: 100 % x 92.345 % after 12,345 h x 90 % half way from 80 to 100 % of maintenance.
  it('multiplies CLO after 12,345 h and maintenance after half a year, and reports the command', async () => {
    const year = [Date.UTC(2026, 0, 1), 80, Date.UTC(2027, 0, 1), 100];
    await ask('(stored=new Uint8Array([0,0,48,57])).length');
    const clo = [0, 80, 5000, 85, 10000, 90, 15000, 95, 20000, 100];
    await ask(`make([0,0,100,10],${JSON.stringify({ virtualOutput: 100, clo, maintenance: year })},0)+"1"`);
    assert.equal(await ask('go(100,0)'), 8311);
    assert.equal(await ask('lamp.level'), 100);
    assert.deepEqual(await ask('(now+=13*3600000,go(0,0),"["+stored.join()+"]")'), [0, 0, 48, 70]);
  });

  it('starts softly, and dims to its minimum at 90 °C', async () => {
    await ask('make(undefined,undefined,1000)+"1"');
    assert.equal(await ask('go(100,undefined)'), 1000);
    assert.equal(await ask('at(now+500)'), 5500);
    assert.equal(await ask('at(now+500)'), 10000);
    assert.equal(await ask('(celsius=90,at(now+30000))'), 1000);
    assert.equal(await ask('lamp.level'), 10);
    assert.equal(await ask('(celsius=undefined,at(now+300000))'), 1000);
    assert.equal(await ask('global.fault===undefined'), true);
  });
});
