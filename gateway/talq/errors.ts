import type { ErrorKey, ErrorMessage, Reference } from './schemas.ts';

/** An answer that says no: the HTTP status and the body that TALQ wants with it. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly messages: ErrorMessage[],
  ) {
    super(messages[0]?.description ?? messages[0]?.key);
  }
}

/** @param addresses the resources that caused it; they become `references`. Source: TALQ 2.7.1 §3.5. */
export function refusal(status: number, key: ErrorKey, description: string, ...addresses: Reference[]): Refusal {
  const message: ErrorMessage = { key, description };
  if (addresses.length > 0) message.references = addresses.slice(0, 100).map((address) => ({ address }));
  return new Refusal(status, [message]);
}

/** @param path device, device/function or device/function/attribute */
export function deviceReference(...path: string[]): Reference {
  return { resource: 'devices', address: path.join('/') };
}
