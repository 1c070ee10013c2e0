/**
 * A HAL that is deliberately broken, one promise at a time. Each mutation wraps a HAL that keeps its promises and breaks
 * the one that the named case watches, so that every case is shown able to fail.
 */
import { createHmac, pbkdf2Sync } from 'node:crypto';
import type {
  Bytes,
  DigitalInput,
  DigitalOutput,
  Done,
  FlashArea,
  FlashOptions,
  Hal,
  InputOptions,
  Part,
  Pin,
  Serial,
  SerialOptions,
  Storage,
  Stream,
  StreamOptions,
} from '../../hal/hal.ts';
import type { Fixture } from '../conformance/fixture.ts';

export interface Mutation {
  /** Name of the case that must fail. */
  readonly case: string;
  /** What is broken. */
  readonly name: string;
  /** @returns the members of `hal` that are replaced; called at every boot of one board */
  change(hal: Hal, fixture: Fixture): Partial<Hal>;
}

/** State that outlives the boots of one run: keyed by fixture, because mutations are shared between runs. */
const memories = new WeakMap<Fixture, Map<string, unknown>>();

function remembered<T>(fixture: Fixture, name: string, initial: T): { value: T } {
  let memory = memories.get(fixture);
  if (!memory) {
    memory = new Map();
    memories.set(fixture, memory);
  }
  if (!memory.has(name)) memory.set(name, { value: initial });
  return memory.get(name) as { value: T };
}

const clock =
  (change: (clock: Hal['clock'], fixture: Fixture) => Partial<Hal['clock']>) => (hal: Hal, fixture: Fixture) => {
    const plain = {
      uptime: () => hal.clock.uptime(),
      time: () => hal.clock.time(),
      setTime: (time: number) => hal.clock.setTime(time),
      after: (delay: number, run: () => void) => hal.clock.after(delay, run),
      cancel: (timer: number) => hal.clock.cancel(timer),
    };
    return { clock: { ...plain, ...change(plain, fixture) } };
  };

const storage = (change: (storage: Storage, fixture: Fixture) => Partial<Storage>) => (hal: Hal, fixture: Fixture) => {
  const plain: Storage = {
    read: (key) => hal.storage.read(key),
    write: (key, value) => hal.storage.write(key, value),
    delete: (key) => hal.storage.delete(key),
    keys: () => hal.storage.keys(),
  };
  return { storage: { ...plain, ...change(plain, fixture) } };
};

const flash =
  (change: (area: FlashArea, options: FlashOptions, fixture: Fixture) => Partial<FlashArea>) =>
  (hal: Hal, fixture: Fixture) => ({
    openFlash: (options: FlashOptions): FlashArea => {
      const area = hal.openFlash(options);
      const plain: FlashArea = {
        size: area.size,
        page: area.page,
        read: (address, length) => area.read(address, length),
        write: (address, data) => area.write(address, data),
        erase: (address) => area.erase(address),
      };
      return { ...plain, ...change(plain, options, fixture) };
    },
  });

const serial =
  (change: (port: Serial, options: SerialOptions, fixture: Fixture) => Partial<Serial>) =>
  (hal: Hal, fixture: Fixture) => ({
    openSerial: (options: SerialOptions): Serial => {
      const port = hal.openSerial(options);
      const plain: Serial = { write: (data, done) => port.write(data, done), close: () => port.close() };
      return { ...plain, ...change(plain, options, fixture) };
    },
  });

const stream =
  (
    rewire: (options: StreamOptions, fixture: Fixture) => Partial<StreamOptions>,
    change: (stream: Stream, options: StreamOptions, fixture: Fixture) => Partial<Stream> = () => ({}),
  ) =>
  (hal: Hal, fixture: Fixture) => ({
    connect: (options: StreamOptions): Stream => {
      // The case may exchange its callbacks later.
      const live: StreamOptions = {
        host: options.host,
        port: options.port,
        onWritable: () => options.onWritable(),
        onData: (data) => options.onData(data),
        onError: (error) => options.onError(error),
      };
      const port = hal.connect({ ...live, ...rewire(options, fixture) });
      const plain: Stream = { write: (data) => port.write(data), close: () => port.close() };
      return { ...plain, ...change(plain, options, fixture) };
    },
  });

const joined = (parts: readonly Part[]): Bytes =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))));
const whole = (part: Part): Part => (part instanceof Uint8Array ? new Uint8Array(part.buffer) : part);

const inverse = (value: 0 | 1): 0 | 1 => (value === 1 ? 0 : 1);

const input =
  (
    rewire: (options: InputOptions, hal: Hal) => Partial<InputOptions>,
    change: (port: DigitalInput, options: InputOptions, hal: Hal) => Partial<DigitalInput> = () => ({}),
  ) =>
  (hal: Hal) => ({
    openInput: (options: InputOptions): DigitalInput => {
      const port = hal.openInput({ ...options, ...rewire(options, hal) });
      return { read: () => port.read(), close: () => port.close(), ...change(port, options, hal) };
    },
  });

/** `write` that returns `instead` where it should throw. */
function quiet(plain: Stream, instead: boolean): Stream['write'] {
  return (data) => {
    try {
      return plain.write(data);
    } catch {
      return instead;
    }
  };
}

/** `close` that throws when it is called again. */
function once(close: () => void): () => void {
  let closed = false;
  return () => {
    if (closed) throw new Error('closed already');
    closed = true;
    close();
  };
}

