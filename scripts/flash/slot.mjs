/**
 * How a firmware lies in a controller's Storage, and the loader that chooses what to run.
 *
 * Two files, the slots, take turns: the running firmware is never touched while its successor is written. A slot is
 *
 *     body        the bundle, padded with line feeds to a multiple of 8
 *     sequence    8 digits; the higher one is newer
 *     ready       8 bytes, written when the whole slot has been read back: may be started
 *     tried       8 bytes, written by the loader just before the first start
 *     good        8 bytes, written when the new firmware has been seen running: stays
 *
 * A mark is 0xFF until it is written, once. 8 bytes on an 8-byte boundary because some flash controllers program no
 * less, and one that is torn by a power cut does not compare equal, so that it was never written.
 * A firmware that was tried and never found good is passed over at the next start if there is another one: what hangs
 * or locks its console is undone by a power cycle.
 */

/** The names of the two slots in Storage. */
export const SLOTS = ['app.a', 'app.b'];
/** Bytes of a slot after its body. */
export const TAIL = 32;
/** Offset in the tail and text of each mark. */
export const MARKS = {
  ready: { at: 8, text: 'rvbReady' },
  tried: { at: 16, text: 'rvbTried' },
  good: { at: 24, text: 'rvbGood.' },
};
/** Eight digits without a leading zero, which the interpreter would take for octal. */
export const FIRST_SEQUENCE = 10_000_001;

/** Bytes of a mark or of unwritten flash. */
const ERASED = 0xff;

/**
 * Storage file `.bootcde`. It must evaluate at the top level: declarations of a firmware that is evaluated inside a
 * function would be local to it. Evaluating what `read` gives leaves function bodies in flash.
 */
export const LOADER = [
  'eval(function(){',
  'var s=require("Storage");',
  'function f(n){',
  `var t=s.read(n),l=t?t.length-${TAIL}:0,m=l>0?s.read(n,l):"";`,
  `return{n:n,l:l,q:m.substr(${MARKS.ready.at},8)=="${MARKS.ready.text}"?+m.substr(0,8):0,`,
  `t:m.substr(${MARKS.tried.at},8)=="${MARKS.tried.text}",g:m.substr(${MARKS.good.at})=="${MARKS.good.text}"}}`,
  `var a=f("${SLOTS[0]}"),b=f("${SLOTS[1]}"),x;`,
  'if(b.q>a.q){x=a;a=b;b=x}',
  'if(a.q&&!a.g){',
  'if(!a.t)try{',
  `s.write(a.n,"${MARKS.tried.text}",a.l+${MARKS.tried.at})`,
  '}catch(e){}else if(b.q)a=b}',
  'return a.q?s.read(a.n,0,a.l):""',
  '}())',
].join('');

/**
 * @param {Buffer} bundle not empty
 * @param {number} sequence
 * @returns {Buffer} a slot whose marks are not written
 */
export function buildSlot(bundle, sequence) {
  const body = Math.ceil(bundle.length / 8) * 8;
  const slot = Buffer.alloc(body + TAIL, ERASED);
  bundle.copy(slot);
  slot.fill('\n', bundle.length, body);
  slot.write(String(sequence), body, 'latin1');
  return slot;
}

/**
 * @template {{ sequence: number, ready: boolean, good: boolean }} Slot
 * @param {Slot[]} slots as read from a controller
 * @returns {Slot | undefined} the one an update must leave alone: the newest that is known to work, else the newest
 */
export function keptSlot(slots) {
  const ready = slots.filter((slot) => slot.ready).sort((a, b) => b.sequence - a.sequence);
  return ready.find((slot) => slot.good) ?? ready[0];
}
