/**
 * Puts a bundle on a controller so that at every moment, with the cable pulled or the supply cut, a restart finds a
 * whole firmware: the new slot is written beside the running one, read back, and only then marked as ready.
 *
 * The running firmware is stopped (its timers are removed) but not reset: outputs keep their level, the lamp stays
 * lit. A timer on the controller restarts it when nothing more comes, and the watchdog is fed meanwhile.
 */
import { crc } from './console.mjs';
import { FlashError } from './fault.mjs';
import { buildSlot, FIRST_SEQUENCE, keptSlot, LOADER, MARKS, SLOTS, TAIL } from './slot.mjs';

/** @typedef {import('./console.mjs').Console} Console */

/**
 * @typedef {object} Manifest what the build says of a bundle
 * @property {string} board name of the board configuration
 * @property {string} interpreter `process.env.BOARD` of the interpreter it is for
 * @property {string} version of the firmware
 */

/** Oldest interpreter that bundles are made for. */
const OLDEST = [2, 29];
/** Header of a Storage file, and what sizes are padded to. Source: Espruino 2v29, src/jsflash.h. */
const HEADER = 32;
const ALIGNMENT = 8;
/** Left for the firmware's own values, so that it does not force a compaction in the field. */
const RESERVE = 2_048;
const SITE = 'site.json';
/** Holds the new site while `site.json` is replaced, which Storage does by deleting it first. */
const SITE_COPY = 'site.new';
/** Runs at every start before any firmware does: a console is locked then even if that fails. */
const LOCK = '.boot0';
const lockOf = (password) => `E.setPassword(${text(password)});E.lockConsole()`;
/** ms without a line after which the controller restarts by itself. */
const PATIENCE = 30_000;

const padded = (size) => Math.ceil(size / ALIGNMENT) * ALIGNMENT + HEADER;
const text = (string) => JSON.stringify(string);
const bytes = (count) => `${count.toLocaleString('en')} bytes`;

/**
 * What the interpreter needs for an upload. `k` keeps the controller quiet and alive; `w` writes one piece to the file
 * `n` of length `t`, unless it is there already, and reads it back.
 */
const helper = (patience) =>
  `global.rvbFlash={n:"",t:0,k:function(){clearTimeout();clearInterval();E.kickWatchdog();setTimeout(load,${patience})},` +
  'w:function(i,o,d,c){var s=require("Storage"),l=d.length,r,a;rvbFlash.k();' +
  'if(E.CRC32(d)+o*65537!==c)r="damaged";else try{a=s.read(rvbFlash.n);' +
  'if(!a||a.length!==rvbFlash.t||s.read(rvbFlash.n,o,l)!==d)s.write(rvbFlash.n,d,o,o?0:rvbFlash.t);' +
  'a=s.read(rvbFlash.n);r=a&&a.length===rvbFlash.t&&s.read(rvbFlash.n,o,l)===d?"ok":"lost"' +
  '}catch(e){r=""+e}r=JSON.stringify(r);print("<"+i+":"+r+":"+E.CRC32(r)+":"+i+">")}},1';

const mark = ({ at, text: value }) => `m.substr(${at},8)==${text(value)}`;

/** An expression for everything that is decided on. */
const STATE =
  '(function(){var s=require("Storage");function f(n){var t=s.read(n),l=t?t.length:0,m=l>=32?s.read(n,l-32):"";' +
  `return{name:n,size:l,sequence:+m.substr(0,8)||0,ready:${mark(MARKS.ready)},` +
  `tried:${mark(MARKS.tried)},good:${mark(MARKS.good)}}}` +
  'var b=s.read(".bootcde");return{board:process.env.BOARD,version:process.env.VERSION,' +
  'memory:process.memory(),storage:s.getStats(),persistent:!!s.read(".bootrst"),' +
  'loader:{size:b?b.length:0,check:b?E.CRC32(b):0},' +
  `slots:[${SLOTS.map((name) => `f(${text(name)})`).join(',')}],` +
  'running:typeof rvb=="object"?{board:""+rvb.board,version:""+rvb.version}:null}})()';

