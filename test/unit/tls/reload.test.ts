/**
 * Certificates change on disk while everything else stays: as a set, or not at all.
 *
 * Path: src/main/snapshot/reload-tls.ts and watch-file.ts with real files, a fake core and fake
 * threads.
 * Invariant under test: what shards get is always a pair; what is refused is counted and leaves the
 * running set alone.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ListenSockets, NetnsTable } from '../../../src/main/accept/index.ts';
import { DnsTable, HealthChecks } from '../../../src/main/clusters/index.ts';
import { isErrorFinding, loadConfigText } from '../../../src/main/config/index.ts';
import { createWorld } from '../../../src/main/config/world.ts';
import { Ids } from '../../../src/main/model/index.ts';
import { ShardSupervisor } from '../../../src/main/shards/index.ts';
import { Applier, FileWatch, NO_FILTERS, TlsReloader } from '../../../src/main/snapshot/index.ts';
import { TicketKeys, TlsFiles } from '../../../src/main/tls/index.ts';
import { makeDirectory } from '../../e2e/harness.ts';
import { Authority, writePair } from '../../e2e/tls/authority.ts';
import {
  FAKE_ABI,
  FakeAcceptor,
  FakeBoard,
  FakeFds,
  FakePort,
  FakeProber,
  SILENT,
} from '../fake-native.ts';
import { FakeTls } from './fake-tls.ts';

const YAML = `
version: 1
listeners:
  - name: web
    bind: 127.0.0.1:7001
    cluster: a
    tls: { certificates: { cert: a.pem, key: a.key } }
    routes: [{ serverNames: b.example, cluster: b }]
  - { name: through, bind: 127.0.0.1:7002, cluster: b, tls: { mode: passthrough } }
clusters:
  - { name: a, endpoints: [10.0.0.1:80] }
  - { name: b, endpoints: [10.0.0.2:80], tls: { ca: ca.pem, serverName: b.internal } }
`;

interface Scene {
  readonly directory: string;
  readonly root: Authority;
  readonly fds: FakeFds;
  readonly applier: Applier;
  readonly reloader: TlsReloader;
  /** Certificate of the first listener that shards were given last. */
  readonly shown: () => string;
}

async function startScene(t: TestContext): Promise<Scene> {
  const directory = makeDirectory(t);
  const root = Authority.root('Root');
  writePair(directory, 'a', root.issue({ name: 'a.example' }));
  writeFileSync(join(directory, 'ca.pem'), root.cert);
  const files = new TlsFiles({ native: () => new FakeTls() });
  const path = join(directory, 'gateway.yaml');
  const world = { ...createWorld(path), loadTls: files.load.bind(files) };
  const { config, material, diagnostics } = loadConfigText(YAML, path, world);
  assert.ok(config !== null, diagnostics.map(({ message }) => message).join());
  const board = new FakeBoard();
  const fds = new FakeFds();
  const acceptor = new FakeAcceptor();
  const ids = new Ids(board, FAKE_ABI);
  const netns = new NetnsTable(fds);
  const supervisor = new ShardSupervisor({
    count: 1,
    board,
    acceptor,
    native: { boardFd: 3, connectionsMax: 10, pendingBytesMax: 10, handshakeThreads: 0 },
    faults: 'refused',
    spawn: (index) => new FakePort(index),
    countLost: () => 0,
    log: SILENT,
  });
  const listenerId = (name: string): number => ids.listener(name);
  const sockets = new ListenSockets({ acceptor, netns, listenerId, log: SILENT });
  let made = 0;
  const applier = new Applier({
    native: fds,
    acceptor,
    supervisor,
    ids,
    netns,
    sockets,
    dns: new DnsTable({
      lookups: { resolve: () => Promise.reject(new Error('no DNS here')), close: () => {} },
      log: SILENT,
      random: () => 0,
      onChange: () => {},
    }),
    health: new HealthChecks({ board, prober: new FakeProber(), log: SILENT, random: () => 0 }),
    filters: {
      prepare: () => Promise.resolve(),
      settle: () => Promise.resolve(),
      steer: () => ({ discovered: null, weights: null }),
    },
    ticketKeys: new TicketKeys({ random: (n) => Buffer.alloc(n, ++made), nowMs: () => 0 }),
    log: SILENT,
    boardConnectionsMax: 10,
  });
  await supervisor.start();
  t.after(async () => {
    await applier.close();
    await supervisor.stop();
    netns.close();
  });
  await applier.apply(() => ({ config, material, overlays: new Map(), filters: NO_FILTERS }));
  const options = { applier, files, isError: isErrorFinding, log: SILENT, onApplied: () => {} };
  return {
    directory,
    root,
    fds,
    applier,
    reloader: new TlsReloader(options),
    shown: () => {
      const chain = fds.compiled.at(-1)?.tls[0]?.domains[0]?.certificates[0]?.chain;
      return Buffer.from(chain ?? []).toString();
    },
  };
}

test('a snapshot has positions of TLS, routes, keys for tickets, and names', async (t) => {
  const { fds } = await startScene(t);
  const [snapshot] = fds.compiled;
  assert.deepEqual(
    snapshot?.listeners.map(({ tlsMode, tls, handshakeMs, routes }) => [
      tlsMode,
      tls,
      handshakeMs,
      routes,
    ]),
    [
      ['terminate', 0, 10_000, [{ serverNames: ['b.example'], alpn: [], cluster: 1 }]],
      ['passthrough', -1, 10_000, []],
    ],
  );
  assert.deepEqual(
    snapshot.clusters.map(({ tls, serverName }) => [tls, serverName]),
    [
      [-1, ''],
      [1, 'b.internal'],
    ],
  );
  assert.deepEqual(
    snapshot.tls.map(({ name, role }) => [name, role]),
    [
      ['web', 'terminating'],
      ['b', 'originating'],
    ],
  );
  assert.deepEqual(
    snapshot.ticketKeys.map((key) => [key.length, key[0]]),
    [
      [80, 1],
      [80, 2],
    ],
  );
});

