/**
 * The library of the Espruino 2v29 interpreter, for `noLib` programs: what is not declared here does not exist there
 * and is a type error. Source: Espruino 2v29 (commit c5ff787b1), src/jswrap_*.c and libs/network, each member run on the
 * interpreter's Linux build. Boards lack some of it (see `MODULES` in `process.env`).
 */

// ---- Types of the language itself ----

interface SymbolConstructor {
  readonly iterator: unique symbol;
}
/** For the types of for-of only: the interpreter has no Symbol at run time, and the bundle check rejects its use. */
declare const Symbol: SymbolConstructor;

interface IteratorYieldResult<T> {
  done?: false;
  value: T;
}
interface IteratorReturnResult<T> {
  done: true;
  value: T;
}
type IteratorResult<T, R = any> = IteratorYieldResult<T> | IteratorReturnResult<R>;
interface Iterator<T, R = any, N = any> {
  next(value?: N): IteratorResult<T, R>;
}
interface Iterable<T, R = any, N = any> {
  [Symbol.iterator](): Iterator<T, R, N>;
}
interface IterableIterator<T, R = any, N = any> extends Iterator<T, R, N> {
  [Symbol.iterator](): IterableIterator<T, R, N>;
}

type Partial<T> = { [K in keyof T]?: T[K] };
type Required<T> = { [K in keyof T]-?: T[K] };
type Readonly<T> = { readonly [K in keyof T]: T[K] };
type Pick<T, K extends keyof T> = { [P in K]: T[P] };
type Record<K extends string | number | symbol, T> = { [P in K]: T };
type Exclude<T, U> = T extends U ? never : T;
type Extract<T, U> = T extends U ? T : never;
type Omit<T, K extends string | number | symbol> = Pick<T, Exclude<keyof T, K>>;
type NonNullable<T> = T & {};
type Parameters<T extends (...args: any) => any> = T extends (...args: infer P) => any ? P : never;
type ReturnType<T extends (...args: any) => any> = T extends (...args: any) => infer R ? R : any;
type PropertyKey = string | number | symbol;

interface IArguments {
  readonly length: number;
  [index: number]: any;
}
interface Function {
  call(this: Function, self: any, ...args: any[]): any;
  apply(this: Function, self: any, args?: any): any;
  bind(this: Function, self: any, ...args: any[]): any;
  readonly prototype: any;
}
interface CallableFunction extends Function {
  call<T, A extends any[], R>(this: (this: T, ...args: A) => R, self: T, ...args: A): R;
  apply<T, A extends any[], R>(this: (this: T, ...args: A) => R, self: T, args: A): R;
  bind<T>(this: T, self: any): T;
}
interface NewableFunction extends Function {}
declare const Function: { new (...args: string[]): Function; readonly prototype: Function };

interface Object {
  readonly constructor: Function;
  toString(): string;
  valueOf(): Object;
  hasOwnProperty(key: PropertyKey): boolean;
}
interface PropertyDescriptor {
  value?: any;
  get?(): any;
  set?(value: any): void;
  enumerable?: boolean;
  configurable?: boolean;
  writable?: boolean;
}
/** No freeze, seal, is, hasOwn. */
declare const Object: {
  new (value?: any): Object;
  readonly prototype: Object;
  keys(object: object): string[];
  values<T>(object: { [key: string]: T } | ArrayLike<T>): T[];
  entries<T>(object: { [key: string]: T } | ArrayLike<T>): [string, T][];
  fromEntries<T>(entries: readonly (readonly [string, T])[]): { [key: string]: T };
  assign<T extends {}, U>(target: T, source: U): T & U;
  assign<T extends {}, U, V>(target: T, source1: U, source2: V): T & U & V;
  create(prototype: object | null, properties?: { [key: string]: PropertyDescriptor }): any;
  defineProperty<T>(object: T, key: string, descriptor: PropertyDescriptor): T;
  defineProperties<T>(object: T, descriptors: { [key: string]: PropertyDescriptor }): T;
  getPrototypeOf(object: any): any;
  setPrototypeOf(object: any, prototype: object | null): any;
};

interface Boolean {
  valueOf(): boolean;
}
declare const Boolean: { (value?: any): boolean; new (value?: any): Boolean; readonly prototype: Boolean };

