/**
 * The admin API's listening side: a Unix socket, a TCP port, or both.
 *
 * Path: an operator's client -> here -> router.ts -> a handler. Runs on the main thread; shards
 * never see any of it.
 * Invariant: the number of clients, the time they may take and the bytes they may send are bounded,
 * so no client of the API can hurt the gateway, not even one that never reads.
 */
import { chmodSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { dirname } from 'node:path';
import {
  clearStaleSocketFile,
  explainListenFailure,
  identifySocketFile,
  removeSocketFile,
  type SocketFile,
} from '../accept/index.ts';
import { formatHostPort } from '../model/index.ts';
import type { Log } from '../observe/index.ts';
import { checkTcpAccess } from './access.ts';
import { AdminError, type AdminRequest, parseJson, readText, send, sendError } from './http.ts';
import { matchRoute, type Route } from './router.ts';

/** An import of node:http reads all its exports, and one of them loads a whole fetch client. */
const nodeHttp = process.getBuiltinModule('node:http');
/** Clients connected at once, on each of the two. */
export const CLIENTS_MAX = 64;
/** How long a client may take for its headers. */
const HEADERS_TIMEOUT_MS = 10_000;
/** How long a client may take for a whole request. */
const REQUEST_TIMEOUT_MS = 30_000;
/** A connection on which nothing moves for this long is closed. */
const INACTIVITY_TIMEOUT_MS = 30_000;
const HEADER_BYTES_MAX = 16 * 1024;
const SOCKET_MODE = 0o600;

/** What the API is served with. */
export interface AdminApiOptions {
  readonly routes: readonly Route[];
  readonly log: Log;
}

/** The API, listening. */
export class AdminApi {
  readonly #routes: readonly Route[];
  readonly #log: Log;
  readonly #open: Server[] = [];
  #socketFile: SocketFile | null = null;
  #token = '';

  constructor({ routes, log }: AdminApiOptions) {
    this.#routes = routes;
    this.#log = log;
  }

  /**
   * Answers at a Unix socket that only its owner can use.
   *
   * Rejects with ListenError when somebody answers there already, or the path is not usable.
   */
  async listenUnix(path: string): Promise<void> {
    const target = { owner: 'the admin API', address: `unix:${path}`, netns: null };
    try {
      // libuv says EACCES where the kernel says ENOENT.
      await stat(dirname(path));
      await clearStaleSocketFile(path);
      const http = this.#create('unix');
      const former = process.umask(0o777 & ~SOCKET_MODE);
      // The socket file is made inside this call; what is awaited is only its news.
      const listening = this.#listen(http, { path });
      process.umask(former);
      await listening;
      chmodSync(path, SOCKET_MODE);
      this.#socketFile = identifySocketFile(path);
    } catch (error) {
      throw explainListenFailure(error, target);
    }
  }

  /**
   * Answers at a TCP port to those who know the token. Resolves with the port.
   *
   * Rejects with ListenError.
   */
  async listenTcp(place: {
    readonly host: string;
    readonly port: number;
    readonly token: string;
  }): Promise<number> {
    const { host, port, token } = place;
    const address = formatHostPort(host, port);
    try {
      this.#token = token;
      const http = this.#create('tcp');
      await this.#listen(http, { host, port });
      const bound = http.address();
      return typeof bound === 'object' && bound !== null ? bound.port : port;
    } catch (error) {
      throw explainListenFailure(error, { owner: 'the admin API', address, netns: null });
    }
  }

  /** Takes a new token, after a reload. */
  setToken(token: string): void {
    this.#token = token;
  }

  /** Closes everything at once. Idempotent. */
  async close(): Promise<void> {
    const open = this.#open.splice(0);
    await Promise.all(
      open.map((http) => {
        const closed = Promise.withResolvers<void>();
        http.close(() => closed.resolve());
        http.closeAllConnections();
        return closed.promise;
      }),
    );
    if (this.#socketFile !== null) {
      removeSocketFile(this.#socketFile);
      this.#socketFile = null;
    }
  }

  #create(kind: 'unix' | 'tcp'): Server {
    const http = nodeHttp.createServer(
      {
        headersTimeout: HEADERS_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        maxHeaderSize: HEADER_BYTES_MAX,
        connectionsCheckingInterval: 1_000,
      },
      (message, response) => {
        void this.#answer(kind, message, response);
      },
    );
    http.maxConnections = CLIENTS_MAX;
    http.timeout = INACTIVITY_TIMEOUT_MS;
    this.#open.push(http);
    return http;
  }

  /** A failure to listen is the caller's to tell; later ones are logged. */
  #listen(
    http: Server,
    place: { readonly path: string } | { readonly host: string; readonly port: number },
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      http.once('error', reject);
      http.listen(place, () => {
        http.off('error', reject);
        http.on('error', (error) => this.#log.error({ err: error }, 'the admin API failed'));
        resolve();
      });
    });
  }

  async #answer(
    kind: 'unix' | 'tcp',
    message: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    try {
      const url = new URL(message.url ?? '/', 'http://admin');
      const method = message.method ?? 'GET';
      const { route, params } = matchRouteGuarded(this.#routes, {
        method,
        path: url.pathname,
        check: (access) => {
          if (kind === 'tcp') {
            checkTcpAccess(message.headers, access, this.#token);
          }
        },
      });
      const request: AdminRequest = {
        method,
        path: url.pathname,
        query: url.searchParams,
        params,
        headers: message.headers,
        text: () => readText(message),
        json: async () => parseJson(await readText(message)),
      };
      if (method !== 'GET' && method !== 'HEAD') {
        this.#log.info({ method, path: url.pathname, over: kind }, 'admin request');
      }
      await send(response, await route.handle(request));
    } catch (error) {
      await this.#refuse(message, response, error);
    }
  }

  async #refuse(message: IncomingMessage, response: ServerResponse, error: unknown): Promise<void> {
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    if (error instanceof AdminError) {
      await sendError(response, error);
      return;
    }
    this.#log.error({ err: error, path: message.url }, 'an admin request failed');
    await sendError(
      response,
      new AdminError(500, 'INTERNAL', { message: 'the request failed; the log says why' }),
    );
  }
}

/** Without the right to a route a client does not even learn whether it exists. */
function matchRouteGuarded(
  routes: readonly Route[],
  wanted: {
    readonly method: string;
    readonly path: string;
    readonly check: (access: 'open' | 'guarded') => void;
  },
): ReturnType<typeof matchRoute> {
  try {
    const match = matchRoute(routes, wanted.method, wanted.path);
    wanted.check(match.route.access);
    return match;
  } catch (error) {
    wanted.check('guarded');
    throw error;
  }
}