const clockMutations: Mutation[] = [
  {
    case: 'clock: uptime starts near 0 at boot and follows time',
    name: 'uptime counts from an earlier boot',
    change: clock((plain) => ({ uptime: () => plain.uptime() + 5000 })),
  },
  {
    case: 'clock: uptime starts near 0 at boot and follows time',
    name: 'uptime counts seconds',
    change: clock((plain) => ({ uptime: () => plain.uptime() / 1000 })),
  },
  {
    case: 'clock: uptime never goes back',
    name: 'uptime jitters',
    change: clock((plain) => {
      let calls = 0;
      return { uptime: () => plain.uptime() + 10 - (calls++ % 2) };
    }),
  },
  {
    case: 'clock: uptime does not step when UTC is set',
    name: 'uptime is derived from UTC',
    change: clock((plain) => ({ uptime: () => plain.time() ?? plain.uptime() })),
  },
  {
    case: 'clock: time is undefined or plausible until it is set',
    name: 'time is 1970 until it is set',
    change: clock((plain) => ({ time: () => plain.time() ?? plain.uptime() })),
  },
  {
    case: 'clock: time is what was set and goes on from there',
    name: 'time stands still',
    change: clock((plain) => {
      let set: number | undefined;
      return {
        time: () => set,
        setTime: (time) => {
          plain.setTime(time);
          set = time;
        },
      };
    }),
  },
  {
    case: 'clock: time is what was set and goes on from there',
    name: 'time is cut to seconds',
    change: clock((plain) => ({ time: () => Math.floor((plain.time() ?? 0) / 1000) * 1000 })),
  },
  {
    case: 'clock: setTime refuses what is not a finite number and keeps the time',
    name: 'setTime takes everything',
    change: clock((plain) => ({
      setTime: (time) => {
        if (Number.isFinite(time)) plain.setTime(time);
      },
    })),
  },
  {
    case: 'clock: setTime refuses what is not a finite number and keeps the time',
    name: 'setTime forgets the time before it throws',
    change: clock((plain) => ({
      setTime: (time) => {
        if (!Number.isFinite(time)) plain.setTime(0);
        plain.setTime(time);
      },
    })),
  },
  {
    case: 'clock: a running timer keeps its remaining time when UTC is set',
    name: 'setting UTC forward fires what is due by then',
    change: clock((plain) => {
      const waiting: (() => void)[] = [];
      return {
        after: (delay, run) => {
          let ran = false;
          const first = () => {
            if (!ran) run();
            ran = true;
          };
          waiting.push(first);
          return plain.after(delay, first);
        },
        setTime: (time) => {
          const step = time - (plain.time() ?? time);
          plain.setTime(time);
          if (step > 0) for (const run of waiting.splice(0)) plain.after(0, run);
        },
      };
    }),
  },
  {
    case: 'clock: a running timer keeps its remaining time when UTC is set',
    name: 'setting UTC back stalls timers',
    change: clock((plain) => {
      let stalled = false;
      return {
        after: (delay, run) => plain.after(delay, () => stalled || run()),
        setTime: (time) => {
          stalled ||= time < (plain.time() ?? time);
          plain.setTime(time);
        },
      };
    }),
  },
  {
    case: 'clock: after runs once, and not before its delay',
    name: 'after repeats',
    change: clock((plain) => ({
      after: (delay, run) =>
        plain.after(delay, () => {
          run();
          plain.after(delay, run);
        }),
    })),
  },
  {
    case: 'clock: after runs once, and not before its delay',
    name: 'after is early by a half',
    change: clock((plain) => ({ after: (delay, run) => plain.after(delay / 2, run) })),
  },
  {
    case: 'clock: after 0 runs later, not inside the call',
    name: 'after 0 runs at once',
    change: clock((plain) => ({
      after: (delay, run) => {
        if (delay === 0) run();
        return delay === 0 ? 0 : plain.after(delay, run);
      },
    })),
  },
  {
    case: 'clock: timers run in the order of their time',
    name: 'timers are a queue',
    change: clock((plain) => {
      const queue: (() => void)[] = [];
      return {
        after: (delay, run) => {
          queue.push(run);
          return plain.after(delay, () => queue.shift()?.());
        },
      };
    }),
  },
  {
    case: 'clock: after takes 0 to 2^31 - 1 ms and refuses the rest',
    name: 'a negative delay is taken',
    change: clock((plain) => ({ after: (delay, run) => plain.after(Math.max(delay, 0), run) })),
  },
  {
    case: 'clock: after takes 0 to 2^31 - 1 ms and refuses the rest',
    name: 'delays wrap at 2^31',
    change: clock((plain) => ({ after: (delay, run) => plain.after(delay >= 2 ** 31 ? delay - 2 ** 31 : delay, run) })),
  },
  {
    case: 'clock: after takes 0 to 2^31 - 1 ms and refuses the rest',
    name: 'the longest delay fires at once',
    change: clock((plain) => ({ after: (delay, run) => plain.after(delay === 2 ** 31 - 1 ? 0 : delay, run) })),
  },
  {
    case: 'clock: a cancelled timer does not run, the others do',
    name: 'cancel does nothing',
    change: clock(() => ({ cancel: () => {} })),
  },
  {
    case: 'clock: a cancelled timer does not run, the others do',
    name: 'cancel ends every timer',
    change: clock((plain) => {
      const timers: number[] = [];
      return {
        after: (delay, run) => timers[timers.push(plain.after(delay, run)) - 1],
        cancel: () => {
          for (const timer of timers) plain.cancel(timer);
        },
      };
    }),
  },
  {
    case: 'clock: cancel ignores handles that nobody gave out',
    name: 'cancel throws for an unknown handle',
    change: clock((plain) => {
      const known = new Set<number>();
      return {
        after: (delay, run) => {
          const timer = plain.after(delay, run);
          known.add(timer);
          return timer;
        },
        cancel: (timer) => {
          if (!known.has(timer)) throw new Error('Unknown Timeout');
          plain.cancel(timer);
        },
      };
    }),
  },
  {
    case: 'clock: cancel ignores handles that nobody gave out',
    name: 'cancel of handle 0 ends every timer',
    change: clock((plain) => {
      const timers: number[] = [];
      return {
        after: (delay, run) => timers[timers.push(plain.after(delay, run)) - 1],
        cancel: (timer) => {
          for (const other of timer ? [timer] : timers) plain.cancel(other);
        },
      };
    }),
  },
  {
    case: 'clock: cancel of a timer that is done hits no later timer',
    name: 'handles are used again',
    change: clock((plain) => {
      const slots: (number | undefined)[] = [];
      return {
        after: (delay, run) => {
          let slot = slots.indexOf(undefined);
          if (slot < 0) slot = slots.length;
          slots[slot] = plain.after(delay, () => {
            slots[slot] = undefined;
            run();
          });
          return slot + 1;
        },
        cancel: (timer) => {
          const inner = slots[timer - 1];
          if (inner === undefined) return;
          plain.cancel(inner);
          slots[timer - 1] = undefined;
        },
      };
    }),
  },
];

