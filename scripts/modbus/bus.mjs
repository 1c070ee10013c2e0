/** The master's end of a Modbus line or of a Modbus TCP gateway. */
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { crc16 } from '../../firmware/protocols/crc.ts';
import { checkReply, encodeRequest, Fault } from '../../firmware/protocols/modbus.ts';
import { FlashError } from '../flash/fault.mjs';
import { openPort } from '../flash/port.mjs';

/** ms of silence on a line before the next request: the longest that units of the known profiles want. */
const GAP = 20;
/** Bytes of the header of Modbus TCP. Source: MODBUS Messaging on TCP/IP V1.0b §3.1.3. */
const HEADER = 6;

/**
 * @typedef {object} Bus
 * @property {(unit: number, code: number, address: number, value: number, timeout: number) => Promise<Reply>} ask reads
 * `value` registers (functions 3, 4) or writes one (6). Rejects when the connection is lost.
 * @property {() => void} close
 *
 * @typedef {{ fault: number, registers: DataView }} Reply `Fault` or the unit's exception code
 */

/** @param {string} port device or tcp://host:port @param {number} baud @returns {Promise<Bus>} */
export async function openBus(port, baud) {
  const network = /^tcp:\/\/(.+):(\d+)$/.exec(port);
  return network ? openTcp(port, network[1], Number(network[2])) : openLine(port, baud);
}

/** RTU: a reply is whole when its CRC fits. */
async function openLine(port, baud) {
  const link = await openPort(port, { baud });
  const stream = byteStream((bytes) => link.write(Buffer.from(bytes).toString('latin1')), port, GAP);
  link.onData((text) => stream.push(Buffer.from(text, 'latin1')));
  link.onClose(stream.lose);
  const judge = (request, bytes) => {
    const fault = checkReply(request, bytes, bytes.length);
    return fault === Fault.Corrupt ? undefined : { fault, frame: bytes };
  };
  return { ask: (...words) => stream.ask(requestOf(words), words[4], judge), close: () => link.close() };
}

/** Modbus TCP: the same frames with a header in front and without CRC. */
async function openTcp(port, host, number) {
  const socket = createConnection({ host, port: number, noDelay: true });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(10_000) });
  } catch (error) {
    socket.destroy();
    throw new FlashError(`${port} cannot be reached: ${error.code ?? 'no connection within 10 s'}.`);
  }
  let number16 = 0;
  const wrap = (frame) => Buffer.from([number16 >> 8, number16 & 255, 0, 0, 0, 6, ...frame.subarray(0, 6)]);
  const stream = byteStream((frame) => socket.write(wrap(frame)), port, 0);
  socket.on('data', stream.push);
  socket.on('error', () => {});
  socket.on('close', stream.lose);
  const judge = (request, bytes) => {
    // Late answers to earlier requests come first.
    for (let at = 0; bytes.length >= at + HEADER; at += HEADER + bytes.readUInt16BE(at + 4)) {
      const end = at + HEADER + bytes.readUInt16BE(at + 4);
      if (bytes.length < end || bytes.readUInt16BE(at) !== number16) continue;
      const frame = sealed(bytes.subarray(at + HEADER, end));
      return { fault: checkReply(request, frame, frame.length), frame };
    }
    return undefined;
  };
  return {
    ask(...words) {
      number16 = (number16 + 1) & 0xffff;
      return stream.ask(requestOf(words), words[4], judge);
    },
    close: () => socket.destroy(),
  };
}

function requestOf([unit, code, address, value]) {
  const request = new Uint8Array(8);
  encodeRequest(request, unit, code, address, value);
  return request;
}

function sealed(body) {
  const crc = crc16(body, body.length);
  return Buffer.from([...body, crc & 255, crc >> 8]);
}

/** One request at a time on a stream of bytes. */
function byteStream(write, port, gap) {
  let heard = Buffer.alloc(0);
  let look = () => {};
  let lost = false;
  return {
    push: (bytes) => {
      heard = Buffer.concat([heard, bytes]);
      look();
    },
    lose: () => {
      lost = true;
      look();
    },
    async ask(request, timeout, judge) {
      heard = Buffer.alloc(0);
      write(request);
      let verdict;
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, timeout);
        look = () => {
          verdict = judge(request, heard);
          if (!verdict && !lost) return;
          clearTimeout(timer);
          resolve();
        };
        if (lost) look();
      });
      look = () => {};
      if (lost) throw new FlashError(`${port} was closed by the other end.`);
      await wait(gap);
      if (!verdict)
        return { fault: heard.length > 0 ? Fault.Corrupt : Fault.Silent, registers: new DataView(new ArrayBuffer(0)) };
      const { fault, frame } = verdict;
      return { fault, registers: new DataView(Uint8Array.from(frame).buffer, 3) };
    },
  };
}
