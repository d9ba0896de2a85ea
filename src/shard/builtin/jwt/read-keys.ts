/**
 * Reads the text of a key set from a file or a URL.
 *
 * Path: key-source.ts calls what is made here.
 * Invariant: bounded in size and, for a URL, in time. Redirects are not followed: keys come from
 * where the configuration says, or not at all.
 */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { KeyOrigin } from './schema.ts';

/** Largest set. */
const SET_BYTES_MAX = 256 << 10;

/** Reads a body up to the limit. */
async function readBody(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > SET_BYTES_MAX) throw new Error(`it is larger than ${SET_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function readUrl(url: string, timeoutMs: number): Promise<string> {
  try {
    const response = await fetch(url, {
      headers: { accept: 'application/jwk-set+json, application/json' },
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`the answer is ${response.status}`);
    }
    return await readBody(response);
  } catch (error) {
    const { name, message, cause } = error as Error;
    const isLate = name === 'TimeoutError';
    const why = cause instanceof Error ? cause.message : message;
    throw new Error(isLate ? `no answer within ${timeoutMs} ms` : why, { cause: error });
  }
}

async function readPath(path: string): Promise<string> {
  const text = await readFile(path, 'utf8');
  if (text.length > SET_BYTES_MAX) throw new Error(`it is larger than ${SET_BYTES_MAX} bytes`);
  return text;
}

/** A way to read a set, and what to call it. */
export interface KeyReader {
  readonly name: string;
  readonly read: () => Promise<string>;
}

/**
 * How to read what the configuration says.
 *
 * @param base - URL of the configuration file, from which paths lead.
 */
export function createKeyReader({ file, url, timeout }: KeyOrigin, base: string): KeyReader {
  if (url !== undefined) return { name: url, read: () => readUrl(url, timeout) };
  const path = resolve(fileURLToPath(new URL('.', base)), file ?? '');
  return { name: path, read: () => readPath(path) };
}
