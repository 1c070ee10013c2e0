import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAsync } from 'mqtt';
import { ControllerKeys } from '../../../gateway/keys/controller-keys.ts';
import { KeyFile } from '../../../gateway/keys/key-file.ts';
import { hashPassword } from '../../../gateway/keys/mosquitto.ts';
import { Rig } from '../rig.ts';

describe('the file with the keys of controllers', () => {
  const directory = mkdtempSync(join(tmpdir(), 'keys-'));
  const path = join(directory, 'controllers.json');
  const keysOf = (...ids: string[]) => {
    const keys = new ControllerKeys();
    for (const id of ids) keys.add(id, { key: new Uint8Array(32).fill(id.length), passwordHash: hashPassword(id) });
    return keys;
  };
  after(() => rmSync(directory, { recursive: true }));

  it('is taken up when it is replaced, and its users are told whose keys are others now', () => {
    keysOf('a', 'b', 'c').save(path);
    const log: string[] = [];
    const file = new KeyFile(path, (line) => log.push(line));
    const { keys } = file;
    const told: string[][] = [];
    keys.onChange((ids) => told.push(ids));
    const next = new ControllerKeys();
    next.add('a', keys.credentials('a') ?? assert.fail());
    next.add('c', { key: new Uint8Array(32) });
    next.add('d', { key: new Uint8Array(32) });
    next.save(path);
    file.look();
    file.look();
    assert.deepEqual(told, [['b', 'c']]);
    assert.deepEqual(keys.ids(), ['a', 'c', 'd']);
    assert.deepEqual(log, [`keys of 3 controllers were read from ${path}`]);
    file.close();
  });

  it('goes on counting as it was when what replaces it is faulty or missing', () => {
    keysOf('a').save(path);
    const log: string[] = [];
    const file = new KeyFile(path, (line) => log.push(line));
    writeFileSync(path, '{"version":1,"controllers":{"a":{"key":"short"}}}');
    file.look();
    rmSync(path);
    file.look();
    file.look();
    assert.deepEqual(file.keys.ids(), ['a']);
    assert.deepEqual(log, [
      `${path}: the key of a is not 32 bytes; the keys before it stay in use`,
      `${path} cannot be read (ENOENT); the keys before it stay in use`,
    ]);
    file.close();
  });

  it('is what a gateway wants before its broker listens beyond this machine, and then asks for passwords', async () => {
    await assert.rejects(
      Rig.start({ brokerHost: '0.0.0.0', keys: undefined }),
      /^Error: a broker that listens on 0\.0\.0\.0 asks for passwords, which are in --keys$/,
    );
    await assert.rejects(Rig.start({ keysFile: join(directory, 'none') }), /none cannot be read \(ENOENT\)/);
    keysOf('pole-1').save(path);
    const rig = await Rig.start({ brokerHost: '0.0.0.0', keysFile: path });
    const url = `mqtt://127.0.0.1:${rig.gateway.brokerPort}`;
    const options = { protocolVersion: 4, clientId: 'pole-1', reconnectPeriod: 0 } as const;
    await assert.rejects(connectAsync(url, options), { code: 4 });
    const client = await connectAsync(url, { ...options, username: 'pole-1', password: 'pole-1' });
    await client.endAsync(true);
    await rig.close();
  });
});
