import assert from 'node:assert/strict';
import { bundle } from '../../scripts/bundle.mjs';
import { DEVICE_COUNTER, instrument, LIMIT } from '../../scripts/call-depth.mjs';
import type { boot } from '../../scripts/interpreter.mjs';
import { interpreter } from '../../scripts/interpreter.mjs';
import { runToSteady } from '../../scripts/size.mjs';
import { GatewayEnd, siteKey } from '../sealed.ts';

/** Of every Linux build. */
const ID = '00000000-addeadde-addeadde';

type Device = ReturnType<typeof boot>;
type Send = (leaf: string, payload: Uint8Array) => void;
interface Birth {
  topic: string;
  payload: Uint8Array;
}

describe('calls from an event on the real interpreter', () => {
  it(`go at most ${LIMIT} deep from start to a command, the HAL included`, async function () {
    this.timeout(120_000);
    if (!interpreter()) {
      console.log('SKIPPED: ESPRUINO is not set, call depth is not measured on the interpreter');
      this.skip();
    }
    const made = await bundle({ board: 'linux' });
    assert.ok(made.board);
    const { code, names } = instrument(made.code, made.map);
    const probe = '\nsetInterval(function(){print("<"+JSON.stringify(__deepest)+">")},500);';
    const look = async (device: Device, { birth, send }: { birth(): Birth | undefined; send: Send }) => {
      const end = new GatewayEnd(ID);
      const { topic, payload } = birth() ?? assert.fail('no birth');
      end.open(topic, payload);
      // Override to 40 % with a ramp of 1 s. Source: PROTOCOL.md, cmd.
      send('cmd', end.seal('cmd', Uint8Array.from([0xa4, 0, 1, 1, 0, 2, 0x18, 40, 5, 10]), Date.now()));
      await device.expect(/(?:<\[[^<]*){6}/, { from: device.output().length });
      return JSON.parse([...device.output().matchAll(/<(\[.*?\])>/g)].at(-1)?.[1] ?? '[]');
    };
    const run = await runToSteady({ code: DEVICE_COUNTER + code + probe, board: made.board }, look, {
      key: siteKey(ID),
    });
    assert.ok('value' in run, JSON.stringify(run));
    const chain = (run.value as number[]).map((number) => names[number]);
    console.log(`      ${chain.length} deep: ${chain.join(' > ')}`);
    assert.ok(chain.length >= 3 && chain.length <= LIMIT, `${chain.length} deep`);
  });
});
