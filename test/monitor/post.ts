/** The far end of a controller's connection: takes its messages, acknowledges them, and sends orders, with other people's codecs. */
import { decode, Encoder } from 'cbor-x';
import mqttPacket from 'mqtt-packet';
import { CommandKey, CommandKind, LogKey, RecordKind, TimeKey } from '../../firmware/link/messages.ts';
import type { World } from '../../sim/clock.ts';
import { type Dial, dialPipe, type FarEnd } from '../../sim/network.ts';
import { type Change, Configuration } from '../configuration.ts';
import { GatewayEnd } from '../sealed.ts';

/** A message that a controller published. */
export interface Letter {
  /** ms of the world at which it arrived. */
  at: number;
  /** The topic's last level. */
  leaf: string;
  /** As cbor-x reads it: maps are objects with text keys. */
  body: unknown;
}

const encoder = new Encoder({ mapsAsObjects: false, useRecords: false });
const NUMBERED = { messageId: 1 };

export class Post {
  readonly dial: Dial;
  /** What happens to each message when it comes. */
  onLetter: (letter: Letter) => void = () => {};
  /** It says that it has events and samples for good. */
  keeps = true;
  /** What the controller is told when it asks, ms UTC; undefined: nothing. */
  now: () => number | undefined = () => undefined;
  #end: FarEnd | undefined;
  /** The seal of the gateway that is played. */
  readonly seal: GatewayEnd;
  /** What the controller was told to keep. */
  readonly configuration = new Configuration();
  #number = 0;
  #ahead = 0;

  constructor(
    private world: World,
    private id: string,
    latency = 10,
  ) {
    this.seal = new GatewayEnd(id);
    this.dial = dialPipe(world, (end) => this.#accept(end), latency);
  }

  /** Answers what time it is, as the gateway does. */
  #tellTime(echo: unknown): void {
    const time = this.now();
    if (time === undefined) return;
    const message = new Map([
      [TimeKey.Seconds, Math.floor(time / 1000)],
      [TimeKey.Milliseconds, Math.floor(time % 1000)],
      [TimeKey.Echo, Number(echo)],
    ]);
    this.#send('time', message, 0);
  }

  /** @param items by `CommandKey`. @param number a new one, unless it is said again */
  command(kind: CommandKind, items: [CommandKey, unknown][] = [], number = ++this.#number): void {
    const head: [CommandKey, unknown][] = [
      [CommandKey.Number, number],
      [CommandKey.Kind, kind],
    ];
    this.#send('cmd', new Map([...head, ...items]), 1);
  }

  /** Changes the controller's configuration. The keys of groups cannot be wrapped here. */
  configure(change: Change): void {
    this.command(CommandKind.Configuration, this.configuration.items(change));
  }

  #send(leaf: string, message: unknown, qos: 0 | 1): void {
    const topic = `rvb1/${this.id}/${leaf}`;
    // It knows the time also when it does not tell it.
    const now = this.now();
    if (now !== undefined) this.#ahead = now - this.world.now;
    this.sendRaw(topic, this.seal.seal(leaf, encoder.encode(message), this.world.now + this.#ahead), qos);
  }

  /** Sends what anybody might who has the broker: any bytes. */
  sendRaw(topic: string, payload: Buffer, qos: 0 | 1 = 1): void {
    const packet = { cmd: 'publish', topic, payload, qos, dup: false, retain: false, ...NUMBERED } as const;
    this.#end?.write(mqttPacket.generate(packet));
  }

  #keep(leaf: string, body: unknown): void {
    if (leaf === 'event') {
      const [epoch, ...events] = body as [number, ...number[][]];
      this.#send('got', [RecordKind.Event, epoch, events[0][0], (events.at(-1) as number[])[0]], 1);
    }
    if (leaf === 'log') {
      const { [LogKey.Number]: number, [LogKey.Epoch]: epoch } = body as Record<number, number>;
      this.#send('got', [RecordKind.Samples, epoch, number, number], 1);
    }
  }

  #accept(end: FarEnd): void {
    this.#end = end;
    const parser = mqttPacket.parser({ protocolVersion: 4 });
    const answer = (packet: mqttPacket.Packet) => end.write(mqttPacket.generate(packet));
    parser.on('packet', (packet) => {
      if (packet.cmd === 'connect') answer({ cmd: 'connack', returnCode: 0, sessionPresent: false });
      else if (packet.cmd === 'pingreq') answer({ cmd: 'pingresp' });
      else if (packet.cmd === 'subscribe') {
        const { messageId, subscriptions } = packet;
        answer({ cmd: 'suback', messageId, granted: subscriptions.map(({ qos }) => qos) });
      } else if (packet.cmd === 'publish') {
        if (packet.qos > 0) answer({ cmd: 'puback', messageId: packet.messageId });
        const leaf = packet.topic.slice(`rvb1/${this.id}/`.length);
        const body = decode(this.seal.open(packet.topic, packet.payload as Buffer));
        if (leaf === 'ask') this.#tellTime(body);
        if (this.keeps) this.#keep(leaf, body);
        this.onLetter({ at: this.world.now, leaf, body });
      }
    });
    parser.on('error', (error) => {
      throw error;
    });
    end.onData = (data) => parser.parse(Buffer.from(data));
  }
}
