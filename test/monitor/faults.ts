/**
 * What a controller has to notice and what it must not, as a table: how a fault begins and ends in the plant, and within
 * which times the events of its code have to come. Times are those of PROTOCOL.md; a window is as much longer as a pole
 * that polls its meter once a minute needs to see that something is wrong (and every 10 s from then on).
 */
import { EventCode, EventItem, Phase, Quantity } from '../../firmware/link/messages.ts';
import { DAY, type Event, HOUR, MINUTE, type Pole, type PoleOptions, SECOND } from './pole.ts';

/** ms, from and to. */
export type Window = readonly [number, number];

export interface Fault {
  name: string;
  code: number;
  /** Index of the unit that it is told of; absent: the controller or its lamp. */
  unit?: number;
  pole?: PoleOptions;
  /** What happens before the time is taken. */
  before?(pole: Pole): void;
  /** The fault begins; may take its time. */
  begin(pole: Pole): void;
  /** It ends. */
  end(pole: Pole): void;
  /** When `Phase.Start` comes after the begin, and `Phase.End` after the end. */
  raised: Window;
  cleared: Window;
  /** For how long it may last without an event, or what must not suffice. */
  brief?: number | ((pole: Pole) => void);
  /** Something that looks like the fault, and how long nothing must be said of it. */
  suppressed?: { why: string; pole?: PoleOptions; before?(pole: Pole): void; happen(pole: Pole): void };
  /** Codes that may be told besides, because they are true. */
  besides?: readonly number[];
  /** What else has to be right about the event that raises it. */
  evidence?(event: Event, pole: Pole): void;
}

/** An event without duration: what has to be in it. */
export interface Instance {
  name: string;
  code: number;
  pole?: PoleOptions;
  happen(pole: Pole): void;
  /** When it comes after the end of `happen`. */
  told: Window;
  evidence(event: Event): void;
  /** Something that looks like it. */
  suppressed: { why: string; happen(pole: Pole): void };
}

const POLL = MINUTE;
/** ms that quick polls, their answers and the way to the broker take. */
const SLACK = 15 * SECOND;

/** From a condition that has to last so long, and is first seen at the next poll. */
const after = (ms: number, more = 0): Window => [ms, ms + POLL + SLACK + more];

/** @returns the code of a limit. @param high too high, else too low @param lamp of the lamp, else of the unit's own function */
export const limit = (quantity: Quantity, high: boolean, lamp: boolean) =>
  EventCode.Limit + 4 * quantity + (high ? 1 : 0) + (lamp ? 2 : 0);

/** Off and on again so many times, `ms` each. */
function cycles(pole: Pole, count: number, ms = 4 * MINUTE): void {
  for (let i = 0; i < count; i++) {
    pole.level(0);
    pole.run(ms);
    pole.level(100);
    pole.run(ms);
  }
}

/** Inputs of a product that has them all. */
const INPUTS = ['mains', 'door', 'tilt', 'leakage', 'contactor'].map((signal, i) => ({ pin: `D${10 + i}`, signal }));
export const withInputs =
  (...signals: string[]): PoleOptions['change'] =>
  (config) => {
    config.inputs = INPUTS.filter(({ signal }) => signals.includes(signal));
  };

const LIGHT_SENSOR: PoleOptions['change'] = (config) => {
  config.lines[0].baud = 9600;
  config.meters.push({ line: 0, unit: 2, profile: 'sen0644', periodSeconds: 10 });
  config.photocell = { onLux: 35, offLux: 70 };
};

/** A row for something that stands at an input. */
function contact(
  signal: 'door' | 'tilt' | 'leakage',
  code: EventCode,
  time: number,
  clear: number,
  suppressed?: Fault['suppressed'],
): Fault {
  return {
    name: signal,
    code,
    pole: { change: withInputs(signal) },
    begin: ({ controller }) => controller.inputs.set(signal, true),
    end: ({ controller }) => controller.inputs.set(signal, undefined),
    raised: [time, time + 3 * SECOND],
    brief: time - 0.5 * SECOND,
    cleared: [clear, clear + 3 * SECOND],
    suppressed,
  };
}

