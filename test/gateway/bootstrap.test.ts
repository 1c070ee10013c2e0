import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { birth, CMS, Rig, refusalOf } from './rig.ts';
import { TestCms } from './test-cms.ts';

const NIL = '00000000-0000-0000-0000-000000000000';
const BOOTSTRAP = (gateway: string) => [
  'POST /devices',
  'POST /device-classes',
  `PATCH /devices/${gateway}`,
  'POST /services',
  'POST /device-classes',
];

describe('the gateway and its CMS', () => {
  let cms: TestCms;
  let rig: Rig | undefined;
  beforeEach(async () => {
    cms = new TestCms();
    await cms.listen();
  });
  afterEach(async () => {
    await rig?.close();
    rig = undefined;
    await cms.close();
    assert.deepEqual(cms.violations, []);
  });
  const start = async (more = {}) => {
    rig = await Rig.start({ cms: [{ uri: cms.uri }], insecureHttp: true, ...more });
    return rig;
  };
  /** The CMS configures the gateway's device, which is step 1d. */
  const configure = (gateway: Rig) =>
    gateway.call('PATCH', `/devices/${cms.gatewayAddress}`, {
      query: { clientAddress: cms.cmsAddress },
      body: {
        address: cms.gatewayAddress,
        name: 'Réverbère gateway',
        class: 'reverbere-gateway-3',
        functions: [
          { id: 'gateway', type: 'GatewayFunction', cmsAddress: { type: 'AttributeString', value: cms.cmsAddress } },
        ],
      },
      // PATCH of a GatewayFunction without its other required attributes: TALQ's text allows it, its schema does not.
      bad: true,
    });
  const attach = async (more = {}) => {
    const gateway = await start(more);
    await cms.until(3);
    assert.equal((await configure(gateway)).status, 200);
    await cms.until(5);
    return gateway;
  };
  const asCms = () => ({ query: { clientAddress: cms.cmsAddress } });

  it('20-27 introduces itself with NIL addresses, then goes through the steps in order and announces its devices', async () => {
    const gateway = await start();
    await cms.until(3);
    const [first, , third] = cms.received;
    assert.equal(first.query.clientAddress, NIL);
    assert.equal(first.body[0].address, NIL);
    const [own] = first.body[0].functions;
    assert.deepEqual(
      [own.cmsUri.value, own.cmsAddress.value, own.gatewayUri.value, own.gatewayAddress.value],
      [cms.uri, NIL, gateway.gateway.url, NIL],
    );
    assert.ok(cms.received.slice(1).every(({ query }) => query.clientAddress === cms.gatewayAddress));
    assert.equal(third.body.functions[1].gatewayUri.value, gateway.gateway.url);
    await gateway.join('PAR-0001');
    assert.equal(cms.received.length, 3, 'nothing but the bootstrap while it runs');

    assert.equal((await configure(gateway)).status, 200);
    await cms.until(6);
    assert.deepEqual(cms.steps(), [...BOOTSTRAP(cms.gatewayAddress), 'POST /devices']);
    const services = cms.received[3].body.map(({ name }: { name: string }) => name);
    for (const name of ['ConfigurationService', 'ControlService', 'DataCollectService']) {
      assert.ok(services.includes(name), name);
    }
    const announced = cms.received[5].body[0];
    assert.deepEqual(
      cms.types.map(({ method, after }) => [method, after]),
      [['POST', 5]],
      'types before devices',
    );
    const asset = announced.functions.find(({ type }: { type: string }) => type === 'ControllerAssetFunction');
    assert.equal(asset.controllerTypeAddress.value, cms.types[0].body[0].address);
    assert.ok(
      cms.received[4].body.some(({ name }: { name: string }) => name === announced.class),
      'class before device',
    );
    assert.equal(announced.name, 'PAR-0001');
    assert.equal(new Set(cms.received.map(({ query }) => query.talqRequestId)).size, 6);
  });

  it('23 answers 403 while it is being attached to all but its own device, services and classes', async () => {
    const gateway = await start();
    await cms.until(3);
    await gateway.join('PAR-0001');
    for (const path of ['/services', '/device-classes', `/devices/${cms.gatewayAddress}`]) {
      assert.equal((await gateway.call('GET', path, asCms())).status, 200, path);
    }
    for (const path of ['/devices', '/devices/count'])
      assert.equal(refusalOf(await gateway.call('GET', path, asCms())), '403 genericError');
    const resume = { addresses: [{ resource: 'devices', address: cms.gatewayAddress }] };
    assert.equal(
      refusalOf(await gateway.call('POST', '/override-commands', { ...asCms(), body: resume })),
      '403 genericError',
    );
  });

  it('23 goes on after 60 s without configuration by the CMS', async () => {
    const gateway = await start();
    await cms.until(3);
    await gateway.advance(cms.until(5), 1000);
    assert.deepEqual(cms.steps(), BOOTSTRAP(cms.gatewayAddress));
    assert.deepEqual(cms.received[4].body, []);
  });

  it('3 knows only its own CMS once attached, in any case', async () => {
    const gateway = await attach();
    const strange = await gateway.call('GET', '/devices', { query: { clientAddress: CMS } });
    assert.equal(refusalOf(strange), '400 parameterValueNotValid');
    const upper = await gateway.call('GET', '/devices', { query: { clientAddress: cms.cmsAddress.toUpperCase() } });
    assert.equal(upper.status, 200);
    assert.equal(upper.body[0].address, cms.gatewayAddress);
  });

  it('24 takes its own device back with all attributes, also those that have no value yet', async () => {
    const gateway = await start();
    await cms.until(3);
    const { body } = cms.received[2];
    assert.deepEqual(Object.keys(body.functions[1].crlUrn), ['type', 'timestamp']);
    const reply = await gateway.call('PATCH', `/devices/${cms.gatewayAddress}`, { ...asCms(), body });
    assert.equal(reply.status, 200);
    await cms.until(5);
  });

  it('28 begins again at 30 s after an error and after a NIL address', async () => {
    const given = cms.gatewayAddress;
    cms.failures.push(500);
    cms.gatewayAddress = NIL;
    const gateway = await start();
    await cms.until(1);
    assert.equal(cms.received.length, 1);
    await gateway.advance(cms.until(2), 1000);
    assert.ok(gateway.now - Date.parse('2026-05-04T20:00:00Z') <= 45000);
    cms.gatewayAddress = given;
    await gateway.advance(cms.until(3), 1000);
    assert.ok(cms.received.every(({ path, query }) => path === '/devices' && query.clientAddress === NIL));
  });

  it('28 keeps trying while the CMS is absent', async () => {
    const port = Number(new URL(cms.uri).port);
    await cms.close();
    const gateway = await start();
    await gateway.advance(
      (async () => {
        while (gateway.log.filter((line) => /ECONNREFUSED/.test(line)).length < 3) await new Promise(setImmediate);
      })(),
      1000,
    );
    await cms.listen(port);
    await gateway.advance(cms.until(3), 1000);
    assert.deepEqual(cms.steps(), BOOTSTRAP(cms.gatewayAddress).slice(0, 3));
  });

  it('29 repeats step 2 every 30 s and at most 3 times under one talqRequestId, and then begins again', async () => {
    const gateway = await start();
    await cms.until(3);
    cms.failures.push(500, 503, 500, 500);
    await configure(gateway);
    await cms.until(4);
    await gateway.advance(cms.until(8), 1000);
    assert.deepEqual(cms.steps().slice(3), [
      'POST /services',
      'POST /services',
      'POST /services',
      'POST /services',
      'POST /devices',
    ]);
    assert.equal(new Set(cms.received.slice(3, 7).map(({ query }) => query.talqRequestId)).size, 1);
  });

  it('30 forgets its CMS when the CMS deletes the gateway device, and begins again with NIL', async () => {
    const gateway = await attach();
    await gateway.join('PAR-0001');
    await cms.until(7);
    const address = cms.received[6].body[0].address;
    const old = cms.gatewayAddress;
    cms.gatewayAddress = randomUUID();
    const reply = await gateway.call('DELETE', `/devices/${old}`, asCms());
    assert.equal(reply.status, 200);
    assert.equal(reply.body.address, old);
    await cms.until(10);
    assert.equal(cms.received[7].query.clientAddress, NIL);
    await configure(gateway);
    await cms.until(13);
    assert.equal(cms.received[12].body[0].address, address, 'controllers keep their addresses');
  });

  it('31 has the CMS forget it and begins again when the operator wants it so, with the same addresses of lamps', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
    let gateway = await attach({ dataDirectory: directory });
    await gateway.join('PAR-0001');
    await cms.until(7);
    const lamp = cms.received[6].body[0].address;
    const old = cms.gatewayAddress;
    await gateway.close();
    const before = cms.received.length;
    cms.failures.push(503);
    gateway = await start({ dataDirectory: directory, resync: true });
    await cms.until(before + 1);
    await gateway.advance(cms.until(before + 2), 1000);
    assert.deepEqual(cms.steps().slice(before, before + 2), [`DELETE /devices/${old}`, `DELETE /devices/${old}`]);
    await cms.until(before + 3);
    assert.deepEqual([cms.steps()[before + 2], cms.received[before + 2].query.clientAddress], ['POST /devices', NIL]);
    await cms.until(before + 5);
    await configure(gateway);
    await gateway.join('PAR-0001');
    await cms.until(before + 8);
    assert.equal(cms.received[before + 7].body[0].address, lamp);
    await gateway.close();
    rig = undefined;
    await rm(directory, { recursive: true });
  });

  it('32 does not begin again after a restart with its data', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
    let gateway = await attach({ dataDirectory: directory });
    await gateway.join('PAR-0001');
    await cms.until(7);
    const file = new Sqlite(join(directory, 'gateway.db'), { readonly: true });
    const noted = () =>
      file
        .prepare("SELECT value FROM records WHERE key LIKE 'announced/%'")
        .pluck()
        .all()
        .some((text) => String(text).includes(cms.received[6].body[0].class));
    while (!noted()) await new Promise(setImmediate);
    file.close();
    await gateway.close();
    gateway = await start({ dataDirectory: directory });
    const { body } = await gateway.call('GET', '/devices', asCms());
    assert.equal(body[0].address, cms.gatewayAddress);
    await gateway.join('PAR-0002');
    await cms.until(8);
    assert.deepEqual(cms.steps().slice(5), ['POST /device-classes', 'POST /devices', 'POST /devices']);
    await gateway.close();
    rig = undefined;
    await rm(directory, { recursive: true });
  });

  it('32 replaces classes and devices that the CMS has already', async () => {
    const gateway = await attach();
    cms.failures.push(409, 200, 409, 200);
    await gateway.join('PAR-0001');
    await cms.until(9);
    assert.deepEqual(cms.steps().slice(5), [
      'POST /device-classes',
      'PUT /device-classes',
      'POST /devices',
      'PUT /devices',
    ]);
  });

  it('40 41 announces a new class before the new device, and before the device that changes to it', async () => {
    const gateway = await attach();
    await gateway.join('PAR-0001');
    await cms.until(7);
    const [controller] = gateway.controllers;
    await controller.greet(birth({ 2: '0.2.0', 6: 20 }));
    await cms.until(9);
    assert.deepEqual(cms.steps().slice(5), [
      'POST /device-classes',
      'POST /devices',
      'POST /device-classes',
      'PATCH /devices',
    ]);
    const [device] = cms.received[8].body;
    assert.equal(device.class, cms.received[7].body[0].name);
    assert.equal(device.functions[0].swVersion.value, '0.2.0');
  });

  it('54 tells the CMS by PATCH with talqOriginRequestId when a command answered with 202 is done', async () => {
    const gateway = await attach();
    const controller = await gateway.join('PAR-0001');
    await cms.until(7);
    controller.answer = () => undefined;
    const { address } = cms.received[6].body[0];
    const talqRequestId = randomUUID();
    const body = {
      addresses: [{ resource: 'devices', address }],
      targetCommand: { state: { name: 'LevelState', value: 40 }, cmsRefId: 'x' },
    };
    const query = { clientAddress: cms.cmsAddress, talqRequestId };
    const answer = gateway.call('POST', '/override-commands', { body, query });
    await controller.until(() => controller.commands.length === 1);
    assert.equal((await gateway.advance(answer)).status, 202);
    controller.answer = () => 0;
    gateway.now += 5000;
    gateway.gateway.tick();
    await cms.until(8);
    const { method, path, query: told, body: devices } = cms.received[7];
    assert.deepEqual([method, path, told.talqOriginRequestId], ['PATCH', '/devices', talqRequestId]);
    assert.equal(devices[0].address, address);
    assert.equal(devices[0].functions[0].targetLightCommand.value.cmsRefId, 'x');
  });

  it('2 tells an older CMS nothing that it does not know, and everything once it is newer', async () => {
    cms.server.version = '2.3.4';
    const directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
    let gateway = await attach({ dataDirectory: directory });
    await gateway.join('PAR-0001');
    await cms.until(7);
    const versions = () => cms.received.map(({ headers }) => headers['talq-api-version']);
    assert.deepEqual(versions(), ['2.7.1', ...Array(6).fill('2.3.4')]);
    const told = () => JSON.stringify(cms.received.map(({ body }) => body));
    for (const later of ['TimeFunction', 'AssetFunction', 'AssetManagementService', 'ValueActivePeriod']) {
      assert.ok(!told().includes(later), later);
    }
    assert.deepEqual(cms.types, []);
    await gateway.close();
    cms.received.length = 0;
    gateway = await start({ dataDirectory: directory });
    await gateway.join('PAR-0002');
    const announced = (text: string) => cms.received.some(({ body }) => JSON.stringify(body).includes(text));
    while (!announced('PAR-0002')) await cms.until(cms.received.length + 1);
    assert.ok(!told().includes('TimeFunction'), 'also after a restart');
    cms.server.version = '2.7.1';
    await gateway.join('PAR-0003');
    while (!announced('PAR-0003')) await cms.until(cms.received.length + 1);
    await gateway.join('PAR-0004');
    while (!announced('TimeFunction')) await cms.until(cms.received.length + 1);
    assert.ok(gateway.log.some((line) => line.endsWith('it speaks 2.7 now, 2.3 before')));
    await gateway.close();
    rig = undefined;
    await rm(directory, { recursive: true });
  });

  it('goes on when the CMS refuses to hear that something is done', async () => {
    const gateway = await attach();
    const controller = await gateway.join('PAR-0001');
    await cms.until(7);
    controller.answer = () => undefined;
    const { address } = cms.received[6].body[0];
    const body = {
      addresses: [{ resource: 'devices', address }],
      targetCommand: { state: { name: 'LevelState', value: 40 } },
    };
    const answer = gateway.call('POST', '/override-commands', { ...asCms(), body });
    await controller.until(() => controller.commands.length === 1);
    assert.equal((await gateway.advance(answer)).status, 202);
    cms.failures.push(404);
    controller.answer = () => 0;
    gateway.now += 5000;
    gateway.gateway.tick();
    await cms.until(8);
    await gateway.join('PAR-0002');
    await cms.until(9);
    assert.deepEqual(cms.steps().slice(7), ['PATCH /devices', 'POST /devices']);
  });

  describe('54 after a restart, with what was answered with 202', () => {
    let directory: string;
    beforeEach(async () => {
      directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
    });
    afterEach(() => rm(directory, { recursive: true }));
    const data = (name: string) => ({ dataDirectory: join(directory, name) });
    /** Goes on as if the gateway had been killed at this instant. */
    const restart = async (gateway: Rig, from: string, to: string) => {
      const filter = (path: string) => !path.endsWith('.lock');
      await cp(join(directory, from), join(directory, to), { recursive: true, filter });
      await gateway.close();
      return start(data(to));
    };
    const override = (gateway: Rig, address: string, value: number, talqRequestId: string) =>
      gateway.call('POST', '/override-commands', {
        body: {
          addresses: [{ resource: 'devices', address }],
          targetCommand: { state: { name: 'LevelState', value }, cmsRefId: `${value}` },
        },
        query: { clientAddress: cms.cmsAddress, talqRequestId },
      });

    it('gives the lamp the last command when it is back, and tells the CMS once', async () => {
      let gateway = await attach(data('a'));
      const controller = await gateway.join('PAR-0001');
      await cms.until(7);
      const { address } = cms.received[6].body[0];
      const { fleet } = gateway.gateway;
      await gateway.during(
        () => fleet.controllers.get('PAR-0001')?.online === false,
        () => controller.drop(),
      );
      const ids = [randomUUID(), randomUUID()];
      for (const [i, value] of [40, 50].entries()) {
        assert.equal((await gateway.advance(override(gateway, address, value, ids[i]))).status, 202);
      }
      gateway = await restart(gateway, 'a', 'b');
      const back = await gateway.join('PAR-0001');
      await cms.until(8);
      const levels = back.commands.filter((one) => one.get(1) === 0).map((one) => one.get(2));
      assert.deepEqual(levels, [50]);
      const { method, path, query, body } = cms.received[7];
      assert.deepEqual([method, path, query.talqOriginRequestId], ['PATCH', '/devices', ids[1]]);
      assert.equal(body[0].functions[0].targetLightCommand.value.cmsRefId, '50');
      const file = new Sqlite(join(directory, 'b', 'gateway.db'), { readonly: true });
      const promised = file.prepare("SELECT count(*) FROM records WHERE key LIKE 'promised/%'").pluck();
      while (promised.get() !== 0) await new Promise(setImmediate);
      file.close();
      await gateway.close();
      gateway = await start(data('b'));
      const again = await gateway.join('PAR-0001');
      await gateway.call('GET', '/devices', asCms());
      assert.deepEqual([again.commands.length, cms.received.length], [0, 8]);
    });

    it('only tells the CMS of what the lamp has done already', async () => {
      let gateway = await attach(data('a'));
      const controller = await gateway.join('PAR-0001');
      await cms.until(7);
      controller.answer = () => undefined;
      const origin = randomUUID();
      const answer = override(gateway, cms.received[6].body[0].address, 40, origin);
      await controller.until(() => controller.commands.length === 1);
      assert.equal((await gateway.advance(answer)).status, 202);
      cms.silent = true;
      controller.answer = () => 0;
      gateway.now += 5000;
      gateway.gateway.tick();
      await cms.until(8);
      cms.silent = false;
      gateway = await restart(gateway, 'a', 'b');
      await cms.until(9);
      const { method, path, query } = cms.received[8];
      assert.deepEqual([method, path, query.talqOriginRequestId], ['PATCH', '/devices', origin]);
      const back = await gateway.join('PAR-0001');
      await gateway.call('GET', '/devices', asCms());
      assert.equal(back.commands.length, 0);
    });
  });

  it('needs permission for plain HTTP', async () => {
    await assert.rejects(
      start({ insecureHttp: false }),
      / is reached over TLS, which needs a certificate; .*--insecure-http/,
    );
    await assert.rejects(start({ cms: [{ uri: 'ftp://cms.example' }] }), /needs an http or https URI/);
  });
});