/** No toPrecision, toExponential, toLocaleString. */
interface Number {
  toString(radix?: number): string;
  /** Rounds by its own rules: `(2.5).toFixed(0)` is "2". */
  toFixed(decimals?: number): string;
  valueOf(): number;
}
/** No isInteger, isFinite, parseFloat, EPSILON, MAX_SAFE_INTEGER. */
declare const Number: {
  (value?: any): number;
  new (value?: any): Number;
  readonly prototype: Number;
  readonly NaN: number;
  readonly MAX_VALUE: number;
  readonly MIN_VALUE: number;
  readonly NEGATIVE_INFINITY: number;
  readonly POSITIVE_INFINITY: number;
};

interface String extends Iterable<string> {
  readonly length: number;
  readonly [index: number]: string;
  charAt(index: number): string;
  charCodeAt(index: number): number;
  concat(...strings: string[]): string;
  endsWith(search: string, end?: number): boolean;
  includes(search: string, from?: number): boolean;
  indexOf(search: string, from?: number): number;
  lastIndexOf(search: string, from?: number): number;
  match(pattern: RegExp | string): RegExpMatchArray | null;
  padEnd(length: number, fill?: string): string;
  padStart(length: number, fill?: string): string;
  repeat(count: number): string;
  replace(pattern: RegExp | string, replacement: string | ((match: string, ...groups: any[]) => string)): string;
  replaceAll(pattern: RegExp | string, replacement: string | ((match: string, ...groups: any[]) => string)): string;
  slice(start?: number, end?: number): string;
  /** A limit would be ignored. */
  split(separator: RegExp | string): string[];
  startsWith(search: string, from?: number): boolean;
  substr(start: number, length?: number): string;
  substring(start: number, end?: number): string;
  toLowerCase(): string;
  toUpperCase(): string;
  toString(): string;
  trim(): string;
  valueOf(): string;
}
declare const String: {
  (value?: any): string;
  new (value?: any): String;
  readonly prototype: String;
  /** Keeps the low byte of each code. */
  fromCharCode(...codes: number[]): string;
};

interface RegExpMatchArray extends Array<string> {
  index?: number;
  input?: string;
}
interface RegExpExecArray extends Array<string> {
  index: number;
  input: string;
}
interface RegExp {
  readonly source: string;
  readonly flags: string;
  lastIndex: number;
  exec(text: string): RegExpExecArray | null;
  test(text: string): boolean;
}
declare const RegExp: { new (pattern: string, flags?: string): RegExp; readonly prototype: RegExp };

interface ArrayLike<T> {
  readonly length: number;
  readonly [index: number]: T;
}
interface ConcatArray<T> extends ArrayLike<T> {
  join(separator?: string): string;
  slice(start?: number, end?: number): T[];
}

interface ReadonlyArray<T> extends Iterable<T> {
  readonly length: number;
  readonly [index: number]: T;
  concat(...items: (T | readonly T[])[]): T[];
  every(test: (value: T, index: number, array: readonly T[]) => unknown): boolean;
  filter<S extends T>(test: (value: T, index: number, array: readonly T[]) => value is S): S[];
  filter(test: (value: T, index: number, array: readonly T[]) => unknown): T[];
  find(test: (value: T, index: number, array: readonly T[]) => unknown): T | undefined;
  findIndex(test: (value: T, index: number, array: readonly T[]) => unknown): number;
  forEach(run: (value: T, index: number, array: readonly T[]) => void): void;
  includes(value: T, from?: number): boolean;
  indexOf(value: T, from?: number): number;
  join(separator?: string): string;
  map<U>(run: (value: T, index: number, array: readonly T[]) => U): U[];
  reduce<U>(run: (result: U, value: T, index: number, array: readonly T[]) => U, initial: U): U;
  slice(start?: number, end?: number): T[];
  some(test: (value: T, index: number, array: readonly T[]) => unknown): boolean;
  toString(): string;
}
/** No from, of, at, flat, lastIndexOf, reduceRight, keys, entries, copyWithin; `length` cannot be assigned. */
interface Array<T> extends Iterable<T> {
  readonly length: number;
  [index: number]: T;
  concat(...items: (T | readonly T[])[]): T[];
  every(test: (value: T, index: number, array: T[]) => unknown): boolean;
  fill(value: T, start?: number, end?: number): this;
  filter<S extends T>(test: (value: T, index: number, array: T[]) => value is S): S[];
  filter(test: (value: T, index: number, array: T[]) => unknown): T[];
  find(test: (value: T, index: number, array: T[]) => unknown): T | undefined;
  findIndex(test: (value: T, index: number, array: T[]) => unknown): number;
  forEach(run: (value: T, index: number, array: T[]) => void): void;
  includes(value: T, from?: number): boolean;
  indexOf(value: T, from?: number): number;
  join(separator?: string): string;
  map<U>(run: (value: T, index: number, array: T[]) => U): U[];
  pop(): T | undefined;
  push(...items: T[]): number;
  reduce<U>(run: (result: U, value: T, index: number, array: T[]) => U, initial: U): U;
  reverse(): T[];
  shift(): T | undefined;
  slice(start?: number, end?: number): T[];
  some(test: (value: T, index: number, array: T[]) => unknown): boolean;
  /** Not stable. */
  sort(compare?: (a: T, b: T) => number): this;
  splice(start: number, count?: number, ...items: T[]): T[];
  toString(): string;
  unshift(...items: T[]): number;
}
declare const Array: {
  new <T = any>(length?: number): T[];
  <T = any>(length?: number): T[];
  readonly prototype: any[];
  isArray(value: any): value is any[];
};
interface TemplateStringsArray extends ReadonlyArray<string> {
  readonly raw: readonly string[];
}

