/**
 * Reads how a connection, exchange or tunnel ended.
 *
 * Path: host.ts hands the value to every onEnd of the chain.
 * Invariant: a plain frozen value, so filters may keep it.
 */
import type { Buffer } from 'node:buffer';
import type { EndRecord } from '../../sdk/index.ts';
import { END } from './layout.ts';

const WORD = 2 ** 32;

/** Reads the record that starts at `start`. */
export function readEnd(words: Uint32Array, bytes: Buffer, start: number): EndRecord {
  const word = (at: number): number => words[start + at] ?? 0;
  const wide = (at: number): number => word(at) + word(at + 1) * WORD;
  return Object.freeze({
    code: word(END.code),
    reason: bytes.toString('latin1', word(END.reason), word(END.reason) + word(END.reason + 1)),
    bytesIn: wide(END.bytesIn),
    bytesOut: wide(END.bytesOut),
    durationMicros: wide(END.durationMicros),
    messagesIn: word(END.messagesIn),
    messagesOut: word(END.messagesOut),
  });
}
