/**
 * A change is made as a whole or not at all, wherever it fails.
 *
 * Path: src/main/snapshot/apply.ts and reload.ts with a fake core and fake threads.
 * Invariant under test: after a failure everything is as it was.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ListenSockets, NetnsTable } from '../../../src/main/accept/index.ts';
import { DnsTable, HealthChecks } from '../../../src/main/clusters/index.ts';
import type { Config } from '../../../src/main/config/index.ts';
import { formatAddress, Ids } from '../../../src/main/model/index.ts';
import { ShardSupervisor } from '../../../src/main/shards/index.ts';
import {
  Applier,
  type FilterLayout,
  NO_FILTERS,
  Reloader,
  type Steered,
} from '../../../src/main/snapshot/index.ts';
import { NO_TLS_MATERIAL, TicketKeys } from '../../../src/main/tls/index.ts';
import { makeConfig } from '../fake-config.ts';
import {
  FAKE_ABI,
  FakeAcceptor,
  FakeBoard,
  FakeFds,
  FakePort,
  FakeProber,
  SILENT,
} from '../fake-native.ts';

interface Scene {
  readonly board: FakeBoard;
  readonly acceptor: FakeAcceptor;
  readonly fds: FakeFds;
  readonly ports: FakePort[];
  readonly applier: Applier;
  readonly reloader: Reloader;
  readonly listening: () => string[];
  /** What filters and shards were asked, in order. */
  readonly steps: string[];
  /** What the next configuration’s filters become. */
  plans: FilterLayout;
  isPrepareRefused: boolean;
  /** What code of the user says of every cluster. */
  steered: Steered;
}

const ONE = `
listeners: [{ name: one, bind: 127.0.0.1:7001, cluster: a }]
clusters: [{ name: a, endpoints: [10.0.0.1:80] }]
`;
const TWO = `
listeners:
  - { name: one, bind: 127.0.0.1:7001, cluster: a }
  - { name: two, bind: 127.0.0.1:7002, cluster: b }
clusters:
  - { name: a, endpoints: [10.0.0.1:80] }
  - { name: b, endpoints: [10.0.0.2:80, 10.0.0.3:80] }
`;

async function startScene(t: TestContext, config: Config): Promise<Scene> {
  const board = new FakeBoard();
  const acceptor = new FakeAcceptor();
  const fds = new FakeFds();
  const ports: FakePort[] = [];
  const ids = new Ids(board, FAKE_ABI);
  const netns = new NetnsTable(fds);
  const steps: string[] = [];
  const nothing: Steered = { discovered: null, weights: null };
  const told = { plans: NO_FILTERS, isPrepareRefused: false, steered: nothing };
  const supervisor = new ShardSupervisor({
    count: 2,
    board,
    acceptor,
    native: { boardFd: 3, connectionsMax: 10, pendingBytesMax: 10, handshakeThreads: 0 },
    faults: 'refused',
    spawn: (index) => {
      const port = new FakePort(index);
      ports.push(port);
      return port;
    },
    countLost: () => 0,
    filters: {
      ready: async ({ index }, { filters }) => {
        steps.push(`ready ${index} ${filters?.generation ?? 0}`);
        await Promise.resolve();
      },
      news: () => {},
      ended: () => {},
    },
    log: SILENT,
  });
  const sockets = new ListenSockets({
    acceptor,
    netns,
    listenerId: (name) => ids.listener(name),
    log: SILENT,
  });
  const boardConnectionsMax = config.limits.connections;
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
      prepare: async ({ plan }) => {
        steps.push(`prepare ${plan?.generation ?? 0}`);
        await (told.isPrepareRefused ? Promise.reject(new Error('no')) : Promise.resolve());
      },
      settle: async ({ plan }) => {
        steps.push(`settle ${plan?.generation ?? 0}`);
        await Promise.resolve();
      },
      steer: () => told.steered,
    },
    ticketKeys: new TicketKeys({ random: (bytes) => Buffer.alloc(bytes), nowMs: () => 0 }),
    log: SILENT,
    boardConnectionsMax,
  });
  const reloader = new Reloader({
    applier,
    log: SILENT,
    boardConnectionsMax,
    startConfig: config,
    planFilters: () => Promise.resolve(told.plans),
    onApplied: () => {},
    onTls: () => {},
  });
  await supervisor.start();
  t.after(async () => {
    await applier.close();
    await supervisor.stop();
    netns.close();
  });
  const material = NO_TLS_MATERIAL;
  await applier.apply(() => ({ config, material, overlays: new Map(), filters: NO_FILTERS }));
  return Object.assign(told, {
    steps,
    board,
    acceptor,
    fds,
    ports,
    applier,
    reloader,
    listening: () => sockets.view().map(({ name, address }) => `${name} ${address}`),
  });
}

