import type { Bytes, Stream, StreamOptions } from '../hal.ts';
import { joinWifi } from './wifi.ts';

/** bytes queued from which `write` answers false. */
const ROOM = 2048;
/** bytes that may be queued in all by somebody who does not wait for `onWritable`. */
const LIMIT = 6144;

/**
 * A socket of the interpreter. It queues without bound and tells only when all is sent, so bytes are counted here.
 * 'connect' and 'drain' mean the same to our user, and so do 'error' and 'close'.
 */
class SocketStream implements Stream {
  _socket: StreamSocket | undefined;
  _open = false;
  _full = true;
  _queued = 0;

  /** @param _options undefined once closed or failed */
  constructor(public _options: StreamOptions | undefined) {}

  write(data: Bytes): boolean {
    if (!this._open || !this._socket) throw new Error('stream is not open');
    if (this._full && this._queued + data.length > LIMIT) throw new Error('stream is full');
    this._queued += data.length;
    try {
      this._socket.write(E.toString(data));
    } catch (error) {
      // The socket is gone and its 'close' is on the way, or the network is and nothing would be.
      setTimeout(over, 0, this, error);
      this._queued = ROOM;
    }
    this._full = this._queued >= ROOM;
    return !this._full;
  }

  close(): void {
    const socket = this._socket;
    this._options = undefined;
    this._socket = undefined;
    this._open = false;
    if (!socket) return;
    socket.removeAllListeners();
    try {
      socket.end();
    } catch (_error) {
      // Without a network there is nothing to end.
    }
  }
}

/** The interpreter calls listeners with the socket as `this`: functions that all sockets share need no closures. */
interface StreamSocket extends Socket {
  _stream: SocketStream;
}

function writable(this: StreamSocket): void {
  const stream = this._stream;
  stream._queued = 0;
  if (!stream._options || !stream._full) return;
  stream._open = true;
  stream._full = false;
  stream._options.onWritable();
}

function received(this: StreamSocket, text: string): void {
  const options = this._stream._options;
  if (options) options.onData(E.toUint8Array(text));
}

/** @param reason an error, or whether there was one */
function over(stream: SocketStream, reason: unknown): void {
  const options = stream._options;
  if (!options) return;
  stream._options = undefined;
  stream._open = false;
  const message = reason ? (reason as Error).message : undefined;
  options.onError(new Error(message || 'connection closed'));
}

function ended(this: StreamSocket, reason: unknown): void {
  over(this._stream, reason);
}

/** @see Hal.connect. Looking up a host name blocks, as the interpreter does. TLS verifies no certificate. */
export function connect(options: StreamOptions): Stream {
  const port = options.port;
  if (!options.host || !(port >= 1 && port <= 65535)) throw new Error('host or port out of range');
  const stream = new SocketStream(options);
  const target = { host: options.host, port };
  joinWifi();
  let socket: StreamSocket;
  try {
    socket = (options.tls ? require('tls') : require('net')).connect(target, writable) as StreamSocket;
  } catch (error) {
    setTimeout(over, 0, stream, error);
    return stream;
  }
  stream._socket = socket;
  socket._stream = stream;
  socket.on('drain', writable);
  socket.on('error', ended);
  socket.on('close', ended);
  socket.on('data', received);
  return stream;
}
