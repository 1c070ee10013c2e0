import assert from 'node:assert/strict';
import { connectAsync } from 'mqtt';
import { LEVELS, oneLine, openLog, redact } from '../../gateway/log.ts';
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

  it('tells no passwords and no keys, whoever puts them into a message', () => {
    const key = 'q0jT5Yw1m2n3b4v5c6x7z8a9s0d1f2g3h4j5k6l7p8o';
    const secrets: [string, string][] = [
      ['broker mqtts://me:s3cret@broker:8883/x: trying', 'broker mqtts://***@broker:8883/x: trying'],
      ['postgres://me:p@ss/w@rd@db/x and https://a:b@c/', 'postgres://***@db/x and https://***@c/'],
      ['connect "amqp://u:p@h" failed', 'connect "amqp://***@h" failed'],
      ['{"password": "s3cret", "user":"me"}', '{"password": "***", "user":"me"}'],
      ['PGPASSWORD=s3cret PASSPHRASE: s3cret', 'PGPASSWORD=*** PASSPHRASE: ***'],
      ['Authorization: Bearer s3cret', 'Authorization: ***'],
      ['GET /x?access_token=s3cret&limit=1', 'GET /x?access_token=***&limit=1'],
      [`{"key":"${key}"}`, '{"key":"***"}'],
      ['-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY----- is wrong', '*** is wrong'],
      ['-----BEGIN EC PRIVATE KEY-----\ns3cret', '***'],
    ];
    for (const [text, shown] of secrets) assert.equal(redact(text), shown);
    // What says nothing stays as it is.
    const plain = [
      '400 [{"key":"headerMissing","description":"no password there"}]',
      'CMS https://cms.example/talq: 401; again in 30 s',
      'package a b has come, SHA-256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      'broker: me@home said hello',
    ];
    for (const text of plain) assert.equal(redact(text), text);
  });

  it('is one line of text, or one object a line with time, level and message; and leaves out what is less than it should', () => {
    const lines: string[] = [];
    const write = (line: string) => lines.push(line);
    openLog({ format: 'text', level: 'info' }, write)('a\nb mqtt://me:s3cret@x');
    assert.deepEqual(lines.splice(0), ['a\\nb mqtt://***@x']);
    const log = openLog({ format: 'json', level: 'warning' }, write);
    for (const level of LEVELS) log(`${FORGED} mqtt://me:s3cret@x "quoted" ${level}`, level);
    log('no level is info');
    assert.equal(lines.length, 2);
    for (const [i, line] of lines.entries()) {
      assert.match(line, /^[\x20-\x7e]*$/);
      const { time, level, message, ...more } = JSON.parse(line);
      assert.deepEqual([new Date(time).toISOString(), level, more], [time, ['warning', 'error'][i], {}]);
      assert.equal(message, `${oneLine(FORGED)} mqtt://***@x "quoted" ${level}`);
    }
  });

  it('tells nothing of the passwords of broker and database that a gateway was given', async () => {
    const lines: string[] = [];
    const log = (line: string) => lines.push(line);
    const rig = await Rig.start({ brokerUrl: 'mqtt://me:s3cret@127.0.0.1:1', log });
    while (lines.every((line) => !line.startsWith('broker'))) await new Promise((resolve) => setTimeout(resolve, 10));
    await rig.gateway.close();
    const database = 'postgres://me:s3cret@127.0.0.1:1/x';
    const { message } = await Rig.start({ database, log }).then(
      () => assert.fail(),
      (error) => error,
    );
    assert.ok(lines.length > 1 && ![...lines, message].join().includes('s3cret'), lines.join());
  });
});
