/** Who gets into the gateway's own broker, and what he may do there: by the keys of controllers, and by `access.ts`. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { GATEWAY_USER, mayPublish, maySubscribe, type Rule, rulesOf } from './access.ts';
import { Attempts } from './attempts.ts';
import type { ControllerKeys } from './controller-keys.ts';
import { isPassword } from './mosquitto.ts';

/** What a connection may do, once it has said who it is. */
export interface Admission {
  user: string;
  rules: readonly Rule[];
}

/** Why a connection is refused, and what it is told. Source: MQTT 3.1.1 §3.2.2.3 (Connect return code). */
export interface Refusal {
  refusal: string;
  code: 2 | 3 | 4;
}

export class Guard {
  private readonly attempts = new Attempts();

  /** @param gatewayPassword of the gateway's own account, known to this process alone */
  constructor(
    readonly keys: ControllerKeys,
    private readonly gatewayPassword: string,
  ) {}

  /**
   * @param from address that the connection comes from
   * @param clientId a controller's is its user name, so that nobody can throw out another
   * @returns what it may do, or why it is refused
   */
  async admit(from: string, clientId: string, user?: string, password?: Uint8Array): Promise<Admission | Refusal> {
    if (user === undefined || password === undefined) return { refusal: `${from}: no user name and password`, code: 4 };
    // By address too: whoever guesses from elsewhere does not lock out the controller.
    const name = `${from} ${user}`;
    if (this.attempts.mustWait(name)) return { refusal: `${name}: too many wrong passwords`, code: 3 };
    const credentials = this.keys.credentials(user);
    const right =
      user === GATEWAY_USER
        ? equal(password, Buffer.from(this.gatewayPassword))
        : await isPassword(password, credentials?.passwordHash ?? '');
    if (!right) {
      this.attempts.failed(name);
      return { refusal: `${name}: wrong user name or password`, code: 4 };
    }
    this.attempts.succeeded(name);
    if (user !== GATEWAY_USER) {
      // Meanwhile it may have been revoked.
      if (this.keys.credentials(user) !== credentials) return { refusal: `${name}: revoked`, code: 4 };
      if (clientId !== user) return { refusal: `${name}: calls itself ${clientId}`, code: 2 };
    }
    return { user, rules: rulesOf(user, credentials?.group) };
  }

  mayPublish({ rules }: Admission, topic: string): boolean {
    return mayPublish(rules, topic);
  }

  maySubscribe({ rules }: Admission, filter: string): boolean {
    return maySubscribe(rules, filter);
  }
}

/** In a time that tells nothing of where they differ. */
function equal(one: Uint8Array, other: Uint8Array): boolean {
  const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();
  return timingSafeEqual(hash(one), hash(other));
}
