/** A controller's way out over TLS that verifies nothing, as on Espruino. */
import { setImmediate as turn } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { type Dial, dialDuplex } from '../../sim/network.ts';

export class Untrusting {
  private readonly handshakes = new Set<TLSSocket>();

  /** @param port where connections end, whatever they are for; absent: where they want to */
  constructor(private readonly port?: () => number) {}

  get dial(): Dial {
    return dialDuplex(({ tls, port }) => {
      if (!tls) throw new Error('the controller was to use TLS');
      const socket = connect({ host: '127.0.0.1', port: this.port?.() ?? port, rejectUnauthorized: false });
      socket.setNoDelay(true);
      this.handshakes.add(socket);
      for (const event of ['secureConnect', 'error', 'close']) socket.once(event, () => this.handshakes.delete(socket));
      return socket;
    });
  }

  /** Resolves when no handshake is under way: its arithmetic takes real time, which simulated time knows nothing of. */
  async settled(): Promise<void> {
    while (this.handshakes.size > 0) await turn();
  }
}
