/**
 * A command line for tests: a terminal that collects text, and a gateway that only remembers.
 *
 * Path: the tests of the verbs run `runCli` in it, in their own process.
 * Invariant: nothing is started and nothing is printed; the admin endpoint is a real HTTP one on a
 * Unix socket.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { StartGateway } from '../../../src/main/cli/cli-world.ts';
import { runCli } from '../../../src/main/cli/run-cli.ts';
import { createPaint } from '../../../src/main/config/paint.ts';
import type { GatewayOptions } from '../../../src/main/gateway-options.ts';

/** What a command line did. */
export interface Ran {
  readonly out: string;
  readonly note: string;
  readonly code: number;
  /** What a gateway was started with. */
  readonly started: GatewayOptions | null;
}

export interface RunOptions {
  readonly env?: Record<string, string>;
  readonly columns?: number;
  readonly startGateway?: StartGateway;
}

/** Runs one command line. */
export async function run(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  let out = '';
  let note = '';
  let code = 0;
  let started: GatewayOptions | null = null;
  const paint = createPaint({ color: false });
  const remember: StartGateway = (given) => {
    started = given;
    return Promise.resolve({
      closed: Promise.resolve(0),
      listeners: [{ name: 'proxy', address: '127.0.0.1:8080' }],
      adminSocket: given.config.admin.socket,
      close: () => Promise.resolve(0),
    });
  };
  await runCli(args, {
    terminal: {
      out: (text) => {
        out += text;
      },
      note: (text) => {
        note += text;
      },
      env: options.env ?? {},
      columns: options.columns ?? 0,
      paint,
      notePaint: paint,
      hasNoteColor: false,
      exit: (value) => {
        code = value;
      },
    },
    loadGateway: () => Promise.resolve(options.startGateway ?? remember),
  });
  return { out, note, code, started };
}

/** A directory that is removed after the test. */
export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-cli-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** One request that the endpoint saw. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** What the endpoint answers: a status and a body, which is JSON unless it is text. */
export type Answers = (seen: Seen) => { readonly status?: number; readonly body: unknown };

/** An admin endpoint on a Unix socket, or on a port when `place` is a number. */
export async function adminEndpoint(
  t: TestContext,
  answers: Answers,
  place?: number,
): Promise<{ readonly path: string; readonly port: number; readonly seen: Seen[] }> {
  const seen: Seen[] = [];
  const http = createServer((message, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
      const { method = '', url = '', headers } = message;
      const one = { method, url, headers, body: Buffer.concat(chunks).toString() };
      seen.push(one);
      const { status = 200, body } = answers(one);
      response.writeHead(status, { connection: 'close' });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    })();
  });
  const path = join(temporaryDirectory(t), 'admin.sock');
  if (place === undefined) http.listen(path);
  else http.listen(place, '127.0.0.1');
  await once(http, 'listening');
  t.after(() => http.close());
  const address = http.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { path, port, seen };
}
