import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { brotliCompressSync } from 'node:zlib';
import { CMS, Rig, refusalOf } from './rig.ts';

const UNKNOWN = '11111111-2222-4333-8444-555555555555';

describe('TALQ transport and errors', () => {
  let rig: Rig;
  let lamp: string;
  before(async () => {
    rig = await Rig.start();
    await rig.join('PAR-0001');
    lamp = await rig.address('PAR-0001');
  });
  after(() => rig.close());
  const version = (value: string | undefined) => ({ headers: { 'talq-api-version': value } });

  it('1 answers 400 headerMissing without talq-api-version, headerValueNotValid to 3.0.0 and abc', async () => {
    assert.equal(
      refusalOf(await rig.call('GET', '/devices', { ...version(undefined), bad: true })),
      '400 headerMissing',
    );
    for (const wrong of ['3.0.0', '1.9.9', 'abc', '2.7', '2.7.1.0', '']) {
      assert.equal(refusalOf(await rig.call('GET', '/devices', version(wrong))), '400 headerValueNotValid', wrong);
    }
  });

  it('2 answers 2.6.3 in 2.6.3 without 2.7-only functions, and 2.9.0 in 2.7.1', async () => {
    const older = await rig.call('GET', '/devices', version('2.6.3'));
    assert.equal(older.status, 200);
    assert.equal(older.headers['talq-api-version'], '2.6.3');
    assert.ok(!/Dali/.test(older.text));
    const newer = await rig.call('GET', '/devices', version('2.9.0'));
    assert.equal(newer.status, 200);
    assert.equal(newer.headers['talq-api-version'], '2.7.1');
    const oldest = await rig.call('GET', `/devices/${lamp}`, version('2.3.0'));
    assert.ok(!/TimeFunction/.test(oldest.text));
  });

  it('2 demands no talqRequestId from 2.5.0, and gives it 400 and 201 where 2.6 has 422 and 202', async () => {
    const lenient = { ...version('2.5.0'), query: { talqRequestId: undefined }, bad: true };
    const unknown = { addresses: [{ resource: 'devices', address: UNKNOWN }] };
    assert.equal(
      refusalOf(await rig.call('POST', '/override-commands', { ...lenient, body: unknown })),
      '400 relatedResourceNotFound',
    );
    rig.controllers[0].answer = () => undefined;
    const resume = { addresses: [{ resource: 'devices', address: lamp }] };
    const { status } = await rig.advance(rig.call('POST', '/override-commands', { ...lenient, body: resume }));
    assert.equal(status, 201);
    rig.controllers[0].answer = () => 0;
  });

  it('3 answers 400 parameterMissing without clientAddress and parameterValueNotValid to a malformed one', async () => {
    const none = await rig.call('GET', '/services', { query: { clientAddress: undefined }, bad: true });
    assert.equal(refusalOf(none), '400 parameterMissing');
    const malformed = await rig.call('GET', '/services', { query: { clientAddress: '1234' }, bad: true });
    assert.equal(refusalOf(malformed), '400 parameterValueNotValid');
    const other = await rig.call('GET', '/services', { query: { clientAddress: UNKNOWN.toUpperCase() } });
    assert.equal(other.status, 200, 'in open test mode any UUID is the CMS');
  });

  it('4 answers 400 parameterMissing to a write without talqRequestId, and 200 to a GET without', async () => {
    const body = { type: 'AttributeString', value: 'x' };
    const path = `/devices/${lamp}/basic/displayName`;
    const none = await rig.call('PATCH', path, { body, query: { talqRequestId: undefined }, bad: true });
    assert.equal(refusalOf(none), '400 parameterMissing');
    const malformed = await rig.call('PATCH', path, { body, query: { talqRequestId: '77' }, bad: true });
    assert.equal(refusalOf(malformed), '400 parameterValueNotValid');
    assert.equal((await rig.call('GET', path)).body.value, 'PAR-0001');
  });

  it('5 finds the same resource with and without a slash at the end of the base', async () => {
    const headers = { 'talq-api-version': '2.7.1' };
    const texts = [];
    for (const path of ['/talq/gateway/services', '/talq/gateway//services', '/talq/gateway/services/']) {
      texts.push((await rig.send('GET', `${path}?clientAddress=${CMS}`, headers)).text);
    }
    assert.equal(new Set(texts).size, 1);
    assert.match(texts[0], /"name":"ControlService"/);
  });

  it('6 decodes each segment of a path once', async () => {
    const { status, body } = await rig.call('GET', `/devices/${lamp}/lampActuator1/%61ctualLightState`);
    assert.equal(status, 200);
    assert.equal(body.value.value, 70);
    const twice = await rig.call('GET', `/devices/${lamp}/lampActuator1/%2561ctualLightState`);
    assert.equal(refusalOf(twice), '404 resourceNotFound');
    const odd = await rig.call('GET', '/device-classes/a%2Fb%20c');
    assert.equal(odd.body[0].references[0].address.address, 'a/b c');
  });

  it('7 gives every answer its Content-Length, JSON in UTF-8, and no chunks', async () => {
    const replies = [
      await rig.call('GET', '/devices'),
      await rig.call('GET', '/devices/count'),
      await rig.call('GET', `/devices/${UNKNOWN}`),
      await rig.call('PATCH', `/devices/${lamp}/basic/assetId`, { body: { type: 'AttributeString', value: 'é' } }),
    ];
    for (const { headers, text } of replies) {
      assert.equal(Number(headers['content-length']), Buffer.byteLength(text));
      assert.equal(headers['transfer-encoding'], undefined);
      if (text) assert.equal(headers['content-type'], 'application/json; charset=utf-8');
    }
    assert.equal((await rig.call('GET', `/devices/${lamp}/basic/assetId`)).body.value, 'é');
  });

  for (const encoding of ['gzip', 'deflate'] as const) {
    it(`8 takes a body in ${encoding} and answers in ${encoding}`, async () => {
      const body = { addresses: [{ resource: 'devices', address: UNKNOWN }] };
      const reply = await rig.call('POST', '/override-commands', { body, encoding });
      assert.equal(refusalOf(reply), '422 relatedResourceNotFound');
      assert.equal(reply.headers['content-encoding'], encoding);
      assert.ok(Number(reply.headers['content-length']) > 0);
    });
  }

  it('9 answers plainly to a plain request, whatever Accept-Encoding says', async () => {
    const { headers } = await rig.call('GET', '/devices', { headers: { 'accept-encoding': 'gzip, deflate' } });
    assert.equal(headers['content-encoding'], undefined);
  });

  it('10 answers 415 to Content-Encoding br, and after the other checks', async () => {
    const raw = brotliCompressSync('{}');
    const headers = { 'content-encoding': 'br' };
    const reply = await rig.call('POST', '/override-commands', { raw, headers, bad: true });
    assert.equal(refusalOf(reply), '415 genericError');
    const both = await rig.call('POST', '/override-commands', {
      raw,
      headers,
      query: { talqRequestId: undefined },
      bad: true,
    });
    assert.equal(refusalOf(both), '400 parameterMissing');
  });

  it('11 serves two requests on one connection and closes it when asked', async () => {
    await rig.call('GET', '/services');
    assert.ok((await rig.call('GET', '/services')).reused);
    assert.equal(
      (await rig.call('GET', '/services', { headers: { connection: 'close' } })).headers.connection,
      'close',
    );
    assert.ok(!(await rig.call('GET', '/services')).reused);
  });

  it('13 sends Cache-Control no-transform with every answer over plain HTTP', async () => {
    for (const path of ['/devices', `/devices/${UNKNOWN}`, '/nothing']) {
      const { headers } = await rig.call('GET', path, { bad: path === '/nothing' });
      assert.equal(headers['cache-control'], 'no-transform');
    }
  });

  it('14 answers 400 payloadError to broken JSON, broken gzip, wrong UTF-8 and a body against its schema', async () => {
    const raws: [string | Buffer, string?][] = [
      ['{"addresses":'],
      [''],
      [Buffer.from([0x22, 0xff, 0x22])],
      ['{}', 'gzip'],
      ['{}', 'deflate'],
    ];
    for (const [raw, encoding] of raws) {
      const headers = { 'content-encoding': encoding };
      const reply = await rig.call('POST', '/override-commands', { raw, headers, bad: true });
      assert.equal(refusalOf(reply), '400 payloadError', `${raw} ${encoding}`);
    }
    const bodies = [
      { addresses: 'all' },
      { addresses: [{ resource: 'devices' }] },
      { addresses: [{ resource: 'devices', address: lamp }], targetCommand: {} },
      {
        addresses: [{ resource: 'devices', address: lamp }],
        targetCommand: { state: { name: 'LevelState', value: '50' } },
      },
      {
        addresses: [{ resource: 'devices', address: lamp }],
        targetCommand: { state: { name: 'LevelState', value: 101 } },
      },
      {
        addresses: [{ resource: 'devices', address: lamp }],
        targetCommand: { state: { name: 'LevelState', value: 50 }, expiration: 'tonight' },
      },
    ];
    for (const body of bodies) {
      const reply = await rig.call('POST', '/override-commands', { body, bad: true });
      assert.equal(refusalOf(reply), '400 payloadError', JSON.stringify(body));
    }
  });

  it('14 refuses bodies of more than 1 MiB, also when they grow to it', async () => {
    const raw = JSON.stringify('x'.repeat(1100000));
    assert.equal((await rig.call('POST', '/override-commands', { raw, bad: true })).status, 413);
    assert.equal(
      refusalOf(await rig.call('POST', '/override-commands', { raw, encoding: 'gzip', bad: true })),
      '400 payloadError',
    );
  });

  it('17 answers 404 to an unknown path and 405 to a method that a known path lacks, before any other check', async () => {
    assert.equal(refusalOf(await rig.call('GET', '/lamps', { bad: true })), '404 resourceNotFound');
    const bare = {
      query: { clientAddress: undefined, talqRequestId: undefined },
      headers: { 'talq-api-version': undefined },
    };
    assert.equal((await rig.call('GET', '/lamps', { ...bare, bad: true })).status, 404);
    for (const [method, path] of [
      ['DELETE', '/services'],
      ['POST', `/devices/${lamp}`],
      ['POST', `/devices/${lamp}/basic`],
      ['GET', '/override-commands'],
      ['DELETE', '/devices'],
    ]) {
      const reply = await rig.call(method, path, { ...bare, bad: true });
      assert.equal(refusalOf(reply), '405 genericError', `${method} ${path}`);
      assert.ok(String(reply.headers.allow).length > 0);
    }
    const { status, body } = await rig.send('GET', '/%', {});
    assert.equal(status, 400);
    assert.equal(body[0].key, 'genericError');
  });

  it('18 names the resource that caused an error', async () => {
    const reference = { resource: 'devices', address: UNKNOWN };
    const inPath = await rig.call('GET', `/devices/${UNKNOWN}/basic`);
    assert.deepEqual(inPath.body[0].references, [{ address: reference }]);
    const inBody = await rig.call('POST', '/override-commands', { body: { addresses: [reference] } });
    assert.deepEqual(inBody.body[0].references, [{ address: reference }]);
  });

  it('19 answers a repeated talqRequestId with the first answer and does nothing again', async () => {
    const [controller] = rig.controllers;
    const query = { talqRequestId: randomUUID() };
    const body = {
      addresses: [{ resource: 'devices', address: lamp }],
      targetCommand: { state: { name: 'LevelState', value: 33 } },
    };
    const before = controller.commands.length;
    const [first, second] = await Promise.all(
      [1, 2].map(() => rig.call('POST', '/override-commands', { body, query })),
    );
    assert.deepEqual([first.status, second.status], [201, 201]);
    const again = await rig.call('POST', '/override-commands', {
      body,
      query: { talqRequestId: query.talqRequestId.toUpperCase() },
    });
    assert.equal(again.status, 201);
    assert.equal(controller.commands.length, before + 1);
    const fresh = await rig.call('POST', '/override-commands', { body });
    assert.equal(fresh.status, 201);
    assert.equal(controller.commands.length, before + 2);
  });
});
