import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assignment, calendar, program } from './control-rig.ts';
import { type Call, type Reply, Rig, refusalOf } from './rig.ts';
import { TestCms } from './test-cms.ts';

describe('several CMSs at one gateway', () => {
  let first: TestCms;
  let second: TestCms;
  let rig: Rig | undefined;
  beforeEach(async () => {
    first = new TestCms();
    second = new TestCms();
    await Promise.all([first.listen(), second.listen()]);
  });
  afterEach(async () => {
    await rig?.close();
    rig = undefined;
    await Promise.all([first.close(), second.close()]);
    assert.deepEqual([...first.violations, ...second.violations], []);
  });

  const start = async (more = {}) => {
    rig = await Rig.start({ cms: [{ uri: first.uri }, { uri: second.uri }], insecureHttp: true, ...more });
    return rig;
  };
  const as =
    (gateway: Rig, cms: TestCms) =>
    (method: string, path: string, options: Call = {}) =>
      gateway.call(method, path, { ...options, query: { clientAddress: cms.cmsAddress, ...options.query } });
  /** What a CMS does in step 1d of the bootstrap. */
  const configure = async (gateway: Rig, cms: TestCms) => {
    await cms.until(3);
    const cmsAddress = { type: 'AttributeString', value: cms.cmsAddress };
    const path = `/devices/${cms.gatewayAddress}/gateway/cmsAddress`;
    // During the bootstrap only the device as a whole is open.
    assert.equal(refusalOf(await as(gateway, cms)('GET', path)), '403 genericError');
    const reply = await as(gateway, cms)('PATCH', `/devices/${cms.gatewayAddress}`, {
      body: { functions: [{ id: 'gateway', type: 'GatewayFunction', cmsAddress }] },
      bad: true,
    });
    assert.equal(reply.status, 200);
    await cms.until(5);
  };
  /** One after the other, and a lamp. */
  const attach = async (more = {}) => {
    const gateway = await start(more);
    await configure(gateway, first);
    await configure(gateway, second);
    await gateway.join('PAR-0001');
    await Promise.all([first.until(7), second.until(7)]);
    return gateway;
  };
  /** Runs with a directory that is gone afterwards. */
  const keeping = async (act: (directory: string) => Promise<void>) => {
    const directory = await mkdtemp(join(tmpdir(), 'reverbere-'));
    try {
      await act(directory);
    } finally {
      await rig?.close();
      rig = undefined;
      await rm(directory, { recursive: true });
    }
  };
  const names = ({ body }: Reply) => body.map(({ name }: { name: string }) => name);
  const announced = (cms: TestCms): string => cms.received[6].body[0].address;

  it('20-27 takes each through a bootstrap of its own, and announces the same lamps to both', async () => {
    await attach();
    for (const cms of [first, second]) {
      assert.equal(cms.received[2].body.address, cms.gatewayAddress);
      const [, own] = cms.received[2].body.functions;
      assert.deepEqual(
        [own.cmsUri.value, own.cmsAddress.value, own.gatewayAddress.value],
        [cms.uri, cms.cmsAddress, cms.gatewayAddress],
      );
      assert.deepEqual(cms.steps().slice(5), ['POST /device-classes', 'POST /devices']);
    }
    assert.equal(announced(first), announced(second));
  });

  it('33 tells those attached before of a new CMS, and only them', async () => {
    const gateway = await start();
    await configure(gateway, first);
    gateway.now += 60000;
    const came = gateway.now;
    await configure(gateway, second);
    const path = (cms: TestCms) => `/devices/${cms.gatewayAddress}/gateway/newCmsAttached`;
    const told = await as(gateway, first)('GET', path(first));
    assert.deepEqual(told.body, {
      type: 'AttributeBoolean',
      value: true,
      timestamp: new Date(came).toISOString(),
    });
    assert.deepEqual((await as(gateway, second)('GET', path(second))).body, { type: 'AttributeBoolean' });
  });

  it("34 shows no CMS the gateway's device, the calendars and the programs of another", async () => {
    const gateway = await attach();
    const [one, two] = [as(gateway, first), as(gateway, second)];
    for (const [ask, own, other] of [
      [one, first, second],
      [two, second, first],
    ] as const) {
      const listed = await ask('GET', '/devices');
      assert.deepEqual(names(listed), ['Réverbère gateway', 'PAR-0001']);
      assert.equal(listed.body[0].address, own.gatewayAddress);
      assert.ok(!listed.text.includes(other.gatewayAddress) && !listed.text.includes(other.cmsAddress));
      for (const path of ['', '/gateway', '/gateway/cmsUri']) {
        const foreign = `/devices/${other.gatewayAddress}${path}`;
        assert.equal(refusalOf(await ask('GET', foreign)), '404 resourceNotFound');
      }
      assert.equal(refusalOf(await ask('DELETE', `/devices/${other.gatewayAddress}`)), '404 resourceNotFound');
      const order = { addresses: [{ resource: 'devices', address: other.gatewayAddress }] };
      const unknown = await ask('POST', '/override-commands', { body: order });
      assert.equal(refusalOf(unknown), '422 relatedResourceNotFound');
    }
    const night = { ...program('night', [['23:00', 30]]), ownerCMS: first.cmsAddress };
    assert.equal((await one('POST', '/control-programs', { body: [night] })).status, 201);
    assert.equal((await two('GET', '/control-programs/count')).body, 0);
    assert.equal(refusalOf(await two('GET', '/control-programs/night')), '404 resourceNotFound');
    const own = { ...program('night', [['23:00', 50]]), ownerCMS: second.cmsAddress };
    assert.equal((await two('POST', '/control-programs', { body: [own] })).status, 201, 'ids are private');
    assert.equal((await one('GET', '/control-programs/night')).body.fixedTimeControls[0].command.state.value, 30);
  });

  it('keeps what a CMS sets in its GatewayFunction to its own connection', async () => {
    const gateway = await attach();
    const body = { type: 'AttributeFloat', value: 7 };
    const path = (cms: TestCms) => `/devices/${cms.gatewayAddress}/gateway/gatewayRetryPeriod`;
    assert.equal((await as(gateway, first)('PATCH', path(first), { body })).status, 200);
    assert.equal((await as(gateway, first)('GET', path(first))).body.value, 7);
    assert.equal((await as(gateway, second)('GET', path(second))).body.value, 30);
  });

  it('lets no CMS take the address of another', async () => {
    const gateway = await attach();
    const body = { type: 'AttributeString', value: second.cmsAddress.toUpperCase() };
    const path = `/devices/${first.gatewayAddress}/gateway/cmsAddress`;
    assert.equal(refusalOf(await as(gateway, first)('PATCH', path, { body })), '422 resourceConflict');
    assert.equal((await as(gateway, first)('GET', path)).body.value, first.cmsAddress);
  });

  it('does not attach a CMS that calls itself or the gateway as another does', async () => {
    const gateway = await attach();
    const thief = new TestCms(first.cmsAddress);
    const other = new TestCms();
    other.gatewayAddress = first.gatewayAddress;
    const lamp = new TestCms();
    lamp.gatewayAddress = announced(first);
    const strangers = [thief, other, lamp];
    for (const one of strangers) await one.listen();
    const log: string[] = [];
    await keeping(async (dataDirectory) => {
      await gateway.close();
      first.received.length = 0;
      const again = await start({ dataDirectory });
      await configure(again, first);
      await again.join('PAR-0001');
      lamp.gatewayAddress = await again.address('PAR-0001', first.cmsAddress);
      await again.close();
      const cms = [first, ...strangers].map(({ uri }) => ({ uri }));
      rig = await Rig.start({ cms, insecureHttp: true, dataDirectory });
      await rig.advance(Promise.all(strangers.map((one) => one.until(2))), 1000);
      log.push(...rig.log);
    });
    for (const one of strangers) {
      assert.ok(one.steps().every((step) => step === 'POST /devices'));
      assert.ok(log.some((line) => line.startsWith(`CMS ${one.uri}: it calls `)));
      await one.close();
    }
  });

  it('30 forgets one CMS and leaves the other as it was', async () => {
    const gateway = await attach();
    await gateway.join('PAR-0002');
    await Promise.all([first.until(8), second.until(8)]);
    const [one, two] = [as(gateway, first), as(gateway, second)];
    const [lampOne, lampTwo] = await Promise.all(
      ['PAR-0001', 'PAR-0002'].map(async (id) => {
        const { body } = await one('GET', '/devices');
        return body.find(({ name }: { name: string }) => name === id).address as string;
      }),
    );
    for (const [ask, cms, lamp] of [
      [one, first, lampOne],
      [two, second, lampTwo],
    ] as const) {
      const ownerCMS = cms.cmsAddress;
      await ask('POST', '/control-programs', { body: [{ ...program('night', [['23:00', 30]]), ownerCMS }] });
      await ask('POST', '/calendars', { body: [{ ...calendar('year', [], 'night'), ownerCMS }] });
      assert.equal((await ask('POST', '/assign-commands', { body: assignment('year', lamp) })).status, 201);
      const assetId = { type: 'AttributeString', value: `of ${lamp}` };
      assert.equal((await ask('PATCH', `/devices/${lamp}/basic/assetId`, { body: assetId })).status, 200);
    }
    assert.equal((await one('DELETE', `/devices/${first.gatewayAddress}`)).status, 200);
    await first.until(9);
    assert.equal(first.steps()[8], 'POST /devices');
    assert.equal((await two('GET', '/calendars/count')).body, 1);
    assert.equal((await two('GET', `/devices/${lampTwo}/lampActuator1/calendarID`)).body.value, 'year');
    assert.equal((await two('GET', `/devices/${lampTwo}/basic/assetId`)).body.value, `of ${lampTwo}`);
    assert.equal((await two('GET', `/devices/${lampOne}/lampActuator1/calendarID`)).body.value, '');
    assert.equal((await two('GET', `/devices/${lampOne}/basic/assetId`)).body.value, '');
    assert.equal((await two('GET', '/devices')).body[0].address, second.gatewayAddress);
    assert.equal(second.received.length, 8, 'the other CMS has heard nothing');
  });

  it('32 stays attached to both over a restart with the same data', () =>
    keeping(async (dataDirectory) => {
      const gateway = await attach({ dataDirectory });
      await gateway.close();
      const again = await start({ dataDirectory });
      for (const cms of [first, second]) {
        const { body } = await as(again, cms)('GET', '/devices');
        assert.deepEqual([body[0].address, body[1].address], [cms.gatewayAddress, announced(cms)]);
      }
      await again.join('PAR-0002');
      for (const cms of [first, second]) {
        while (!JSON.stringify(cms.received.at(-1)?.body).includes('PAR-0002'))
          await cms.until(cms.received.length + 1);
        assert.ok(cms.received.slice(7).every(({ query }) => query.clientAddress === cms.gatewayAddress));
        assert.ok(!cms.steps().slice(7).includes('POST /services'));
      }
    }));

  it('serves one while the other answers nothing', async () => {
    second.silent = true;
    const gateway = await start();
    await configure(gateway, first);
    await gateway.join('PAR-0001');
    await first.until(7);
    assert.equal((await as(gateway, first)('GET', '/devices')).body.length, 2);
    assert.deepEqual(second.steps(), ['POST /devices']);
  });
});
