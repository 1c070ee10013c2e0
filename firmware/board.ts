/**
 * What a board configuration says to firmware, after the build has checked it against `board-configs/schema.json` and
 * compiled its meter profiles. A `Board` is read once by `main.start`; parts copy what they need, so that the object
 * itself does not stay in memory.
 */
import type { FlashOptions, InputOptions, Pin, SerialOptions } from '../hal/hal.ts';

export interface Board {
  /** The product's name: the file name of its configuration. */
  readonly name: string;
  /** Version of this firmware, from package.json. */
  readonly version: string;
  readonly lamp: LampConfig;
  /** Field-bus lines, in the order meters refer to them. */
  readonly lines: readonly LineConfig[];
  readonly meters: readonly MeterConfig[];
  readonly network: NetworkConfig;
  /** Absent: this product does not judge its lamp. */
  readonly monitoring?: MonitoringConfig;
  /** Where counters are kept; absent: they begin anew with every boot. */
  readonly counters?: { readonly flash: FlashOptions; readonly period: number };
  /** Raw flash that holds settings; absent: the HAL's storage does. */
  readonly store?: FlashOptions;
  /** Raw flash that holds events and samples until the gateway has them; absent: memory does. */
  readonly journal?: FlashOptions;
  /** Inputs that tell something is wrong. */
  readonly contacts: readonly ContactConfig[];
  /** `EventCode`s that this product can tell, for the birth message. */
  readonly events: readonly number[];
  /** Absent: no presence sensor. */
  readonly presence?: PresenceConfig;
  /** Lux at which the photocell calls it dark and bright; absent: no unit measures light. */
  readonly photocell?: { readonly on: number; readonly off: number };
  /** Bytes of the timetable that rules until the gateway sends one, see `link/timetable`. Empty: the default level. */
  readonly timetable: readonly number[];
  /** What a timetable from the gateway may hold: bytes, rules, programs, switch points a program. */
  readonly limits: readonly number[];
  /** The installer's test after power-up: `[level %, ms, …]`; absent: none. */
  readonly test?: readonly number[];
  /** It also runs once a timetable was given. */
  readonly testAlways: boolean;
  /** ms between reports when nothing changes. */
  readonly reportPeriod: number;
  /** ms that the watchdog waits for the supervisor; absent on boards without one. */
  readonly watchdog?: number;
  /** The HAL sets the board's clock, which goes on through a reset. */
  readonly keepsTime?: true;
}

/** A dimming output with an optional mains relay. Voltages as in IEC 60929 Annex E and ANSI C137.1. */
export interface LampConfig {
  /** Dim output; absent on boards that only switch. */
  readonly dim?: DimConfig;
  readonly relay?: { readonly pin: Pin; readonly activeLow: boolean };
  /** % below which the gear does not dim; a lit lamp never goes under it. */
  readonly minimumLevel: number;
  /** % without program, clock or link. */
  readonly defaultLevel: number;
  /** ms the relay stays open at least, so that the inrush limiter recovers. */
  readonly minimumOffTime: number;
  /** ms between the lowest level and opening the relay, so that the gear discharges. */
  readonly dischargeTime: number;
  /** ms from the minimum to the level when a command without a ramp switches the lamp on; 0 on boards that only switch. */
  readonly softStart: number;
  /** Absent: a command of 1 % is worth 1 % of light. */
  readonly light?: LightConfig;
  /** °C of the controller above which the light is reduced by 1 % a degree, and above which only the minimum is left. */
  readonly protection?: { readonly reduce: number; readonly minimum: number };
}

/** An output stage and how the gear behind it follows. */
export interface DimConfig {
  readonly pin: Pin;
  /** PWM frequency of the output stage; absent: DAC. */
  readonly hz?: number;
  /** The output stage inverts: full duty is the lowest voltage (a sink that fails to full light). */
  readonly inverted: boolean;
  /** Volts at full scale of the output stage. */
  readonly fullScale: number;
  /** Volts at the minimum level and at 100 %. */
  readonly minimum: number;
  readonly maximum: number;
  /**
   * Light between these voltages. Absent: linear. 'logarithmic': the volts are linear in the arc level of IEC 62386-102.
   * Points `[light %, volts, …]`: ascending in both, from the minimum level or below to 100 %.
   */
  readonly curve?: 'logarithmic' | readonly number[];
}