/** A row for a limit of the monitoring document. */
function limitOf(
  name: string,
  quantity: Quantity,
  high: boolean,
  threshold: number,
  row: Pick<Fault, 'begin' | 'end'> & Partial<Fault> & { unit?: number; lamp?: boolean; time?: number },
): Fault {
  const { lamp = true, unit, time = MINUTE, pole = {}, ...rest } = row;
  const code = limit(quantity, high, lamp);
  const controller = quantity === Quantity.Temperature && unit === undefined;
  const limits = [code, controller ? 255 : (unit ?? 0), threshold];
  const { document } = pole;
  return {
    name,
    code,
    unit: controller ? undefined : (unit ?? 0),
    pole: { ...pole, document: { wattage: 60, ...document, limits } },
    raised: after(time),
    brief: time - 5 * SECOND,
    cleared: after(time),
    ...rest,
  };
}

export const FAULTS: Fault[] = [
  {
    name: 'lamp open at 100 %',
    code: EventCode.LampFailure,
    begin: ({ lamp }) => lamp.fail({ gear: 'open' }),
    end: ({ lamp }) => lamp.repair(),
    raised: after(MINUTE),
    brief: 55 * SECOND,
    cleared: after(MINUTE),
    suppressed: {
      why: 'the mains are at 80 %: power says nothing',
      happen(pole) {
        pole.mains.factor = 0.8;
        pole.run(2 * MINUTE);
        pole.lamp.fail({ gear: 'open' });
        pole.run(20 * MINUTE);
        pole.lamp.repair();
        pole.run(2 * MINUTE);
        pole.mains.factor = 1;
      },
    },
    besides: [EventCode.Sag],
    evidence: ({ items }) => {
      near(items[EventItem.Level], 100, 0);
      near(items[EventItem.Voltage], 2300, 1);
      // 16.8 var of the filter and 0.4 W
      near(items[EventItem.Current], 73, 1);
      near(items[EventItem.Power], 4, 1);
    },
  },
  {
    name: 'driver dead at 20 %',
    code: EventCode.LampFailure,
    before: (pole) => pole.level(20),
    begin: ({ lamp }) => lamp.fail({ gear: 'dead' }),
    end: ({ lamp }) => lamp.repair(),
    raised: after(MINUTE),
    brief: 55 * SECOND,
    cleared: after(MINUTE),
    suppressed: {
      why: 'a healthy lamp of 12 W draws 1.2 W at 10 %',
      pole: { lamp: { wattage: 12 } },
      happen(pole) {
        pole.level(10);
        pole.run(HOUR);
      },
    },
  },
  {
    name: 'day burner (relay welded)',
    code: EventCode.LampUnexpectedOn,
    begin(pole) {
      pole.lamp.fail({ contacts: 'welded' });
      pole.level(0);
    },
    end: ({ lamp }) => lamp.repair(),
    raised: after(5 * MINUTE),
    brief: 4 * MINUTE + 55 * SECOND,
    cleared: after(MINUTE),
    suppressed: {
      why: '2.5 W of electronics with the lamp off',
      pole: { lamp: { standby: 2.5 } },
      happen(pole) {
        pole.level(0);
        pole.run(HOUR);
      },
    },
  },
  {
    name: 'relay welded',
    code: EventCode.RelayFailure,
    begin(pole) {
      pole.lamp.fail({ contacts: 'welded' });
      cycles(pole, 3);
    },
    end(pole) {
      pole.lamp.repair();
      cycles(pole, 2);
    },
    raised: [16 * MINUTE + 10 * SECOND, 18 * MINUTE],
    brief(pole) {
      pole.lamp.fail({ contacts: 'welded' });
      cycles(pole, 2);
      pole.lamp.repair();
      cycles(pole, 3);
    },
    cleared: [0, 16 * MINUTE],
    suppressed: { why: 'a healthy lamp is switched ten times', happen: (pole) => cycles(pole, 10) },
  },
  {
    name: 'relay stuck open',
    code: EventCode.RelayFailure,
    before(pole) {
      pole.level(0);
      pole.run(5 * MINUTE);
    },
    begin(pole) {
      pole.lamp.fail({ contacts: 'open' });
      cycles(pole, 3);
      pole.level(0);
      pole.run(4 * MINUTE);
    },
    end(pole) {
      pole.lamp.repair();
      cycles(pole, 2);
    },
    raised: [20 * MINUTE + 10 * SECOND, 22 * MINUTE],
    brief(pole) {
      pole.lamp.fail({ contacts: 'open' });
      cycles(pole, 2);
      pole.level(0);
      pole.run(4 * MINUTE);
      pole.lamp.repair();
      cycles(pole, 3);
    },
    cleared: [0, 20 * MINUTE],
    suppressed: {
      why: 'gear is dead behind a relay that works',
      happen(pole) {
        pole.lamp.fail({ gear: 'dead' });
        cycles(pole, 5);
        pole.lamp.repair();
      },
    },
    // It is dark where it should be lit.
    besides: [EventCode.LampFailure],
  },
  {
    name: 'half the LEDs gone',
    code: EventCode.LampPowerTooLow,
    begin: ({ lamp }) => lamp.fail({ leds: 0.5 }),
    end: ({ lamp }) => lamp.repair(),
    raised: after(5 * MINUTE),
    brief: 4 * MINUTE + 55 * SECOND,
    cleared: after(5 * MINUTE),
    suppressed: {
      why: 'a lamp warms up for 8 min, and its type says 10 min',
      pole: { lamp: { warmUp: 8 * MINUTE }, document: { wattage: 60, warmUp: 600 } },
      happen(pole) {
        pole.level(0);
        pole.run(2 * MINUTE);
        pole.level(100);
        pole.run(30 * MINUTE);
      },
    },
    // 30 W beside the filter of a lamp of 60 W: 0.87.
    besides: [EventCode.PowerFactorTooLow],
    evidence: ({ items }) => {
      near(items[EventItem.Power], 300, 1);
      // 30 W and 16.8 var
      near(items[EventItem.PowerFactor] === null ? null : Math.abs(items[EventItem.PowerFactor]), 873, 2);
    },
  },
  {
    name: 'half the LEDs gone, wattage learned',
    code: EventCode.LampPowerTooLow,
    pole: { document: null },
    before(pole) {
      for (let night = 0; night < 4; night++) {
        pole.level(0);
        pole.run(HOUR);
        pole.level(100);
        pole.run(HOUR);
      }
    },
    begin: ({ lamp }) => lamp.fail({ leds: 0.5 }),
    end: ({ lamp }) => lamp.repair(),
    raised: after(5 * MINUTE),
    brief: 4 * MINUTE + 55 * SECOND,
    cleared: after(5 * MINUTE),
    suppressed: {
      why: 'a lamp of which nothing is known yet',
      pole: { document: null },
      happen(pole) {
        pole.lamp.fail({ leds: 0.5 });
        pole.run(HOUR);
      },
    },
    besides: [EventCode.PowerFactorTooLow],
  },
  {
    name: 'power too high at 50 % (dimming input dead)',
    code: EventCode.LampPowerTooHigh,
    before: (pole) => pole.level(50),
    begin: ({ lamp }) => lamp.fail({ deaf: true }),
    end: ({ lamp }) => lamp.repair(),
    raised: after(5 * MINUTE),
    brief: 4 * MINUTE + 55 * SECOND,
    cleared: after(5 * MINUTE),
    suppressed: {
      why: 'a cold lamp draws 6 % more',
      pole: { lamp: { drift: 0.06 } },
      happen(pole) {
        pole.level(0);
        pole.run(3 * HOUR);
        pole.level(100);
        pole.run(2 * HOUR);
      },
    },
  },
  {
    name: 'dimming input dead',
    code: EventCode.DimmingFailure,
    begin(pole) {
      pole.lamp.fail({ deaf: true });
      pole.level(50);
      pole.run(15 * MINUTE);
      pole.level(20);
    },
    end: ({ lamp }) => lamp.repair(),
    raised: [25 * MINUTE, 27 * MINUTE],
    brief(pole) {
      pole.lamp.fail({ deaf: true });
      pole.level(50);
      pole.run(40 * MINUTE);
      pole.level(100);
      pole.lamp.repair();
    },
    cleared: [0, 12 * MINUTE],
    suppressed: {
      why: 'half the LEDs are gone: it is wrong at 100 % too',
      happen(pole) {
        pole.lamp.fail({ leds: 0.5 });
        pole.run(20 * MINUTE);
        pole.level(50);
        pole.run(20 * MINUTE);
        pole.level(80);
        pole.run(20 * MINUTE);
        pole.lamp.repair();
        pole.run(10 * MINUTE);
      },
    },
    besides: [EventCode.LampPowerTooHigh, EventCode.LampPowerTooLow, EventCode.PowerFactorTooLow],
  },
  {
    name: 'lamp cycles: 10 min lit, 4 min dark',
    code: EventCode.CyclingFailure,
    begin: ({ lamp }) => lamp.fail({ cycle: { lit: 10 * MINUTE, dark: 4 * MINUTE } }),
    end: ({ lamp }) => lamp.repair(),
    // Out, on, out; or out for the third time.
    raised: [24 * MINUTE, 40 * MINUTE],
    brief: 20 * MINUTE,
    cleared: [23 * HOUR, 24 * HOUR + 2 * MINUTE],
    suppressed: {
      why: 'it is switched by command every 4 min',
      happen: (pole) => cycles(pole, 8),
    },
    besides: [EventCode.LampFailure],
  },
  {
    name: 'lamp flickers by 8.7 %',
    code: EventCode.Flicker,
    begin: ({ lamp }) => lamp.fail({ flicker: 0.15 }),
    end: ({ lamp }) => lamp.repair(),
    raised: [3 * MINUTE, HOUR],
    brief: 2 * MINUTE,
    cleared: [23 * HOUR, 24 * HOUR + 2 * MINUTE],
    suppressed: {
      why: 'it is dimmed by command every 90 s',
      happen(pole) {
        for (let i = 0; i < 40; i++) {
          pole.level(i % 2 ? 100 : 70);
          pole.run(90 * SECOND);
        }
      },
    },
  },
  {
    name: 'power factor 0.77 at 100 %',
    code: EventCode.PowerFactorTooLow,
    // The product's own curve: 0.85 from 50 %, 0.90 from 80 %.
    pole: { document: null },
    begin: ({ lamp }) => lamp.fail({ reactance: 3 }),
    end: ({ lamp }) => lamp.repair(),
    raised: after(5 * MINUTE),
    brief: 4 * MINUTE + 55 * SECOND,
    cleared: after(5 * MINUTE),
    suppressed: {
      why: '0.58 is normal at 20 %',
      happen(pole) {
        pole.level(20);
        pole.run(HOUR);
      },
    },
  },
  {
    name: 'power factor 0.58 at 20 % below a curve of 0.7',
    code: EventCode.PowerFactorTooLow,
    pole: { document: { wattage: 60, powerFactors: [0, 0.65, 10, 0.6, 20, 0.7, 100, 0.9] } },
    begin: (pole) => pole.level(20),
    end: (pole) => pole.level(100),
    raised: after(5 * MINUTE, 30 * SECOND),
    brief: 4 * MINUTE + 55 * SECOND,
    cleared: after(5 * MINUTE, 30 * SECOND),
    suppressed: {
      why: 'the same lamp is off (0.3)',
      pole: { document: { wattage: 60, powerFactors: [0, 0.65, 10, 0.6, 20, 0.7, 100, 0.9] } },
      happen(pole) {
        pole.level(0);
        pole.run(HOUR);
      },
    },
  },
  limitOf('supply at 193 V, limit 195.5 V', Quantity.SupplyVoltage, false, 1955, {
    time: 10 * SECOND,
    begin({ mains }) {
      mains.factor = 0.84;
    },
    end({ mains }) {
      mains.factor = 1;
    },
    brief: 5 * SECOND,
    cleared: after(10 * SECOND),
    suppressed: {
      why: '198 V are above the limit',
      pole: { document: { wattage: 60, limits: [limit(Quantity.SupplyVoltage, false, true), 0, 1955] } },
      happen(pole) {
        pole.mains.factor = 0.862;
        pole.run(HOUR);
        pole.mains.factor = 1;
      },
    },
    besides: [EventCode.Sag],
  }),
  limitOf('supply at 269 V, limit 264.5 V of the meter', Quantity.SupplyVoltage, true, 2645, {
    time: 10 * SECOND,
    lamp: false,
    begin({ mains }) {
      mains.factor = 1.17;
    },
    // Back inside the limit, but not by 2 %: that must not clear it.
    end(pole) {
      pole.mains.factor = 1.14;
      pole.run(10 * MINUTE);
      pole.mains.factor = 1;
    },
    brief: 5 * SECOND,
    cleared: [10 * MINUTE + 10 * SECOND, 10 * MINUTE + 10 * SECOND + POLL + SLACK],
    besides: [EventCode.Swell],
  }),
  limitOf('controller at 90 °C, limit 80 °C', Quantity.Temperature, true, 800, {
    time: 5 * MINUTE,
    pole: { controller: { temperature: 25 } },
    begin({ controller }) {
      controller.sim.temperature = 90;
    },
    // 77 °C are not yet 5 K less.
    end(pole) {
      pole.controller.sim.temperature = 77;
      pole.run(20 * MINUTE);
      pole.controller.sim.temperature = 70;
    },
    brief: 4 * MINUTE + 50 * SECOND,
    cleared: [25 * MINUTE, 25 * MINUTE + POLL + SLACK],
    evidence: ({ items }) => near(items[EventItem.Temperature], 900, 1),
  }),
  limitOf('controller at -25 °C, limit -20 °C', Quantity.Temperature, false, -200, {
    time: 5 * MINUTE,
    lamp: false,
    pole: { controller: { temperature: 5 } },
    begin({ controller }) {
      controller.sim.temperature = -25;
    },
    end({ controller }) {
      controller.sim.temperature = 5;
    },
  }),
  limitOf('current of 0.34 A, limit 0.3 A', Quantity.SupplyCurrent, true, 300, {
    begin: ({ lamp }) => lamp.fail({ reactance: 3 }),
    end: ({ lamp }) => lamp.repair(),
    besides: [EventCode.PowerFactorTooLow],
  }),
  limitOf('current of 0.07 A while lit, limit 0.15 A', Quantity.SupplyCurrent, false, 150, {
    begin: ({ lamp }) => lamp.fail({ gear: 'dead' }),
    end: ({ lamp }) => lamp.repair(),
    suppressed: {
      why: '6 mA while the lamp is off',
      pole: { document: { wattage: 60, limits: [limit(Quantity.SupplyCurrent, false, true), 0, 150] } },
      happen(pole) {
        pole.level(0);
        pole.run(HOUR);
      },
    },
    besides: [EventCode.LampFailure],
  }),
  limitOf('power of 78 W (another lamp), limit 70 W', Quantity.ActivePower, true, 700, {
    begin: ({ lamp }) => lamp.fail({ leds: 1.3 }),
    end: ({ lamp }) => lamp.repair(),
    besides: [EventCode.LampPowerTooHigh],
  }),
  limitOf('power of 30 W while lit, limit 50 W', Quantity.ActivePower, false, 500, {
    begin: ({ lamp }) => lamp.fail({ leds: 0.5 }),
    end: ({ lamp }) => lamp.repair(),
    suppressed: {
      why: '0.4 W while the lamp is off',
      pole: { document: { wattage: 60, limits: [limit(Quantity.ActivePower, false, true), 0, 500] } },
      happen(pole) {
        pole.level(0);
        pole.run(HOUR);
      },
    },
    besides: [EventCode.LampPowerTooLow, EventCode.PowerFactorTooLow],
  }),
  limitOf('195 V at the LEDs, limit 160 V', Quantity.LampVoltage, true, 1600, {
    unit: 1,
    pole: { lampMeter: true },
    begin: ({ lamp }) => lamp.fail({ gear: 'open' }),
    end: ({ lamp }) => lamp.repair(),
    besides: [EventCode.LampFailure],
  }),
  limitOf('no voltage at the LEDs while lit, limit 100 V', Quantity.LampVoltage, false, 1000, {
    unit: 1,
    pole: { lampMeter: true },
    begin: ({ lamp }) => lamp.fail({ gear: 'dead' }),
    end: ({ lamp }) => lamp.repair(),
    suppressed: {
      why: 'none while the lamp is off',
      pole: { lampMeter: true, document: { wattage: 60, limits: [limit(Quantity.LampVoltage, false, true), 1, 1000] } },
      happen(pole) {
        pole.level(0);
        pole.run(HOUR);
      },
    },
    besides: [EventCode.LampFailure],
  }),
  limitOf('150 lx, limit 100 lx of the light sensor', Quantity.Illuminance, true, 1000, {
    unit: 1,
    lamp: false,
    pole: { change: LIGHT_SENSOR },
    before: dim,
    begin({ controller }) {
      controller.light.fixed = 150;
    },
    end({ controller }) {
      controller.light.fixed = 50;
    },
    raised: [MINUTE, MINUTE + 25 * SECOND],
    cleared: [MINUTE, MINUTE + 25 * SECOND],
    besides: [EventCode.PhotocellOutputOn],
  }),
  {
    name: 'meter unplugged while lit',
    code: EventCode.UnitSilent,
    unit: 0,
    begin: unplug,
    end: plug,
    raised: [20 * SECOND, 6 * MINUTE],
    brief: 40 * SECOND,
    cleared: [0, POLL + SLACK],
    suppressed: {
      why: 'one message in ten is damaged',
      happen(pole) {
        pole.damage(0.1);
        pole.run(6 * HOUR);
        pole.damage(0);
      },
    },
  },
  {
    name: 'meter unplugged by day',
    code: EventCode.UnitSilent,
    unit: 0,
    before: (pole) => pole.level(0),
    begin: unplug,
    end: plug,
    raised: [20 * SECOND, 6 * MINUTE],
    brief: 40 * SECOND,
    cleared: [0, POLL + SLACK],
    suppressed: {
      why: 'the relay is welded: the meter answers, the lamp burns',
      happen(pole) {
        pole.lamp.fail({ contacts: 'welded' });
        pole.level(0);
        pole.run(HOUR);
        pole.lamp.repair();
        pole.run(10 * MINUTE);
      },
    },
    besides: [EventCode.LampUnexpectedOn],
  },
  contact('door', EventCode.DoorOpen, 10 * SECOND, 10 * SECOND),
  // Upright again only when it has been for an hour.
  contact('tilt', EventCode.Tilted, MINUTE, HOUR, {
    why: 'it shakes in the wind: 20 s tilted, 20 s upright',
    happen(pole) {
      for (let i = 0; i < 90; i++) {
        pole.controller.inputs.set('tilt', i % 2 === 0);
        pole.run(20 * SECOND);
      }
    },
  }),
  contact('leakage', EventCode.LeakageDetected, SECOND, SECOND),
  {
    name: 'contactor does not close',
    code: EventCode.ContactorError,
    pole: { change: withInputs('contactor') },
    begin: ({ controller }) => controller.inputs.set('contactor', false),
    end: ({ controller }) => controller.inputs.set('contactor', undefined),
    raised: [5 * SECOND, 8 * SECOND],
    brief: 4.5 * SECOND,
    cleared: [0, 8 * SECOND],
    suppressed: { why: 'it follows ten switchings', happen: (pole) => cycles(pole, 10) },
  },
  {
    name: 'contactor does not open',
    code: EventCode.ContactorError,
    pole: { change: withInputs('contactor') },
    before(pole) {
      pole.level(0);
      pole.run(5 * MINUTE);
    },
    begin: ({ controller }) => controller.inputs.set('contactor', true),
    end: ({ controller }) => controller.inputs.set('contactor', undefined),
    raised: [5 * SECOND, 8 * SECOND],
    brief: 4.5 * SECOND,
    cleared: [0, 8 * SECOND],
  },
  {
    name: 'supply input falls for 5 s',
    code: EventCode.SupplyLoss,
    pole: { change: withInputs('mains') },
    // 45 %: the input says no, the board lives.
    begin({ mains }) {
      mains.factor = 0.45;
    },
    end({ mains }) {
      mains.factor = 1;
    },
    raised: [0, 1.5 * SECOND],
    cleared: [0, 5 * SECOND],
    suppressed: {
      why: 'the mains dip to 60 %',
      happen(pole) {
        pole.mains.disturb(pole.world, 0.6, 2 * SECOND);
        pole.run(5 * MINUTE);
      },
    },
    besides: [EventCode.Sag, EventCode.LampFailure],
    evidence: ({ items }) => near(items[EventItem.First], 1, 0),
  },
  {
    name: 'photocell: dark',
    code: EventCode.PhotocellOutputOn,
    pole: { change: LIGHT_SENSOR },
    before: dim,
    begin({ controller }) {
      controller.light.fixed = 5;
    },
    end({ controller }) {
      controller.light.fixed = 500;
    },
    raised: [10 * SECOND, 2 * MINUTE],
    brief: 8 * SECOND,
    // It stays on for a while, and off only when it is bright for long.
    cleared: [10 * SECOND, 20 * MINUTE],
    suppressed: {
      why: '50 lx are between its limits',
      before: dim,
      happen: (pole) => pole.run(HOUR),
    },
  },
  {
    name: 'clock not set for a day',
    code: EventCode.ClockLost,
    begin: (pole) => pole.stopTelling(),
    end: (pole) => pole.tellTime(),
    // It asks every hour.
    raised: [DAY - HOUR, DAY + 2 * MINUTE],
    brief(pole) {
      for (let i = 0; i < 4; i++) {
        pole.tellTime();
        pole.run(HOUR + MINUTE);
        pole.stopTelling();
        pole.run(22 * HOUR);
      }
    },
    cleared: [0, HOUR + 2 * MINUTE],
  },
  {
    name: 'monitoring document that is none',
    code: EventCode.InvalidLampType,
    begin: (pole) => pole.send(Uint8Array.of(0xa1, 0x00, 0x61, 0x78)),
    end: (pole) => pole.monitor({ wattage: 60 }),
    raised: [0, 5 * SECOND],
    cleared: [0, 5 * SECOND],
  },
  {
    name: 'monitoring document for a unit that is not there',
    code: EventCode.InvalidLampType,
    begin: (pole) => pole.monitor({ wattage: 60, limits: [limit(Quantity.Illuminance, true, false), 7, 1000] }),
    end: (pole) => pole.monitor({ wattage: 60 }),
    raised: [0, 5 * SECOND],
    cleared: [0, 5 * SECOND],
    suppressed: {
      why: 'a document of 32 limits that fits',
      happen(pole) {
        const limits = Array.from({ length: 32 }, (_, i) => [
          limit(Quantity.ActivePower, true, i % 2 === 0),
          0,
          9000 + i,
        ]);
        pole.monitor({ wattage: 60, limits: limits.flat() });
        pole.run(HOUR);
      },
    },
  },
];

