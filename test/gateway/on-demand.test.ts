import assert from 'node:assert/strict';
import { AckCode } from '../../firmware/link/messages.ts';
import { birth, type Controller, Rig, report, T0 } from './rig.ts';

const VOLTAGE = 'electricalMeter1/supplyVoltage';
const iso = (time: number) => new Date(time).toISOString();

/** Source: TALQ 2.7.1 §4.3: any attribute of a device that is there can be read at any time, and is then the present one. */
describe('on-demand read', () => {
  let rig: Rig;
  let lamp: Controller;
  let address: string;
  beforeEach(async () => {
    rig = await Rig.start();
    lamp = await rig.join('PAR-0001', birth(), report());
    address = await rig.address('PAR-0001');
    rig.now = T0 + 60_000;
  });
  afterEach(() => rig.close());
  const get = (path: string, query = {}) => rig.call('GET', path, { query });
  const voltage = async () => (await get(`/devices/${address}/${VOLTAGE}`)).body;
  /** Reports 240.0 V that it has read this second, before it acknowledges. */
  const answering = () => {
    let number = 1;
    lamp.onRead = async () => {
      const now = Math.floor(rig.now / 1000);
      const unit = [0, 2400, 400, 923, -87, 927, -995, 5002, 1234567];
      await rig.report(lamp, report({ 0: ++number, 1: now, 10: [unit] }));
      return AckCode.Done;
    };
  };

  for (const path of [`/${VOLTAGE}`, '/electricalMeter1', '']) {
    it(`of ${path || 'a whole device'} asks the lamp, and gives what it measures now with the time of now`, async () => {
      answering();
      const { body } = await get(`/devices/${address}${path}`);
      const meter = path === '' ? body.functions.find(({ id }: { id: string }) => id === 'electricalMeter1') : body;
      const { value, timestamp } = path === `/${VOLTAGE}` ? body : meter.supplyVoltage;
      assert.deepEqual([value, timestamp], [240, iso(T0 + 60_000)]);
      assert.equal(lamp.reads.length, 1);
    });
  }

  it('is none where nothing is measured: in lists, pages, configuration, and the gateway’s own device', async () => {
    await get('/devices');
    await get('/devices', { offset: '0', limit: '10' });
    await get('/devices/count');
    await get(`/devices/${address}/basic/serial`);
    await get(`/devices/${address}/communication`);
    await get(`/devices/${address}/electricalMeter1`, { attributeScope: 'configuration' });
    await get(`/devices/${address}/location1/location`);
    const [own] = (await get('/devices')).body;
    await get(`/devices/${own.address}`);
    assert.deepEqual(lamp.reads, []);
  });

  it('of ten attributes is one, and so is another one within 3 s; after that the lamp is asked again', async () => {
    answering();
    const ten = await Promise.all(Array.from({ length: 10 }, voltage));
    assert.deepEqual(new Set(ten.map(({ value }) => value)), new Set([240]));
    rig.now += 2999;
    await voltage();
    assert.equal(lamp.reads.length, 1);
    rig.now += 1;
    assert.equal((await voltage()).timestamp, iso(T0 + 63_000));
    assert.equal(lamp.reads.length, 2);
  });

  it('of a lamp that does not answer gives the last value with its own time after 5 s, and then for 30 s at once', async () => {
    lamp.onRead = () => undefined;
    const asked = voltage();
    await lamp.until(() => lamp.reads.length === 1);
    // Meanwhile the others are served.
    assert.equal((await get('/devices/count')).body, 2);
    rig.now += 4999;
    rig.gateway.tick();
    assert.equal(await Promise.race([asked, get('/devices/count').then(() => 'waits')]), 'waits');
    rig.now += 1;
    rig.gateway.tick();
    const old = { type: 'AttributeFloat', value: 231.5, timestamp: iso(T0 - 12_000) };
    assert.deepEqual(await asked, old);
    rig.now += 29_999;
    assert.deepEqual(await voltage(), old);
    assert.equal(lamp.reads.length, 1);
    rig.now += 1;
    answering();
    assert.equal((await voltage()).value, 240);
  });

  it('of a lamp that is away gives the last value with its own time at once, and asks nobody', async () => {
    await rig.during(
      () => rig.gateway.fleet.controllers.get('PAR-0001')?.online === false,
      () => lamp.send('link' as never, 0, true),
    );
    assert.deepEqual(await voltage(), { type: 'AttributeFloat', value: 231.5, timestamp: iso(T0 - 12_000) });
    assert.deepEqual(lamp.reads, []);
  });

  it('waits no longer for a lamp that falls off the network, and asks it again as soon as it is back', async () => {
    lamp.onRead = () => undefined;
    const asked = voltage();
    await lamp.until(() => lamp.reads.length === 1);
    await lamp.send('link' as never, 0, true);
    assert.equal((await asked).value, 231.5);
    answering();
    rig.now += 1000;
    await rig.during(
      () => rig.gateway.fleet.controllers.get('PAR-0001')?.online === true,
      () => lamp.send('link' as never, 1, true),
    );
    assert.equal((await voltage()).value, 240);
  });

  it('of firmware that does not know the command gives what it last reported', async () => {
    lamp.onRead = () => AckCode.Malformed;
    assert.equal((await voltage()).timestamp, iso(T0 - 12_000));
  });

  it('of a device that is deleted meanwhile is answered 404', async () => {
    lamp.onRead = async () => {
      await rig.call('DELETE', `/devices/${address}`);
      return AckCode.Done;
    };
    assert.equal((await get(`/devices/${address}/${VOLTAGE}`)).status, 404);
  });
});
