/**
 * Origins that fail: retries, timeouts, limits of a cluster, and the status that is left.
 *
 * Path: several origins of one cluster, some of which refuse, reset, answer 503 or never answer.
 * Invariant under test: a request is tried again only where the route says so and nothing can have
 * happened twice; what is left has a status that says whose fault it was; limits are obeyed.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Owner } from '../harness.ts';
import { HttpOrigin, seenIn } from './http-origin.ts';
import { get, HttpScene, requestOf } from './http-scene.ts';
import { readResponse } from './message.ts';

interface Pair {
  readonly scene: HttpScene;
  readonly failing: HttpOrigin;
  readonly other: HttpOrigin;
}

/** A scene with two origins in one cluster, taken in turns. */
async function startPair(owner: Owner, route: object, budget = 'unlimited'): Promise<Pair> {
  const other = await HttpOrigin.start(owner, 'other');
  const failing = await HttpOrigin.start(owner, 'failing');
  const scene = await HttpScene.start(owner, {
    isRouted: true,
    http: { hosts: [{ routes: [{ match: { path: '/' }, cluster: 'pair', ...route }] }] },
    clusters: [
      {
        name: 'pair',
        balance: 'round-robin',
        endpoints: [failing.address, other.address],
        ejection: { afterFailures: 'off', afterErrors: 'off' },
        http: { limits: { retryBudget: budget } },
      },
    ],
  });
  return { scene, failing, other };
}

