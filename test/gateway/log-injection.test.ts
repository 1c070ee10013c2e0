import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLog } from '../../gateway/log.ts';
import { assignment, calendar, level, MADRID, program, to, ZONE } from './control-rig.ts';
import { Attached, pass } from './logger-rig.ts';

/** Ends a line and begins one that looks like the gateway's own, in red, backwards; and ends what JSON it is in. */
const FORGED = 'x"\r\n{"level":"info","message":"forged"}\u2028\u2029\u0085\x1b[31m\x9b2J\u202e\u2066\x07\x00\x7f';
/** The same in a log: RFC 8259 alone would leave line separators and controls of 8 bits as they are. */
const SHOWN =
  'x"\\x0d\\n{"level":"info","message":"forged"}\\u2028\\u2029\\x85\\x1b[31m\\x9b2J\\u202e\\u2066\\x07\\x00\\x7f';

describe("a CMS's words in the gateway's log", () => {
  let attached: Attached;
  let dataDirectory: string;
  let web: string;
  let lines: string[];
  const answers = createServer((_request, response) => response.writeHead(404).end(FORGED)).listen(0, '127.0.0.1');

  before(async () => {
    if (!answers.listening) await once(answers, 'listening');
    web = `http://127.0.0.1:${(answers.address() as AddressInfo).port}`;
  });
  after(() => answers.close());
  afterEach(async () => {
    await attached.rig.close();
    await attached.cms.close();
    rmSync(dataDirectory, { recursive: true });
  });

  /** Says it in every way that there is. @returns the statuses of the answers */
  async function say(format: 'json' | 'text'): Promise<number[]> {
    lines = [];
    dataDirectory = mkdtempSync(join(tmpdir(), 'reverbere-'));
    const log = openLog({ format, level: 'debug' }, (line) => lines.push(line));
    attached = await Attached.open({ dataDirectory, timeZone: ZONE, location: MADRID, log });
    const { rig, cms } = attached;
    const ownerCMS = cms.cmsAddress;
    const lamp = await attached.join('PAR-0001');
    cms.words = FORGED;
    cms.judge = () => 400;
    const points: [string, number][] = [
      ['22:00', 50],
      ['01:00', 30],
    ];
    const order = {
      ownerCMS,
      packageId: FORGED,
      releaseId: FORGED,
      downloadUri: `${web}/${encodeURIComponent(FORGED)}`,
    };
    const ways: [string, string, object][] = [
      ['POST', '/control-programs', [{ ...program(FORGED, points), ownerCMS }]],
      ['POST', '/calendars', [{ ...calendar(FORGED, [], FORGED), ownerCMS }]],
      ['POST', '/assign-commands', { ...assignment(FORGED, lamp), cmsRefId: FORGED }],
      ['POST', '/groups', [{ ownerCMS, address: FORGED, name: FORGED, members: to(lamp) }]],
      ['PATCH', `/devices/${lamp}`, { name: FORGED }],
      ['POST', '/override-commands', { cmsRefId: FORGED, addresses: to(lamp), targetCommand: { state: level(40) } }],
      ['POST', '/override-commands', { cmsRefId: FORGED, addresses: to(FORGED), targetCommand: { state: level(40) } }],
      ['POST', '/logger-configs', attached.logger(FORGED)],
      ['PUT', '/data-packages', order],
      ['PUT', '/data-packages', { ...order, ownerCMS: FORGED, downloadUri: FORGED }],
      ['POST', '/devices', [{ address: FORGED, name: FORGED, class: FORGED }]],
    ];
    const headers = { 'talq-api-version': '2.7.1', 'content-type': 'application/json' };
    const statuses: number[] = [];
    for (const [method, path, body] of ways) {
      const query = `clientAddress=${ownerCMS}&talqRequestId=${randomUUID()}`;
      const reply = await rig.send(method, `/talq/gateway${path}?${query}`, headers, JSON.stringify(body));
      statuses.push(reply.status);
    }
    const text = encodeURIComponent(FORGED);
    const odd = { 'talq-api-version': 'x\x85\x9b2J', 'content-type': '"\x85"' };
    statuses.push(
      (await rig.send('GET', `/talq/gateway/${text}?clientAddress=${text}&talqRequestId=${text}`, odd)).status,
    );
    // What no client of HTTP would send.
    for (const request of [
      `GET /${FORGED} HTTP/1.1\r\n\r\n`,
      `GET /talq/gateway HTTP/1.1\r\nhost: ${FORGED}\r\n\r\n`,
    ]) {
      const socket = connect(Number(new URL(rig.gateway.url).port), '127.0.0.1');
      socket.on('error', () => {});
      socket.resume();
      socket.write(request, 'latin1');
      await once(socket, 'close');
    }
    const told = () => lines.filter((line) => line.includes('forged')).length;
    while (told() < 3) await pass(rig, 1000);
    return statuses;
  }

  for (const format of ['json', 'text'] as const) {
    it(`are one line of ${format} each, whatever is in ids, names, references, addresses, headers and answers`, async () => {
      const statuses = await say(format);
      assert.ok(statuses.filter((status) => status < 300).length >= 7, `${statuses}`);
      assert.ok(statuses.some((status) => status >= 400));
      const told = lines.map((line) => (format === 'json' ? JSON.parse(line).message : line));
      for (const line of [...lines, ...told]) assert.match(line, /^[\x20-\x7e]*$/);
      if (format === 'json')
        for (const line of lines) assert.deepEqual(Object.keys(JSON.parse(line)), ['time', 'level', 'message']);
      for (const line of told) assert.doesNotMatch(line, /^\s*(forged|\{)/);
      // It was told of, and is to be read.
      assert.ok(told.includes(`package ${SHOWN} ${SHOWN} did not come: answered with 404`), lines.join('\n'));
      assert.ok(told.some((line) => line.startsWith(`packageChangeFailure: ${SHOWN} ${SHOWN}: answered with 404`)));
      assert.ok(told.some((line) => /log-reports was answered with 400 .*"description":"x\\"/.test(line)));
      assert.ok(told.filter((line) => line.includes('forged')).length >= 3);
    });
  }
});
