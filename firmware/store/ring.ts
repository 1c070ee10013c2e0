/**
 * One record of a fixed size, written often: every write goes to the next place of an area of raw flash, so that all
 * pages wear alike and the record before stays whole until the new one is. The newest whole one counts.
 *
 * A place: sequence (4 bytes), the record, CRC-32 of both (little-endian), padded to 4 bytes. A page is erased when its first
 * place is needed; where a power cut tore something, its place is skipped until then.
 */
import type { Bytes, FlashArea, Hal } from '../../hal/hal.ts';

const SEQUENCE = 4;
const CHECK = 4;

export class Ring {
  private _place: number;
  /** Address of the next place. */
  private _next = 0;
  private _sequence = 0;
  /** Address of the newest record; negative: there is none. */
  private _newest = -1;
  /** CRC-32 of a place that is erased: a native call tells what a loop over its bytes takes a million instructions for. */
  private _blank: number;

  /** Looks for the newest record. @param _length bytes of a record */
  constructor(
    private _hal: Pick<Hal, 'crc32'>,
    private _flash: FlashArea,
    private _length: number,
  ) {
    this._place = (SEQUENCE + _length + CHECK + 3) & -4;
    this._blank = _hal.crc32(new Uint8Array(this._place).fill(255));
    const page = _flash.page;
    let start = -1;
    for (let at = 0; at < _flash.size; at += page) if (this._take(at)) start = at;
    // Nothing whole at the begin of any page: the ring is new, or the very first write was torn.
    if (start < 0) return;
    let at = start + this._place;
    while (at + this._place <= start + page && (this._take(at) || !this._isBlank(at))) at += this._place;
    this._next = at;
  }

  /** @returns a copy of the newest record; undefined: there is none */
  read(): Bytes | undefined {
    return this._newest < 0 ? undefined : this._flash.read(this._newest + SEQUENCE, this._length);
  }

  /** @param record of the ring's length. @returns false: flash does not hold what was written, twice */
  write(record: Bytes): boolean {
    const flash = this._flash;
    const bytes = new Uint8Array(this._place).fill(255);
    const view = new DataView(bytes.buffer);
    const sequence = this._sequence + 1;
    const end = SEQUENCE + this._length;
    view.setUint32(0, sequence, true);
    bytes.set(record, SEQUENCE);
    view.setUint32(end, this._hal.crc32(bytes.subarray(0, end)), true);
    for (let attempt = 0; attempt < 2; attempt++) {
      const at = this._room();
      if (!this._isBlank(at)) continue;
      flash.write(at, bytes);
      if (this._take(at)) return true;
    }
    return false;
  }

  /** @returns the address of the next place, whose page is erased if it is the first */
  private _room(): number {
    const page = this._flash.page;
    let at = this._next;
    if ((at % page) + this._place > page) at += page - (at % page);
    if (at >= this._flash.size) at = 0;
    if (at % page === 0) this._flash.erase(at);
    this._next = at + this._place;
    return at;
  }

  /** @returns whether a whole record that is newer than all before lies there; then it is the newest */
  private _take(at: number): boolean {
    const bytes = this._flash.read(at, this._place);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const end = SEQUENCE + this._length;
    const sequence = view.getUint32(0, true);
    if (sequence <= this._sequence || view.getUint32(end, true) !== this._hal.crc32(bytes.subarray(0, end))) {
      return false;
    }
    this._sequence = sequence;
    this._newest = at;
    return true;
  }

  private _isBlank(at: number): boolean {
    return this._hal.crc32(this._flash.read(at, this._place)) === this._blank;
  }
}