/** `name` is undefined, subclasses lose their fields. */
interface Error {
  message: string;
  stack?: string;
}
interface ErrorConstructor {
  new (message?: string): Error;
  (message?: string): Error;
  readonly prototype: Error;
}
declare const Error: ErrorConstructor;
declare const TypeError: ErrorConstructor;
declare const SyntaxError: ErrorConstructor;
declare const ReferenceError: ErrorConstructor;

// ---- Built-in objects ----

/** No trunc, imul, hypot, log2, log10, fround, clz32, cbrt. `round(-1.5)` is -2. */
declare const Math: {
  readonly E: number;
  readonly LN2: number;
  readonly LN10: number;
  readonly LOG2E: number;
  readonly LOG10E: number;
  readonly PI: number;
  readonly SQRT1_2: number;
  readonly SQRT2: number;
  abs(x: number): number;
  acos(x: number): number;
  asin(x: number): number;
  atan(x: number): number;
  atan2(y: number, x: number): number;
  ceil(x: number): number;
  cos(x: number): number;
  exp(x: number): number;
  floor(x: number): number;
  log(x: number): number;
  max(...values: number[]): number;
  min(...values: number[]): number;
  pow(x: number, y: number): number;
  /** The same sequence after every boot on ESP32 and Linux. */
  random(): number;
  round(x: number): number;
  sign(x: number): number;
  sin(x: number): number;
  sqrt(x: number): number;
  tan(x: number): number;
  /** Not in any standard: `x` limited to `min..max`. */
  clip(x: number, min: number, max: number): number;
};

/** Replacers and filters are ignored, trailing text is accepted by `parse`. */
declare const JSON: {
  parse(text: string): any;
  stringify(value: any, replacer?: null, space?: number | string): string;
};

/** Bad text gives 0, not NaN. No setUTC*, no UTC. */
interface Date {
  getTime(): number;
  setTime(time: number): number;
  valueOf(): number;
  getTimezoneOffset(): number;
  getDate(): number;
  getDay(): number;
  getFullYear(): number;
  getHours(): number;
  getMilliseconds(): number;
  getMinutes(): number;
  getMonth(): number;
  getSeconds(): number;
  getUTCDate(): number;
  getUTCDay(): number;
  getUTCFullYear(): number;
  getUTCHours(): number;
  getUTCMilliseconds(): number;
  getUTCMinutes(): number;
  getUTCMonth(): number;
  getUTCSeconds(): number;
  setDate(day: number): number;
  setFullYear(year: number, month?: number, day?: number): number;
  setHours(hours: number, minutes?: number, seconds?: number, ms?: number): number;
  setMilliseconds(ms: number): number;
  setMinutes(minutes: number, seconds?: number, ms?: number): number;
  setMonth(month: number, day?: number): number;
  setSeconds(seconds: number, ms?: number): number;
  toISOString(): string;
  toJSON(): string;
  toLocalISOString(): string;
  toString(): string;
}
declare const Date: {
  new (value?: number | string): Date;
  new (
    year: number,
    month: number,
    day?: number,
    hours?: number,
    minutes?: number,
    seconds?: number,
    ms?: number,
  ): Date;
  readonly prototype: Date;
  now(): number;
  parse(text: string): number;
};

/** No slice. */
interface ArrayBuffer {
  readonly byteLength: number;
}
declare const ArrayBuffer: { new (length: number): ArrayBuffer; readonly prototype: ArrayBuffer };
interface ArrayBufferView {
  readonly buffer: ArrayBuffer;
  readonly byteLength: number;
  readonly byteOffset: number;
}

