/**
 * Holdfast itself, started as a user starts it: `holdfast run FILE`.
 *
 * Path: main thread and shards on the gateway's cores, access log off as for everybody else.
 * Invariant: the configuration uses nothing that a user could not write; what is not said is the
 * default.
 */
import { existsSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Candidate,
  type Presence,
  ROOT,
  RunFailure,
  type Running,
  type StartOptions,
  TLS_VERSIONS,
} from '../rig/index.ts';
import { startPeer } from './start.ts';

const CLI = join('src', 'main', 'cli', 'holdfast.mjs');
const RELOAD_MS = 150;

/** TLS of the listener, where asked for. */
function configureTls({ tls }: StartOptions): string {
  if (tls === undefined) return '';
  return `
    tls: { mode: terminate, certificates: [{ cert: ${tls.certificate}, key: ${tls.key} }] }`;
}

function configure(options: StartOptions): string {
  return `# Written by bench/peers/holdfast.ts for one measurement.
version: 1
shards: ${options.workers}
admin: { socket: ${options.folder}/holdfast.sock }
log: { level: error, access: off }
listeners:
  - name: front
    bind: [127.0.0.1:${options.frontPort}]
    protocol: tcp${configureTls(options)}
    cluster: origin
clusters:
  - name: origin
    endpoints: [127.0.0.1:${options.originPort}]
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
    const path = join(options.folder, 'holdfast.yaml');
    const running = await startPeer(options, {
      argv: [process.execPath, join(tree, CLI), 'run', path],
      files: { 'holdfast.yaml': configure(options) },
    });
    return {
      ...running,
      reload: async () => {
        process.kill(running.guarded.pid, 'SIGHUP');
        await delay(RELOAD_MS);
      },
      connectionsByWorker: async () =>
        parseShardConnections(await readAdmin(join(options.folder, 'holdfast.sock'), '/metrics')),
    };
  }

  return { name, title: 'Holdfast', role: 'product', tlsVersions: TLS_VERSIONS, find, start };
}

/** Holdfast of this tree. */
export const holdfast: Candidate = createHoldfast('holdfast', ROOT);
