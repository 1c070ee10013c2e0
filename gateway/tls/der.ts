/** Reads DER, as far as certificates and their revocation lists need it. Source: ITU-T X.690 (2021) §8, §10. */

/** One value, viewed inside the bytes that it was read from. */
export interface Element {
  tag: number;
  /** Tag, length and content. */
  whole: Buffer;
  content: Buffer;
}

export enum Tag {
  Integer = 0x02,
  BitString = 0x03,
  Identifier = 0x06,
  UtcTime = 0x17,
  GeneralizedTime = 0x18,
  Sequence = 0x30,
}

/** @returns the first element of `bytes`. Throws when it is not complete DER of a single-byte tag. */
export function readElement(bytes: Buffer): Element {
  if (bytes.length < 2 || (bytes[0] & 0x1f) === 0x1f) throw new Error('not DER');
  let length = bytes[1];
  let start = 2;
  if (length >= 0x80) {
    const size = length & 0x7f;
    if (size < 1 || size > 4 || bytes.length < 2 + size) throw new Error('not DER');
    length = bytes.readUIntBE(2, size);
    start += size;
  }
  if (bytes.length < start + length) throw new Error('DER that ends too early');
  return { tag: bytes[0], whole: bytes.subarray(0, start + length), content: bytes.subarray(start, start + length) };
}

/** @returns what a constructed element holds. Throws when that is not DER. */
export function readElements({ content }: Element): Element[] {
  const result: Element[] = [];
  for (let at = 0; at < content.length; ) {
    const element = readElement(content.subarray(at));
    result.push(element);
    at += element.whole.length;
  }
  return result;
}

/** @returns the element. Throws when it is missing or of another kind; `what` names it. */
export function expect(element: Element | undefined, tag: Tag, what: string): Element {
  if (element?.tag === tag) return element;
  throw new Error(`${what} is missing or of the wrong kind`);
}

/** @returns ms UTC. Throws when the element is no time. Source: RFC 5280 §4.1.2.5. */
export function readTime({ tag, content }: Element): number {
  const text = content.toString('latin1');
  const parts = /^(\d{2}|\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (!parts || (tag !== Tag.UtcTime && tag !== Tag.GeneralizedTime)) throw new Error(`${text} is no time`);
  const [year, month, day, hour, minute, second] = parts.slice(1).map(Number);
  const century = tag === Tag.GeneralizedTime ? 0 : year < 50 ? 2000 : 1900;
  return Date.UTC(century + year, month - 1, day, hour, minute, second);
}

/** @returns `1.2.840.…`. Source: ITU-T X.690 §8.19. */
export function readIdentifier({ content }: Element): string {
  const numbers: number[] = [];
  let value = 0;
  for (const byte of content) {
    value = value * 128 + (byte & 0x7f);
    if (byte & 0x80) continue;
    numbers.push(value);
    value = 0;
  }
  const [first = 0, ...rest] = numbers;
  const root = Math.min(Math.floor(first / 40), 2);
  return [root, first - 40 * root, ...rest].join('.');
}