/** No from, of, copyWithin, at, BYTES_PER_ELEMENT. `slice`, `map` and `filter` answer plain arrays and are left out. */
interface TypedArray extends Iterable<number>, ArrayBufferView {
  readonly length: number;
  [index: number]: number;
  every(test: (value: number, index: number) => unknown): boolean;
  fill(value: number, start?: number, end?: number): this;
  find(test: (value: number, index: number) => unknown): number | undefined;
  findIndex(test: (value: number, index: number) => unknown): number;
  forEach(run: (value: number, index: number) => void): void;
  includes(value: number, from?: number): boolean;
  indexOf(value: number, from?: number): number;
  join(separator?: string): string;
  reduce<U>(run: (result: U, value: number, index: number) => U, initial: U): U;
  reverse(): this;
  /** What does not fit is cut without a word. */
  set(values: ArrayLike<number>, offset?: number): void;
  some(test: (value: number, index: number) => unknown): boolean;
  sort(compare?: (a: number, b: number) => number): this;
  /** Shares memory. */
  subarray(start?: number, end?: number): this;
  toString(): string;
}
interface TypedArrayConstructor<T> {
  new (length: number): T;
  /** Never a string: that throws. Use `E.toUint8Array`. */
  new (values: ArrayLike<number>): T;
  new (buffer: ArrayBuffer, byteOffset?: number, length?: number): T;
  readonly prototype: T;
}
interface Uint8Array extends TypedArray {
  readonly _brand?: 'Uint8Array';
}
interface Int8Array extends TypedArray {
  readonly _brand?: 'Int8Array';
}
interface Uint8ClampedArray extends TypedArray {
  readonly _brand?: 'Uint8ClampedArray';
}
interface Uint16Array extends TypedArray {
  readonly _brand?: 'Uint16Array';
}
interface Int16Array extends TypedArray {
  readonly _brand?: 'Int16Array';
}
interface Uint32Array extends TypedArray {
  readonly _brand?: 'Uint32Array';
}
interface Int32Array extends TypedArray {
  readonly _brand?: 'Int32Array';
}
interface Float32Array extends TypedArray {
  readonly _brand?: 'Float32Array';
}
interface Float64Array extends TypedArray {
  readonly _brand?: 'Float64Array';
}
declare const Uint8Array: TypedArrayConstructor<Uint8Array>;
declare const Int8Array: TypedArrayConstructor<Int8Array>;
declare const Uint8ClampedArray: TypedArrayConstructor<Uint8ClampedArray>;
declare const Uint16Array: TypedArrayConstructor<Uint16Array>;
declare const Int16Array: TypedArrayConstructor<Int16Array>;
declare const Uint32Array: TypedArrayConstructor<Uint32Array>;
declare const Int32Array: TypedArrayConstructor<Int32Array>;
declare const Float32Array: TypedArrayConstructor<Float32Array>;
declare const Float64Array: TypedArrayConstructor<Float64Array>;

/** Access past the end is silent: nothing is written, 0 is read. No 64-bit integers. */
interface DataView extends ArrayBufferView {
  getFloat32(at: number, littleEndian?: boolean): number;
  getFloat64(at: number, littleEndian?: boolean): number;
  getInt8(at: number): number;
  getInt16(at: number, littleEndian?: boolean): number;
  getInt32(at: number, littleEndian?: boolean): number;
  getUint8(at: number): number;
  getUint16(at: number, littleEndian?: boolean): number;
  getUint32(at: number, littleEndian?: boolean): number;
  setFloat32(at: number, value: number, littleEndian?: boolean): void;
  setFloat64(at: number, value: number, littleEndian?: boolean): void;
  setInt8(at: number, value: number): void;
  setInt16(at: number, value: number, littleEndian?: boolean): void;
  setInt32(at: number, value: number, littleEndian?: boolean): void;
  setUint8(at: number, value: number): void;
  setUint16(at: number, value: number, littleEndian?: boolean): void;
  setUint32(at: number, value: number, littleEndian?: boolean): void;
}
declare const DataView: { new (buffer: ArrayBuffer, byteOffset?: number, length?: number): DataView };

declare const NaN: number;
declare const Infinity: number;
declare const globalThis: any;
declare const global: any;
declare function parseInt(text: string, radix?: number): number;
declare function parseFloat(text: string): number;
declare function isNaN(value: any): boolean;
declare function isFinite(value: any): boolean;
declare function encodeURIComponent(text: string): string;
declare function decodeURIComponent(text: string): string;
declare function atob(base64: string): string;
declare function btoa(text: string): string;
declare function eval(code: string): any;