const ioMutations: Mutation[] = [
  {
    case: 'digital: the first level is the initial value',
    name: 'the pin becomes an output first, at 0',
    change: (hal) => ({
      openDigital: (options) => {
        const output = hal.openDigital({ ...options, initialValue: 0 });
        output.write(options.initialValue);
        return output;
      },
    }),
  },
  {
    case: 'digital: the initial value of an inverted pin is inverted from the first moment',
    name: 'the initial value ignores activeLow',
    change: (hal) => ({
      openDigital: (options) => {
        const initialValue = options.activeLow ? ((1 - options.initialValue) as 0 | 1) : options.initialValue;
        const output = hal.openDigital({ ...options, initialValue });
        output.write(options.initialValue);
        return output;
      },
    }),
  },
  {
    case: 'digital: write drives the pin, 1 is high',
    name: 'write is inverted',
    change: (hal) => ({
      openDigital: (options) => {
        const output = hal.openDigital(options);
        return { write: (value) => output.write((1 - value) as 0 | 1), close: () => output.close() };
      },
    }),
  },
  {
    case: 'digital: write(1) drives an inverted pin low',
    name: 'write ignores activeLow',
    change: (hal) => ({
      openDigital: (options) => {
        const output = hal.openDigital(options);
        const write = (value: 0 | 1) => output.write(options.activeLow ? ((1 - value) as 0 | 1) : value);
        return { write, close: () => output.close() };
      },
    }),
  },
  {
    case: 'digital: a bad option throws and drives nothing',
    name: 'the initial value has a default',
    change: (hal) => ({
      openDigital: (options) => hal.openDigital({ ...options, initialValue: options.initialValue ?? 0 }),
    }),
  },
  {
    case: 'digital: a bad option throws and drives nothing',
    name: 'options are checked after the pin is driven',
    change: (hal) => ({
      openDigital: (options) => {
        if (options.pin !== '') hal.openDigital({ ...options, initialValue: 0 }).close();
        return hal.openDigital(options);
      },
    }),
  },
  {
    case: 'digital: close may be repeated',
    name: 'the second close throws',
    change: (hal) => ({
      openDigital: (options) => {
        const output = hal.openDigital(options);
        return { write: (value) => output.write(value), close: once(() => output.close()) };
      },
    }),
  },
  {
    case: 'analog: write drives the fraction of full scale, both ends included',
    name: 'full scale overflows to 0',
    change: (hal) => ({
      openAnalog: (options) => {
        const output = hal.openAnalog(options);
        return { write: (fraction) => output.write(fraction === 1 ? 0 : fraction), close: () => output.close() };
      },
    }),
  },
  {
    case: 'analog: write refuses what is outside 0..1 and keeps the level',
    name: 'write clips',
    change: (hal) => ({
      openAnalog: (options) => {
        const output = hal.openAnalog(options);
        const write = (fraction: number) => output.write(Math.min(1, Math.max(0, fraction)));
        return { write, close: () => output.close() };
      },
    }),
  },
  {
    case: 'analog: write refuses what is outside 0..1 and keeps the level',
    name: 'NaN is taken as 0',
    change: (hal) => ({
      openAnalog: (options) => {
        const output = hal.openAnalog(options);
        const write = (fraction: number) => output.write(Number.isNaN(fraction) ? 0 : fraction);
        return { write, close: () => output.close() };
      },
    }),
  },
  {
    case: 'analog: a bad option throws and drives nothing',
    name: '0 Hz means the default',
    change: (hal) => ({ openAnalog: (options) => hal.openAnalog({ ...options, hz: options.hz || 1000 }) }),
  },
  {
    case: 'analog: close may be repeated',
    name: 'the second close throws',
    change: (hal) => ({
      openAnalog: (options) => {
        const output = hal.openAnalog(options);
        return { write: (fraction) => output.write(fraction), close: once(() => output.close()) };
      },
    }),
  },
];

