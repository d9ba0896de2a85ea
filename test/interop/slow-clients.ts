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
import { GatewayProcess, makeDirectory, type Owner } from '../e2e/harness.ts';
import { SlowCanary } from '../e2e/http/slow-canary.ts';
import type { Row } from './page.ts';

const CLIENTS = 4_000;
const CAP = 64 * 1024 * 1024;
const CHUNK = 4096;
const CONTENT = 'c'.repeat(1024 * 1024);
const LENGTH_S = 90;
/** One gauge of the gateway is looked at this often. */
const LOOK_MS = 200;

/** Attacks and what slowhttptest is told for them. */
const ATTACKS: Readonly<Record<string, readonly string[]>> = {
  'slow head': ['-H', '-i', '3', '-x', '24'],
  'slow content': ['-B', '-i', '20', '-s', '8192', '-t', 'POST'],
  'slow reading': ['-X', '-w', '10', '-y', '20', '-n', '60', '-z', '5', '-k', '3'],
};

async function startOrigin(owner: Owner): Promise<number> {
  const listening = createServer((request, response) => {
    request.resume();
    response.on('error', () => {});
    request.on('error', () => {});
    request.once('end', () => response.end(request.url === '/canary' ? 'ok' : CONTENT));
  });
  listening.keepAliveTimeout = 60_000;
  listening.listen(0, '127.0.0.1', 8192);
  await once(listening, 'listening');
  owner.after(() => {
    listening.closeAllConnections();
    listening.close();
  });
  const bound = listening.address();
  return typeof bound === 'object' && bound !== null ? bound.port : 0;
}

function configOf(origin: number): string {
  const config = {
    shards: 1,
    limits: { memory: `${CAP / 1024 / 1024}MiB` },
    listeners: [
      {
        name: 'web',
        bind: '127.0.0.1:0',
        protocol: 'http',
        backlog: 8192,
        http: {
          timeouts: { head: '5s', body: '5s', keepAlive: '5s' },
          hosts: [{ routes: [{ match: { path: '/' }, cluster: 'app', timeouts: { idle: '5s' } }] }],
        },
      },
    ],
    clusters: [{ name: 'app', endpoints: [`127.0.0.1:${origin}`] }],
  };
  return Object.entries(config)
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
    .join('');
}

function residentBytes(pid: number): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  return Number(line?.[1] ?? 0) * 1024;
}

/** Follows what a gateway holds until it is told to stop. */
function watch(gateway: GatewayProcess): { stop: () => Promise<{ held: number; grown: number }> } {
  const before = residentBytes(gateway.pid);
  const most = { held: 0, grown: 0 };
  const look = { isOver: false };
  const looking = (async () => {
    while (!look.isOver) {
      const { json } = await gateway.admin('GET', '/v1/stats');
      const chunks = json.shards.reduce(
        (sum: number, { counters }: { counters: Record<string, number> }) =>
          sum + (counters['pendingChunks'] ?? Number.NaN),
        0,
      );
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
      await looking;
      return most;
    },
  };
}

async function attack(
  owner: Owner,
  flags: readonly string[],
): Promise<Pick<Row, 'result' | 'says'>> {
  const origin = await startOrigin(owner);
  const gateway = await GatewayProcess.start(owner, { yaml: configOf(origin) });
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
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stdout.on('data', (piece: Buffer) => {
    said += piece.toString('latin1');
  });
  child.stderr.resume();
  await once(child, 'close');
  const { answered, failed, slowestMs } = await canary.stop();
  const { held, grown } = await watched.stop();
  const rows = readFileSync(`${prefix}.csv`, 'latin1').trim().split('\n').slice(1);
  const cells = rows.map((row) => row.split(',').map(Number));
  const most = Math.max(...cells.map(([, , , connected = 0]) => connected));
  const isServed = cells.every(([, , , , available = 0]) => available > 0);
  const isAlone = said.includes('No open connections left');
  const isGood = failed === 0 && answered > 0 && isServed && isAlone && held <= CAP;
  const mebibytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
  return {
    result: isGood ? 'passed' : 'FAILED',
    says:
      `${most} connected at once, ${isAlone ? 'all closed by the gateway' : 'not all closed'} ` +
      `in ${cells.at(-1)?.[0]} s; canary: ${answered} answered, ${failed} not, slowest ` +
      `${slowestMs.toFixed(0)} ms; ${mebibytes(held)} held at most, ${mebibytes(grown)} grown`,
  };
}

/** Runs the three attacks. */
export async function runSlowClients(owner: Owner, tell: (row: Row) => void): Promise<void> {
  const name = 'slowhttptest';
  const { stdout, stderr, error } = spawnSync('slowhttptest', ['-v'], { encoding: 'utf8' });
  if (error !== undefined) {
    tell({ name, version: '', target: '', result: 'skipped', says: 'not found' });
    return;
  }
  const version = /\d+\.\d+\.\d+/.exec(`${stdout}${stderr}`)?.[0] ?? 'any';
  for (const [target, flags] of Object.entries(ATTACKS)) {
    tell({ name, version, target, ...(await attack(owner, flags)) });
  }
}