/** An expression for the CRC of the first `size` bytes of a file; 0 when it is shorter. */
const checkOf = (name, size) =>
  `(function(){var s=require("Storage"),t=s.read(${text(name)});` +
  `return t&&t.length>=${size}?E.CRC32(s.read(${text(name)},0,${size})):0})()`;

/** An expression for `code`, with the controller kept quiet for longer. */
const quietly = (code) => `(rvbFlash.k(),${code})`;

const eraseOf = (name) => `(require("Storage").erase(${text(name)}),!require("Storage").read(${text(name)}))`;

/**
 * @param {Console} console
 * @param {object} job
 * @param {Buffer} job.bundle
 * @param {Manifest} job.manifest
 * @param {string} [job.site] ASCII JSON for the controller
 * @param {string} [job.lock] with a site: password that locks the console, absent: it is open
 * @param {boolean} [job.compact] may compact Storage first, which a power cut turns into a loss
 * @param {number} [job.patience] ms without a line after which the controller restarts by itself
 * @param {number} [job.chunk] bytes per line at most
 * @param {(message: string) => void} [job.onStep]
 * @param {(done: number, total: number) => void} [job.onProgress]
 * @returns {Promise<{ slot: string, size: number, check: number, interpreter: string, version: string | undefined }>}
 *   what was read back from the restarted controller
 */
export async function install(console, job) {
  const { bundle, manifest, site, onStep: step = () => {} } = job;
  const check = crc(bundle);
  step('Waiting for the console');
  let state = await stop(console, job, { interrupt: true });
  refuseMismatch(state, manifest);
  let plan = await makePlan(console, job, state, check);
  if (state.storage.freeBytes < plan.needed || (job.compact && state.storage.trashBytes > 0)) {
    requireCompaction(state.storage, plan, job.compact);
    step('Compacting Storage: do not cut the supply');
    state = await compact(console, job, plan);
    plan = await makePlan(console, job, state, check);
    if (state.storage.freeBytes < plan.needed) throw tooFull(state.storage, plan.needed);
  }

  const { slot, image, kept, present } = plan;
  if (image) {
    if (plan.leftover) await demand(console, eraseOf(slot.name), `${slot.name} could not be erased`);
    const continuing = present?.some(Boolean) ? ', continuing an interrupted upload' : '';
    step(`Writing ${bytes(image.length)} to ${slot.name}${continuing}`);
    await upload(console, slot.name, image, plan.chunk, present, job.onProgress);
    if (!(await holds(console, slot, bundle, check))) {
      throw new FlashError(
        `${slot.name} does not read back as it was written: its flash may be worn. Nothing was changed.`,
      );
    }
  } else step(`${slot.name} holds this bundle already`);

  if (site !== undefined) {
    await writeSite(console, site, plan.chunk);
    await writeLock(console, job.lock);
  }
  if (image) await writeMark(console, slot, MARKS.ready);
  if (!isLoader(state.loader)) await writeLoader(console);

  step('Restarting');
  const started = await restart(console, kept);
  const fault = startFault(started, slot, bundle, manifest);
  if (fault) throw new FlashError(image ? `${fault}\n${await takeBack(console, job, slot, kept, started)}` : fault);
  if (!(await holds(console, slot, bundle, check))) {
    throw new FlashError(`After the restart ${slot.name} does not read back as it was written: its flash may be worn.`);
  }
  if (image) {
    await writeMark(console, slot, MARKS.good);
    if (kept) await demand(console, eraseOf(kept.name), `the old firmware in ${kept.name} could not be erased`);
  }
  await console.run('(E.lockConsole(),1)');
  return {
    slot: slot.name,
    size: bundle.length,
    check,
    interpreter: `${started.board} ${started.version}`,
    version: started.running?.version,
  };
}