function reload(scene: Scene, yaml: string): ReturnType<Reloader['reload']> {
  return scene.reloader.reload('test', () => ({ config: makeConfig(yaml), diagnostics: [] }));
}

test('one snapshot descriptor is open, whatever number of reloads', async (t) => {
  const scene = await startScene(t, makeConfig(ONE));
  for (let count = 0; count < 20; count++) {
    const { result } = await reload(scene, count % 2 === 0 ? TWO : ONE);
    assert.equal(result, 'applied');
    assert.equal(scene.fds.openFds.size, 1);
  }
  assert.deepEqual(scene.listening(), ['one 127.0.0.1:7001']);
  assert.equal(scene.acceptor.open.size, 1);
  assert.equal(scene.reloader.generation, 21);
  assert.equal(scene.reloader.counts().applied, 20);
});

test('a socket that both configurations have is never closed', async (t) => {
  const scene = await startScene(t, makeConfig(ONE));
  const [handle] = scene.acceptor.open.keys();
  await reload(scene, TWO);
  await reload(scene, ONE);
  assert.deepEqual([...scene.acceptor.open.keys()], [handle]);
});

test('no socket that stays is open before every shard has the snapshot', async (t) => {
  const scene = await startScene(t, makeConfig(ONE));
  let seen = -1;
  const [port] = scene.ports;
  assert.ok(port !== undefined);
  const post = port.postMessage.bind(port);
  port.postMessage = (envelope) => {
    seen = scene.acceptor.open.size;
    post(envelope);
  };
  await reload(scene, TWO);
  assert.equal(seen, 1);
  assert.equal(scene.acceptor.open.size, 2);
});

for (const [what, breakIt] of [
  ['an address in use', (scene: Scene) => scene.acceptor.failures.set(7002, 'EADDRINUSE')],
  [
    'a shard that refuses',
    (scene: Scene) => {
      for (const port of scene.ports) {
        port.behaviour = port.index === 1 ? 'fail' : 'ok';
      }
    },
  ],
  [
    'a full table of endpoints',
    (scene: Scene) => {
      for (let id = 0; id < FAKE_ABI.endpointsMax; id++) {
        scene.board.endpointLoad.set(id, 1);
      }
    },
  ],
] as const) {
  test(`${what} changes nothing`, async (t) => {
    const scene = await startScene(t, makeConfig(ONE));
    const before = scene.applier.current;
    // Fills the table of endpoints but for one row; the others of these cases do not mind.
    await reload(
      scene,
      ONE.replace('10.0.0.1:80', '10.0.0.1:80, 10.0.1.1:80, 10.0.1.2:80, 10.0.1.3:80, 10.0.1.4:80'),
    );
    await reload(scene, ONE);
    breakIt(scene);
    const report = await reload(scene, TWO);
    assert.equal(report.result, 'failed');
    assert.notEqual(report.error, null);
    assert.deepEqual(scene.applier.current.config, before.config);
    assert.deepEqual(scene.listening(), ['one 127.0.0.1:7001']);
    assert.equal(scene.acceptor.open.size, 1);
    assert.equal(scene.fds.openFds.size, 1);
    assert.equal(report.generation, 3);
  });
}

test('an address taken between the check and the change: shards get the former snapshot back', async (t) => {
  const scene = await startScene(t, makeConfig(ONE));
  const [port] = scene.ports;
  assert.ok(port !== undefined);
  const post = port.postMessage.bind(port);
  port.postMessage = (envelope) => {
    scene.acceptor.failures.set(7002, 'EADDRINUSE');
    post(envelope);
  };
  const report = await reload(scene, TWO);
  assert.equal(report.result, 'failed');
  assert.match(report.error ?? '', /listener "two" cannot listen on 127\.0\.0\.1:7002/);
  assert.deepEqual(scene.listening(), ['one 127.0.0.1:7001']);
  const [last] = scene.fds.compiled.slice(-1);
  assert.deepEqual(
    last?.listeners.map(({ id }) => id),
    [0],
  );
  assert.equal(scene.fds.openFds.size, 1);
});

test('a missing namespace changes nothing, and an unused one is let go', async (t) => {
  const scene = await startScene(t, makeConfig(ONE));
  const report = await reload(scene, TWO.replace('name: two,', 'name: two, netns: missing,'));
  assert.equal(report.result, 'failed');
  assert.match(report.error ?? '', /listener "two" .*"missing".*ip netns add missing/);
  assert.equal(scene.fds.openFds.size, 1);
});

