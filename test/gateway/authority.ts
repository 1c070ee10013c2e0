/** A certificate authority of its own, made by Debian's openssl in a directory that goes with it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Paths of a certificate and its key. */
export interface Pair {
  certificate: string;
  key: string;
}

/** Undefined when there is none; tests then say so and are skipped. */
export const opensslVersion = (() => {
  const { status, stdout } = spawnSync('openssl', ['version'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
})();

const CONFIGURATION = `
[ca]
default_ca = own
[own]
dir = .
database = ./index.txt
serial = ./serial
crlnumber = ./crlnumber
new_certs_dir = .
certificate = ./ca.pem
private_key = ./ca.key
default_md = sha256
default_days = 365
default_crl_days = 30
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
organizationName = optional
[req]
distinguished_name = name
[name]
[v3]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
`;

export class Authority {
  readonly directory = mkdtempSync(join(tmpdir(), 'reverbere-ca-'));
  /** Its own certificate. */
  readonly ca = join(this.directory, 'ca.pem');
  private made = 0;

  /** @param key `rsa:2048`, or `ec` for P-256 */
  constructor(
    name: string,
    private readonly key: 'ec' | 'rsa:2048' = 'ec',
  ) {
    writeFileSync(join(this.directory, 'openssl.cnf'), CONFIGURATION);
    writeFileSync(join(this.directory, 'index.txt'), '');
    writeFileSync(join(this.directory, 'serial'), 'A001\n');
    writeFileSync(join(this.directory, 'crlnumber'), '01\n');
    this.openssl(
      'req',
      '-x509',
      ...this.newKey('ca.key'),
      '-subj',
      `/CN=${name}`,
      '-extensions',
      'v3',
      '-out',
      'ca.pem',
    );
  }

  /** Signs a certificate for 127.0.0.1 that can be a server's and a client's. @param end YYYYMMDDHHMMSSZ */
  issue(name: string, end?: string): Pair {
    const base = `${++this.made}`;
    const names = `subjectAltName=DNS:${name},IP:127.0.0.1`;
    const subject = ['-subj', `/O=Bench/CN=${name}`, '-addext', names];
    this.openssl('req', ...this.newKey(`${base}.key`), ...subject, '-out', `${base}.csr`);
    const dates = end === undefined ? [] : ['-startdate', '20200101000000Z', '-enddate', end];
    this.openssl('ca', '-batch', '-notext', '-in', `${base}.csr`, '-out', `${base}.pem`, ...dates);
    return { certificate: join(this.directory, `${base}.pem`), key: join(this.directory, `${base}.key`) };
  }

  revoke({ certificate }: Pair): void {
    this.openssl('ca', '-revoke', certificate);
  }

  /** @returns the revocation list in DER. */
  list(): Buffer {
    this.openssl('ca', '-gencrl', '-out', 'crl.pem');
    this.openssl('crl', '-in', 'crl.pem', '-outform', 'DER', '-out', 'crl.der');
    return readFileSync(join(this.directory, 'crl.der'));
  }

  /** The revocation list as a file in PEM. */
  listFile(): string {
    this.list();
    return join(this.directory, 'crl.pem');
  }

  close(): void {
    rmSync(this.directory, { recursive: true });
  }

  private newKey(file: string): string[] {
    const kind = this.key === 'ec' ? ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'] : [this.key];
    return ['-newkey', ...kind, '-nodes', '-keyout', file];
  }

  private openssl(command: string, ...words: string[]): void {
    const configured = command === 'crl' ? [] : ['-config', 'openssl.cnf'];
    execFileSync('openssl', [command, ...configured, ...words], {
      cwd: this.directory,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  }
}
