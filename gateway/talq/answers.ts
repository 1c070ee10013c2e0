/** Answers to writes, kept for a while: a repeated request gets the first one's answer and does nothing again. */
import { createHash } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { Refusal } from './errors.ts';

export interface Answer {
  status: number;
  body?: unknown;
}

/** Answers kept for one CMS, and characters of all their bodies. */
const MOST = 1000;
const MOST_CHARACTERS = 16777216;
/** ms */
const LIFETIME = 3600000;

interface Kept {
  /** Digest of what was asked. */
  request: string;
  time: number;
  /** Undefined once it has been refused. */
  answer?: Promise<Answer>;
  /** The refusal without the Error that was thrown: its stack would hold the whole request. */
  refused?: Pick<Refusal, 'status' | 'messages'>;
  characters: number;
}

/** Of one CMS, so that no other can push them out. */
export class Answers {
  private readonly kept = new Map<string, Kept>();
  private characters = 0;

  constructor(private readonly clock: Clock) {}

  /**
   * @param key who asks, and the id of the request; undefined: it has none and is always done
   * @param request everything that makes two requests the same; another one under the same id is done, not answered
   */
  async once(key: string | undefined, request: string, act: () => Promise<Answer>): Promise<Answer> {
    if (key === undefined) return act();
    const digest = createHash('sha256').update(request).digest('base64');
    const now = this.clock.now();
    const known = this.kept.get(key);
    if (known?.request === digest && now - known.time < LIFETIME) {
      if (known.refused) throw new Refusal(known.refused.status, known.refused.messages);
      if (known.answer) return known.answer;
    }
    const work = act();
    const entry: Kept = { request: digest, time: now, answer: work, characters: 0 };
    this.forget(key);
    this.kept.set(key, entry);
    this.shrink();
    try {
      const answer = await work;
      this.count(key, entry, answer.body);
      return answer;
    } catch (error) {
      entry.answer = undefined;
      // What broke inside may work the next time; what was refused is refused again.
      if (error instanceof Refusal && error.status < 500) {
        const { status, messages } = error;
        entry.refused = { status, messages };
        this.count(key, entry, messages);
      } else if (this.kept.get(key) === entry) this.forget(key);
      throw error;
    }
  }

  private count(key: string, entry: Kept, body: unknown): void {
    if (body === undefined || this.kept.get(key) !== entry) return;
    entry.characters = JSON.stringify(body).length;
    this.characters += entry.characters;
    this.shrink();
  }

  private shrink(): void {
    for (const [oldest] of this.kept) {
      if (this.kept.size <= MOST && this.characters <= MOST_CHARACTERS) return;
      this.forget(oldest);
    }
  }

  private forget(key: string): void {
    this.characters -= this.kept.get(key)?.characters ?? 0;
    this.kept.delete(key);
  }
}