test('loads that throw, dry runs, and the same configuration again', async (t) => {
  const scene = await startScene(t, makeConfig(ONE));
  const thrown = await scene.reloader.reload('test', () => {
    throw new Error('the disk is gone');
  });
  assert.deepEqual([thrown.result, thrown.error], ['failed', 'the disk is gone']);
  const tried = await scene.reloader.dryRun(() => ({ config: makeConfig(TWO), diagnostics: [] }));
  assert.deepEqual(tried.changes, ['listener "two" added', 'cluster "b" added']);
  assert.equal((await reload(scene, ONE)).result, 'unchanged');
  assert.equal(scene.reloader.generation, 1);
});

test('draining endpoints get no new connections, and keep their ids', async (t) => {
  const scene = await startScene(t, makeConfig(TWO));
  await scene.applier.apply((current) => ({
    config: current?.config ?? makeConfig(TWO),
    material: NO_TLS_MATERIAL,
    filters: NO_FILTERS,
    overlays: new Map([
      [
        'b',
        {
          added: new Map(),
          removed: new Set<string>(),
          changed: new Map([['10.0.0.2:80', { isDraining: true }]]),
        },
      ],
    ]),
  }));
  const [last] = scene.fds.compiled.slice(-1);
  const addresses = last?.clusters[1]?.endpoints.map(({ address }) => address);
  assert.deepEqual(addresses, [{ ip: '10.0.0.3', port: 80 }]);
});

test('weights of a balancer are what the core gets; who has none gets nothing new', async (t) => {
  const scene = await startScene(t, makeConfig(TWO));
  scene.steered = {
    discovered: null,
    weights: new Map([
      ['10.0.0.1:80', 0],
      ['10.0.0.2:80', 7],
      ['10.0.0.3:80', 0],
    ]),
  };
  await scene.applier.apply((current) => current ?? scene.applier.current);
  const [last] = scene.fds.compiled.slice(-1);
  const clusters = last?.clusters.map(({ endpoints }) =>
    endpoints.map(({ address, weight }) => [formatAddress(address), weight]),
  );
  assert.deepEqual(clusters, [[['10.0.0.1:80', 1]], [['10.0.0.2:80', 7]]]);
});

test('what a discovery found stands in for endpoints; without a list there is a warning', async (t) => {
  const scene = await startScene(t, makeConfig(ONE));
  const found = ONE.replace('endpoints: [10.0.0.1:80]', 'discovery: ./find.ts');
  const first = await reload(scene, found);
  assert.deepEqual(first.warnings, ['cluster "a": its discovery has found nothing yet']);
  const address = { ip: '10.0.0.9', port: 81 };
  scene.steered = { discovered: [{ address, weight: 3, labels: { zone: 'b' } }], weights: null };
  await scene.applier.apply((current) => current ?? scene.applier.current);
  const [last] = scene.fds.compiled.slice(-1);
  assert.deepEqual(
    last?.clusters[0]?.endpoints.map((one) => [one.address, one.weight]),
    [[address, 3]],
  );
  assert.deepEqual(scene.applier.current.endpoints.get('a')?.[0]?.labels, { zone: 'b' });
});

function layout(generation: number): FilterLayout {
  return { ...NO_FILTERS, plan: { generation, programs: [], instances: [], chains: [] } };
}

test('filters are ready before a shard gets the snapshot, and settled behind it', async (t) => {
  const scene = await startScene(t, makeConfig(ONE));
  scene.steps.length = 0;
  scene.plans = layout(2);
  assert.equal((await reload(scene, TWO)).result, 'applied');
  assert.deepEqual(scene.steps, ['prepare 2', 'ready 0 2', 'ready 1 2', 'settle 2']);
});

test('filters that cannot be prepared change nothing', async (t) => {
  const scene = await startScene(t, makeConfig(ONE));
  const compiled = scene.fds.compiled.length;
  scene.steps.length = 0;
  scene.plans = layout(2);
  scene.isPrepareRefused = true;
  assert.equal((await reload(scene, TWO)).result, 'failed');
  assert.deepEqual(scene.steps, ['prepare 2', 'settle 0']);
  assert.equal(scene.fds.compiled.length, compiled, 'nothing was published');
});

test('a snapshot that is put back brings its filters with it', async (t) => {
  const scene = await startScene(t, makeConfig(ONE));
  const [port] = scene.ports;
  assert.ok(port !== undefined);
  scene.steps.length = 0;
  scene.plans = layout(2);
  const post = port.postMessage.bind(port);
  port.postMessage = (envelope) => {
    scene.acceptor.failures.set(7002, 'EADDRINUSE');
    post(envelope);
  };
  assert.equal((await reload(scene, TWO)).result, 'failed');
  assert.deepEqual(scene.steps, [
    'prepare 2',
    'ready 0 2',
    'ready 1 2',
    'ready 0 0',
    'ready 1 0',
    'settle 0',
  ]);
});
