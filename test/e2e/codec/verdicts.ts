/**
 * What the HTTP/1.1 codec accepts, as its tests of difference read it.
 *
 * Path: runs out/debug/http1_verdicts, built on demand, for the tests of this directory.
 * Invariant: bytes are strings of Latin-1, so that nothing changes them; the same count and seed
 * give the same inputs. HOLDFAST_HTTP1_INPUTS and HOLDFAST_HTTP1_SEED ask for more and for others.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NATIVE = fileURLToPath(new URL('../../../native/epoll', import.meta.url));
const SEED = process.env['HOLDFAST_HTTP1_SEED'] ?? '1';

/** Mutations besides the cases of the tables. */
export const INPUTS = Number(process.env['HOLDFAST_HTTP1_INPUTS'] ?? '1500');

/** A message that the codec accepted. */
export interface Message {
  /** Method and target in normal form, or the status. */
  readonly line: string;
  /** The same with the target as it came. */
  readonly written: string;
  /** The whole message in canonical form. */
  readonly forwarded: string;
  /** In the bytes of the input. */
  readonly end: number;
  readonly contentBytes: number;
  readonly isPersistent: boolean;
}

/** Bytes that are messages and nothing else. */
export interface Input {
  readonly name: string;
  readonly bytes: string;
  readonly messages: readonly Message[];
}

/** Latin-1 keeps bytes as they are. */
export function fromHex(text: string): string {
  return Buffer.from(text, 'hex').toString('latin1');
}

function parseInput(line: string): Input {
  const raw = JSON.parse(line) as Input;
  const messages = raw.messages.map((message) => ({
    ...message,
    line: fromHex(message.line),
    written: fromHex(message.written),
    forwarded: fromHex(message.forwarded),
  }));
  return { name: raw.name, bytes: fromHex(raw.bytes), messages };
}

/** The accepted ones of the cases, and INPUTS mutations that are accepted. */
export function listInputs(side: 'requests' | 'responses'): Input[] {
  execFileSync('make', ['--no-print-directory', '-C', NATIVE, 'out/debug/http1_verdicts'], {
    stdio: 'ignore',
  });
  const tool = join(NATIVE, 'out', 'debug', 'http1_verdicts');
  const output = execFileSync(tool, [side, `${INPUTS}`, SEED], {
    encoding: 'utf8',
    maxBuffer: 1 << 30,
  });
  return output.trimEnd().split('\n').map(parseInput);
}