/**
 * Decides where the bundle goes.
 *
 * @returns {Promise<object>} `slot`; `image` and what an interrupted upload left of it (`present`), no image when the
 *   controller has the bundle; `leftover`: the slot holds something else; `kept`: the slot not to touch; `needed` bytes
 */
async function makePlan(console, job, state, check) {
  const kept = keptSlot(state.slots);
  const chunk = chunkSize(state.memory, job.chunk);
  let needed = RESERVE;
  if (!isLoader(state.loader)) needed += padded(LOADER.length);
  if (job.site !== undefined) needed += 2 * padded(job.site.length) + padded(lockOf(job.lock ?? '').length);
  const outdated = state.running && state.running.version !== job.manifest.version;
  if (kept?.good && !outdated && (await holds(console, kept, job.bundle, check))) {
    return { slot: kept, kept, chunk, needed, leftover: false };
  }
  const previous = state.slots.find((slot) => slot.name !== kept?.name);
  const others = state.slots.filter((slot) => slot !== previous).map((slot) => slot.sequence);
  const image = buildSlot(job.bundle, Math.max(FIRST_SEQUENCE - 1, ...others) + 1);
  const present = await piecesPresent(console, previous, image, chunk);
  return {
    slot: { name: previous.name, size: image.length },
    image,
    present,
    leftover: previous.size > 0 && !present,
    reclaimed: previous.size > 0 && !present ? padded(previous.size) : 0,
    kept,
    chunk,
    needed: needed + (present ? 0 : padded(image.length)),
  };
}

/** Brings a controller that was stopped back to work, without waiting for it. */
export const release = (console) => console.tell('load()');

/** Interrupts and stops what runs. @returns the controller's state */
async function stop(console, job, { interrupt }) {
  await console.sync({ interrupt, timeout: 12_000 });
  await console.run(helper(job.patience ?? PATIENCE));
  await console.run(quietly('(clearWatch(),1)'));
  return console.run(quietly(STATE), 3_000);
}

/** Throws when the bundle is not for this controller. */
function refuseMismatch(state, manifest) {
  if (state.board !== manifest.interpreter) {
    throw new FlashError(
      `This controller is ${state.board} (Espruino ${state.version}), the bundle "${manifest.board}" is for ` +
        `${manifest.interpreter}.\nNothing was written. Choose another --board, or check the port.`,
    );
  }
  const [major, minor] = state.version.split(/[v.]/).map(Number);
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
    throw new FlashError(
      `The controller's interpreter is Espruino ${state.version}; ${OLDEST.join('v')} or newer is needed.\n` +
        'Nothing was written. Update the interpreter first: https://www.espruino.com/Download',
    );
  }
  if (state.persistent) {
    throw new FlashError(
      'The controller has a program in .bootrst, which would start instead of this firmware.\n' +
        'Nothing was written. Remove it in a console: require("Storage").erase(".bootrst")',
    );
  }
}

const isLoader = (loader) => loader.size === LOADER.length && loader.check === crc(LOADER);

/** @returns {Promise<boolean>} whether a slot holds the bundle, by length and CRC as the controller reads them */
async function holds(console, slot, bundle, check) {
  if (slot.size !== Math.ceil(bundle.length / 8) * 8 + TAIL) return false;
  return (await console.run(checkOf(slot.name, bundle.length), 5_000)) === check;
}

/** Bytes per line, so that a line and what it carries fit beside the stopped firmware. */
function chunkSize(memory, most = 2_048) {
  // The Linux build has no limit of its own: its total grows when needed.
  const room = Math.floor((memory.free * memory.blocksize) / 16);
  return Math.max(256, Math.min(most, room)) & ~7;
}

function pieces(image, chunk) {
  const list = [];
  for (let at = 0; at < image.length; at += chunk) list.push({ at, data: image.subarray(at, at + chunk) });
  return list;
}

