/** Modbus units played by pymodbus on one end of a line: `modbus-server.py` started with the registers of our profiles. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type ProfileRegister, readProfile } from '../../sim/plant/modbus-meter.ts';

const SERVER = fileURLToPath(new URL('modbus-server.py', import.meta.url));

/** Debian's own Python has the packages even where another one comes first in the path. */
const python = ['python3', '/usr/bin/python3'].find(
  (path) => spawnSync(path, ['-c', 'import pymodbus.server, serial_asyncio']).status === 0,
);

/** What a unit shows: `[quantity, raw value as pymodbus encodes it, value in wire steps]`. */
export interface Played {
  profile: string;
  values: [ProfileRegister['quantity'], number, number][];
}

/** This machine has what it takes: pymodbus and socat. */
export const playable = (): boolean => python !== undefined && spawnSync('socat', ['-V']).status === 0;

/** Starts socat between two addresses. Resolves when these device files are there. */
export async function connect(ends: readonly string[], devices: readonly string[]): Promise<ChildProcess> {
  const socat = spawn('socat', ends, { stdio: 'ignore' });
  for (let tries = 0; !devices.every((device) => existsSync(device)); tries++) {
    assert.ok(tries < 250, 'socat made no pseudo-terminal within 5 s');
    await wait(20);
  }
  return socat;
}

/** Units 1, 2, … answer on a device file. Resolves when the server listens. */
export async function play(device: string, units: readonly Played[]): Promise<ChildProcess> {
  const specs = units.map(({ profile, values }, i) => {
    const { function: code, wordOrder, registers } = readProfile(profile);
    const written = values.map(([quantity, raw]) => {
      const register = registers.find((one) => one.quantity === quantity);
      assert.ok(register, `${profile} has no ${quantity}`);
      return [register.address, register.type, raw];
    });
    const zeros = registers.map(({ address, type }) => [address, type, 0]);
    return { unit: i + 1, function: code, wordOrder, registers: [...zeros, ...written] };
  });
  const server = spawn(python as string, [SERVER, device, JSON.stringify(specs)], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(server.stdout, 'data');
  return server;
}

/** Resolves when they are gone. */
export async function stop(children: readonly ChildProcess[]): Promise<void> {
  for (const child of children) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
}
