/** A PostgreSQL server of Debian's, in a temporary directory and on a socket in it: nothing else of the machine is touched. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';

const VERSIONS = '/usr/lib/postgresql';

let shared: PostgresServer | undefined;

/** @returns the directory of the newest installed version's programs, undefined without one. */
function findPostgres(): string | undefined {
  const versions = existsSync(VERSIONS) ? readdirSync(VERSIONS).sort((a, b) => Number(b) - Number(a)) : [];
  return versions.map((version) => join(VERSIONS, version, 'bin')).find((path) => existsSync(join(path, 'initdb')));
}

export class PostgresServer {
  private count = 0;

  private constructor(
    private readonly programs: string,
    private readonly directory: string,
    private readonly identity: { uid?: number; gid?: number },
  ) {}

  /** @returns the one server of this test run; undefined, after saying so, where there is none to start. */
  static shared(purpose: string): PostgresServer | undefined {
    const programs = findPostgres();
    if (!programs) console.log(`skipped: PostgreSQL absent (Debian package postgresql): ${purpose}`);
    else if (!shared) {
      shared = PostgresServer.start(programs);
      process.once('exit', () => shared?.close());
      // A test run that is stopped would leave its server behind.
      process.once('SIGTERM', () => process.exit(143));
    }
    return shared;
  }

  private static start(programs: string): PostgresServer {
    const directory = mkdtempSync(join(tmpdir(), 'reverbere-postgres-'));
    // The server refuses to run as root, and so does initdb.
    const nobody: { uid?: number; gid?: number } = process.getuid?.() === 0 ? userNamed('nobody') : {};
    if (nobody.uid !== undefined && nobody.gid !== undefined) chownSync(directory, nobody.uid, nobody.gid);
    const server = new PostgresServer(programs, directory, nobody);
    server.run('initdb', [
      '-D',
      join(directory, 'data'),
      '-U',
      'reverbere',
      '-A',
      'trust',
      '-E',
      'UTF8',
      '--locale=C',
      '-N',
    ]);
    server.boot();
    return server;
  }

  boot(): void {
    const options = `-k ${this.directory} -c listen_addresses= -c recovery_init_sync_method=syncfs -c shared_buffers=16MB -c max_connections=20`;
    this.run('pg_ctl', [
      '-D',
      join(this.directory, 'data'),
      '-l',
      join(this.directory, 'log'),
      '-w',
      '-o',
      options,
      'start',
    ]);
  }

  /** Kills every process of the server at once, as a crash does. */
  crash(): void {
    this.run('pg_ctl', ['-D', join(this.directory, 'data'), '-m', 'immediate', '-w', 'stop']);
  }

  /** @returns the path of one of its programs. */
  program(name: string): string {
    return join(this.programs, name);
  }

  /** @returns the URL of a fresh database. */
  async create(options = ''): Promise<string> {
    const name = `test_${++this.count}`;
    await this.query(this.url('postgres'), `CREATE DATABASE ${name} TEMPLATE template0 ${options}`);
    return this.url(name);
  }

  async query(url: string, text: string): Promise<Record<string, unknown>[]> {
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query(text)).rows;
    } finally {
      await client.end();
    }
  }

  private close(): void {
    this.crash();
    rmSync(this.directory, { recursive: true });
  }

  private url(name: string): string {
    return `postgres://reverbere@localhost/${name}?host=${encodeURIComponent(this.directory)}`;
  }

  private run(program: string, words: string[]): void {
    // Not a pipe: the server that pg_ctl starts would keep it open.
    const { status } = spawnSync(join(this.programs, program), words, {
      ...this.identity,
      cwd: this.directory,
      env: { ...process.env, LC_ALL: 'C', HOME: this.directory },
      stdio: 'ignore',
    });
    assert.equal(status, 0, `${program} ended with ${status}; its words: ${words.join(' ')}`);
  }
}

function userNamed(name: string): { uid: number; gid: number } {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  assert.ok(line, `there is no user ${name} as whom the database could run`);
  const [, , uid, gid] = line.split(':').map(Number);
  return { uid, gid };
}