const inputMutations: Mutation[] = [
  {
    case: 'input: read tells the level now',
    name: 'read tells the level at opening',
    change: input(
      () => ({}),
      (port) => {
        const level = port.read();
        return { read: () => level };
      },
    ),
  },
  {
    case: 'input: read tells the level now',
    name: 'read tells what onChange has told last',
    change: (hal) => ({
      openInput: (options) => {
        let last: 0 | 1 | undefined;
        const onChange = (value: 0 | 1) => {
          last = value;
          options.onChange(value);
        };
        const port = hal.openInput({ ...options, onChange });
        const first = port.read();
        return { read: () => last ?? first, close: () => port.close() };
      },
    }),
  },
  {
    case: 'input: a low pin reads 1 when it is inverted',
    name: 'read ignores activeLow',
    change: input(
      () => ({}),
      (port, options) => ({ read: () => (options.activeLow ? inverse(port.read()) : port.read()) }),
    ),
  },
  {
    case: 'input: the resistor gives an open pin its level, also after a change',
    name: 'there are no resistors',
    change: input(() => ({ pull: undefined })),
  },
  {
    case: 'input: the resistor gives an open pin its level, also after a change',
    name: 'every resistor pulls up',
    change: input(() => ({ pull: 'up' })),
  },
  {
    case: 'input: the resistor gives an open pin its level, also after a change',
    name: 'every resistor pulls up after a change',
    change: (hal) => ({
      openInput: (options) => {
        const onChange = (value: 0 | 1) => {
          port.close();
          port = hal.openInput({ ...options, pull: 'up' });
          options.onChange(value);
        };
        let port = hal.openInput({ ...options, onChange });
        return { read: () => port.read(), close: () => port.close() };
      },
    }),
  },
  {
    case: 'input: onChange tells each change of level',
    name: 'onChange tells rising edges only',
    change: input((options) => ({ onChange: (value) => value === 1 && options.onChange(value) })),
  },
  {
    case: 'input: onChange tells each change of level',
    name: 'onChange runs once',
    change: input((options) => {
      let calls = 0;
      return { onChange: (value) => calls++ === 0 && options.onChange(value) };
    }),
  },
  {
    case: 'input: onChange is inverted when the pin is',
    name: 'onChange ignores activeLow',
    change: input((options) => ({
      onChange: (value) => options.onChange(options.activeLow ? inverse(value) : value),
    })),
  },
  {
    case: 'input: onChange does not tell the level at opening, nor run inside another call',
    name: 'onChange tells the level at opening',
    change: input(
      () => ({}),
      (port, options, hal) => {
        hal.clock.after(0, () => options.onChange(port.read()));
        return {};
      },
    ),
  },
  {
    case: 'input: onChange does not tell the level at opening, nor run inside another call',
    name: 'onChange runs inside openInput',
    change: input(
      () => ({}),
      (port, options) => {
        options.onChange(port.read());
        return {};
      },
    ),
  },
  {
    case: 'input: onChange does not tell the level at opening, nor run inside another call',
    name: 'onChange runs inside read',
    change: input(
      () => ({ onChange: () => {} }),
      (port, options) => {
        let last = port.read();
        const read = () => {
          const level = port.read();
          if (level !== last) options.onChange(level);
          last = level;
          return level;
        };
        return { read };
      },
    ),
  },
  {
    case: 'input: onChange never tells the same level twice in a row',
    name: 'each edge is told twice',
    change: input((options) => ({
      onChange: (value) => {
        options.onChange(value);
        options.onChange(value);
      },
    })),
  },
  {
    case: 'input: onChange never tells the same level twice in a row',
    name: 'the level at opening is taken to be 0',
    change: input((options) => {
      let told = false;
      return {
        onChange: (value) => {
          if (!told) options.onChange(inverse(value));
          told = true;
          options.onChange(value);
        },
      };
    }),
  },
  {
    case: 'input: after quick changes the last call has told the level that stays',
    name: 'changes within 200 ms of the last are lost',
    change: input((options, hal) => {
      let last = Number.NEGATIVE_INFINITY;
      return {
        onChange: (value) => {
          if (hal.clock.uptime() < last + 200) return;
          last = hal.clock.uptime();
          options.onChange(value);
        },
      };
    }),
  },
  {
    case: 'input: onChange does not run after close, not even for a change before it',
    name: 'close lets the change before it be told',
    change: input(
      () => ({}),
      (port, _options, hal) => ({ close: () => void hal.clock.after(1, () => port.close()) }),
    ),
  },
  {
    case: 'input: onChange does not run after close, not even for a change before it',
    name: 'close does nothing but forget the change before it',
    change: input(
      (options, hal) => {
        const opened = hal.clock.uptime();
        return { onChange: (value) => hal.clock.uptime() > opened + 10 && options.onChange(value) };
      },
      () => ({ close: () => {} }),
    ),
  },
  {
    case: 'input: close inside onChange is the end of it',
    name: 'close inside onChange is ignored',
    change: (hal) => ({
      openInput: (options) => {
        let telling = false;
        const onChange = (value: 0 | 1) => {
          telling = true;
          options.onChange(value);
          telling = false;
        };
        const port = hal.openInput({ ...options, onChange });
        return { read: () => port.read(), close: () => telling || port.close() };
      },
    }),
  },
  {
    case: 'input: close may be repeated, and the pin opened again',
    name: 'the second close throws',
    change: input(
      () => ({}),
      (port) => ({ close: once(() => port.close()) }),
    ),
  },
  {
    case: 'input: close may be repeated, and the pin opened again',
    name: 'close keeps the pin',
    change: input(
      () => ({}),
      () => ({ close: () => {} }),
    ),
  },
  {
    case: 'input: close may be repeated, and the pin opened again',
    name: 'close closes whatever is open at the pin',
    change: (hal) => {
      const open = new Map<Pin, DigitalInput>();
      return {
        openInput: (options) => {
          const port = hal.openInput(options);
          open.set(options.pin, port);
          return { read: () => port.read(), close: () => open.get(options.pin)?.close() };
        },
      };
    },
  },
  {
    case: 'input: a bad option throws and leaves the pin alone',
    name: 'an unknown pull is none',
    change: input((options) => ({ pull: options.pull === 'up' || options.pull === 'down' ? options.pull : undefined })),
  },
  {
    case: 'input: a bad option throws and leaves the pin alone',
    name: 'a pin without a name is some pin',
    change: input((options) => ({ pin: options.pin || 'D9' })),
  },
  {
    case: 'input: a bad option throws and leaves the pin alone',
    name: 'the pin is an input before pull is looked at',
    change: (hal) => ({
      openInput: (options) => {
        if (options.pin !== '') hal.openInput({ ...options, pull: undefined });
        return hal.openInput(options);
      },
    }),
  },
  {
    case: 'input: a pin in use throws, and its port works on',
    name: 'an input takes the pin of an output',
    change: (hal) => {
      const outputs = new Map<Pin, DigitalOutput>();
      return {
        openDigital: (options) => {
          const output = hal.openDigital(options);
          outputs.set(options.pin, output);
          return output;
        },
        openInput: (options) => {
          outputs.get(options.pin)?.close();
          return hal.openInput(options);
        },
      };
    },
  },
  {
    case: 'input: a pin in use throws, and its port works on',
    name: 'an input takes the pin of an input',
    change: (hal) => {
      const inputs = new Map<Pin, DigitalInput>();
      return {
        openInput: (options) => {
          inputs.get(options.pin)?.close();
          const port = hal.openInput(options);
          inputs.set(options.pin, port);
          return port;
        },
      };
    },
  },
  {
    case: 'input: a pin in use throws, and its port works on',
    name: 'an attempt to open a pin in use ends the port that has it',
    change: (hal) => {
      const inputs = new Map<Pin, DigitalInput>();
      return {
        openInput: (options) => {
          const other = inputs.get(options.pin);
          if (!other) {
            const port = hal.openInput(options);
            inputs.set(options.pin, port);
            return port;
          }
          other.close();
          throw new Error('pin is in use');
        },
      };
    },
  },
];

