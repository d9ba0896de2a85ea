/**
 * Filters that do anything, for clients that go at any time, on HTTP, WebSocket and TCP at once.
 *
 * Path: clients -> gateway, whose filters throw, hang, close and edit as their dice say -> origin.
 * Invariant under test: whatever they do, requests without filters are served meanwhile, and when
 * the storm is over the gateway holds nothing: no connection, no byte, no generation of a filter.
 * HOLDFAST_CHAOS_SEED asks for other dice.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { EchoClient, makeDirectory, startEcho } from '../harness.ts';
import type { ByteStream } from '../http/byte-stream.ts';
import { get, HttpScene, type HttpSetup, requestOf } from '../http/http-scene.ts';
import { readResponse } from '../http/message.ts';
import { Dice } from '../tcp/pattern.ts';
import { BINARY, clientFrame, endpointFrame, PING, TEXT } from '../websocket/frames.ts';
import { handshake, Sockets } from '../websocket/ws-scene.ts';
import { writeFilters } from './filter-scene.ts';

const SEED = Number(process.env['HOLDFAST_CHAOS_SEED'] ?? '1');
const CLIENTS = 10;
const ROUNDS = 12;
const RELOADS = 3;

/** What the filters of this file have in common; JavaScript, so that no compiler is waited for. */
const WILD = `import {
  close, defineMessageFilter, defineNetworkFilter, defineStreamFilter, drop, rechoose, rematch,
  replace, respond, retry } from 'holdfast/sdk';
const config = { '~standard': { version: 1, vendor: 'storm', validate: (value) => ({ value }) } };
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const pick = (list) => list[Math.floor(Math.random() * list.length)];
const never = () => new Promise(() => {});
const hostile = () => new Proxy({}, { has() { throw 'in'; }, get() { throw 'get'; } });
/** Does something, or answers with one of the verdicts, at once or later. */
const act = (scope, verdicts) => {
  void scope.signal;
  const worst = [
    () => { throw new Error('on purpose'); }, () => { throw undefined; }, () => ({ type: 'dance' }),
    () => Promise.reject(new Error('later')), () => Promise.reject(), never, hostile,
    () => ({ then() {} }), () => ({ then(resolve, reject) { resolve(); reject(); throw 1; } }),
    async () => { await pause(Math.random() * 30); return pick(verdicts)(); },
    async () => { await pause(Math.random() * 30); throw null; },
    () => { setTimeout(() => { throw new Error('astray'); }, 1); },
    () => pick(verdicts)(),
  ];
  return Math.random() < 0.5 ? undefined : pick(worst)();
};
const rest = (name) => ({
  config, name, timeout: '40ms', breaker: { failures: 20, cooldown: '5ms' },
  setup({ config: { version }, log }) {
    log.info('set up ' + name + version);
    return { log, version };
  },
  begin: () => ({ since: Date.now() }),
  onEnd(record, scope) { if (Math.random() < 0.1) throw new Error('at the end'); },
  dispose({ log, version }) {
    log.info('disposed ' + name + version);
    throw new Error('dispose');
  },
});
`;