// ---- Timers, console, process ----

/** Handles are used again: the highest one is given out anew once its timer is done. */
declare function setTimeout<A extends any[]>(run: (...args: A) => void, delay: number, ...args: A): number;
declare function setInterval<A extends any[]>(run: (...args: A) => void, interval: number, ...args: A): number;
/** Without an argument every timer of the program would go; `undefined` throws. */
declare function clearTimeout(timer: number): void;
declare function clearInterval(timer: number): void;
/** Seconds since 1970 as the board sees it, with fractions. */
declare function getTime(): number;
declare function setTime(seconds: number): void;
/** Names the board: `xxxxxxxx-xxxxxxxx-xxxxxxxx`. */
declare function getSerial(): string;
declare function print(...values: any[]): void;
declare const console: { log(...values: any[]): void };
/** Crashes the Linux build. */
declare function peek32(address: number): number;
declare function poke32(address: number, value: number): void;
/** Restarts the interpreter with the files in Storage. */
declare function load(file?: string): void;
declare function reset(clearFlash?: boolean): void;
/** Linux build only. */
declare function quit(): void;

interface EventSource {
  on(event: string, run: (...args: any[]) => void): void;
  emit(event: string, ...args: any[]): void;
  removeListener(event: string, run: (...args: any[]) => void): void;
  removeAllListeners(event?: string): void;
}
declare const process: EventSource & {
  readonly version: string;
  readonly env: {
    readonly VERSION: string;
    readonly GIT_COMMIT: string;
    readonly BOARD: string;
    readonly CONSOLE: string;
    readonly MODULES: string;
    readonly SERIAL: string;
    readonly FLASH: number;
    readonly STORAGE: number;
    readonly RAM: number;
  };
  /** Collects garbage first, unless told not to. */
  memory(collect?: boolean): {
    readonly free: number;
    readonly usage: number;
    readonly total: number;
    readonly history: number;
    readonly blocksize: number;
  };
};

declare const E: EventSource & {
  CRC32(data: string | ArrayBuffer | ArrayBufferView): number;
  enableWatchdog(seconds: number, automatic?: boolean): void;
  kickWatchdog(): void;
  getTemperature(): number;
  getErrorFlags(): string[];
  getSizeOf(value: any): number;
  defrag(): void;
  /** The same sequence after every boot on ESP32 and Linux. */
  hwRand(): number;
  reboot(): void;
  setBootCode(code?: string, always?: boolean): void;
  setConsole(device: any, options?: { force?: boolean }): void;
  setFlags(flags: { [name: string]: number }): void;
  /** One character per byte. */
  toString(...data: (string | ArrayBuffer | ArrayBufferView | readonly number[])[]): string;
  /** Hosts and boards with an SD card. @param mode as in C; without such a file, 'r+' throws. */
  openFile(path: string, mode: 'r' | 'r+'): HostFile;
  toUint8Array(...data: (string | ArrayBuffer | ArrayBufferView | readonly number[])[]): Uint8Array;
  srand(seed: number): void;
};

// ---- Pins and serial ports ----

interface Pin {
  read(): boolean;
  write(value: boolean | number): void;
}
declare const Pin: { new (name: string | number): Pin };
declare function digitalRead(pin: string | number | Pin): number;
declare function digitalWrite(pin: string | number | Pin, value: number | boolean): void;
declare function digitalPulse(pin: string | number | Pin, value: number | boolean, time: number | number[]): void;
declare function analogRead(pin: string | number | Pin): number;
/** An unknown pin is not noticed: check with `getPinMode` before. */
declare function analogWrite(
  pin: string | number | Pin,
  value: number,
  options?: { freq?: number; soft?: boolean },
): void;
declare function pinMode(pin: string | number | Pin, mode?: string, automatic?: boolean): void;
/** Throws for an unknown pin. */
declare function getPinMode(pin: string | number | Pin): string | undefined;
/**
 * Without `repeat` the watch is removed after `run` has returned. `edge`: 1 rising, -1 falling, 0 both.
 * @param options.debounce ms
 * @returns undefined when the board cannot watch the pin; an unknown pin is not noticed otherwise
 */
declare function setWatch(
  run: () => void,
  pin: string | number | Pin,
  options: { repeat?: boolean; edge?: number; debounce?: number },
): number | undefined;
/** Throws for an unknown watch. */
declare function clearWatch(watch: number): void;