const serialMutations: Mutation[] = [
  {
    case: 'serial: all 256 byte values arrive at the far end, 8N1 when nothing else is asked',
    name: '7 data bits are the default',
    change: (hal) => ({ openSerial: (options) => hal.openSerial({ data: 7, ...options }) }),
  },
  {
    case: 'serial: all 256 byte values arrive at the far end, 8N1 when nothing else is asked',
    name: 'even parity is the default',
    change: (hal) => ({ openSerial: (options) => hal.openSerial({ parity: 'even', ...options }) }),
  },
  {
    case: 'serial: all 256 byte values arrive from the far end, in any chunks',
    name: 'received bytes pass through text',
    change: (hal) => ({
      openSerial: (options) =>
        hal.openSerial({
          ...options,
          onData: (data) => options.onData(Buffer.from(Buffer.from(data).toString('utf8'))),
        }),
    }),
  },
  {
    case: 'serial: all 256 byte values arrive from the far end, in any chunks',
    name: 'chunks shorter than 16 bytes are lost',
    change: (hal) => ({
      openSerial: (options) => hal.openSerial({ ...options, onData: (data) => options.onData(data.subarray(0, 15)) }),
    }),
  },
  {
    case: 'serial: done comes once, after the time of the frame, without an error',
    name: 'done comes when the bytes are queued',
    change: serial((port, _options, fixture) => ({
      write: (data: Bytes, done?: Done) => {
        port.write(data);
        if (done) fixture.later(0, () => done(null));
      },
    })),
  },
  {
    case: 'serial: done comes once, after the time of the frame, without an error',
    name: 'done comes twice',
    change: serial((port) => ({
      write: (data: Bytes, done?: Done) =>
        port.write(data, (error) => {
          done?.(error);
          done?.(error);
        }),
    })),
  },
  {
    case: 'serial: done comes once, after the time of the frame, without an error',
    name: 'done has no argument',
    change: serial((port) => ({
      write: (data: Bytes, done?: Done) => port.write(data, () => done?.(undefined as never)),
    })),
  },
  {
    case: 'serial: done comes once, after the time of the frame, without an error',
    name: 'done is called inside write',
    change: serial((port) => ({
      write: (data: Bytes, done?: Done) => {
        port.write(data);
        done?.(null);
      },
    })),
  },
  {
    case: 'serial: the line is idle when done comes: all has arrived at the far end',
    name: 'done comes half way',
    change: serial((port, options, fixture) => ({
      write: (data: Bytes, done?: Done) => {
        port.write(data);
        if (done) fixture.later((data.length * 5000) / options.baud, () => done(null));
      },
    })),
  },
  {
    case: 'serial: parity and the second stop bit count in the time of the frame',
    name: 'every character has 10 bits',
    change: serial((port, options, fixture) => ({
      write: (data: Bytes, done?: Done) => {
        port.write(data);
        if (done) fixture.later((data.length * 10000) / options.baud, () => done(null));
      },
    })),
  },
  {
    case: 'serial: a second write before done throws, one after done is sent',
    name: 'a second write is dropped without a word',
    change: serial((port) => ({
      write: (data: Bytes, done?: Done) => {
        try {
          port.write(data, done);
        } catch {}
      },
    })),
  },
  {
    case: 'serial: a second write before done throws, one after done is sent',
    name: 'the port stays busy after done',
    change: serial((port) => {
      let busy = false;
      return {
        write: (data: Bytes, done?: Done) => {
          if (busy) throw new Error('busy');
          busy = true;
          port.write(data, done);
        },
      };
    }),
  },
  {
    case: 'serial: the driver is low when idle and high while bytes are on the line',
    name: 'the driver is not switched',
    change: (hal) => ({ openSerial: (options) => hal.openSerial({ ...options, driverEnable: undefined }) }),
  },
  {
    case: 'serial: the driver stays high to the end of the last stop bit',
    name: 'the driver is dropped before the last characters',
    change: (hal, fixture) => ({
      openSerial: (options) => {
        const port = hal.openSerial({ ...options, driverEnable: undefined });
        const driver = hal.openDigital({ pin: options.driverEnable ?? '', initialValue: 0 });
        return {
          write: (data, done) => {
            driver.write(1);
            fixture.later(((data.length - 4) * 10000) / options.baud, () => driver.write(0));
            port.write(data, done);
          },
          close: () => port.close(),
        };
      },
    }),
  },
  {
    case: 'serial: a bad option throws and leaves the port free',
    name: '0 baud means the default',
    change: (hal) => ({ openSerial: (options) => hal.openSerial({ ...options, baud: options.baud || 9600 }) }),
  },
  {
    case: 'serial: a bad option throws and leaves the port free',
    name: 'an unknown format is taken as 8N1',
    change: (hal) => ({
      openSerial: (options) => hal.openSerial({ port: options.port, baud: options.baud, onData: options.onData }),
    }),
  },
  {
    case: 'serial: a bad option throws and leaves the port free',
    name: 'the port is taken before options are checked',
    change: (hal) => {
      let taken = false;
      return {
        openSerial: (options) => {
          if (taken) throw new Error('in use');
          taken = true;
          return hal.openSerial(options);
        },
      };
    },
  },
  {
    case: 'serial: close may be repeated, and frees the port',
    name: 'the second close throws',
    change: serial((port) => ({ close: once(() => port.close()) })),
  },
  {
    case: 'serial: close may be repeated, and frees the port',
    name: 'close keeps the port',
    change: serial(() => ({ close: () => {} })),
  },
  {
    case: 'serial: nothing is heard after close',
    name: 'close leaves the listener',
    change: serial(() => ({ close: () => {} })),
  },
  {
    case: 'serial: done is not called after close',
    name: 'close lets the transmission end',
    change: serial((port, _options, fixture) => ({
      write: (data: Bytes, done?: Done) => {
        port.write(data);
        fixture.later(20, () => done?.(null));
      },
    })),
  },
];

const streamMutations: Mutation[] = [
  {
    case: 'stream: the first onWritable says connected, and comes once',
    name: 'onWritable comes whenever the queue is empty',
    change: stream((options, fixture) => ({
      onWritable: () => {
        options.onWritable();
        fixture.later(5, () => options.onWritable());
      },
    })),
  },
  {
    case: 'stream: the first onWritable says connected, and comes once',
    name: 'onWritable is called inside connect',
    change: stream((options) => {
      options.onWritable();
      return { onWritable: () => {} };
    }),
  },
  {
    case: 'stream: bytes of all values arrive in order and come back',
    name: 'received bytes pass through text',
    change: stream((options) => ({
      onData: (data) => options.onData(Buffer.from(Buffer.from(data).toString('utf8'))),
    })),
  },
  {
    case: 'stream: bytes of all values arrive in order and come back',
    name: 'write sends at most 536 bytes',
    change: stream(
      () => ({}),
      (plain) => ({ write: (data: Bytes) => plain.write(data.subarray(0, 536)) }),
    ),
  },
  {
    case: 'stream: write copies its data',
    name: 'write keeps a view',
    change: stream(
      () => ({}),
      (plain, _options, fixture) => ({
        write: (data: Bytes) => {
          fixture.later(1, () => plain.write(data));
          return true;
        },
      }),
    ),
  },
  {
    case: 'stream: write answers false when its queue is full, onWritable tells when there is room, nothing is lost',
    name: 'write always answers true',
    change: stream(
      () => ({}),
      (plain) => ({ write: (data: Bytes) => plain.write(data) || true }),
    ),
  },
  {
    case: 'stream: write answers false when its queue is full, onWritable tells when there is room, nothing is lost',
    name: 'onWritable comes only once',
    change: stream((options) => {
      let calls = 0;
      return { onWritable: () => calls++ === 0 && options.onWritable() };
    }),
  },
  {
    case: 'stream: write answers false when its queue is full, onWritable tells when there is room, nothing is lost',
    name: 'what makes the queue full is dropped',
    change: stream(
      () => ({}),
      (plain) => {
        let calls = 0;
        return { write: (data: Bytes) => plain.write(++calls % 40 === 0 ? data.subarray(0, 50) : data) };
      },
    ),
  },
  {
    case: 'stream: write throws before the first onWritable',
    name: 'write before the connection is dropped without a word',
    change: stream(
      () => ({}),
      (plain) => ({ write: quiet(plain, true) }),
    ),
  },
  {
    case: 'stream: a refused connection is told by onError, once and not inside the call',
    name: 'onError is called inside connect',
    change: (hal, fixture) => ({
      connect: (options) => {
        if (options.port === fixture.refusedPort) options.onError(new Error('refused'));
        return hal.connect({ ...options, onError: () => {} });
      },
    }),
  },
  {
    case: 'stream: a refused connection is told by onError, once and not inside the call',
    name: 'error and close are both told',
    change: stream((options) => ({
      onError: (error) => {
        options.onError(error);
        options.onError(error);
      },
    })),
  },
  {
    case: 'stream: a refused connection is told by onError, once and not inside the call',
    name: 'a refused connection is silent',
    change: stream(() => ({ onError: () => {} })),
  },
  {
    case: 'stream: an end in good order by the peer is told by onError, once',
    name: 'an orderly end is no error',
    change: stream(() => ({ onError: () => {} })),
  },
  {
    case: 'stream: an end in good order by the peer is told by onError, once',
    name: 'close after onError throws',
    change: stream(
      () => ({}),
      () => ({
        close: () => {
          throw new Error('This socket is closed');
        },
      }),
    ),
  },
  {
    case: 'stream: write throws after onError',
    name: 'write after the end is dropped without a word',
    change: stream(
      () => ({}),
      (plain) => ({ write: quiet(plain, false) }),
    ),
  },
  {
    case: 'stream: nothing is called after close',
    name: 'close does nothing',
    change: stream(
      () => ({}),
      () => ({ close: () => {} }),
    ),
  },
  {
    case: 'stream: close may be repeated',
    name: 'the second close throws',
    change: stream(
      () => ({}),
      (plain) => ({ close: once(() => plain.close()) }),
    ),
  },
  {
    case: 'stream: a bad option throws and connects nowhere',
    name: 'a bad port is told by onError',
    change: (hal, fixture) => ({
      connect: (options) => {
        try {
          return hal.connect(options);
        } catch (error) {
          fixture.later(1, () => options.onError(error as Error));
          return { write: () => false, close: () => {} };
        }
      },
    }),
  },
  {
    case: 'stream: a bad option throws and connects nowhere',
    name: 'port numbers wrap at 65536',
    change: (hal) => ({ connect: (options) => hal.connect({ ...options, port: options.port % 65536 || 7 }) }),
  },
];