const TEXTS = {
  'requests.js': `${WILD}
const edit = ({ headers }) => {
  if (Math.random() < 0.5) headers.set('x-wild', 'w'.repeat(Math.random() * 2000));
  if (Math.random() < 0.2) headers.add('x-wild', 'more');
  if (Math.random() < 0.1) headers.set('bad name', '');
};
const answers = [() => undefined, () => respond(418, { 'x-a': 'b' }, 'tea'), () => close()];
export default defineStreamFilter({ ...rest('requests'),
  needs: { requestHeaders: true, responseHeaders: true },
  onRequest(view, scope) { edit(view); return act(scope, answers); },
  onRouted(view, scope) { edit(view); return act(scope, [...answers, rematch]); },
  onEndpoint(view, scope) { edit(view); return act(scope, [...answers, rechoose]); },
  onResponse(view, scope) { edit(view); return act(scope, [...answers, retry]); },
});`,
  'messages.js': `${WILD}
const large = () => replace('r'.repeat(Math.random() * 5000));
const answers = [() => undefined, drop, large, () => close(4000, 'wild')];
export default defineMessageFilter({ ...rest('messages'), order: 'serial',
  needs: { messages: { from: 'both', kinds: ['text', 'binary'], bytesMax: 100000, larger: 'pass' } },
  onOpen: (view, scope) => act(scope, [() => undefined, () => close(4001)]),
  onMessage: (view, scope) => act(scope, answers),
});`,
  'chunks.js': `${WILD}
const answers = [() => undefined, drop, () => replace(new Uint8Array(100)), () => close()];
export default defineMessageFilter({ ...rest('chunks'), order: 'serial', onError: 'open',
  needs: { messages: { from: 'both', kinds: ['binary'] } },
  onMessage: (view, scope) => act(scope, answers),
});`,
  'connections.js': `${WILD}
export default defineNetworkFilter({ ...rest('connections'),
  onAccept: (view, scope) => act(scope, [() => undefined, () => close()]),
  onOpen: (view, scope) => act(scope, [() => undefined, () => close()]),
});`,
};

interface Weather {
  isOver: boolean;
  readonly limits: object;
  /** Bytes of a large field, content or message. */
  readonly large: number;
}

/** The configuration with the filters of a version; 0: without. */
function setupOf(version: number, ports: { readonly echo: number }, limits: object): HttpSetup {
  const use = (...names: string[]) =>
    version === 0 ? [] : names.map((name) => ({ use: `./${name}.js`, with: { version } }));
  const requests = use('requests');
  return {
    shards: 2,
    isRouted: true,
    limits,
    app: { ejection: { afterFailures: 'off', afterErrors: 'off' } },
    http: {
      limits: { requests: 'unlimited', head: '60KiB' },
      hosts: [
        {
          routes: [
            { match: { path: '/plain' }, cluster: 'app' },
            {
              match: { path: '/wild' },
              cluster: 'app',
              filters: requests,
              retry: { attempts: 3, on: ['reset', '503', 'unsafe'] },
            },
            {
              match: { path: '/ws' },
              cluster: 'app',
              websocket: true,
              filters: [...requests, ...use('messages')],
            },
          ],
        },
      ],
    },
    listeners: [
      {
        name: 'tcp',
        bind: '127.0.0.1:0',
        cluster: 'echo',
        filters: use('connections', 'chunks'),
      },
      { name: 'calm', bind: '127.0.0.1:0', cluster: 'echo' },
    ],
    clusters: [{ name: 'echo', endpoints: [`127.0.0.1:${ports.echo}`] }],
  };
}

function pause(dice: Dice): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, dice.below(20));
  });
}

/** Goes away, one way or the other. */
function leave(client: ByteStream, dice: Dice): void {
  // Node cannot reset what it is about to end.
  if (dice.below(2) === 0 && !client.socket.writableEnded) client.reset();
  else client.socket.destroy();
}

async function request(client: ByteStream, dice: Dice, { large }: Weather): Promise<void> {
  const fields = { 'X-Large': 'x'.repeat(dice.below(large)) };
  const body = 'b'.repeat(dice.below(large));
  const texts = [get('/wild', fields), requestOf('POST', '/wild', { fields, body })];
  client.send(texts[dice.below(texts.length)] ?? '');
  if (dice.below(3) === 0) await pause(dice);
  else await readResponse(client).catch(() => null);
}

async function speak(client: ByteStream, dice: Dice, { large }: Weather): Promise<void> {
  client.send(handshake('/ws'));
  const response = await readResponse(client).catch(() => null);
  if (response?.status !== 101) return;
  for (let count = dice.below(8); count > 0; count--) {
    client.send(
      clientFrame([TEXT, BINARY, PING][dice.below(3)] ?? TEXT, 'm'.repeat(dice.below(100))),
    );
    client.send(clientFrame(BINARY, Buffer.alloc(dice.below(large))));
    await pause(dice);
  }
}

