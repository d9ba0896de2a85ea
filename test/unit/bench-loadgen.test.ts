/**
 * The load generator tells the truth: percentiles against raw timestamps, accounting, endings.
 *
 * Path: builds bench/loadgen as `npm run bench` does and runs its modes against its own origin on
 * loopback. Judges no time: only that what is reported follows from what happened.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fromPrinted } from '../../bench/report/index.ts';
import {
  buildLoadgen,
  clientConnectionsMax,
  type LoadFlags,
  type LoadResult,
  LoadRun,
  listArguments,
  Ports,
  readMachine,
} from '../../bench/rig/index.ts';

const CONNECTIONS_WANTED = 18_000;
const PERCENT_ALLOWED = 2;
const ROW_BYTES = 24;

let loadgen = '';
let folder = '';
let origin: ChildProcess;
let port = 0;

function start(mode: string, flags: LoadFlags): LoadRun {
  return new LoadRun(spawn(loadgen, listArguments(mode, flags), { stdio: 'pipe' }));
}

async function load(mode: string, flags: LoadFlags): Promise<LoadResult> {
  const run = start(mode, { target: `127.0.0.1:${port}`, source: '127.0.0.2-127.0.0.9', ...flags });
  await run.event(mode === 'idle' ? 'step' : 'ready');
  return run.result();
}

/** Latencies from the intended time, out of the raw file, in order. */
function readLatencies(path: string): number[] {
  const bytes = readFileSync(path);
  const latencies: number[] = [];
  for (let at = 0; at < bytes.length; at += ROW_BYTES) {
    latencies.push(Number(bytes.readBigUInt64LE(at + 16) - bytes.readBigUInt64LE(at)));
  }
  return latencies.sort((a, b) => a - b);
}

/**
 * What the percentile may be: the samples `slack` ranks around it. Missed and unanswered sends are
 * in the histogram and not among the raw rows, and conventions differ by one rank.
 */
function exactBounds(sorted: readonly number[], percentile: number, slack: number): number[] {
  const rank = Math.ceil((percentile / 100) * sorted.length) - 1;
  const at = (index: number): number =>
    sorted[Math.min(Math.max(index, 0), sorted.length - 1)] ?? 0;
  return [at(rank - slack), at(rank + slack)];
}

