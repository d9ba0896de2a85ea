/**
 * The gateway that foreign TLS peers are run against, with its certificates and origins.
 *
 * Path: main.ts starts one for all peers; `node test/interop/rig.ts` serves it until a key is hit.
 * Invariant: everything lives in one directory and on loopback, and ends with its owner.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { GatewayProcess, makeDirectory, type Owner, startEcho } from '../e2e/harness.ts';
import { Authority, writePair, writeText } from '../e2e/tls/authority.ts';

/** Ways to keep records; every peer meets both. */
export const RECORDS = ['detached', 'openssl'] as const;

/** What peers need to know. */
export interface Rig {
  readonly gateway: GatewayProcess;
  readonly directory: string;
  /** PEM of the authority that everything is signed by. */
  readonly ca: string;
  /** A certificate for clients, and its key. */
  readonly clientCert: string;
  readonly clientKey: string;
  readonly port: (listener: string) => number;
}

/** Answers every request with its own body; without one, with a line. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  if (request.method === 'GET') {
    response.end('hello\n');
    return;
  }
  response.writeHead(200, { 'content-type': 'application/octet-stream' });
  request.pipe(response);
}

async function startHttp(owner: Owner): Promise<number> {
  const listening = createServer(answer);
  listening.keepAliveTimeout = 60_000;
  listening.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  owner.after(() => {
    listening.closeAllConnections();
    listening.close();
  });
  const bound = listening.address();
  return typeof bound === 'object' && bound !== null ? bound.port : 0;
}

/** Starts one; `bind` is the address of its listeners. */
export async function startRig(owner: Owner): Promise<Rig> {
  const directory = makeDirectory(owner);
  const root = Authority.root('Root of interop', 'rsa');
  const names = { name: 'localhost', altNames: ['localhost', '127.0.0.1'], untilDays: 300 };
  const rsa = writePair(directory, 'rsa', root.issue({ ...names, kind: 'rsa' }));
  const ec = writePair(directory, 'ec', root.issue({ ...names, kind: 'ec' }));
  const client = writePair(directory, 'client', root.issue({ name: 'client', kind: 'rsa' }));
  const ca = writeText(directory, 'ca.pem', root.cert);
  const http = await startHttp(owner);
  const echo = await startEcho(owner);
  const kinds = { both: [ec, rsa], rsa: [rsa], ec: [ec] };
  const listeners = RECORDS.flatMap((records) => [
    ...Object.entries(kinds).map(([kind, certificates]) =>
      listenerOf(`http-${kind}-${records}`, 'http', { certificates, records }),
    ),
    listenerOf(`echo-${records}`, 'echo', { certificates: kinds.both, records }),
    listenerOf(`alpn-${records}`, 'http', {
      certificates: kinds.rsa,
      records,
      alpn: ['http/1.1', 'h2'],
    }),
    listenerOf(`client-${records}`, 'http', {
      certificates: kinds.rsa,
      records,
      clientAuth: { mode: 'required', ca },
    }),
  ]);
  const config = {
    shards: 2,
    listeners,
    clusters: [
      { name: 'http', endpoints: [`127.0.0.1:${http}`] },
      { name: 'echo', endpoints: [`127.0.0.1:${echo.port}`] },
    ],
  };
  const yaml = Object.entries(config)
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
    .join('');
  const gateway = await GatewayProcess.start(owner, { yaml });
  const { json } = await gateway.admin('GET', '/v1/status');
  const ports = new Map<string, number>(
    json.listeners.map(({ name, address }: { name: string; address: string }) => [
      name,
      Number(/:(\d+)$/.exec(address)?.[1]),
    ]),
  );
  return {
    gateway,
    directory,
    ca,
    clientCert: client.cert,
    clientKey: client.key,
    port: (listener) => ports.get(listener) ?? Number.NaN,
  };
}

function listenerOf(name: string, cluster: string, tls: object): object {
  return { name, bind: '127.0.0.1:0', cluster, tls };
}
