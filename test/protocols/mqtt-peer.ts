/** mqtt-packet as the other end, and packets as tests compare them. */
import assert from 'node:assert/strict';
import mqttPacket, { type Packet as PeerPacket } from 'mqtt-packet';
import { Found, PacketReader } from '../../firmware/protocols/mqtt.ts';

export type { PeerPacket };

/** @returns the packet's bytes. */
export const made = (packet: PeerPacket): Uint8Array => new Uint8Array(mqttPacket.generate(packet));

/** @returns the packets in our bytes as the server reads them; throws when it refuses them. */
export function read(data: Uint8Array): PeerPacket[] {
  const parser = mqttPacket.parser({ protocolVersion: 4 });
  const packets: PeerPacket[] = [];
  parser.on('packet', (packet) => packets.push(packet));
  parser.on('error', (error) => {
    throw error;
  });
  assert.equal(parser.parse(Buffer.from(data)), 0, 'whole packets');
  return packets;
}

/** What the reader finds: `[first byte, body as hex, cut]`, and `error` when it gives up. */
export type Finding = [number, string, boolean] | 'error';

export function findings(chunks: Iterable<Uint8Array>, reader = new PacketReader()): Finding[] {
  const found: Finding[] = [];
  for (const chunk of chunks) {
    const copy = Buffer.from(chunk);
    reader.at = 0;
    while (reader.at < chunk.length) {
      const before = reader.at;
      const result = reader.next(chunk);
      if (result === Found.Error) return [...found, 'error'];
      assert.ok(reader.at > before && reader.at <= chunk.length, 'goes on, and not too far');
      if (result === Found.Nothing) {
        assert.equal(reader.at, chunk.length);
        break;
      }
      const body = (reader.data as Uint8Array).subarray(reader.from, reader.to);
      assert.ok(body.length <= 3424);
      found.push([reader.head, Buffer.from(body).toString('hex'), reader.cut]);
    }
    assert.ok(copy.equals(chunk), 'the input is left alone');
  }
  return found;
}

export const publish = (
  topic: string,
  payload: Uint8Array,
  qos: 0 | 1 | 2,
  messageId = 7,
  retain = false,
): PeerPacket => ({
  cmd: 'publish',
  topic,
  payload: Buffer.from(payload),
  qos,
  messageId,
  retain,
  dup: false,
});
export const connack = (returnCode = 0): PeerPacket => ({ cmd: 'connack', returnCode, sessionPresent: false });
export const suback = (granted: number[], messageId = 1): PeerPacket => ({ cmd: 'suback', messageId, granted });
export const puback = (messageId: number): PeerPacket => ({ cmd: 'puback', messageId });
export const pingresp: PeerPacket = { cmd: 'pingresp' };