interface SerialSetup {
  rx?: string | number;
  tx?: string | number;
  bytesize?: number;
  parity?: string;
  stopbits?: number;
  /** Linux build only. */
  path?: string;
}
interface SerialPort extends EventSource {
  setup(baud: number, options?: SerialSetup): void;
  unsetup(): void;
  write(data: string | ArrayBuffer | ArrayBufferView): void;
  read(count?: number): string | undefined;
  available(): number;
  flush(): void;
}
declare const Serial1: SerialPort;
declare const Serial2: SerialPort;
declare const Serial3: SerialPort;
declare const Serial4: SerialPort;
declare const Serial5: SerialPort;
declare const Serial6: SerialPort;
declare const LoopbackA: SerialPort;
declare const LoopbackB: SerialPort;
declare const USB: SerialPort;

// ---- Modules ----

interface StorageModule {
  /** undefined when absent. A name longer than 28 characters is cut without a word. */
  read(name: string, offset?: number, length?: number): string | undefined;
  readArrayBuffer(name: string): ArrayBuffer | undefined;
  readJSON(name: string, noExceptions?: boolean): any;
  /** Not atomic: the old file goes first. Compacts when there is no room. */
  write(name: string, data: string | ArrayBuffer | ArrayBufferView, offset?: number, size?: number): boolean;
  erase(name: string): void;
  eraseAll(): void;
  list(pattern?: RegExp): string[];
  compact(): void;
  getFree(internal?: boolean): number;
  getStats(internal?: boolean): {
    readonly totalBytes: number;
    readonly freeBytes: number;
    readonly fileBytes: number;
    readonly fileCount: number;
    readonly trashBytes: number;
    readonly trashCount: number;
  };
}
interface HostFile {
  read(length: number): string;
  write(data: string): number;
  seek(position: number): void;
  close(): void;
}
interface FlashModule {
  getFree(): { readonly addr: number; readonly length: number }[];
  getPage(address: number): { readonly addr: number; readonly length: number } | undefined;
  erasePage(address: number): void;
  read(length: number, address: number): Uint8Array;
  write(data: Uint8Array, address: number): void;
}
/** Events: data (string), drain, error ({ code, message }), end, close (hadError). */
interface Socket extends EventSource {
  /** Takes text only: bytes go through `E.toString`. Throws once the socket is closed. */
  write(data: string): boolean;
  end(data?: string): void;
}
interface SocketServer {
  listen(port: number): SocketServer;
  close(): void;
}
interface NetModule {
  connect(options: { host: string; port: number }, connected?: (socket: Socket) => void): Socket;
  createServer(accept: (socket: Socket) => void): SocketServer;
}
interface TlsModule {
  connect(
    options: { host: string; port: number; ca?: string; key?: string; cert?: string },
    connected?: (socket: Socket) => void,
  ): Socket;
}
interface WifiModule extends EventSource {
  connect(ssid: string, options: { password?: string }, done: (error: string | null) => void): void;
  disconnect(done?: () => void): void;
  stopAP(done?: () => void): void;
  getDetails(): { status: string; rssi?: number };
  getIP(): { ip: string; mac?: string };
  setHostname(name: string): void;
}
interface FsModule {
  statSync(path: string): { readonly size: number; readonly dir: boolean } | undefined;
  writeFileSync(path: string, text: string): boolean;
}
interface CryptoModule {
  /** `keySize` in words of 32 bits. Parts are joined on the stack, which has 15 kB and more where there is crypto. */
  PBKDF2(
    passphrase: string | ArrayBufferView,
    salt: string | ArrayBufferView | readonly (string | ArrayBufferView | readonly number[])[],
    options: { keySize: number; iterations: number; hasher: 'SHA1' | 'SHA224' | 'SHA256' },
  ): ArrayBuffer;
}
interface EspruinoWifiModule extends EventSource {
  connect(ssid: string, options: { password?: string } | string, done: (error: string | null) => void): void;
  getIP(done: (error: string | null, ip: string) => void): void;
}
declare function require(module: 'Storage'): StorageModule;
declare function require(module: 'Flash'): FlashModule;
declare function require(module: 'net'): NetModule;
declare function require(module: 'tls'): TlsModule;
declare function require(module: 'Wifi'): WifiModule;
declare function require(module: 'EspruinoWiFi'): EspruinoWifiModule;
declare function require(module: 'fs'): FsModule;
/** Boards with TLS. */
declare function require(module: 'crypto'): CryptoModule;
