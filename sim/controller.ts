/** One simulated pole: a board with the real firmware, its lamp, and its meters on their lines. */
import type { Board, DimConfig, Site } from '../firmware/board.ts';
import { EventCode } from '../firmware/link/messages.ts';
import { type Firmware, start } from '../firmware/main.ts';
import type { World } from './clock.ts';
import { Flash } from './flash.ts';
import { openSim, type SimHal } from './index.ts';
import type { Dial } from './network.ts';
import { Daylight, LightSensor } from './plant/daylight.ts';
import { type InputConfig, Inputs } from './plant/inputs.ts';
import { type DimmingCurve, Lamp, type LampOptions } from './plant/lamp.ts';
import { Mains } from './plant/mains.ts';
import { addMeter, type MeterProfile, measure, type Readings, readProfile } from './plant/modbus-meter.ts';
import { RtuSegment, type Unit } from './plant/rtu-segment.ts';
import { feed } from './plant/supply.ts';
import type { Format } from './serial-line.ts';

export interface ControllerOptions {
  world: World;
  /** The board's id, `[A-Za-z0-9-]{1,32}`. */
  id: string;
  board: Board;
  /** Absent: a controller that has not been told where its broker is. */
  site?: Site;
  seed?: string | number;
  /** Supply that several poles may share. */
  mains?: Mains;
  /** Sky that several poles may share. */
  daylight?: Daylight;
  lamp?: LampOptions;
  /** Way out to the network; absent: the host's TCP/IP. */
  dial?: Dial;
  /** What an earlier run left, from `Controller.saved`. */
  saved?: SavedController;
  /** °C that the board measures, until `Controller.sim.temperature` is set to another; absent: it cannot. */
  temperature?: number;
  /** ms from power-up to the first instruction of the firmware. */
  bootTime?: number;
  /** ms for which the board runs on when the mains are gone. */
  holdUp?: number;
  /** Profiles that are not in board-configs/profiles, by name. */
  profiles?: Readonly<Record<string, MeterProfile>>;
  /** ms UTC at which the world begins, on boards whose clock has a battery; absent: a boot does not know the time. */
  begin?: number;
  /** Told what firmware throws; absent: it leaves `World.run`. */
  onUncaught?(error: unknown): void;
  /** Starts the firmware; absent: from its sources. A test gives a built one. */
  start?: typeof start;
}

/** What survives when the power goes. */
export interface SavedController {
  flash: Uint8Array;
  /** Raw flash; absent: erased. */
  raw?: Uint8Array;
  wattHours: number;
  varHours: number;
}

export interface Controller {
  readonly sim: SimHal;
  readonly lamp: Lamp;
  readonly mains: Mains;
  /** What light sensors among the meters see. */
  readonly light: LightSensor;
  /** Meters in the order of the board configuration; `connected = false` unplugs one. */
  readonly meters: readonly Unit[];
  /** What every meter shows instead of, or besides, what the plant has: a test says what. */
  readonly readings: Partial<Readings>;
  /** Door, tilt and the like. */
  readonly inputs: Inputs;
  /** Firmware of the boot that runs; undefined until it has started. */
  readonly firmware: Firmware | undefined;
  saved(): SavedController;
}

/** What drives an input, by what the firmware tells of it. */
const SIGNALS: Record<number, InputConfig['signal']> = {
  [EventCode.SupplyLoss]: 'mains',
  [EventCode.DoorOpen]: 'door',
  [EventCode.Tilted]: 'tilt',
  [EventCode.LeakageDetected]: 'leakage',
  [EventCode.ContactorError]: 'contactor',
};
/** ms; a microcontroller with its clocks, its interpreter and its bundle. */
const BOOT_TIME = 500;
/** ms that a meter of this kind takes to answer. */
const METER_DELAY = 20;
/** ms. A node has time to write its counters. */
const HOLD_UP = 300;