describe('retries', () => {
  test('a refused connect is tried at the other endpoint', async (t) => {
    const { scene, failing, other } = await startPair(t, {});
    await failing.close();
    for (let i = 0; i < 10; i++) {
      const got = seenIn(await scene.ask(t, requestOf('POST', `/${i}`, { body: 'kept' })));
      assert.equal(got.origin, 'other');
      assert.equal(got.body, 'kept');
    }
    assert.equal(other.seen.length, 10);
  });

  test('with hedging a slow try goes on beside the next one, and the first answer counts', async (t) => {
    const hedged = { retry: { on: ['hedge'], attempts: 1 }, timeouts: { perTry: '300ms' } };
    const { scene, failing, other } = await startPair(t, hedged);
    // The first endpoint never answers; what is asked there is answered by the other one.
    failing.on('/dead', () => undefined);
    for (let i = 0; i < 4; i++) {
      assert.equal(seenIn(await scene.ask(t, get('/dead'))).origin, 'other');
    }
    assert.ok(failing.seen.length > 0, 'one of the tries was slow');
    // The first endpoint answers once the second try has reached the other one, which never does.
    const waiting: (() => void)[] = [];
    failing.on('/late', (request) => {
      waiting.push(() => request.reply({ body: 'late' }));
    });
    other.on('/late', () => {
      for (const answer of waiting.splice(0)) answer();
    });
    const late = scene.ask(t, get('/late'));
    assert.equal((await late).status, 200);
    assert.equal((await late).body.toString(), 'late');
  });

  test('a status is tried again where the route says so, and only for safe methods', async (t) => {
    const { scene, failing } = await startPair(t, { retry: { on: ['503'], attempts: 1 } });
    for (const path of ['/get', '/post']) {
      failing.on(path, (request) => request.reply({ status: 503, body: 'busy' }));
    }
    for (let i = 0; i < 6; i++) {
      assert.equal(seenIn(await scene.ask(t, get('/get'))).origin, 'other');
    }
    const statuses: number[] = [];
    for (let i = 0; i < 6; i++) {
      statuses.push((await scene.ask(t, requestOf('POST', '/post', { body: 'x' }))).status);
    }
    assert.ok(statuses.includes(503), statuses.join());
  });

  test('unsafe says that every method may be tried again', async (t) => {
    const { scene, failing } = await startPair(t, {
      retry: { on: ['503', 'unsafe'], attempts: 1 },
    });
    failing.on('/post', (request) => request.reply({ status: 503, body: 'busy' }));
    for (let i = 0; i < 6; i++) {
      const got = seenIn(await scene.ask(t, requestOf('POST', '/post', { body: 'small' })));
      assert.equal(got.origin, 'other');
      assert.equal(got.body, 'small');
    }
  });

  test('a reset before an answer is tried again, one in its middle is not', async (t) => {
    const { scene, failing } = await startPair(t, {
      retry: { on: ['connect', 'reset'], attempts: 1 },
    });
    failing.on('/before', (request) => request.stream.reset());
    failing.on('/middle', async (request) => {
      await request.stream.sendAll('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
      request.stream.finish();
    });
    for (let i = 0; i < 6; i++) {
      assert.equal(seenIn(await scene.ask(t, get('/before'))).origin, 'other');
    }
    const outcomes = await Promise.allSettled(
      Array.from({ length: 6 }, () => scene.ask(t, get('/middle'))),
    );
    // Every second one began with the failing endpoint, and must not look whole.
    assert.ok(outcomes.filter(({ status }) => status === 'rejected').length >= 2);
  });

  test('attempts are counted', async (t) => {
    const { scene, failing, other } = await startPair(t, { retry: { on: ['503'], attempts: 3 } });
    let tries = 0;
    const busy = (request: { reply: (reply: object) => void }): void => {
      tries++;
      request.reply({ status: 503, body: 'busy' });
    };
    failing.on('/busy', busy);
    other.on('/busy', busy);
    const response = await scene.ask(t, get('/busy'));
    assert.equal(response.status, 503);
    assert.equal(response.text, 'busy');
    assert.equal(tries, 4);
  });

  test('a try that takes too long is followed by another', async (t) => {
    const { scene, failing } = await startPair(t, {
      timeouts: { request: '10s', perTry: '200ms' },
      retry: { on: ['timeout'], attempts: 1 },
    });
    failing.on('/slow', async (request) => {
      await request.stream.ended();
    });
    for (let i = 0; i < 4; i++) {
      assert.equal(seenIn(await scene.ask(t, get('/slow'))).origin, 'other');
    }
  });

  test('a retry budget ends retries', async (t) => {
    const { scene, failing, other } = await startPair(
      t,
      { retry: { on: ['503'], attempts: 5 } },
      '10%',
    );
    let tries = 0;
    for (const origin of [failing, other]) {
      origin.on('/busy', (request) => {
        tries++;
        request.reply({ status: 503, body: '' });
      });
    }
    const asked = 60;
    for (let i = 0; i < asked; i++) {
      assert.equal((await scene.ask(t, get('/busy'))).status, 503);
    }
    assert.ok(tries >= asked && tries < asked * 2, `${tries} tries of ${asked} requests`);
  });
});

describe('what is left when an origin fails', () => {
  test('nobody listens: 502 or 503', async (t) => {
    const scene = await HttpScene.start(t);
    await scene.origin.close();
    const response = await scene.ask(t, get());
    assert.ok(response.status === 502 || response.status === 503, response.startLine);
  });

  test('no answer in time: 504', async (t) => {
    const scene = await HttpScene.start(t, {
      isRouted: true,
      http: {
        hosts: [
          {
            routes: [{ match: { path: '/' }, cluster: 'app', timeouts: { request: '200ms' } }],
          },
        ],
      },
    });
    const ended = Promise.withResolvers<string>();
    scene.origin.on('/', async (request) => ended.resolve(await request.stream.ended()));
    const client = await scene.connect(t);
    client.send(get());
    assert.equal((await readResponse(client)).status, 504);
    await ended.promise;
  });

  test('an endpoint that closes without an answer: 502', async (t) => {
    const scene = await HttpScene.start(t);
    scene.origin.on('/closes', (request) => request.stream.finish());
    assert.equal((await scene.ask(t, requestOf('POST', '/closes', { body: 'x' }))).status, 502);
  });

  test('more requests than the cluster may have: 503 for those beyond, at once', async (t) => {
    const scene = await HttpScene.start(t, { cluster: { limits: { requests: 2 } } });
    const gate = Promise.withResolvers<void>();
    scene.origin.on('/held', async (request) => {
      await gate.promise;
      request.reply({ body: 'held' });
    });
    const held = [await scene.connect(t), await scene.connect(t)];
    for (const client of held) {
      client.send(get('/held'));
    }
    await scene.origin.whenLive(2);
    const beyond = await scene.connect(t);
    beyond.send(get('/beyond'));
    assert.equal((await readResponse(beyond)).status, 503);
    gate.resolve();
    for (const client of held) {
      assert.equal((await readResponse(client)).text, 'held');
    }
    const later = await scene.connect(t);
    later.send(get('/later'));
    assert.equal(seenIn(await readResponse(later)).target, '/later');
  });

  test('no more connections than the cluster may have are opened', async (t) => {
    const scene = await HttpScene.start(t, { cluster: { limits: { connections: 2 } } });
    const gate = Promise.withResolvers<void>();
    scene.origin.on('/held', async (request) => {
      await gate.promise;
      request.reply({ body: 'held' });
    });
    const clients = await Promise.all(Array.from({ length: 6 }, () => scene.connect(t)));
    for (const client of clients) {
      client.send(get('/held'));
    }
    await scene.origin.whenLive(2);
    // Another exchange of this gateway: the six were judged before it.
    await scene.counter('tunnels');
    assert.equal(scene.origin.live.size, 2);
    gate.resolve();
    const statuses = await Promise.all(
      clients.map(async (each) => (await readResponse(each)).status),
    );
    assert.ok(statuses.filter((status) => status === 200).length >= 2, statuses.join());
    assert.ok(
      statuses.every((status) => status === 200 || status === 503),
      statuses.join(),
    );
    assert.equal(scene.origin.accepted, 2);
  });
});