/** @returns {Promise<boolean[] | undefined>} which pieces an interrupted upload left; undefined: it cannot be continued */
async function piecesPresent(console, slot, image, chunk) {
  if (slot.size !== image.length || slot.ready || slot.tried) return undefined;
  const checks = await console.run(
    quietly(
      `(function(){var s=require("Storage"),r=[],o;for(o=0;o<${image.length};o+=${chunk})` +
        `r.push(E.CRC32(s.read(${text(slot.name)},o,Math.min(${chunk},${image.length}-o))));return r})()`,
    ),
    5_000,
  );
  const found = pieces(image, chunk).map(({ data }, i) => {
    if (checks[i] === crc(data)) return true;
    return checks[i] === crc(Buffer.alloc(data.length, 0xff)) ? false : undefined;
  });
  return found.includes(undefined) ? undefined : found;
}

const tooFull = (storage, needed) =>
  new FlashError(
    `Not enough space: ${bytes(needed)} are needed, ${bytes(storage.freeBytes)} are free and deleted files hold ` +
      `${bytes(storage.trashBytes)}.\nNothing was changed. Remove files that are not needed, or choose a board with more Storage.`,
  );

/** Throws unless a compaction makes enough room and is allowed. */
function requireCompaction(storage, { needed, reclaimed = 0 }, allowed) {
  const deleted = storage.trashBytes + reclaimed;
  if (storage.freeBytes + deleted < needed) throw tooFull(storage, needed);
  if (allowed) return;
  throw new FlashError(
    `Not enough space: ${bytes(needed)} are needed, ${bytes(storage.freeBytes)} are free; deleted files hold ` +
      `${bytes(deleted)}.\nNothing was changed. Repeat with --compact while the supply is safe: a power cut during ` +
      'the seconds of a compaction loses the firmware.',
  );
}

/** Reclaims deleted files. The firmware must not run meanwhile, its code moves. @returns the state afterwards */
async function compact(console, job, { slot, leftover }) {
  if (leftover) await demand(console, eraseOf(slot.name), `${slot.name} could not be erased`);
  console.tell('reset()');
  await console.sync({ interrupt: false, timeout: 10_000, fresh: true });
  await console.run('(require("Storage").compact(),1)', 60_000);
  console.tell('load()');
  await console.sync({ interrupt: false, timeout: 15_000 });
  return stop(console, job, { interrupt: false });
}

async function demand(console, expression, complaint) {
  if ((await console.run(expression, 3_000)) !== true) throw new FlashError(`${complaint}: its flash may be worn.`);
}

async function upload(console, name, image, chunk, present, onProgress = () => {}) {
  await console.run(quietly(`(rvbFlash.n=${text(name)},rvbFlash.t=${image.length},1)`));
  let done = 0;
  onProgress(0, image.length);
  for (const [i, { at, data }] of pieces(image, chunk).entries()) {
    if (!present?.[i]) {
      const answer = await console.write(at, data);
      if (answer === 'lost') {
        throw new FlashError(
          `The controller's Storage took bytes ${at} to ${at + data.length} of ${name} but does not give them back.\n` +
            'The old firmware is untouched. A damaged entry may hide what follows it: erase Storage in a console\n' +
            '(require("Storage").eraseAll(), which removes the firmware too) and flash again.',
        );
      }
      if (answer !== 'ok') throw new FlashError(`The controller could not write to ${name}: ${answer}.`);
    }
    done += data.length;
    onProgress(done, image.length);
  }
}

/** Marks are written once; said again, they are found written. */
async function writeMark(console, slot, { at, text: value }) {
  const offset = slot.size - TAIL + at;
  const read = `require("Storage").read(${text(slot.name)},${offset},8)===${text(value)}`;
  await demand(
    console,
    `(${read}||require("Storage").write(${text(slot.name)},${text(value)},${offset}),${read})`,
    `${slot.name} could not be marked`,
  );
}

