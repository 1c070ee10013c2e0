/** Controllers for benches of the gateway: one MQTT client plays them all. */
import { Decoder, Encoder } from 'cbor-x';
import { connectAsync, type MqttClient } from 'mqtt';
import {
  AckCode,
  AckKey,
  BirthKey,
  COMMAND_GROUP_ROOT,
  CommandKey,
  ControlType,
  Leaf,
  Quantity,
  Reason,
  ReportKey,
  ResetCode,
  TOPIC_ROOT,
} from '../firmware/link/messages.ts';
import { FieldEnd } from '../test/sealed.ts';

const options = { useRecords: false, variableMapSize: true, mapsAsObjects: false };
const encoder = new Encoder(options);
const decoder = new Decoder(options);
const BOOT = 7;

/** What each controller seals with, and opens by: one boot of each for ever. */
const ends = new Map<string, FieldEnd>();
function endOf(id: string): FieldEnd {
  const end = ends.get(id) ?? new FieldEnd(id);
  ends.set(id, end);
  return end;
}

/** @returns the message of a controller as it travels */
export function sealed(id: string, leaf: Leaf, message: Buffer): Buffer {
  if (leaf !== Leaf.Birth) return endOf(id).seal(leaf, message);
  const birth: Map<number, unknown> = decoder.decode(message);
  return endOf(id).seal(leaf, encoder.encode(birth.set(BirthKey.Session, endOf(id).session)));
}

export const idOf = (index: number): string => `pole-${String(index).padStart(5, '0')}`;

/** A pole with a meter, a light sensor and a presence input. */
export const BIRTH: Buffer = encoder.encode(
  new Map<number, unknown>([
    [BirthKey.Protocol, 1],
    [BirthKey.Board, 'esp32'],
    [BirthKey.Version, '1.0.0'],
    [BirthKey.Boot, BOOT],
    [BirthKey.Reset, ResetCode.Power],
    [BirthKey.Control, ControlType.Analog],
    [BirthKey.MinimumLevel, 10],
    [
      BirthKey.Units,
      [
        [
          1,
          'sdm120',
          [
            Quantity.SupplyVoltage,
            Quantity.SupplyCurrent,
            Quantity.ActivePower,
            Quantity.ReactivePower,
            Quantity.ApparentPower,
            Quantity.PowerFactor,
            Quantity.Frequency,
            Quantity.ActiveEnergy,
          ],
        ],
        [2, 'sen0644', [Quantity.Illuminance]],
      ],
    ],
    [BirthKey.Limits, [2560, 32, 16, 48]],
    [BirthKey.DefaultLevel, 100],
    [BirthKey.Presence, 1],
    [BirthKey.Groups, []],
  ]),
);

/** @param number of the report since boot; @param time ms UTC */
export function report(number: number, time: number): Buffer {
  const seconds = Math.floor(time / 1000);
  return encoder.encode(
    new Map<number, unknown>([
      [ReportKey.Number, number],
      [ReportKey.Time, seconds],
      [ReportKey.Uptime, 3600 + number],
      [ReportKey.Level, 70],
      [ReportKey.Command, 70],
      [ReportKey.Reason, Reason.Program],
      [ReportKey.Boot, BOOT],
      [ReportKey.Since, seconds - 600],
      [
        ReportKey.Units,
        [
          [12, 2315, 400, 923, -87, 927, -995, 5002, 1234567 + number],
          [5, 123],
        ],
      ],
      [ReportKey.Presence, 0],
    ]),
  );
}

export class Field {
  /** Messages with commands that came. */
  commands = 0;
  /** What each listens to. */
  private readonly groups = new Map<string, number[]>();

  private constructor(private readonly client: MqttClient) {
    client.on('message', (topic, payload) => {
      this.commands++;
      const [root, id] = topic.split('/');
      // One member opens what comes to all of a group.
      const end = endOf(root === COMMAND_GROUP_ROOT ? this.members(Number(id))[0] : id);
      const { message, counter } = end.open(topic, payload);
      const command: Map<number, unknown> = decoder.decode(message);
      const record = command.get(CommandKey.Groups) as Uint8Array | null | undefined;
      const groups = record === undefined ? undefined : end.join(end.unwrap(record ?? new Uint8Array(0), counter));
      if (root === COMMAND_GROUP_ROOT) for (const member of this.members(Number(id))) this.acknowledge(member, command);
      else {
        if (groups) this.groups.set(id, groups);
        this.acknowledge(id, command);
      }
    });
  }

  private members(group: number): string[] {
    return [...this.groups].filter(([, groups]) => groups.includes(group)).map(([id]) => id);
  }

  private acknowledge(id: string, command: Map<number, unknown>): void {
    const ack = encoder.encode(
      new Map([
        [AckKey.Number, command.get(CommandKey.Number)],
        [AckKey.Code, AckCode.Done],
      ]),
    );
    this.client.publish(`${TOPIC_ROOT}/${id}/${Leaf.Ack}`, sealed(id, Leaf.Ack, ack), { qos: 1 });
  }

  static async connect(port: number): Promise<Field> {
    const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 4, clientId: 'field' });
    const field = new Field(client);
    await client.subscribeAsync([`${TOPIC_ROOT}/+/${Leaf.Command}`, `${COMMAND_GROUP_ROOT}/+`], { qos: 1 });
    return field;
  }

  close(): Promise<void> {
    return this.client.endAsync(true);
  }
}
