/** Shows the street: redrawn in place on a terminal, as blocks of text in a log. */
import type { Row } from './street.ts';

export interface Screen {
  /** Lines that stay above the table: what to try. */
  notice(lines: string[]): void;
  log(line: string): void;
  show(time: number, rows: Row[]): void;
  close(): void;
}

/** What a screen draws on; `process.stdout` is one. */
export interface Output {
  readonly isTTY?: boolean;
  readonly rows?: number;
  write(text: string): unknown;
}

const LOGGED = 5;
const zone = new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Brussels', timeStyle: 'medium' });

/** @returns the table: a head with the simulated time (ms UTC) and one row a lamp, at most `most` of them. */
export function table(time: number, rows: Row[], speed: number, most = Number.POSITIVE_INFINITY): string[] {
  const utc = `${new Date(time).toISOString().slice(0, 19)}Z`;
  const fast = speed === 1 ? '' : `, ${speed} times as fast`;
  const width = Math.max(4, ...rows.map(({ id }) => id.length));
  const shown = rows.slice(0, rows.length > most ? Math.max(0, most - 1) : rows.length);
  const lines = shown.map(
    ({ id, level, power, link, command }) =>
      `${id.padEnd(width)}  ${level.toFixed(1).padStart(7)}  ${power.toFixed(1).padStart(7)}  ${link.padEnd(4)}  ${command}`,
  );
  if (shown.length < rows.length) lines.push(`… and ${rows.length - shown.length} more`);
  return [
    `Brussels ${zone.format(time)} (${utc}${fast})`,
    `${'lamp'.padEnd(width)}  level %  power W  link  command`,
    ...lines,
  ];
}

/** @param speed shown in the table's head */
export function openScreen(output: Output, speed: number): Screen {
  return output.isTTY ? new Terminal(output, speed) : new Log(output, speed);
}

class Log implements Screen {
  constructor(
    private output: Output,
    private speed: number,
  ) {}

  notice(lines: string[]): void {
    this.#print(lines);
  }

  log(line: string): void {
    this.#print([line]);
  }

  show(time: number, rows: Row[]): void {
    this.#print(['', ...table(time, rows, this.speed)]);
  }

  close(): void {}

  #print(lines: string[]): void {
    this.output.write(`${lines.join('\n')}\n`);
  }
}

const HOME_AND_CLEAR = '\x1b[H\x1b[J';
const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';

class Terminal implements Screen {
  #notice: string[] = [];
  #logged: string[] = [];

  constructor(
    private output: Output,
    private speed: number,
  ) {
    output.write(`\x1b[2J${HIDE_CURSOR}`);
  }

  notice(lines: string[]): void {
    this.#notice.push(...lines);
  }

  log(line: string): void {
    this.#logged = [...this.#logged, line].slice(-LOGGED);
  }

  show(time: number, rows: Row[]): void {
    const around = this.#notice.length + this.#logged.length + 6;
    const lines = [
      ...this.#notice,
      '',
      ...table(time, rows, this.speed, Math.max(3, (this.output.rows ?? 40) - around)),
      '',
      ...this.#logged,
      'Ctrl-C stops.',
    ];
    this.output.write(`${HOME_AND_CLEAR}${lines.join('\n')}\n`);
  }

  close(): void {
    this.output.write(SHOW_CURSOR);
  }
}
