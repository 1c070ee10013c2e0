import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { client as clients } from 'jsmodbus';
import { World } from '../../../sim/clock.ts';
import { crcHolds, RtuSegment, withCrc } from '../../../sim/plant/rtu-segment.ts';
import { seeded } from '../../../sim/random.ts';
import { type Format, frameSilence, SerialLine, type Station } from '../../../sim/serial-line.ts';

const FORMAT: Format = { baud: 9600, data: 8, parity: 'none', stop: 1 };
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

function bench() {
  const world = new World();
  const line = new SerialLine(world, seeded(1));
  const segment = new RtuSegment(world, line, FORMAT);
  const answers: { time: number; bytes: Buffer }[] = [];
  const master: Station = {
    format: FORMAT,
    echo: false,
    receive: (data) => answers.push({ time: world.now, bytes: Buffer.from(data) }),
  };
  line.attach(master);
  line.chunk = 256;
  const send = (bytes: Buffer) => line.transmit(master, bytes, () => {});
  const ask = (body: string) => {
    answers.length = 0;
    send(withCrc(hex(body)));
    world.run(1000);
    return answers.map(({ bytes }) => bytes.toString('hex')).join(' ');
  };
  return { world, line, segment, answers, send, ask };
}

const input = Buffer.alloc(160);
input.writeFloatBE(230.2, 0);

