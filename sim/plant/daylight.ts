/** The light of the sky over a place, and what a light sensor on a pole makes of it. */
import { Body, Equator, Horizon, Observer } from 'astronomy-engine';
import type { World } from '../clock.ts';
import type { Lamp } from './lamp.ts';

export interface DaylightOptions {
  /** ms UTC at which the world began. */
  begin?: number;
  /** ° north and east; absent: Brussels. */
  latitude?: number;
  longitude?: number;
}

/** lx of a city's sky at night. */
const NIGHT = 0.1;
/**
 * Decimal logarithm of the illuminance in lx by the sun's elevation in °. Sources: 0.008, 3.4 and 400 lx at the end of
 * nautical and civil twilight and at sunset (P. Schlyter, "Radiometry and photometry in astronomy"; the AMS Glossary has
 * 2-3.5 and 410-585 lx for the last two); above, a clear sky by IES RP-21-84: direct 127.5 klx exp(-0.21 / sin h) sin h,
 * diffuse 0.8 + 15.5 (sin h)^0.5 klx.
 */
const CLEAR = [
  [-18, -3.2],
  [-12, Math.log10(0.008)],
  [-6, Math.log10(3.4)],
  [0, Math.log10(400)],
  [5, 3.804],
  [10, 4.142],
  [20, 4.525],
  [30, 4.73],
  [45, 4.908],
  [60, 5.008],
  [90, 5.078],
];

/** @param elevation ° of the sun's centre, without refraction @returns lx on the ground under a clear sky */
export function clearSky(elevation: number): number {
  const next = CLEAR.findIndex(([degrees]) => degrees > elevation);
  if (next <= 0) return next < 0 ? 10 ** CLEAR[CLEAR.length - 1][1] : 10 ** CLEAR[0][1];
  const [from, low] = CLEAR[next - 1];
  const [to, high] = CLEAR[next];
  return 10 ** (low + ((high - low) * (elevation - from)) / (to - from));
}

/** A sky that several poles may share. */
export class Daylight {
  /** Share of the light that clouds let through, 0..1. */
  clouds = 1;
  /** lx that lightning and the like add. */
  flash = 0;
  #begin: number;
  #observer: Observer;

  constructor({ begin = 0, latitude = 50.8503, longitude = 4.3517 }: DaylightOptions = {}) {
    this.#begin = begin;
    this.#observer = new Observer(latitude, longitude, 0);
  }

  /** @param time ms of the world @returns ° of the sun's centre above the horizon, without refraction */
  elevation(time: number): number {
    const date = new Date(this.#begin + time);
    const { ra, dec } = Equator(Body.Sun, date, this.#observer, true, true);
    return Horizon(date, this.#observer, ra, dec).altitude;
  }

  /** @param time ms of the world @returns lx on the ground */
  illuminance(time: number): number {
    return NIGHT + this.clouds * clearSky(this.elevation(time)) + this.flash;
  }
}

/** A light sensor near a lamp. */
export class LightSensor {
  /** lx that it shows whatever the light is: a fault; undefined: none. */
  fixed: number | undefined;
  /** lx of headlights and the like. */
  glare = 0;
  /** lx that the lamp at full light throws on it. */
  selfLight = 2;

  constructor(
    private world: World,
    private daylight: Daylight,
    private lamp: Lamp,
  ) {}

  /** What it shows, lx. */
  get illuminance(): number {
    if (this.fixed !== undefined) return this.fixed;
    return this.daylight.illuminance(this.world.now) + this.glare + (this.selfLight * this.lamp.light) / 100;
  }
}
