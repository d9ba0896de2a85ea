/**
 * Holdfast itself, started as a user starts it: `holdfast run FILE`.
 *
 * Path: main thread and shards on the gateway's cores, access log off as for everybody else.
 * Invariant: the configuration uses nothing that a user could not write; what is not said is the
 * default.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  type Candidate,
  FILTERED_HOST,
  type FilterLoad,
  type Presence,
  ROOT,
  RunFailure,
  type Running,
  type StartOptions,
  TLS_VERSIONS,
} from '../rig/index.ts';
import { createReload, startPeer } from './start.ts';

const CLI = join('src', 'main', 'cli', 'holdfast.mjs');
const FILE = 'holdfast.yaml';
const RELOAD_MS = 150;
/** Requests on one connection, and connections that are kept: out of the way. */
const MANY = 1_000_000_000;
const KEPT = 1024;

/** TLS of the listener, where asked for. */
function configureTls({ tls }: StartOptions): string {
  if (tls === undefined) return '';
  return `
    tls: { mode: terminate, certificates: [{ cert: ${tls.certificate}, key: ${tls.key} }] }`;
}

/** Rules of the core: as many networks that the load does not come from, then everybody. */
const RULES = 1_000;
/** What the load asks for where nothing else is said. */
const PLAIN_HOST = 'bench.test';
const FILTERS = fileURLToPath(new URL('../filters/', import.meta.url));

const nameGeneration = (generation: number): string => `messages-${generation}.ts`;

/** Writes the filter of a generation: messages.ts with a line that no other generation has. */
function writeGeneration(folder: string, generation: number): void {
  const text = readFileSync(join(FILTERS, 'messages.ts'), 'utf8');
  const line = `\nexport const GENERATION = ${generation};\n`;
  writeFileSync(join(folder, nameGeneration(generation)), text + line);
}

/** Filters of a route. */
function configureFilters(filters: FilterLoad, generation: number): string {
  switch (filters) {
    case 'none':
      return '';
    case 'header':
    case 'messages':
      return `, filters: [${FILTERS}${filters}.ts]`;
    case 'swap': {
      const file = generation % 2 === 0 ? 'messages' : 'messages-odd';
      return `, filters: [${FILTERS}${file}.ts]`;
    }
    case 'blocking':
    case 'offloaded':
      return `, filters: [${FILTERS}slow-${filters}.ts]`;
    case 'renew':
      return `, filters: [./${nameGeneration(generation)}]`;
    case 'policies': {
      const rules = Array.from({ length: RULES }, (_, at) => {
        const network = `10.${at >> 8}.${at & 255}.0/24`;
        return `{ name: r${at}, action: deny, when: { address: ${network}, path: /private/${at} } }`;
      });
      const rbac = `{ use: holdfast/rbac, with: { default: allow, rules: [${rules.join(', ')}] } }`;
      const rate = '{ use: holdfast/rate-limit, with: { rate: 100000000/s, by: address } }';
      return `, filters: [${rbac}, ${rate}]`;
    }
  }
}

/** Hosts and routes; where filters are asked for, of their host and of another one. */
function configureHosts({ http }: StartOptions, generation: number): string {
  const { filters } = http ?? {};
  const host = (filters: string, name?: string): string => `
        - ${name === undefined ? '' : `names: [${name}]\n          `}routes:
            - match: { path: { exact: /generation } }
              respond: { status: 200, body: "${generation}" }
            - { match: { path: /elsewhere }, cluster: origin }
            - { match: { path: / }, cluster: origin, websocket: true${filters} }`;
  if (filters === undefined) return host('');
  const asked = configureFilters(filters, generation);
  const isForAll = !['none', 'header', 'messages', 'policies'].includes(filters);
  return isForAll ? host(asked) : host('', PLAIN_HOST) + host(asked, FILTERED_HOST);
}

/** Protocol of the listener, with what keeps limits of HTTP out of the way. */
function configureProtocol(options: StartOptions, generation: number): string {
  const { http } = options;
  if (http === undefined) {
    return `
    protocol: tcp
    cluster: origin`;
  }
  return `
    protocol: http
    http:
      limits: { requests: ${MANY} }
      timeouts: { keepAlive: 1h }
      forwarded: ${http.isBare ? '[]' : '[x-forwarded]'}
      requestId: false
      hosts:${configureHosts(options, generation)}`;
}

/** Connections to the origin are kept, as everybody else keeps them. */
function configureKeeping({ http }: StartOptions): string {
  if (http === undefined) return '';
  return `
    http: { keepAlive: { idle: 1h, maxAge: never, requests: ${MANY}, connections: ${KEPT} } }`;
}

function configure(options: StartOptions, generation = 0): string {
  if (options.http?.filters === 'renew') writeGeneration(options.folder, generation);
  // What blocks a shard is told as a warning.
  const level = options.http?.filters === 'blocking' ? 'warn' : 'error';
  const front = configureTls(options) + configureProtocol(options, generation);
  return `# Written by bench/peers/holdfast.ts for one measurement.
version: 1
shards: ${options.workers}
admin: { socket: ${options.folder}/holdfast.sock }
log: { level: ${level}, access: off }
listeners:
  - name: front
    bind: [127.0.0.1:${options.frontPort}]${front}
clusters:
  - name: origin
    endpoints: [127.0.0.1:${options.originPort}]${configureKeeping(options)}
`;
}

/** Reads one page of the admin socket. */
function readAdmin(socketPath: string, path: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const asked = request({ socketPath, path }, (response) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (part: string) => {
      text += part;
    });
    response.once('end', () => resolve(text));
  });
  asked.once('error', reject);
  asked.end();
  return promise;
}

/** Live connections of each shard, from the metrics page. */
function parseShardConnections(metrics: string): number[] {
  const pattern = /^holdfast_shard_connections(?:_active)?\{[^}]*shard="(\d+)"[^}]*\} (\d+)/gm;
  const byShard: number[] = [];
  for (const match of metrics.matchAll(pattern)) byShard[Number(match[1])] = Number(match[2]);
  if (byShard.length === 0) throw new RunFailure('the metrics page shows no connections by shard');
  return byShard;
}

/** Builds the candidate from a project tree, which need not be this one: the gate compares two. */
export function createHoldfast(name: string, tree: string): Candidate {
  async function find(): Promise<Presence> {
    if (!existsSync(join(tree, CLI))) return { missing: 'npm start' };
    const about = JSON.parse(readFileSync(join(tree, 'package.json'), 'utf8')) as {
      version: string;
    };
    return { version: about.version };
  }

  async function start(options: StartOptions): Promise<Running> {
    const path = join(options.folder, FILE);
    const running = await startPeer(options, {
      argv: [process.execPath, join(tree, CLI), 'run', path],
      files: { [FILE]: configure(options) },
    });
    const signal = (): void => void process.kill(running.guarded.pid, 'SIGHUP');
    const reloadTcp = async (): Promise<void> => {
      signal();
      await delay(RELOAD_MS);
    };
    return {
      ...running,
      reload:
        options.http === undefined
          ? reloadTcp
          : createReload(options, { file: FILE, configure, signal }),
      connectionsByWorker: async () =>
        parseShardConnections(await readAdmin(join(options.folder, 'holdfast.sock'), '/metrics')),
    };
  }

  return {
    name,
    title: 'Holdfast',
    role: 'product',
    carries: ['tcp', 'http', 'websocket'],
    tlsVersions: TLS_VERSIONS,
    find,
    start,
  };
}

/** Holdfast of this tree. */
export const holdfast: Candidate = createHoldfast('holdfast', ROOT);