/** How much light a command is worth. Source: TALQ 2.7.1, LampType and LampActuatorFunction. */
export interface LightConfig {
  /** % of the full light that counts as 100 % (`virtualLightOutput`). */
  readonly virtualOutput: number;
  /** `[hours lit, % of light, …]`, ascending from 0 h (`lumenDepreciationCurve`). */
  readonly clo?: readonly number[];
  /** `[ms UTC of the cleaning, % of light of the clean lamp, ms UTC at which it counts as dirty, 100]`. */
  readonly maintenance?: readonly number[];
}

/** How a product judges its lamp until the gateway says otherwise. */
export interface MonitoringConfig {
  /** Index of the unit that meters the lamp, -1 without one. */
  readonly unit: number;
  /** Where in its values voltage, current, active, reactive and apparent power, power factor and active energy are; -1: nowhere. */
  readonly places: readonly number[];
  /** By `LampItem`. */
  readonly lamp: readonly (number | null)[];
  /** Nominal voltage of the supply, 0.1 V. */
  readonly nominal: number;
  /** The supply is switched off by day: that it goes is nothing to tell. */
  readonly switched: boolean;
  /** [limit code, unit, threshold, …], see `MonitoringKey.Limits` */
  readonly limits: readonly number[];
  /** [period in s, column, …], see `MonitoringKey.Recorder` */
  readonly recorder: readonly number[];
}

/** An input that tells something. */
export interface ContactConfig {
  /** `EventCode` of what it tells. */
  readonly code: number;
  readonly input: Omit<InputOptions, 'onChange'>;
}

/** A presence sensor on a digital input. */
export type PresenceConfig = Omit<InputOptions, 'onChange'>;

/** A serial port that carries Modbus RTU. */
export type LineConfig = Omit<SerialOptions, 'onData'> & {
  /** The transceiver hears its own transmission: that many bytes are dropped. */
  readonly echo: boolean;
};

/** One Modbus unit, its profile compiled to requests. */
export interface MeterConfig {
  /** Index into `Board.lines`. */
  readonly line: number;
  /** 1..247 */
  readonly unit: number;
  /** Name of the profile, for the birth message. */
  readonly profile: string;
  /** ms between polls. */
  readonly period: number;
  /** ms from the end of a request to the first byte of the reply. */
  readonly timeout: number;
  /** `Quantity` codes in the order of the reported values. */
  readonly quantities: readonly number[];
  /** Requests and decoding, see `metering/meter`. */
  readonly plan: readonly number[];
}

export interface NetworkConfig {
  /** How IP is reached; 'none' boards run their program without a link. */
  readonly kind: 'none' | 'host' | 'esp32-wifi' | 'espruino-wifi';
  readonly tls: boolean;
  /** s, MQTT keep-alive. */
  readonly keepAlive: number;
}

/** What differs from pole to pole. Written at installation, kept in storage under the key "site" as JSON. */
export interface Site {
  /** Controller id; absent: the board's own serial number. `[A-Za-z0-9-]{1,32}` */
  id?: string;
  /** MQTT broker. */
  host: string;
  port: number;
  username?: string;
  password?: string;
  /** s in which this controller tries to connect once, see `link/uplink`; absent: 5. Fleets need more. */
  window?: number;
  /** 32 bytes in base64url, which the gateway has too: they seal all messages. Absent: the controller stays alone. */
  key?: string;
  /** Neighbours that tell each other of presence. `[A-Za-z0-9-]{1,32}` */
  group?: string;
  /** Wi-Fi, on boards that have it. */
  ssid?: string;
  passphrase?: string;
  /** Device path of each field-bus line, on hosts only. */
  paths?: string[];
}