test('a new pair is published, and nothing else changes', async (t) => {
  const scene = await startScene(t);
  const next = scene.root.issue({ name: 'a.example' });
  writePair(scene.directory, 'a', next);
  assert.equal(await scene.reloader.reload('test'), 'applied');
  assert.equal(scene.shown(), next.chain);
  assert.equal(scene.fds.openFds.size, 1);
  assert.equal(await scene.reloader.reload('test'), 'unchanged');
  const { lastSuccessSeconds, ...counts } = scene.reloader.counts();
  assert.deepEqual(counts, { applied: 1, unchanged: 1, refused: 0 });
  assert.ok(lastSuccessSeconds > 0);
});

for (const [what, spoil] of [
  ['half a pair', (scene: Scene) => spoilHalf(scene)],
  ['a key that is gone', ({ directory }: Scene) => unlinkSync(join(directory, 'a.key'))],
  [
    'an expired certificate',
    ({ directory, root }: Scene) =>
      writePair(directory, 'a', root.issue({ name: 'a.example', fromDays: -9, untilDays: -1 })),
  ],
  ['a CA cut short', ({ directory }: Scene) => writeFileSync(join(directory, 'ca.pem'), '--')],
] as const) {
  test(`${what} is refused, the running set stays, and a good one is taken again`, async (t) => {
    const scene = await startScene(t);
    const before = scene.shown();
    const published = scene.fds.compiled.length;
    spoil(scene);
    assert.equal(await scene.reloader.reload('test'), 'refused');
    assert.equal(scene.fds.compiled.length, published);
    assert.equal(scene.shown(), before);
    assert.equal(scene.reloader.counts().refused, 1);
    const good = scene.root.issue({ name: 'a.example' });
    writePair(scene.directory, 'a', good);
    writeFileSync(join(scene.directory, 'ca.pem'), scene.root.cert);
    assert.equal(await scene.reloader.reload('test'), 'applied');
    assert.equal(scene.shown(), good.chain);
  });
}

function spoilHalf({ directory, root }: Scene): void {
  writeFileSync(join(directory, 'a.pem'), root.issue({ name: 'a.example' }).chain);
}

/** Resolves with the number of changes seen, after one more. */
class Changes {
  count = 0;
  #next = Promise.withResolvers<void>();

  readonly note = (): void => {
    this.count++;
    this.#next.resolve();
    this.#next = Promise.withResolvers<void>();
  };

  async after(act: () => void): Promise<number> {
    const { promise } = this.#next;
    act();
    await promise;
    return this.count;
  }
}

async function startWatch(
  t: TestContext,
  paths: readonly string[],
): Promise<{ readonly changes: Changes; readonly watch: FileWatch }> {
  const changes = new Changes();
  const watch = new FileWatch({ paths, log: SILENT, onChange: changes.note });
  t.after(() => watch.close());
  await watch.start();
  // The watch does not keep the process alive by itself.
  const alive = setInterval(() => {}, 1000);
  t.after(() => clearInterval(alive));
  return { changes, watch };
}

test('changes are seen: written, renamed over, and behind a link anywhere in the path', async (t) => {
  const directory = makeDirectory(t);
  const at = (...parts: string[]): string => join(directory, ...parts);
  for (const version of ['v1', 'v2', 'v3']) {
    mkdirSync(at(version));
    writeFileSync(at(version, 'a.pem'), version);
  }
  symlinkSync('v1', at('current'));
  symlinkSync(at('current', 'a.pem'), at('a.pem'));
  writeFileSync(at('plain.pem'), 'one');
  const { changes } = await startWatch(t, [
    at('plain.pem'),
    at('a.pem'),
    at('current', 'a.pem'),
    at('later', 'b.pem'),
  ]);
  const swap = (to: string): void => {
    symlinkSync(to, at('next'));
    renameSync(at('next'), at('current'));
  };
  assert.equal(await changes.after(() => writeFileSync(at('plain.pem'), 'two')), 1);
  writeFileSync(at('other'), 'three');
  assert.equal(await changes.after(() => renameSync(at('other'), at('plain.pem'))), 2);
  assert.equal(await changes.after(() => swap('v2')), 3);
  assert.equal(await changes.after(() => swap('v3')), 4);
  assert.equal(await changes.after(() => writeFileSync(at('v3', 'a.pem'), 'v4')), 5);
  const late = (): void => {
    mkdirSync(at('later'));
    writeFileSync(at('later', 'b.pem'), 'here');
  };
  assert.equal(await changes.after(late), 6);
  // A directory that was replaced is watched all the same.
  rmSync(at('later'), { recursive: true });
  assert.equal(await changes.after(() => writeFileSync(at('plain.pem'), 'four')), 7);
  mkdirSync(at('later'));
  assert.equal(await changes.after(() => writeFileSync(at('later', 'b.pem'), 'again')), 8);
});

test('what changed between the load and the watch is a change; what goes away is none', async (t) => {
  const directory = makeDirectory(t);
  const at = (name: string): string => join(directory, name);
  const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');
  for (const name of ['a', 'b']) writeFileSync(at(name), 'now');
  const { changes, watch } = await startWatch(t, [at('a')]);
  const known = new Map([
    [at('b'), hashOf('as it was loaded')],
    [at('c'), null],
  ]);
  assert.equal(await changes.after(() => watch.follow(known)), 1);
  unlinkSync(at('b'));
  assert.equal(await changes.after(() => writeFileSync(at('c'), 'new')), 2);
});
