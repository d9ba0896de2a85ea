/**
 * The load generator over TLS tells the truth: which handshakes were full, which resumed, what
 * ended without its proper sign, and that every byte arrived.
 *
 * Path: bench/loadgen with TLS clients against Node's own TLS, which relays to the generator's
 * origin. Judges no time. Needs OpenSSL's headers; without them the suite is named as skipped.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer as createPlain, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createServer as createTls, TLSSocket, type TlsOptions } from 'node:tls';
import {
  buildLoadgen,
  buildTlsLoadgen,
  type LoadFlags,
  type LoadResult,
  LoadRun,
  listArguments,
  makeCertificate,
  negotiatedName,
  Ports,
  TLS_VERSIONS,
  tlsFlags,
} from '../../bench/rig/index.ts';

const HEADERS = ['-E', '-x', 'c++', '-include', 'openssl/ssl.h', '/dev/null', '-o', '/dev/null'];
const hasHeaders = spawnSync(process.env['CXX'] ?? 'g++', HEADERS).status === 0;

let loadgen = '';
let folder = '';
let origin: ChildProcess;
let originPort = 0;
let pair: TlsOptions = {};
const open: Server[] = [];

function portOf(listener: Server): number {
  const address = listener.address();
  assert.ok(address !== null && typeof address === 'object');
  return address.port;
}

async function listen(listener: Server): Promise<number> {
  open.push(listener);
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return portOf(listener);
}

/** A gateway in Node: TLS in front, the origin behind. */
function relayTls(options: TlsOptions = {}): Promise<number> {
  const relay = (client: Socket): void => {
    const upstream = connect({ port: originPort, host: '127.0.0.1', allowHalfOpen: true });
    client.pipe(upstream).pipe(client);
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
  };
  const listener = createTls({ ...pair, allowHalfOpen: true, ...options }, relay);
  listener.on('tlsClientError', () => {});
  return listen(listener);
}

async function load(mode: string, port: number, flags: LoadFlags): Promise<LoadResult> {
  const all = { target: `127.0.0.1:${port}`, ...tlsFlags('1.3'), ...flags };
  const run = new LoadRun(spawn(loadgen, listArguments(mode, all), { stdio: 'pipe' }));
  await run.event(mode === 'idle' ? 'step' : 'ready');
  return run.result();
}