const storageMutations: Mutation[] = [
  {
    case: 'storage: a value is read back as written, bytes of all values',
    name: 'values pass through text',
    change: storage((plain) => ({
      write: (key, value) => plain.write(key, Buffer.from(Buffer.from(value).toString('utf8'))),
    })),
  },
  {
    case: 'storage: the last value counts, for each key its own',
    name: 'a key is written once',
    change: storage((plain) => ({
      write: (key, value) => {
        if (!plain.read(key)) plain.write(key, value);
      },
    })),
  },
  {
    case: 'storage: values survive a reset',
    name: 'values are kept in memory',
    change: storage(() => {
      const values = new Map<string, Bytes>();
      return {
        read: (key) => values.get(key),
        write: (key, value) => {
          values.set(key, value.slice());
        },
        keys: () => [...values.keys()],
      };
    }),
  },
  {
    case: 'storage: an absent key is undefined',
    name: 'an absent key is empty',
    change: storage((plain) => ({ read: (key) => plain.read(key) ?? new Uint8Array(0) })),
  },
  {
    case: 'storage: a damaged value is undefined',
    name: 'nothing is checked',
    change: storage((plain) => {
      const values = new Map<string, Bytes>();
      return {
        read: (key) => plain.read(key) ?? values.get(key),
        write: (key, value) => {
          values.set(key, value.slice());
          plain.write(key, value);
        },
      };
    }),
  },
  {
    case: 'storage: a value of zero length is legal, and not absent',
    name: 'zero length deletes',
    change: storage((plain) => ({
      write: (key, value) => (value.length ? plain.write(key, value) : plain.delete(key)),
    })),
  },
  {
    case: 'storage: a value of zero length is legal, and not absent',
    name: 'zero length throws',
    change: storage((plain) => ({
      write: (key, value) => {
        if (value.length === 0) throw new Error('cannot create zero length file');
        plain.write(key, value);
      },
    })),
  },
  {
    case: 'storage: keys of [a-z0-9.-]{1,24} are taken, others throw',
    name: 'capitals are taken',
    change: storage((plain) => ({ write: (key, value) => plain.write(key.toLowerCase(), value) })),
  },
  {
    case: 'storage: keys of [a-z0-9.-]{1,24} are taken, others throw',
    name: 'long keys are cut',
    change: storage((plain) => ({ write: (key, value) => plain.write(key.slice(0, 24), value) })),
  },
  {
    case: 'storage: keys that differ in the last of 24 characters are two',
    name: 'keys are cut at 23 characters',
    change: storage((plain) => ({
      read: (key) => plain.read(key.slice(0, 23)),
      write: (key, value) => plain.write(key.slice(0, 23), value),
    })),
  },
  {
    case: 'storage: keys lists every key once',
    name: 'keys lists files, two for a key',
    change: storage((plain) => ({ keys: () => plain.keys().flatMap((key) => [key, key]) })),
  },
  {
    case: 'storage: keys lists every key once',
    name: 'keys misses the first',
    change: storage((plain) => ({ keys: () => plain.keys().slice(1) })),
  },
  {
    case: 'storage: a deleted key is absent, also after a reset',
    name: 'delete uncovers the value before',
    change: storage((plain) => {
      const values = new Map<string, Bytes[]>();
      return {
        write: (key, value) => {
          values.set(key, [...(values.get(key) ?? []), value.slice()]);
          plain.write(key, value);
        },
        delete: (key) => {
          const before = values.get(key)?.at(-2);
          if (before) plain.write(key, before);
          else plain.delete(key);
        },
      };
    }),
  },
  {
    case: 'storage: a deleted key is absent, also after a reset',
    name: 'delete is forgotten at a reset',
    change: storage((plain) => {
      const deleted = new Set<string>();
      return {
        read: (key) => (deleted.has(key) ? undefined : plain.read(key)),
        delete: (key) => {
          deleted.add(key);
        },
      };
    }),
  },
  {
    case: 'storage: delete ignores absent keys',
    name: 'delete of an absent key throws',
    change: storage((plain) => ({
      delete: (key) => {
        if (!plain.read(key)) throw new Error('no such file');
        plain.delete(key);
      },
    })),
  },
  {
    case: 'storage: after a power cut in a write a key holds its old or its new value',
    name: 'the old value is deleted first',
    change: storage((plain) => ({
      write: (key, value) => {
        plain.delete(key);
        plain.write(key, value);
      },
    })),
  },
  {
    case: 'storage: after a power cut in a write a key holds its old or its new value',
    name: 'a value is written in two halves',
    change: storage((plain) => ({
      write: (key, value) => {
        if (value.length > 20) plain.write(key, value.slice(0, value.length >> 1));
        plain.write(key, value);
      },
    })),
  },
  {
    case: 'storage: after a power cut in a write a key holds its old or its new value',
    name: 'the new value never counts',
    change: storage((plain) => ({
      write: (key, value) => {
        if (!plain.read(key) || value.length !== 45) plain.write(key, value);
        else {
          const old = plain.read(key)?.slice() ?? value;
          plain.write(key, old);
        }
      },
    })),
  },
  {
    case: 'storage: after a power cut in the first write a key is absent or has its value',
    name: 'space is reserved before the value is written',
    change: storage((plain) => ({
      write: (key, value) => {
        if (!plain.read(key)) plain.write(key, new Uint8Array(value.length).fill(255));
        plain.write(key, value);
      },
    })),
  },
  {
    case: 'storage: after a power cut in delete a key holds its last value or none',
    name: 'the newer of two copies is deleted first',
    change: storage((plain) => {
      const values = new Map<string, Bytes[]>();
      return {
        write: (key, value) => {
          values.set(key, [...(values.get(key) ?? []), value.slice()]);
          plain.write(key, value);
        },
        delete: (key) => {
          const before = values.get(key)?.at(-2);
          if (before) plain.write(key, before);
          plain.delete(key);
        },
      };
    }),
  },
  {
    case: 'storage: write throws when storage is full, and the old value is kept',
    name: 'a write into full storage is dropped without a word',
    change: storage((plain) => ({
      write: (key, value) => {
        try {
          plain.write(key, value);
        } catch {}
      },
    })),
  },
  {
    case: 'storage: write throws when storage is full, and the old value is kept',
    name: 'the old value goes before the new one is found too large',
    change: storage((plain) => ({
      write: (key, value) => {
        try {
          plain.write(key, value);
        } catch (error) {
          plain.delete(key);
          throw error;
        }
      },
    })),
  },
  {
    case: 'storage: write throws when storage is full, and the old value is kept',
    name: 'full storage is erased',
    change: storage((plain) => ({
      write: (key, value) => {
        try {
          plain.write(key, value);
        } catch (error) {
          for (const other of plain.keys()) plain.delete(other);
          throw error;
        }
      },
    })),
  },
];

