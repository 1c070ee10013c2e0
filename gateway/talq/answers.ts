/** Answers to writes, kept for a while: a repeated request gets the first one's answer and does nothing again. */
import type { Clock } from '../clock.ts';

export interface Answer {
  status: number;
  body?: unknown;
}

const MOST = 1000;
/** ms */
const LIFETIME = 3600000;

export class Answers {
  private readonly kept = new Map<string, { request: string; time: number; answer: Promise<Answer> }>();

  constructor(private readonly clock: Clock) {}

  /**
   * @param key who asks, and the id of the request; undefined: it has none and is always done
   * @param request everything that makes two requests the same; another one under the same id is done, not answered
   */
  once(key: string | undefined, request: string, act: () => Promise<Answer>): Promise<Answer> {
    if (key === undefined) return act();
    const now = this.clock.now();
    const known = this.kept.get(key);
    if (known?.request === request && now - known.time < LIFETIME) return known.answer;
    const answer = act();
    this.kept.delete(key);
    this.kept.set(key, { request, time: now, answer });
    for (const [oldest] of this.kept) {
      if (this.kept.size <= MOST) break;
      this.kept.delete(oldest);
    }
    // What broke inside may work the next time; what was refused is refused again.
    answer.catch((error) => {
      if (!('messages' in error) || error.status >= 500) this.kept.delete(key);
    });
    return answer;
  }
}