describe('the load generator over TLS', { skip: hasHeaders ? false : 'no OpenSSL headers' }, () => {
  before(async () => {
    loadgen = await buildTlsLoadgen();
    folder = mkdtempSync(join(tmpdir(), 'loadgen-tls-'));
    const files = makeCertificate(folder);
    pair = { cert: readFileSync(files.certificate), key: readFileSync(files.key) };
    [originPort = 0] = await new Ports().take(1);
    const args = ['origin', '--listen', `127.0.0.1:${originPort}`, '--interactive'];
    origin = spawn(loadgen, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    await once(origin.stdout as NodeJS.ReadableStream, 'data');
  });

  after(async () => {
    const ended = once(origin, 'exit');
    origin.stdin?.end();
    await ended;
    for (const listener of open) listener.close();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const version of TLS_VERSIONS) {
    const churn = { connections: 1, count: 12, 'warmup-ms': 0, ...tlsFlags(version) };

    it(`makes a full handshake each time over TLS ${version}`, async () => {
      const { tls, completed = 0, handshake } = await load('churn', await relayTls(), churn);
      assert.equal(tls?.negotiated, negotiatedName(version));
      assert.equal(tls?.resumed, 0);
      assert.ok(tls !== undefined && tls.full >= completed && completed >= 12);
      assert.equal(handshake?.count, tls.full);
      assert.equal(tls.others + tls.failed + tls.truncated, 0);
    });

    it(`resumes all but the first over TLS ${version} when told`, async () => {
      const { tls, completed = 0 } = await load('churn', await relayTls(), {
        ...churn,
        resume: 'yes',
      });
      assert.equal(tls?.full, 1);
      assert.ok(tls !== undefined && tls.resumed >= completed - 1 && completed >= 12);
    });

    it(`moves bulk bytes both ways over TLS ${version} without loss`, async () => {
      const port = await relayTls();
      for (const direction of ['down', 'up', 'both']) {
        const flags = { size: '16Mi', direction, ...tlsFlags(version) };
        assert.equal((await load('bulk', port, flags)).complete, true, direction);
      }
    });
  }

  it('says full where tickets are not taken', async () => {
    const port = await relayTls({ secureOptions: constants.SSL_OP_NO_TICKET });
    const flags = { connections: 1, count: 4, 'warmup-ms': 0, resume: 'yes', ...tlsFlags('1.2') };
    const { tls } = await load('churn', port, flags);
    assert.equal(tls?.resumed, 0);
    assert.ok((tls?.full ?? 0) >= 4);
  });

  it('accounts for every intended send, also of several records', async () => {
    const result = await load('open', await relayTls(), {
      connections: 20,
      bytes: 40_000,
      rate: 500,
      'warmup-ms': 0,
      'duration-ms': 400,
    });
    const total = (result.answered ?? 0) + (result.unanswered ?? 0) + (result.missed ?? 0);
    assert.equal(total, 200);
    assert.ok((result.answered ?? 0) > 0);
    assert.equal(result.outOfOrder, 0);
    assert.equal(result.connections?.corrupt, 0);
  });

  it('holds idle connections and loses none', async () => {
    const { connections, tls } = await load('idle', await relayTls(), { steps: '200' });
    assert.equal(connections?.open, 200);
    assert.equal(connections?.lost, 0);
    assert.equal(tls?.full, 200);
  });

  for (const kind of ['hello', 'full']) {
    it(`storms with ${kind} handshakes and keeps the established connections`, async () => {
      const result = await load('handshakes', await relayTls(), {
        kind,
        connections: 10,
        rate: 200,
        places: 8,
        'warmup-ms': 0,
        'storm-after-ms': 100,
        'storm-ms': 300,
        'duration-ms': 500,
      });
      assert.ok((result.stormAnswered ?? 0) > 0);
      assert.equal(result.stormFailed, 0);
      assert.equal(result.connections?.lost, 0);
      const counts = [result.response, result.duringStorm, result.afterStorm].map(
        (each) => each?.count ?? 0,
      );
      assert.equal(
        counts.reduce((sum, count) => sum + count, 0),
        100,
      );
    });
  }

  it('counts an end without close_notify', async () => {
    // Answers once, then ends the TCP connection under the TLS one.
    const port = await listen(
      createPlain({ allowHalfOpen: true }, (socket) => {
        const secure = new TLSSocket(socket, { isServer: true, ...pair });
        secure.on('error', () => {});
        secure.once('data', (bytes: Buffer) => secure.write(bytes, () => socket.end()));
      }),
    );
    const { tls } = await load('churn', port, { connections: 1, count: 3, 'warmup-ms': 0 });
    assert.ok((tls?.truncated ?? 0) >= 3);
  });

  it('says what OpenSSL says when nobody agrees', async () => {
    const port = await relayTls({ maxVersion: 'TLSv1.2' });
    const flags = { connections: 1, 'open-timeout-ms': 300, steps: '1' };
    await assert.rejects(load('idle', port, flags), /could not open the idle.*alert/);
  });

  it('refuses what it cannot do with one sentence and exit code 2', async () => {
    const plain = await buildLoadgen();
    for (const [program, flags, pattern] of [
      [plain, ['--tls', '1.3'], /this program has no TLS/],
      [loadgen, ['--tls', '1.1'], /--tls is 1\.3 or 1\.2/],
      [loadgen, ['--tls', '1.3', '--suite', 'none'], /does not know the suite none/],
      [loadgen, ['--tls', '1.2', '--group', 'none'], /does not know the group none/],
    ] as const) {
      const args = ['idle', '--target', '127.0.0.1:1', ...flags];
      const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
      assert.equal(status, 2, args.join(' '));
      assert.match(stderr, pattern);
      assert.equal(stderr.trim().split('\n').length, 1);
    }
  });
});