const system =
  (change: (plain: Hal['system'], fixture: Fixture) => Partial<Hal['system']>) => (hal: Hal, fixture: Fixture) => {
    const { id, resetReason } = hal.system;
    const plain = {
      id,
      resetReason,
      reboot: () => hal.system.reboot(),
      temperature: () => hal.system.temperature(),
      memory: () => hal.system.memory(),
      watch: (watcher: Parameters<Hal['system']['watch']>[0]) => hal.system.watch(watcher),
    };
    return { system: { ...plain, ...change(plain, fixture) } };
  };

const systemMutations: Mutation[] = [
  {
    case: 'watchdog: resets a board that does not feed it in time',
    name: 'enable does nothing',
    change: () => ({ watchdog: { enable: () => {}, feed: () => {} } }),
  },
  {
    case: 'watchdog: resets a board that does not feed it in time',
    name: 'the watchdog feeds itself',
    change: (hal, fixture) => ({
      watchdog: {
        enable: (timeout) => {
          hal.watchdog.enable(timeout);
          const feed = () => {
            hal.watchdog.feed();
            fixture.later(timeout / 2, feed);
          };
          feed();
        },
        feed: () => hal.watchdog.feed(),
      },
    }),
  },
  {
    case: 'watchdog: resets a board that does not feed it in time',
    name: 'the time-out is taken as s/10',
    change: (hal) => ({
      watchdog: { enable: (timeout) => hal.watchdog.enable(timeout / 10), feed: () => hal.watchdog.feed() },
    }),
  },
  {
    case: 'watchdog: leaves a board alone that feeds it in time',
    name: 'feed does nothing',
    change: (hal) => ({ watchdog: { enable: (timeout) => hal.watchdog.enable(timeout), feed: () => {} } }),
  },
  {
    case: 'watchdog: takes no time-out that is not positive',
    name: 'a time-out of 0 disables',
    change: (hal) => ({
      watchdog: {
        enable: (timeout) => {
          if (timeout !== 0) hal.watchdog.enable(timeout);
        },
        feed: () => hal.watchdog.feed(),
      },
    }),
  },
  {
    case: 'system: the id is [A-Za-z0-9-]{1,32}, and the same after every boot',
    name: 'the id has colons',
    change: system((plain) => ({ id: `${plain.id}:00` })),
  },
  {
    case: 'system: the id is [A-Za-z0-9-]{1,32}, and the same after every boot',
    name: 'the id has 33 characters',
    change: system((plain) => ({ id: plain.id.padEnd(33, '0') })),
  },
  {
    case: 'system: the id is [A-Za-z0-9-]{1,32}, and the same after every boot',
    name: 'the id counts boots',
    change: system((_plain, fixture) => ({ id: `board-${++remembered(fixture, 'boots', 0).value}` })),
  },
  {
    case: 'system: another board has another id',
    name: 'the id is the same on all boards',
    change: system(() => ({ id: '00000000-addeadde' })),
  },
  {
    case: 'system: the reset reason is one of the five',
    name: 'the reset reason is a number',
    change: system(() => ({ resetReason: 1 as never })),
  },
  {
    case: 'system: reboot resets the board',
    name: 'reboot does nothing',
    change: system(() => ({ reboot: () => {} })),
  },
  {
    case: 'system: the temperature is undefined or one that a chip can have',
    name: 'the temperature is NaN',
    change: system(() => ({ temperature: () => Number.NaN })),
  },
  {
    case: 'system: the temperature is undefined or one that a chip can have',
    name: 'the temperature is a raw reading',
    change: system(() => ({ temperature: () => 1023 })),
  },
  {
    case: 'system: memory is used within its total',
    name: 'used and total are exchanged',
    change: system(() => ({ memory: () => ({ used: 16383, total: 1600 }) })),
  },
  {
    case: 'random: 0 <= x < 1, and spread over that range',
    name: 'random is a byte',
    change: (hal) => ({ random: () => Math.floor(hal.random() * 256) }),
  },
  {
    case: 'random: 0 <= x < 1, and spread over that range',
    name: 'random reaches 1',
    change: (hal) => ({ random: () => Math.round(hal.random()) }),
  },
  {
    case: 'random: 0 <= x < 1, and spread over that range',
    name: 'random stays in the lower half',
    change: (hal) => ({ random: () => hal.random() / 2 }),
  },
  {
    case: 'random: differs between two boots',
    name: 'the seed is the serial number',
    change: (hal) => {
      let state = hal.system.id.length;
      return {
        random: () => {
          state = (state * 16807) % 2147483647;
          return state / 2147483647;
        },
      };
    },
  },
  {
    case: 'random: differs between two boards',
    name: 'the seed is the moment of the boot',
    change: (_hal, fixture) => {
      let state = Math.floor(fixture.now()) + 1;
      return {
        random: () => {
          state = (state * 16807) % 2147483647;
          return state / 2147483647;
        },
      };
    },
  },
];