before(async () => {
  loadgen = await buildLoadgen();
  folder = mkdtempSync(join(tmpdir(), 'loadgen-'));
  [port = 0] = await new Ports().take(1);
  const args = ['origin', '--listen', `127.0.0.1:${port}`, '--interactive'];
  origin = spawn(loadgen, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(origin.stdout as NodeJS.ReadableStream, 'data');
});

after(async () => {
  const ended = once(origin, 'exit');
  origin.stdin?.end();
  await ended;
  rmSync(folder, { recursive: true, force: true });
});

describe('the load generator', () => {
  it('passes its own checks', () => {
    const { status, stderr } = spawnSync(loadgen, ['selftest'], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  });

  it('reports percentiles that agree with an independent calculation from raw timestamps', async () => {
    const raw = join(folder, 'raw.bin');
    const result = await load('open', {
      connections: 200,
      rate: 4000,
      'warmup-ms': 100,
      'duration-ms': 1000,
      raw,
    });
    const exact = readLatencies(raw);
    assert.equal(exact.length, result.answered);
    assert.ok(result.response !== undefined);
    const rebuilt = fromPrinted(result.response);
    for (const [percentile, printed] of [
      [50, result.response.p50],
      [90, result.response.p90],
      [99, result.response.p99],
      [99.9, result.response.p999],
    ] as const) {
      const slack = 1 + result.response.count - exact.length;
      const [low = 0, high = 0] = exactBounds(exact, percentile, slack);
      for (const found of [printed, rebuilt.getValueAtPercentile(percentile)]) {
        const isWithin =
          found >= low * (1 - PERCENT_ALLOWED / 100) && found <= high * (1 + PERCENT_ALLOWED / 100);
        assert.ok(isWithin, `p${percentile}: ${found} against ${low} to ${high}`);
      }
    }
  });

  it('accounts for every intended send: answered, unanswered or missed', async () => {
    const result = await load('open', {
      connections: 50,
      rate: 5000,
      'warmup-ms': 0,
      'duration-ms': 400,
      arrivals: 'uniform',
    });
    const total = (result.answered ?? 0) + (result.unanswered ?? 0) + (result.missed ?? 0);
    assert.equal(total, 2000);
    assert.equal(result.response?.count, total);
    assert.equal(result.outOfOrder, 0);
  });

  it('counts what a silent peer leaves unanswered, with the time it has waited', async () => {
    // Echoes the first message of each connection and nothing after it.
    const silent: Server = createServer((socket) => {
      socket.once('data', (bytes) => socket.write(bytes));
      socket.on('error', () => socket.destroy());
    });
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const address = silent.address();
    assert.ok(address !== null && typeof address === 'object');
    const result = await load('open', {
      target: `127.0.0.1:${address.port}`,
      connections: 10,
      rate: 1000,
      'warmup-ms': 0,
      'duration-ms': 200,
      'drain-ms': 300,
    });
    silent.close();
    assert.equal(result.answered, 0);
    assert.equal(result.unanswered, 200);
    assert.ok((result.response?.p50 ?? 0) > 300e6, 'the wait until the end is in the histogram');
  });

  it(`holds ${CONNECTIONS_WANTED} connections in one process, or what descriptors allow`, async () => {
    const connections = Math.min(CONNECTIONS_WANTED, clientConnectionsMax(readMachine()));
    const result = await load('idle', {
      source: '127.0.0.2-127.0.0.9',
      steps: connections,
    });
    assert.equal(result.connections?.open, connections);
    assert.equal(result.connections?.lost, 0);
  });

  it('moves bulk bytes both ways without loss', async () => {
    for (const direction of ['down', 'up', 'both']) {
      const run = start('bulk', { target: `127.0.0.1:${port}`, size: '32Mi', direction });
      await run.event('ready');
      assert.equal((await run.result()).complete, true, direction);
    }
  });

  it('delivers every publication of a fan-out to every subscriber', async () => {
    const result = await load('fanout', {
      connections: 100,
      rate: 20,
      'warmup-ms': 0,
      'duration-ms': 500,
    });
    assert.equal(result.unanswered, 0);
    assert.equal(result.response?.count, (result.publications ?? 0) * 100);
  });

  it('brings everybody back after a storm and loses nothing established', async () => {
    const result = await load('storm', {
      connections: 20,
      rate: 500,
      storm: 300,
      'storm-after-ms': 100,
      'duration-ms': 1500,
    });
    assert.equal(result.stormEnded, true);
    assert.equal(result.connections?.lost, 0);
    assert.equal(result.reconnects?.count, 300);
  });

  it('refuses what it cannot do with one sentence and exit code 2', () => {
    for (const [args, pattern] of [
      [['sideways'], /unknown mode "sideways"/],
      [['open', '--target', '127.0.0.1:1', '--speed', '3'], /no flag --speed/],
      [['open'], /--target is missing/],
      [['open', '--target', 'nowhere'], /wants the form/],
      [['idle', '--target', '127.0.0.1:1', '--steps', '99000000'], /descriptors/],
    ] as const) {
      const { status, stderr } = spawnSync(loadgen, args, { encoding: 'utf8' });
      assert.equal(status, 2, args.join(' '));
      assert.match(stderr, pattern);
      assert.equal(stderr.trim().split('\n').length, 1);
    }
  });

  it('says so when nobody listens', async () => {
    const [free = 0] = await new Ports().take(1);
    const run = start('open', { target: `127.0.0.1:${free}`, 'open-timeout-ms': 300 });
    await assert.rejects(run.event('ready'), /could not open the echo connections.*ECONNREFUSED/);
  });

  it('ends a guarded command and its children when its stdin closes', async () => {
    const script = 'sleep 60 & echo $! > "$0"; exec sleep 60';
    const note = join(folder, 'child');
    const guard = spawn(loadgen, ['guard', 'bash', '-c', script, note], { stdio: 'pipe' });
    const [line] = (await once(guard.stdout, 'data')) as [Buffer];
    const { pid } = JSON.parse(line.toString()) as { pid: number };
    while (!existsSync(note) || readFileSync(note, 'utf8') === '') {
      await new Promise((resolve) => setImmediate(resolve));
    }
    const child = Number(readFileSync(note, 'utf8'));
    guard.stdin.end();
    await once(guard, 'exit');
    for (const each of [pid, child]) {
      const stat = existsSync(`/proc/${each}/stat`)
        ? readFileSync(`/proc/${each}/stat`, 'utf8')
        : '';
      assert.ok(stat === '' || / Z /.test(stat), `process ${each} is still there`);
    }
  });

  it('keeps the origin echoing for a peer that is not ours', async () => {
    const socket = connect(port, '127.0.0.1');
    socket.write('hello');
    const [bytes] = (await once(socket, 'data')) as [Buffer];
    assert.equal(bytes.toString(), 'hello');
    socket.destroy();
  });
});
