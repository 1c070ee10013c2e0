/** Certificate revocation lists: read, and believed when the authority has signed them. Source: RFC 5280 §5. */
import { type KeyObject, verify } from 'node:crypto';
import { type Element, expect, readElement, readElements, readIdentifier, readTime, Tag } from './der.ts';

/** A list, not yet believed: see `isSignedBy`. */
export interface RevocationList {
  /** DER of the name of the authority. */
  issuer: Buffer;
  /** Serial numbers in hexadecimal, as DER has them. */
  serials: Set<string>;
  /** ms UTC after which there is a newer list; undefined: not said. */
  nextUpdate?: number;
  signed: Buffer;
  algorithm: string;
  signature: Buffer;
}

/** Digests of signature algorithms; null: it belongs to the algorithm. Source: RFC 4055, 5758 and 8410. */
const DIGESTS: Record<string, string | null> = {
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
  '1.3.101.112': null,
  '1.3.101.113': null,
};

/** @param bytes DER, or PEM with one list. Throws with what is wrong. */
export function readRevocationList(bytes: Buffer): RevocationList {
  const [list, algorithm, signature] = readElements(expect(readElement(unarmoured(bytes)), Tag.Sequence, 'the list'));
  const fields = readElements(expect(list, Tag.Sequence, 'what is signed'));
  // The version is optional, and then a number.
  const [, issuer, , ...rest] = fields[0]?.tag === Tag.Integer ? fields.slice(1) : fields;
  const isTime = (element: Element | undefined): element is Element =>
    element?.tag === Tag.UtcTime || element?.tag === Tag.GeneralizedTime;
  const nextUpdate = isTime(rest[0]) ? readTime(rest.shift() as Element) : undefined;
  const revoked = rest[0]?.tag === Tag.Sequence ? readElements(rest[0]) : [];
  const [oid] = readElements(expect(algorithm, Tag.Sequence, 'the signature algorithm'));
  return {
    issuer: expect(issuer, Tag.Sequence, 'the issuer').whole,
    serials: new Set(revoked.map((entry) => serialOf(readElements(entry)[0]))),
    nextUpdate,
    signed: list.whole,
    algorithm: readIdentifier(expect(oid, Tag.Identifier, 'the signature algorithm')),
    // The first byte counts unused bits, of which signatures have none.
    signature: expect(signature, Tag.BitString, 'the signature').content.subarray(1),
  };
}

/** @returns whether the authority with this key has signed the list. */
export function isSignedBy({ algorithm, signed, signature }: RevocationList, key: KeyObject): boolean {
  if (!Object.hasOwn(DIGESTS, algorithm)) return false;
  try {
    return verify(DIGESTS[algorithm], signed, key, signature);
  } catch {
    return false; // a key of another kind
  }
}

/** @returns issuer's name in DER and serial number of a certificate in DER. Source: RFC 5280 §4.1. */
export function identify(certificate: Buffer): { issuer: Buffer; serial: string } {
  const [body] = readElements(readElement(certificate));
  const fields = readElements(expect(body, Tag.Sequence, 'the certificate'));
  // [0] is the version, which only certificates of version 1 leave out.
  const [serial, , issuer] = fields[0]?.tag === 0xa0 ? fields.slice(1) : fields;
  return { issuer: expect(issuer, Tag.Sequence, 'the issuer').whole, serial: serialOf(serial) };
}

function serialOf(element: Element | undefined): string {
  return expect(element, Tag.Integer, 'a serial number').content.toString('hex');
}

function unarmoured(bytes: Buffer): Buffer {
  const armour = /-----BEGIN X509 CRL-----([\s\S]+?)-----END X509 CRL-----/.exec(bytes.toString('latin1'));
  return armour ? Buffer.from(armour[1], 'base64') : bytes;
}
