import type { Bytes, Stream, StreamOptions } from '../hal.ts';

/** bytes queued from which `write` answers false. */
const ROOM = 2048;
/** bytes that may be queued in all by somebody who does not wait for `onWritable`. */
const LIMIT = 6144;

/**
 * A socket of the interpreter. It queues without bound and tells only when all is sent, so bytes are counted here.
 * 'connect' and 'drain' mean the same to our user, and so do 'error' and 'close'.
 */
class SocketStream implements Stream {
  private _socket: Socket | undefined;
  private _open = false;
  private _full = true;
  private _queued = 0;
  /** Takes an error, or whether there was one. */
  private _over: (reason: unknown) => void;

  /** @param _options undefined once closed or failed */
  constructor(private _options: StreamOptions | undefined) {
    const options = _options as StreamOptions;
    const writable = () => {
      if (!this._options) return;
      this._queued = 0;
      if (!this._full) return;
      this._open = true;
      this._full = false;
      this._options.onWritable();
    };
    this._over = (reason) => {
      if (!this._options) return;
      this._options = undefined;
      this._open = false;
      const message = reason ? (reason as Error).message : undefined;
      options.onError(new Error(message || 'connection closed'));
    };
    const receive = (text: string) => {
      if (this._options) options.onData(E.toUint8Array(text));
    };
    const target = { host: options.host, port: options.port };
    let socket: Socket;
    try {
      // Alone in its statement: after an exception the interpreter parses on to the statement's end, and its Linux build
      // dies of an assertion when it comes upon an arrow function with `this`. Source: Espruino src/jsparse.c, jspeArrowFunction.
      socket = options.tls ? require('tls').connect(target, writable) : require('net').connect(target, writable);
    } catch (error) {
      setTimeout(this._over, 0, error);
      return;
    }
    this._socket = socket;
    socket.on('drain', writable);
    socket.on('error', this._over);
    socket.on('close', this._over);
    socket.on('data', receive);
  }

  write(data: Bytes): boolean {
    if (!this._open || !this._socket) throw new Error('stream is not open');
    if (this._full && this._queued + data.length > LIMIT) throw new Error('stream is full');
    this._queued += data.length;
    try {
      this._socket.write(E.toString(data));
    } catch (error) {
      // The socket is gone and its 'close' is on the way, or the network is and nothing would be.
      setTimeout(this._over, 0, error);
      this._queued = ROOM;
    }
    this._full = this._queued >= ROOM;
    return !this._full;
  }

  close(): void {
    const socket = this._socket;
    this._options = undefined;
    this._socket = undefined;
    if (!socket) return;
    socket.removeAllListeners();
    try {
      socket.end();
    } catch (_error) {
      // Without a network there is nothing to end.
    }
  }
}

/** @see Hal.connect. Looking up a host name blocks, as the interpreter does. TLS verifies no certificate. */
export function connect(options: StreamOptions): Stream {
  const port = options.port;
  if (!options.host || !(port >= 1 && port <= 65535)) throw new Error('host or port out of range');
  return new SocketStream(options);
}
