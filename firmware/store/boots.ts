import type { Storage } from '../../hal/hal.ts';

/** Counts this boot, in storage. @returns the number of boots so far, from 1; 0 when storage does not work. */
export function countBoot(storage: Storage): number {
  const stored = storage.read('boot');
  let boots = 1;
  if (stored && stored.length === 4) boots += new DataView(stored.buffer, stored.byteOffset, 4).getUint32(0);
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, boots);
  try {
    storage.write('boot', bytes);
  } catch (_full) {
    return 0;
  }
  return boots;
}
