import assert from 'node:assert/strict';
import { connectAsync } from 'mqtt';
import { oneLine } from '../../gateway/log.ts';
import { Rig } from './rig.ts';

/** Ends a line and begins one that looks like the gateway's own, in red, right to left, and rings the bell. */
const FORGED = 'x\r\nTALQ 2.7.1 at evil\x1b[31m\x07\u2028\u202e\x9b2J\x00';

describe("the gateway's log", () => {
  it('writes what would end a line or steer a terminal as text', () => {
    assert.equal(oneLine('a\nb\r\tc'), 'a\\nb\\x0d\\x09c');
    assert.equal(oneLine('\x1b[31mred\x9bm'), '\\x1b[31mred\\x9bm');
    assert.equal(oneLine('\u2028\u202e\u2066\u200f'), '\\u2028\\u202e\\u2066\\u200f');
    assert.equal(oneLine('Réverbère 40 % “lamp” 街'), 'Réverbère 40 % “lamp” 街');
    assert.equal(oneLine('x'.repeat(5000)).length, 4097);
  });

  it('cannot be forged by client ids, topics and payloads', async () => {
    const rig = await Rig.start();
    const client = await connectAsync(`mqtt://127.0.0.1:${rig.gateway.brokerPort}`, {
      protocolVersion: 4,
      clientId: FORGED.replace('\x00', ''),
      reconnectPeriod: 0,
    });
    await client.publishAsync(`rvb1/${FORGED.replace('\x00', '')}/birth`, FORGED, { qos: 1 });
    await client.publishAsync('rvb1/pole-1/birth', FORGED, { qos: 1 });
    const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
    // Not MQTT at all: the broker tells of it with the client's id.
    client.stream.write(Buffer.from([0xff, 0x00]));
    await closed;
    await rig.close();
    assert.ok(
      rig.log.some((line) => line.startsWith('broker: x\\x0d\\nTALQ 2.7.1 at evil\\x1b[31m')),
      rig.log.join('\n'),
    );
    assert.ok(rig.log.some((line) => line.startsWith('dropped a message on "rvb1/x')));
    for (const line of rig.log) assert.match(line, /^[\x20-\x7e…]*$/);
    assert.equal(rig.log.filter((line) => line.startsWith('TALQ 2.7.1 at ')).length, 1);
  });
});
