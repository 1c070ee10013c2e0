import assert from 'node:assert/strict';
import { Counter, ReportKey } from '../../firmware/link/messages.ts';
import { HOUR, MINUTE, Pole } from './pole.ts';

/** @returns Wh that the controller has counted, by its latest report */
const counted = (pole: Pole) => (pole.report[ReportKey.Counters] as number[])[Counter.ActiveEnergy] / 10;

describe('energy of a metered lamp', () => {
  for (const [what, document] of [
    ['known', { wattage: 100 }],
    ['not known', null],
  ] as const) {
    it(`is complete after 24 h without an answer from the meter, when its wattage is ${what}`, async () => {
      const pole = await Pole.open({ lamp: { wattage: 100 }, document });
      const before = counted(pole);
      const wattHours = pole.lamp.load.wattHours;
      pole.controller.meters[0].connected = false;
      pole.run(24 * HOUR);
      pole.controller.meters[0].connected = true;
      pole.run(5 * MINUTE);
      // A minute of age, and a register of whole Wh.
      const drawn = pole.lamp.load.wattHours - wattHours;
      assert.ok(Math.abs(counted(pole) - before - drawn) < 4, `${counted(pole) - before} of ${drawn} Wh`);
    });
  }

  for (const [what, register] of [
    ['0', 0],
    ['4321 kWh', 4_321_000],
  ] as const) {
    it(`goes on when another meter begins at ${what}`, async () => {
      const pole = await Pole.open({ lamp: { wattage: 100 } });
      pole.run(HOUR);
      const before = counted(pole);
      const wattHours = pole.lamp.load.wattHours;
      pole.lamp.preset(register, 0);
      pole.run(2 * HOUR);
      const drawn = pole.lamp.load.wattHours - register;
      assert.ok(wattHours > 100 && drawn > 190, `${drawn} Wh`);
      assert.ok(Math.abs(counted(pole) - before - drawn) < 4, `${counted(pole) - before} of ${drawn} Wh`);
    });
  }
});