async function send(client: ByteStream, dice: Dice, { large }: Weather): Promise<void> {
  for (let count = dice.below(8); count > 0; count--) {
    client.send(Buffer.alloc(dice.below(large)));
    await pause(dice);
  }
  if (dice.below(2) === 0) client.finish();
}

/** Clients of all kinds, one after another, as long as the weather lasts. */
async function live(t: TestContext, scene: HttpScene, dice: Dice, weather: Weather): Promise<void> {
  for (let round = 0; round < ROUNDS || !weather.isOver; round++) {
    const kind = dice.below(3);
    const port = scene.port(kind === 2 ? 'tcp' : 'web');
    // A filter may close a connection before its client has noticed that it is there.
    const client = await scene.connect(t, { port }).catch(() => null);
    if (client === null) continue;
    await [request, speak, send][kind]?.(client, dice, weather);
    leave(client, dice);
  }
}

/** An origin that answers requests, and speaks first and back on WebSockets. */
function serve(scene: HttpScene): void {
  const sockets = new Sockets(scene.origin, '/ws');
  const talk = async (): Promise<void> => {
    for (;;) {
      const { stream } = await sockets.next();
      stream.socket.once('end', () => stream.socket.end());
      stream.send(endpointFrame(TEXT, 'hello'));
      stream.send(endpointFrame(BINARY, Buffer.alloc(3000)));
    }
  };
  void talk();
}

async function expectCalm(t: TestContext, scene: HttpScene): Promise<void> {
  for (let count = 0; count < 4; count++) {
    assert.equal((await scene.ask(t, get('/plain'))).status, 200);
    const client = await EchoClient.connect(t, scene.port('calm'));
    await client.echo('calm');
    client.socket.destroy();
  }
}

function countOf(scene: HttpScene, start: string): number {
  return scene.gateway.records.filter(({ msg }) => msg.startsWith(start)).length;
}

async function expectNothingHeld(scene: HttpScene): Promise<void> {
  for (const gauge of ['tunnels', 'pendingChunks', 'paused']) {
    await scene.counterUntil(gauge, (value) => value === 0);
  }
  const { gateway } = scene;
  const made = countOf(scene, 'set up ');
  while (countOf(scene, 'disposed ') < made) {
    await gateway.logged(({ msg }) => msg.startsWith('disposed '), gateway.records.length);
  }
  await gateway.adminUntil('/metrics', ({ text }) => {
    const active = text.split('\n').filter((line) => /^holdfast_\w+_active\{/.test(line));
    return active.length > 0 && active.every((line) => line.endsWith(' 0'));
  });
  assert.deepEqual(
    gateway.records.filter(({ msg }) => /shard (restarted|has ended|died)/.test(msg)),
    [],
  );
}

const WEATHERS: Readonly<Record<string, Weather>> = {
  'a storm of filters and clients leaves nothing behind': {
    isOver: false,
    limits: {},
    large: 2000,
  },
  'a storm near the limit of memory leaves nothing behind': {
    isOver: false,
    limits: { memory: '1MiB' },
    large: 50_000,
  },
};

for (const [name, weather] of Object.entries(WEATHERS)) {
  test(name, { timeout: 90_000 }, async (t) => {
    const directory = makeDirectory(t);
    writeFilters(directory, TEXTS);
    const echo = (await startEcho(t)).port;
    const scene = await HttpScene.start(t, { ...setupOf(1, { echo }, weather.limits), directory });
    serve(scene);
    await expectCalm(t, scene);
    const storm = Promise.all(
      Array.from({ length: CLIENTS }, (_, at) => live(t, scene, new Dice(SEED * 97 + at), weather)),
    );
    for (let version = 2; version < 2 + RELOADS; version++) {
      await scene.reload(setupOf(version, { echo }, weather.limits));
    }
    weather.isOver = true;
    await storm;
    await scene.reload(setupOf(0, { echo }, weather.limits));
    await expectCalm(t, scene);
    await expectNothingHeld(scene);
    await expectCalm(t, scene);
  });
}