async function writeLoader(console) {
  const code = text(LOADER);
  await demand(
    console,
    `(require("Storage").write(".bootcde",${code}),require("Storage").read(".bootcde")===${code})`,
    'the loader could not be written',
  );
}

/** The new site is complete in a copy before the old one goes. */
async function writeSite(console, site, chunk) {
  if ((await console.run(quietly(checkOf(SITE, site.length)))) === crc(site)) {
    const exact = `require("Storage").read(${text(SITE)}).length===${site.length}`;
    if (await console.run(exact)) return;
  }
  await upload(console, SITE_COPY, Buffer.from(site, 'latin1'), chunk);
  await demand(
    console,
    quietly(
      `(require("Storage").write(${text(SITE)},require("Storage").read(${text(SITE_COPY)})),` +
        `require("Storage").read(${text(SITE)})===require("Storage").read(${text(SITE_COPY)}))`,
    ),
    'the site settings could not be stored',
  );
  await demand(console, eraseOf(SITE_COPY), `${SITE_COPY} could not be erased`);
}

/** Locks the console from the next start on, or opens it. */
async function writeLock(console, password) {
  const file = `require("Storage").read(${text(LOCK)})`;
  if (password === undefined) {
    if (await console.run(`${file}!==undefined`)) await demand(console, eraseOf(LOCK), `${LOCK} could not be erased`);
    return;
  }
  const code = text(lockOf(password));
  const stored = `${file}===${code}`;
  await demand(
    console,
    `(${stored}||require("Storage").write(${text(LOCK)},${code}),${stored})`,
    'the console could not be locked',
  );
}

/** @returns the state after a restart, with what was printed meanwhile; undefined: no answer any more */
async function restart(console, kept) {
  console.tell('load()');
  try {
    // Not interrupted: a firmware that keeps the console from answering is not fit to stay.
    const printed = await console.sync({ interrupt: false, timeout: 15_000, fresh: true });
    return { ...(await console.run(STATE, 3_000)), printed };
  } catch (error) {
    if (!console.closed) return undefined;
    const then = kept ? 'goes back to the old firmware at its next restart' : 'tries the new firmware';
    throw new FlashError(`${error.message}\nThe controller ${then}. Run the command again.`);
  }
}

/** @returns {string | undefined} why the restarted controller does not run the bundle in `target` */
function startFault(started, target, bundle, manifest) {
  if (!started) return 'The new firmware started, but the console does not answer any more.';
  const uncaught = started.printed.match(/Uncaught [^\r\n]*/);
  if (uncaught) return `The new firmware failed at its start: ${uncaught[0]}`;
  if (!started.slots.find((slot) => slot.name === target.name)?.tried) {
    return `The controller did not start ${target.name}.`;
  }
  // A bundle that names `rvb` says there what it is.
  if (started.running === null)
    return /\brvb\b/.test(bundle.toString('latin1')) ? 'The new firmware did not start.' : undefined;
  const { board, version } = started.running;
  if (board === manifest.board && version === manifest.version) return undefined;
  return `The controller runs ${board} ${version} instead of ${manifest.board} ${manifest.version}.`;
}

/** Removes a firmware that does not run, and starts the old one. @returns what became of it, for the user */
async function takeBack(console, job, slot, kept, started) {
  try {
    // A second Ctrl-C only where it is needed: it must wait 5 s.
    await stop(console, job, { interrupt: !started });
    await demand(console, eraseOf(slot.name), `${slot.name} could not be erased`);
    console.tell('load()');
    await console.sync({ interrupt: false, timeout: 15_000, fresh: true });
    return kept ? 'It was removed; the controller runs its old firmware again.' : 'It was removed.';
  } catch (error) {
    const then = kept ? 'Cut its supply for a moment: it starts the old firmware then.' : 'Press the reset button.';
    return `It could not be removed. ${console.closed ? error.message : then}`;
  }
}
