/** Meters played by `jsmodbus`: the other implementation decides what a correct answer is. */
import { Duplex } from 'node:stream';
import { crc16modbus } from 'crc';
import { server } from 'jsmodbus';

/** @returns the frame closed by a CRC of the `crc` package. */
export function sealed(body: ArrayLike<number>): Uint8Array {
  const crc = crc16modbus(Buffer.from(Array.from(body)));
  return Uint8Array.from([...Array.from(body), crc & 255, crc >> 8]);
}

/** @returns what an SDM120 measures, by register: V, A, W, VA, var, power factor, Hz, kWh, exported kWh, kvarh. */
export function sdm120Registers(volts: number): Record<number, number> {
  return {
    0: volts,
    6: 0.25,
    12: 57.1,
    18: 57.5,
    24: -6.4,
    30: -0.993,
    70: 49.98,
    72: 1234.5,
    74: 0.25,
    76: 7,
  };
}

/** A unit's registers and its RTU server. Its requests must be whole and for it: the server does not check that. */
export class ServerUnit {
  readonly input: Buffer;
  readonly holding: Buffer;
  #reply: Uint8Array | undefined;
  #stream = new Duplex({
    read() {},
    write: (reply, _encoding, done) => {
      this.#reply = Uint8Array.from(reply);
      done();
    },
  });
  #ready: Promise<void>;

  /** @param registers of each kind */
  constructor(registers = 160) {
    this.input = Buffer.alloc(2 * registers);
    this.holding = Buffer.alloc(2 * registers);
    const none = Buffer.alloc(1);
    const memory = { input: this.input, holding: this.holding, coils: none, discrete: none };
    new server.RTU(this.#stream as never, memory);
    this.#ready = new Promise((resolve) => setImmediate(resolve));
  }

  /** Resolves when the server listens: from then on it answers within the call. */
  ready() {
    return this.#ready;
  }

  answer(request: Uint8Array): Uint8Array {
    this.#reply = undefined;
    this.#stream.push(Buffer.from(request));
    if (!this.#reply) throw new Error(`jsmodbus did not answer ${Buffer.from(request).toString('hex')}`);
    return this.#reply;
  }
}
