/**
 * slowhttptest: four thousand clients that send heads or content slowly, or read slowly.
 *
 * Path: http-suites.ts starts it; each attack meets a gateway of its own with short deadlines, and
 * beside it a canary asks for one answer after another.
 * Invariant: every request of the canary is answered, what the gateway holds stays below its cap,
 * and at the end no attacker is connected any more.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { GatewayProcess, makeDirectory, type Owner } from '../e2e/harness.ts';
import { SlowCanary } from '../e2e/http/slow-canary.ts';
import type { Choice } from './http-suites.ts';
import type { Row } from './page.ts';

const CLIENTS = 4_000;
const CAP = 64 * 1024 * 1024;
const CHUNK = 4096;
const ORIGIN = fileURLToPath(new URL('slow-origin.ts', import.meta.url));
const LENGTH_S = 60;
/** One gauge of the gateway is looked at this often. */
const LOOK_MS = 200;
const LAST_LOOK_MS = 1_000;
/** Of the canary, and of the probe of slowhttptest. */
const CANARY_CONNECTIONS = 8;
/** At the cap a connection may hold one chunk (docs/flow-control.md). */
const OVERSHOOT = CLIENTS * CHUNK;

/** Attacks and what slowhttptest is told for them. */
const ATTACKS: Readonly<Record<string, readonly string[]>> = {
  'slow head': ['-H', '-i', '3', '-x', '24'],
  'slow content': ['-B', '-i', '30', '-s', '8192', '-t', 'POST'],
  'slow reading': ['-X', '-w', '10', '-y', '20', '-n', '30', '-z', '5', '-k', '3'],
};

/** The origin of the attackers; its port. */
async function startOrigin(owner: Owner): Promise<number> {
  const child = spawn(process.execPath, [ORIGIN], { stdio: ['pipe', 'pipe', 'inherit'] });
  owner.after(async () => {
    const ended = once(child, 'exit');
    child.stdin.end();
    await ended;
  });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return Number(line);
}

/** The origin of the canary; its port. */
async function startCanaryOrigin(owner: Owner): Promise<number> {
  const listening = createServer((_request, response) => response.end('ok'));
  listening.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  owner.after(() => {
    listening.closeAllConnections();
    listening.close();
  });
  const bound = listening.address();
  return typeof bound === 'object' && bound !== null ? bound.port : 0;
}

function configOf(origin: number, canary: number): string {
  const config = {
    shards: 1,
    limits: { memory: `${CAP / 1024 / 1024}MiB` },
    listeners: [
      {
        name: 'web',
        bind: '127.0.0.1:0',
        protocol: 'http',
        // All of them come from one address.
        limits: { connectionsPerAddress: 'unlimited' },
        http: {
          timeouts: { head: '10s', body: '10s', keepAlive: '10s' },
          hosts: [
            {
              routes: [
                { match: { path: '/canary' }, cluster: 'canary' },
                { match: { path: '/' }, cluster: 'app', timeouts: { idle: '10s' } },
              ],
            },
          ],
        },
      },
    ],
    clusters: [
      { name: 'app', endpoints: [`127.0.0.1:${origin}`] },
      { name: 'canary', endpoints: [`127.0.0.1:${canary}`] },
    ],
  };
  return Object.entries(config)
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
    .join('');
}

function residentBytes(pid: number): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  return Number(line?.[1] ?? 0) * 1024;
}

/** What was looked at while an attack went on. */
interface Most {
  readonly held: number;
  readonly grown: number;
  readonly connected: number;
  /** Connections a second before the end, when the attackers' program still ran. */
  readonly left: number;
}

/** Follows what a gateway holds until it is told to stop. */
function watch(gateway: GatewayProcess): { stop: () => Promise<Most> } {
  const before = residentBytes(gateway.pid);
  const most = { held: 0, grown: 0, connected: 0 };
  const looks: { readonly atMs: number; readonly connections: number }[] = [];
  const look = { isOver: false };
  const looking = (async () => {
    while (!look.isOver) {
      const { json } = await gateway.admin('GET', '/v1/stats');
      const chunks = json.shards.reduce(
        (sum: number, { counters }: { counters: Record<string, number> }) =>
          sum + (counters['pendingChunks'] ?? Number.NaN),
        0,
      );
      const web = json.listeners.find(({ name }: { name: string }) => name === 'web');
      looks.push({ atMs: performance.now(), connections: web.connections });
      most.connected = Math.max(most.connected, web.connections);
      most.held = Math.max(most.held, chunks * CHUNK);
      most.grown = Math.max(most.grown, residentBytes(gateway.pid) - before);
      await new Promise((resolve) => {
        setTimeout(resolve, LOOK_MS);
      });
    }
  })();
  return {
    stop: async () => {
      look.isOver = true;
      const lastMs = performance.now() - LAST_LOOK_MS;
      await looking;
      const left = looks.findLast(({ atMs }) => atMs < lastMs)?.connections ?? Number.NaN;
      return { ...most, left };
    },
  };
}

async function attack(
  owner: Owner,
  flags: readonly string[],
): Promise<Pick<Row, 'result' | 'says'>> {
  const origin = await startOrigin(owner);
  const yaml = configOf(origin, await startCanaryOrigin(owner));
  const gateway = await GatewayProcess.start(owner, { yaml });
  const port = await gateway.port('web');
  const canary = SlowCanary.start(owner, port);
  const watched = watch(gateway);
  const prefix = join(makeDirectory(owner), 'report');
  const all = [
    '-c',
    `${CLIENTS}`,
    '-r',
    '1000',
    '-l',
    `${LENGTH_S}`,
    '-p',
    '10',
    '-g',
    '-o',
    prefix,
  ];
  const url = ['-u', `http://127.0.0.1:${port}/`];
  const child = spawn('slowhttptest', [...flags, ...all, ...url], {
    stdio: 'ignore',
  });
  await once(child, 'close');
  const { held, grown, connected, left } = await watched.stop();
  const { answered, failed, slowestMs } = await canary.stop();
  const rows = readFileSync(`${prefix}.csv`, 'latin1').trim().split('\n').slice(1);
  const isServed = rows.every((row) => Number(row.split(',')[4] ?? 0) > 0);
  // slowhttptest ends by itself when nobody is left, and then the last look may be too early.
  const isAlone = left <= CANARY_CONNECTIONS || rows.length < LENGTH_S;
  const isGood = failed === 0 && answered > 0 && isServed && isAlone && held <= CAP + OVERSHOOT;
  const mebibytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
  return {
    result: isGood ? 'passed' : 'FAILED',
    says:
      `${connected} connected at once, ${left} at the end after ${rows.length} s; canary: ${answered} answered, ${failed} not, slowest ` +
      `${slowestMs.toFixed(0)} ms; ${mebibytes(held)} held at most, ${mebibytes(grown)} grown`,
  };
}

/** Runs the attacks that are wanted. */
export async function runSlowClients(
  owner: Owner,
  tell: (row: Row) => void,
  { isTarget }: Choice,
): Promise<void> {
  const name = 'slowhttptest';
  const { stdout, stderr, error } = spawnSync('slowhttptest', ['-v'], { encoding: 'utf8' });
  if (error !== undefined) {
    tell({ name, version: '', target: '', result: 'skipped', says: 'not found' });
    return;
  }
  const version = /\d+\.\d+\.\d+/.exec(`${stdout}${stderr}`)?.[0] ?? 'any';
  for (const [target, flags] of Object.entries(ATTACKS).filter(([each]) => isTarget(each))) {
    tell({ name, version, target, ...(await attack(owner, flags)) });
  }
}
