/** Who is at the other end of a TLS connection. */
import type { Socket } from 'node:net';
import { type DetailedPeerCertificate, TLSSocket } from 'node:tls';
import type { Revocations } from './revocations.ts';

/** A certificate whose authority is trusted. */
export interface ClientCertificate {
  /** Stays the same when the certificate is renewed, e.g. `O=City, CN=cms.example.org`. */
  subject: string;
  /** Common name and alternative names. */
  names: string[];
  /** SHA-256 of the certificate in hexadecimal, upper case without colons. */
  fingerprint: string;
}

/** @returns the certificate that the client has shown, undefined without one or without TLS. */
export function certificateOf(socket: Socket): ClientCertificate | undefined {
  const detailed = trusted(socket);
  if (!detailed) return undefined;
  const { subject, subjectaltname = '', fingerprint256 } = detailed;
  const parts = Object.entries(subject).flatMap(([key, value]) => [value].flat().map((one) => `${key}=${one}`));
  const alternatives = subjectaltname.split(', ').map((entry) => entry.replace(/^[A-Za-z ]+:/, ''));
  return {
    subject: parts.join(', ') || subjectaltname,
    names: [...[subject.CN ?? []].flat(), ...alternatives].filter(Boolean),
    fingerprint: plain(fingerprint256),
  };
}

/** @param wanted a name, or `sha256:` and a fingerprint with or without colons */
export function isCertificate({ names, fingerprint }: ClientCertificate, wanted: string): boolean {
  return /^sha256:/i.test(wanted) ? plain(wanted.slice('sha256:'.length)) === fingerprint : names.includes(wanted);
}

/** @returns whether the certificate that the client has shown, or one above it, has been revoked. */
export function isRevoked(socket: Socket, revocations: Revocations): boolean {
  const detailed = trusted(socket);
  if (!detailed) return false;
  const known = checked.get(socket);
  if (known?.generation === revocations.generation) return known.revoked;
  const { generation } = revocations;
  const revoked = revocations.hasRevoked(detailed);
  checked.set(socket, { generation, revoked });
  return revoked;
}

const checked = new WeakMap<Socket, { generation: number; revoked: boolean }>();

function trusted(socket: Socket): DetailedPeerCertificate | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const certificate = socket.getPeerCertificate(true);
  return certificate?.raw ? certificate : undefined;
}

const plain = (fingerprint: string): string => fingerprint.replaceAll(':', '').toUpperCase();
