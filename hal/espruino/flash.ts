import type { Bytes, FlashArea, FlashOptions } from '../hal.ts';

/** Put in by the build: the board is a host, and a file stands for its flash. */
declare const HOST: boolean;

/** bytes; a host's file has pages like SPI flash. */
const PAGE = 4096;
/** bytes that a file is read and written by: texts in between take memory that real flash does not. */
const PIECE = 256;

/** Every method checks for itself: from an event to here the calls are as deep as they may be. */
class BoardFlash implements FlashArea {
  constructor(
    readonly size: number,
    readonly page: number,
    private _address: number,
  ) {}

  read(address: number, length: number): Bytes {
    if (!(address >= 0 && length >= 0 && address + length <= this.size)) throw new Error('outside flash');
    return require('Flash').read(length, this._address + address);
  }

  write(address: number, data: Bytes): void {
    const length = data.length;
    if (!(address >= 0 && address + length <= this.size) || address % 4 || length % 4) throw new Error('not in flash');
    require('Flash').write(data, this._address + address);
  }

  erase(address: number): void {
    if (!(address >= 0 && address < this.size) || address % this.page) throw new Error('not a page of flash');
    require('Flash').erasePage(this._address + address);
  }
}

class FileFlash implements FlashArea {
  constructor(
    readonly size: number,
    readonly page: number,
    private _file: string,
    private _address: number,
  ) {}

  read(address: number, length: number): Bytes {
    if (!(address >= 0 && length >= 0 && address + length <= this.size)) throw new Error('outside flash');
    const bytes = new Uint8Array(length);
    const file = E.openFile(this._file, 'r');
    file.seek(this._address + address);
    for (let at = 0; at < length; at += PIECE) bytes.set(E.toUint8Array(file.read(Math.min(PIECE, length - at))), at);
    file.close();
    return bytes;
  }

  write(address: number, data: Bytes): void {
    const length = data.length;
    if (!(address >= 0 && address + length <= this.size) || address % 4 || length % 4) throw new Error('not in flash');
    const file = E.openFile(this._file, 'r+');
    file.seek(this._address + address);
    for (let at = 0; at < length; at += PIECE) file.write(E.toString(data.subarray(at, Math.min(at + PIECE, length))));
    file.close();
  }

  erase(address: number): void {
    if (address % PAGE) throw new Error('not a page of flash');
    const blank = new Uint8Array(PIECE).fill(255);
    for (let at = 0; at < PAGE; at += PIECE) this.write(address + at, blank);
  }
}

/** @see Hal.openFlash */
export function openFlash(options: FlashOptions): FlashArea {
  const address = options.address || 0;
  const page = HOST ? { length: PAGE } : require('Flash').getPage(address);
  const size = options.size;
  if (!page || address % page.length || size % page.length || size < 2 * page.length)
    throw new Error('not an area of flash');
  if (!HOST) return new BoardFlash(size, page.length, address);
  const file = options.file as string;
  const known = require('fs').statSync(file);
  const end = address + size;
  // What the file lacks is erased flash.
  const whole = new FileFlash(end, PAGE, file, 0);
  let at = known ? known.size - (known.size % PAGE) : 0;
  if (!known) require('fs').writeFileSync(file, '');
  for (; at < end; at += PAGE) whole.erase(at);
  return new FileFlash(size, PAGE, file, address);
}
