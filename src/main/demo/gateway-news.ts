/**
 * What a gateway says about itself, asked over its admin socket and put in a few figures.
 *
 * Path: page-origin.ts asks once a second while somebody looks, and pushes it to the page.
 * Invariant: a question that is not answered, or in a way that is not understood, gives null and no
 * fault: the page then says that it has no news.
 */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';

/** One connection, as `holdfast conns` shows it. */
export interface ConnectionNews {
  readonly id: string;
  readonly protocol: string;
  readonly route: string | null;
  readonly ageMs: number;
  readonly messages: number;
  readonly lastPongMs: number;
}

/** What the page shows of the gateway. */
export interface GatewayNews {
  readonly generation: number;
  readonly state: string;
  /** Live connections, of all listeners. */
  readonly connections: number;
  readonly shards: readonly number[];
  /** Of the listener `web`, since the start. */
  readonly requests: number;
  readonly webSockets: number;
  readonly messages: number;
  /** User memory of an idle WebSocket: two conns, a tunnel, two trackers of frames. */
  readonly webSocketBytes: number | null;
  readonly list: readonly ConnectionNews[];
}

/** An answer of the admin API. */
export interface AdminNews {
  readonly status: number;
  // The shape of the answers is the admin API's; fields are looked at one by one.
  readonly json: Readonly<Record<string, unknown>>;
}

const ANSWER_TIMEOUT_MS = 5_000;
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
const LISTED = 8;

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

function listOf(value: unknown): Fields[] {
  return Array.isArray(value) ? value.map(fieldsOf) : [];
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/** Asks the admin API. @throws Error when nobody answers, or not with JSON */
export async function askAdmin(
  socketPath: string,
  method: string,
  path: string,
): Promise<AdminNews> {
  const asked = request({ socketPath, method, path, agent: false });
  asked.setTimeout(ANSWER_TIMEOUT_MS, () => asked.destroy(new Error('no answer')));
  asked.end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  let text = '';
  for await (const part of answer.setEncoding('utf8') as AsyncIterable<string>) {
    text += part;
    if (text.length > ANSWER_BYTES_MAX) throw new Error('the answer is too long');
  }
  return { status: answer.statusCode ?? 0, json: fieldsOf(JSON.parse(text)) };
}

function webSocketBytesOf(sizes: Fields): number | null {
  const parts = [sizes['conn'], sizes['conn'], sizes['tunnel'], sizes['frames']].map(numberOf);
  return parts.includes(0) ? null : parts.reduce((sum, part) => sum + part, 0);
}

function describe(connection: Fields): ConnectionNews {
  return {
    id: textOf(connection['id']) ?? '',
    protocol: textOf(connection['protocol']) ?? '',
    route: textOf(connection['route']),
    ageMs: numberOf(connection['ageMs']),
    messages: numberOf(connection['messagesFromClient']),
    lastPongMs: numberOf(connection['lastPongMs']),
  };
}

/** Asks for everything the page shows. Null when there is no answer. */
export async function readGatewayNews(socketPath: string): Promise<GatewayNews | null> {
  const get = async (path: string): Promise<Fields> => {
    return (await askAdmin(socketPath, 'GET', path)).json;
  };
  try {
    const [status, stats, shards, connections] = await Promise.all([
      get('/v1/status'),
      get('/v1/stats'),
      get('/v1/shards'),
      get(`/v1/connections?listener=web&sort=age&limit=${LISTED}`),
    ]);
    const web = listOf(stats['http']).find(({ name }) => name === 'web') ?? {};
    const counters = fieldsOf(web['counters']);
    return {
      generation: numberOf(status['generation']),
      state: textOf(status['state']) ?? '',
      connections: numberOf(status['connections']),
      shards: listOf(shards['shards']).map((shard) => numberOf(shard['connections'])),
      requests: numberOf(counters['requests']),
      webSockets: numberOf(counters['webSocketsActive']),
      messages:
        numberOf(counters['webSocketMessagesFromClients']) +
        numberOf(counters['webSocketMessagesFromEndpoints']),
      webSocketBytes: webSocketBytesOf(fieldsOf(shards['recordBytes'])),
      list: listOf(connections['connections']).map(describe),
    };
  } catch {
    return null;
  }
}
