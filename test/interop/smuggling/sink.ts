/**
 * Where requests end up: it writes down each one that came whole.
 *
 * Path: itself an origin (Node), or behind one of the programs of origins.ts, which pass on what
 * they understood, each request on a connection of its own.
 * Invariant: a request is written down before it is answered; one that was cut off is not. The
 * answer is the target, so that a client can tell that it is its own.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Owner } from '../../e2e/harness.ts';

/** What was seen since the last look. */
export interface Seen {
  readonly port: number;
  /** Requests whose targets hold no sentinel, as `METHOD target bytes hash`; forgets them. */
  take: () => readonly string[];
}

/** One line for a request. */
export function lineOf(method: string, target: string, content: Uint8Array): string {
  const hash = createHash('sha256').update(content).digest('hex').slice(0, 12);
  return `${method} ${target} ${content.length} ${hash}`;
}

export const SENTINEL = '/sentinel/';

/** Starts one. */
export async function startSink(owner: Owner): Promise<Seen> {
  let lines: string[] = [];
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const pieces: Buffer[] = [];
    const { method = '', url = '' } = request;
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('error', () => {});
    request.once('end', () => {
      if (!url.startsWith(SENTINEL)) {
        lines.push(lineOf(method, url, Buffer.concat(pieces)));
      }
      response.end(`${url}\n`);
    });
  };
  const listening = createServer({ keepAliveTimeout: 60_000 }, answer);
  listening.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  owner.after(() => {
    listening.closeAllConnections();
    listening.close();
  });
  const bound = listening.address();
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : 0,
    take: () => {
      const taken = lines;
      lines = [];
      return taken;
    },
  };
}
