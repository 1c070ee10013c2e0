import { clockCases } from './clock.ts';
import type { Case } from './fixture.ts';
import { flashCases } from './flash.ts';
import { inputCases, ioCases } from './io.ts';
import { macCases } from './mac.ts';
import { serialCases } from './serial.ts';
import { storageCases } from './storage.ts';
import { streamCases } from './stream.ts';
import { systemCases } from './system.ts';

/** Every promise of hal.ts that can be seen from outside a board, in the order of that file. */
export const cases: readonly Case[] = systemCases.concat(
  clockCases,
  ioCases,
  inputCases,
  serialCases,
  storageCases,
  flashCases,
  macCases,
  streamCases,
);