const flashMutations: Mutation[] = [
  {
    case: 'flash: erased bytes are 255, and what is written is read back where it was written',
    name: 'erased bytes are 0',
    change: flash((area) => ({
      read: (address, length) => area.read(address, length).map((byte) => (byte === 255 ? 0 : byte)),
    })),
  },
  {
    case: 'flash: erased bytes are 255, and what is written is read back where it was written',
    name: 'writes go to the begin of a 16 byte unit',
    change: flash((area) => ({ write: (address, data) => area.write(address - (address % 16), data) })),
  },
  {
    case: 'flash: a later write leaves what lies before it',
    name: 'a write erases its page first',
    change: flash((area) => ({
      write: (address, data) => {
        area.erase(address - (address % area.page));
        area.write(address, data);
      },
    })),
  },
  {
    case: 'flash: an erasure takes one page and leaves the next',
    name: 'an erasure takes two pages',
    change: flash((area) => ({
      erase: (address) => {
        area.erase(address);
        if (address + area.page < area.size) area.erase(address + area.page);
      },
    })),
  },
  {
    case: 'flash: an erasure takes one page and leaves the next',
    name: 'nothing is erased but the first half of a page',
    change: flash((area) => {
      let kept: Bytes | undefined;
      return {
        erase: (address) => {
          kept = address === 0 ? area.read(area.page - 8, 8) : undefined;
          area.erase(address);
          if (kept) area.write(area.page - 8, kept);
        },
      };
    }),
  },
  {
    case: 'flash: what is read is a copy',
    name: 'what is read lives on',
    change: flash((area) => {
      const views: { address: number; bytes: Bytes }[] = [];
      return {
        read: (address, length) => {
          const bytes = area.read(address, length);
          views.push({ address, bytes });
          return bytes;
        },
        erase: (address) => {
          area.erase(address);
          for (const view of views) view.bytes.fill(255);
        },
      };
    }),
  },
  {
    case: 'flash: contents survive a reset',
    name: 'the area is erased when it is opened',
    change: (hal) => ({
      openFlash: (options) => {
        const area = hal.openFlash(options);
        for (let at = 0; at < area.size; at += area.page) area.erase(at);
        return area;
      },
    }),
  },
  {
    case: 'flash: beyond the area everything throws',
    name: 'reading wraps around',
    change: flash((area) => ({
      read: (address, length) => area.read((address + area.size) % (area.size - length), length),
    })),
  },
  {
    case: 'flash: beyond the area everything throws',
    name: 'an erasure beyond the end is ignored',
    change: flash((area) => ({
      erase: (address) => {
        if (address < area.size) area.erase(address);
      },
    })),
  },
  {
    case: 'flash: it is written by 4 bytes and erased by pages, anything else throws and changes nothing',
    name: 'an odd length is filled up',
    change: flash((area) => ({
      write: (address, data) => {
        const whole = new Uint8Array((data.length + 3) & -4).fill(255);
        whole.set(data);
        area.write(address, whole);
      },
    })),
  },
  {
    case: 'flash: it is written by 4 bytes and erased by pages, anything else throws and changes nothing',
    name: 'any address of a page erases it',
    change: flash((area) => ({ erase: (address) => area.erase(address - (address % area.page)) })),
  },
  {
    case: 'flash: an area of one page, or of broken pages, throws',
    name: 'a broken page is cut off',
    change: (hal) => ({
      openFlash: (options) => hal.openFlash({ ...options, size: options.size - (options.size % 4096) }),
    }),
  },
  {
    case: 'crc32: of the digits 1 to 9 it is 0xCBF43926, of nothing 0',
    name: 'the result is signed',
    change: (hal) => ({ crc32: (data) => hal.crc32(data) | 0 }),
  },
  {
    case: 'mac: of "passwd" and "salt" it is the first block of RFC 7914, section 11',
    name: 'HMAC without the number of the block',
    change: () => ({ mac: (key, parts) => new Uint8Array(createHmac('sha256', key).update(joined(parts)).digest()) }),
  },
  {
    case: 'mac: of "passwd" and "salt" it is the first block of RFC 7914, section 11',
    name: 'two iterations',
    change: () => ({ mac: (key, parts) => new Uint8Array(pbkdf2Sync(key, joined(parts), 2, 32, 'sha256')) }),
  },
  {
    case: 'mac: takes nothing, more than one block, and a part of another array',
    name: 'what comes behind the first 64 bytes does not count',
    change: (hal) => ({ mac: (key, parts) => hal.mac(key, [joined(parts).subarray(0, 64)]) }),
  },
  {
    case: 'mac: takes nothing, more than one block, and a part of another array',
    name: 'a part counts as the whole array',
    change: (hal) => ({ mac: (key, parts) => hal.mac(key, parts.map(whole)) }),
  },
  {
    case: 'mac: of parts it is that of all their bytes in a row, and text has bytes up to 255',
    name: 'text is written as UTF-8',
    change: (hal) => ({
      mac: (key, parts) =>
        hal.mac(
          key,
          parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'utf8') : part)),
        ),
    }),
  },
  {
    case: 'mac: of parts it is that of all their bytes in a row, and text has bytes up to 255',
    name: 'the last part is left out',
    change: (hal) => ({
      mac: (key, parts) => hal.mac(key, parts.length > 1 ? parts.slice(0, -1) : parts),
    }),
  },
  {
    case: 'mac: each result is 32 bytes of its own, and what went in stays as it was',
    name: 'one array for all results',
    change: (hal, fixture) => ({
      mac: (key, parts) => {
        const result = remembered(fixture, 'mac', new Uint8Array(32)).value;
        result.set(hal.mac(key, parts));
        return result;
      },
    }),
  },
  {
    case: 'mac: each result is 32 bytes of its own, and what went in stays as it was',
    name: 'the key is cleared',
    change: (hal) => ({
      mac: (key, parts) => {
        const result = hal.mac(key, parts);
        key.fill(0);
        return result;
      },
    }),
  },
];

export const mutations: readonly Mutation[] = [
  ...systemMutations,
  ...clockMutations,
  ...ioMutations,
  ...inputMutations,
  ...serialMutations,
  ...storageMutations,
  ...flashMutations,
  ...streamMutations,
];

/** Breaks the board of `fixture`, at every boot. */
export function mutate<F extends Fixture>(fixture: F, mutation: Mutation): F {
  const boot = fixture.boot.bind(fixture);
  fixture.boot = (id?: string) => {
    const hal = boot(id);
    return { ...hal, ...mutation.change(hal, fixture) };
  };
  return fixture;
}