describe('Modbus segment', () => {
  it('seals frames as the published vectors', () => {
    const vectors = [
      '01 04 00 00 00 02 71 cb',
      '01 04 00 0c 00 02 b1 c8',
      '01 03 20 00 00 02 cf cb',
      '00 06 00 00 00 01 49 db',
    ];
    for (const vector of vectors) {
      assert.ok(crcHolds(hex(vector)));
      assert.equal(withCrc(hex(vector).subarray(0, -2)).toString('hex'), hex(vector).toString('hex'));
    }
  });

  it('answers 230.2 V, starting 4.010 ms of silence and 20 ms after the request', () => {
    const { segment, answers, world, send } = bench();
    segment.addUnit(1, { input });
    send(hex('01 04 00 00 00 02 71 cb'));
    world.run(1000);
    assert.equal(answers[0].bytes.toString('hex'), withCrc(hex('01 04 04 43 66 33 33')).toString('hex'));
    const expected = 8 * (10 / 9.6) + frameSilence(FORMAT) + 20 + 9 * (10 / 9.6);
    assert.ok(Math.abs(answers[0].time - expected) < 1e-6, `${answers[0].time} is not ${expected}`);
  });

  it('waits for the end of a request that arrives byte by byte', () => {
    const { segment, line, ask } = bench();
    line.chunk = 1;
    const unit = segment.addUnit(1, { input });
    assert.equal(ask('01 04 00 00 00 02').replaceAll(' ', '').length, 18);
    assert.equal(unit.requests, 1);
  });

  it('takes a pause of 3.9 ms for part of a frame and one of 4.1 ms for the end of it', () => {
    for (const [pause, answered] of [
      [3.9, 1],
      [4.1, 0],
    ]) {
      const { segment, world, send } = bench();
      const unit = segment.addUnit(1, { input });
      const frame = hex('01 04 00 00 00 02 71 cb');
      send(frame.subarray(0, 3));
      world.run(3 * (10 / 9.6) + pause);
      send(frame.subarray(3));
      world.run(1000);
      assert.equal(unit.answers, answered, `after a pause of ${pause} ms`);
      assert.equal(segment.damaged, answered ? 0 : 2);
    }
  });

  it('hears the next request after a byte of noise, a bad CRC and 300 bytes of noise', () => {
    const { segment, line, ask, send, world } = bench();
    segment.addUnit(1, { input });
    line.disturb(Uint8Array.of(0x55));
    world.run(100);
    send(hex('01 04 00 00 00 02 71 cc'));
    world.run(100);
    line.disturb(new Uint8Array(300).fill(0xaa));
    world.run(1000);
    assert.equal(segment.damaged, 3);
    assert.match(ask('01 04 00 00 00 02'), /^010404/);
  });

  it('answers for its units 1 and 7 and keeps silent for unit 2 and for a unit without power', () => {
    const { segment, ask } = bench();
    const first = segment.addUnit(1, { input });
    segment.addUnit(7, { input });
    assert.match(ask('07 04 00 00 00 02'), /^070404/);
    assert.equal(ask('02 04 00 00 00 02'), '');
    first.connected = false;
    assert.equal(ask('01 04 00 00 00 02'), '');
    assert.match(ask('07 04 00 00 00 02'), /^070404/);
  });

  it('answers exception 1 to functions 03, 22 and 43, 3 to 0 and 126 registers, 2 past register 79', () => {
    const { segment, ask } = bench();
    segment.addUnit(1, { input });
    const exception = (code: string) => withCrc(hex(code)).toString('hex');
    assert.equal(ask('01 03 00 00 00 02'), exception('01 83 01'));
    assert.equal(ask('01 16 00 04 00 f2 00 25'), exception('01 96 01'));
    assert.equal(ask('01 2b 0e 01 00'), exception('01 ab 01'));
    assert.equal(ask('01 04 00 00 00 00'), exception('01 84 03'));
    assert.equal(ask('01 04 00 00 00 7e'), exception('01 84 03'));
    assert.equal(ask('01 04 00 4f 00 02'), exception('01 84 02'));
    assert.match(ask('01 04 00 4e 00 02'), /^010404/);
  });

  it('writes registers with 06 and 16, and answers 2 and 3 where the server would crash or believe', () => {
    const { segment, ask } = bench();
    const holding = Buffer.alloc(8);
    const coils = Buffer.alloc(1);
    segment.addUnit(1, { holding, coils });
    assert.equal(ask('01 06 00 02 00 03'), withCrc(hex('01 06 00 02 00 03')).toString('hex'));
    assert.equal(holding.readUInt16BE(4), 3);
    assert.equal(ask('01 10 00 00 00 02 04 00 0a 01 02'), withCrc(hex('01 10 00 00 00 02')).toString('hex'));
    assert.equal(holding.toString('hex'), '000a010200030000');
    assert.equal(ask('01 06 00 04 00 03'), withCrc(hex('01 86 02')).toString('hex'));
    assert.equal(ask('01 05 00 00 12 34'), withCrc(hex('01 85 03')).toString('hex'));
    assert.equal(ask('01 10 00 00 00 02 03 00 0a 01'), withCrc(hex('01 90 03')).toString('hex'));
  });

  it('obeys a broadcast at every unit without an answer', () => {
    const { segment, ask } = bench();
    const first = Buffer.alloc(4);
    const second = Buffer.alloc(4);
    segment.addUnit(1, { holding: first });
    segment.addUnit(2, { holding: second });
    assert.equal(ask('00 06 00 00 00 01'), '');
    assert.equal(first.readUInt16BE(0), 1);
    assert.equal(second.readUInt16BE(0), 1);
    assert.match(ask('01 03 00 00 00 01'), /^0103020001/);
  });

  it('serves a jsmodbus client, values and exceptions', async () => {
    const { world, line, segment } = bench();
    segment.addUnit(3, { input });
    let pump = true;
    const socket: Duplex = new Duplex({
      read: () => {},
      write: (chunk, _encoding, sent) => {
        line.transmit(station, chunk, () => {});
        sent();
      },
    });
    const station: Station = { format: FORMAT, echo: false, receive: (data) => void socket.push(Buffer.from(data)) };
    line.attach(station);
    const client = new clients.RTU(socket as never, 3);
    socket.emit('open');
    const pumping = (async () => {
      while (pump) await world.advance(10);
    })();
    try {
      const { response } = await client.readInputRegisters(0, 2);
      assert.equal((response.body.valuesAsBuffer as Buffer).toString('hex'), '43663333');
      await assert.rejects(client.readInputRegisters(200, 2), (error: { message: string }) =>
        /ILLEGAL DATA ADDRESS/.test(error.message),
      );
    } finally {
      pump = false;
      await pumping;
    }
  });

  it('survives 2000 random frames, with and without a good CRC', () => {
    const random = seeded(5);
    const { segment, world, send, ask } = bench();
    segment.addUnit(1, { input, holding: Buffer.alloc(20), coils: Buffer.alloc(2), discrete: Buffer.alloc(2) });
    for (let round = 0; round < 2000; round++) {
      const body = Buffer.from(Array.from({ length: 2 + random.below(20) }, () => random.below(256)));
      body[0] = random.below(3);
      if (random.chance(0.7)) body[1] = 1 + random.below(16);
      if (random.chance(0.7) && body.length > 5) body.fill(0, 2, 5);
      send(random.chance(0.8) ? withCrc(body) : body);
      world.run(400);
    }
    assert.match(ask('01 04 00 00 00 02'), /^010404/);
  });
});