function curveOf(curve: DimConfig['curve']): DimmingCurve {
  if (curve === undefined) return 'linear';
  if (curve === 'logarithmic') return curve;
  const points = [];
  for (let i = 0; i < curve.length; i += 2) points.push({ light: curve[i], volts: curve[i + 1] });
  return points;
}

/** The lamp that this board was configured for. */
function lampOf(board: Board, options: LampOptions | undefined): LampOptions {
  const { dim, minimumLevel } = board.lamp;
  const volts = dim ? { minimumVolts: dim.minimum, maximumVolts: dim.maximum, curve: curveOf(dim.curve) } : {};
  return { minimumLight: minimumLevel, ...volts, ...options };
}

function wireLamp(sim: SimHal, board: Board, lamp: Lamp, moved: () => void): void {
  const { dim, relay } = board.lamp;
  if (dim) {
    sim.pins.watch(dim.pin, (state) => {
      if (state === undefined) lamp.control(undefined);
      else lamp.control((dim.inverted ? 1 - state : state) * dim.fullScale);
    });
  }
  if (!relay) lamp.relay(true);
  else {
    sim.pins.watch(relay.pin, (state) => {
      lamp.relay(state === (relay.activeLow ? 0 : 1));
      moved();
    });
  }
}

function openSegments(sim: SimHal, board: Board): RtuSegment[] {
  return board.lines.map((line) => {
    const { baud, data = 8, parity = 'none', stop = 1 } = line;
    const format: Format = { baud, data, parity, stop };
    const wire = sim.line(line.port);
    wire.echo = line.echo;
    return new RtuSegment(sim.world, wire, format);
  });
}

function wireMeters(
  board: Board,
  segments: RtuSegment[],
  given: ControllerOptions['profiles'] = {},
  read: () => Partial<Readings>,
): Unit[] {
  const profiles = new Map<string, MeterProfile>(Object.entries(given));
  return board.meters.map(({ line, unit, profile: name }) => {
    const profile = profiles.get(name) ?? readProfile(name);
    profiles.set(name, profile);
    return addMeter(segments[line], unit, profile, read, METER_DELAY);
  });
}

/** Builds the pole and switches it on: the firmware starts after the boot time, and again after every reset. */
export function openController(options: ControllerOptions): Controller {
  const { world, id, board, site, seed, dial, saved, begin, onUncaught, bootTime = BOOT_TIME } = options;
  const flash = new Flash({ image: saved?.flash });
  const raw = new Flash(saved?.raw ? { image: saved.raw } : { size: 65536 });
  const sim = openSim({ world, id, seed, flash, raw, dial, bootTime, begin, onUncaught });
  sim.temperature = options.temperature;
  const mains = options.mains ?? new Mains({ seed });
  const lamp = new Lamp(world, mains, lampOf(board, options.lamp));
  if (saved) lamp.preset(saved.wattHours, saved.varHours);
  const configs = board.contacts.map(({ code, input }) => ({ ...input, signal: SIGNALS[code] }));
  const inputs = new Inputs(sim.pins, configs, mains, lamp);
  wireLamp(sim, board, lamp, () => inputs.follow());
  const light = new LightSensor(world, options.daylight ?? new Daylight(), lamp);
  const readings: Partial<Readings> = {};
  const segments = openSegments(sim, board);
  const read = () => measure(world, mains, lamp, light, readings);
  const meters = wireMeters(board, segments, options.profiles, read);
  mains.watch(() => inputs.follow());
  feed(sim, mains, options.holdUp ?? HOLD_UP, (fed) => {
    for (const segment of segments) segment.powered = fed;
  });
  let firmware: Firmware | undefined;
  sim.onBoot((hal) => {
    firmware = (options.start ?? start)(hal, board, site);
  });
  sim.start();
  return {
    sim,
    lamp,
    mains,
    light,
    meters,
    readings,
    inputs,
    get firmware() {
      return firmware;
    },
    saved: () => {
      const { wattHours, varHours } = lamp.load;
      return { flash: flash.image(), raw: raw.image(), wattHours, varHours };
    },
  };
}