export const INSTANCES: Instance[] = [
  {
    name: 'sag to 184 V for 10 min',
    code: EventCode.Sag,
    happen(pole) {
      pole.mains.disturb(pole.world, 0.8, 10 * MINUTE);
      pole.run(10 * MINUTE);
    },
    told: [0, SLACK],
    evidence: ({ items }) => {
      // It is first seen at the next poll.
      near(items[EventItem.First], 6000, 620);
      near(items[EventItem.Second], 1840, 1);
    },
    suppressed: {
      why: '209 V are in EN 50160',
      happen(pole) {
        pole.mains.disturb(pole.world, 0.91, 10 * MINUTE);
        pole.run(12 * MINUTE);
      },
    },
  },
  {
    name: 'swell to 264.5 V for 10 min',
    code: EventCode.Swell,
    happen(pole) {
      pole.mains.disturb(pole.world, 1.15, 10 * MINUTE);
      pole.run(10 * MINUTE);
    },
    told: [0, SLACK],
    evidence: ({ items }) => {
      near(items[EventItem.First], 6000, 620);
      near(items[EventItem.Second], 2645, 1);
    },
    suppressed: {
      why: '251 V are in EN 50160',
      happen(pole) {
        pole.mains.disturb(pole.world, 1.09, 10 * MINUTE);
        pole.run(12 * MINUTE);
      },
    },
  },
];

function near(actual: number | null | undefined, expected: number, tolerance: number): void {
  if (typeof actual !== 'number' || !(Math.abs(actual - expected) <= tolerance))
    throw new Error(`${actual} is not ${expected} ± ${tolerance}`);
}

/** Twilight, neither dark nor bright for the photocell. */
function dim(pole: Pole): void {
  pole.controller.light.fixed = 500;
  pole.run(30 * MINUTE);
  pole.controller.light.fixed = 50;
}

function unplug({ controller }: Pole): void {
  controller.meters[0].connected = false;
}

function plug({ controller }: Pole): void {
  controller.meters[0].connected = true;
}

/** The words of a phase, for the printed matrix. */
export const PHASES: Record<Phase, string> = { [Phase.End]: 'end', [Phase.Start]: 'start', [Phase.Instant]: 'instant' };
