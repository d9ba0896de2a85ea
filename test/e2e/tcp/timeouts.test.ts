/**
 * Time: silence, age and half-close end connections, each under its own name.
 *
 * Path: listeners with the shortest timeouts that the configuration takes.
 * Invariant under test: a connection with traffic is never idle; a clean cut is FIN on both sides,
 * and one that loses bytes is RST; `maxAge` flushes what is under way. No test here measures time.
 */
import assert from 'node:assert/strict';
import { before, suite, type TestContext, test } from 'node:test';
import { createFileOwner } from '../peers/file-owner.ts';
import { type Flow, FlowOrigin } from './flow.ts';
import { makeBytes } from './pattern.ts';
import { Scene } from './scene.ts';

const FLOOD = makeBytes('flood', 24 * 1024 * 1024);

const file = createFileOwner();
/** A listener and an origin for each test, because they run side by side. */
const NAMES = [
  'idle',
  'stuck',
  'client-speaks',
  'endpoint-speaks',
  'old',
  'stubborn',
  'aging',
] as const;
type Name = (typeof NAMES)[number];
const origins = new Map<Name, FlowOrigin>();
let scene: Scene;

before(async () => {
  const timeouts: Record<Name, object> = {
    idle: { idle: '1s' },
    stuck: { idle: '1s' },
    'client-speaks': { idle: '1s' },
    'endpoint-speaks': { idle: '1s' },
    old: { maxAge: { value: '1s', jitter: '50%' } },
    stubborn: { maxAge: { value: '1s', jitter: '0%' } },
    aging: { maxAge: { value: '2s', jitter: '0%' } },
  };
  for (const name of NAMES) {
    origins.set(name, await FlowOrigin.start(file, { isPaused: name === 'stuck' }));
  }
  scene = await Scene.start(file, {
    listeners: NAMES.map((name) => ({
      name,
      bind: '127.0.0.1:0',
      cluster: name,
      timeouts: timeouts[name],
    })),
    clusters: NAMES.map((name) => ({ name, endpoints: [origins.get(name)?.address] })),
  });
});

async function join(t: TestContext, name: Name): Promise<{ client: Flow; endpoint: Flow }> {
  const origin = origins.get(name);
  assert.ok(origin !== undefined);
  return scene.join(t, origin, { port: scene.port(name) });
}

suite('deadlines', { concurrency: true }, () => {
  test('silence ends both sides with FIN', async (t) => {
    const { client, endpoint } = await join(t, 'idle');
    await client.send('hello');
    await endpoint.heardAll('hello');
    assert.deepEqual([await client.ended(), await endpoint.ended()], ['fin', 'fin']);
    const record = await scene.closed(client);
    assert.deepEqual([record['reason'], record['closedBy']], ['idle-timeout', 'gateway']);
    assert.equal(await scene.closedFor('idle', 'idle-timeout'), 1);
  });

  for (const side of ['client', 'endpoint'] as const) {
    test(`bytes of the ${side} alone keep a connection`, async (t) => {
      const pair = await join(t, `${side}-speaks`);
      const other = side === 'client' ? pair.endpoint : pair.client;
      const talk = setInterval(() => pair[side].socket.write('.'), 100);
      t.after(() => clearInterval(talk));
      // Twice the timeout's worth of bytes at ten a second.
      await other.heard(20);
      clearInterval(talk);
      assert.deepEqual([pair.client.end, pair.endpoint.end], [null, null]);
      pair.client.finish();
      pair.endpoint.finish();
      assert.deepEqual([await pair.client.ended(), await other.ended()], ['fin', 'fin']);
    });
  }

  test('silence with bytes that nobody takes is no clean end', async (t) => {
    const { client, endpoint } = await join(t, 'stuck');
    client.send(FLOOD).catch(() => {});
    assert.equal(await scene.reasonOf(client), 'idle-timeout');
    endpoint.resume();
    assert.equal(await endpoint.ended(), 'ECONNRESET');
    assert.equal(await client.ended(), 'ECONNRESET');
    assert.ok(endpoint.received < FLOOD.length);
  });

  test('age ends connections with FIN, spread by the jitter', async (t) => {
    const pairs = await Promise.all(Array.from({ length: 20 }, () => join(t, 'old')));
    const ages = await Promise.all(
      pairs.map(async ({ client, endpoint }) => {
        // A peer that is told to go answers with its own FIN.
        void endpoint.ended().then(() => endpoint.finish());
        assert.equal(await client.ended(), 'fin');
        client.finish();
        const record = await scene.closed(client);
        assert.deepEqual([record['reason'], record['closedBy']], ['max-age', 'gateway']);
        return Number(record['durationMs']);
      }),
    );
    assert.ok(Math.min(...ages) >= 500, 'nobody is cut before the youngest age');
    assert.ok(new Set(ages).size > 1, 'they do not all leave at once');
  });

  test('bytes under way at that age arrive; traffic does not put it off', async (t) => {
    const { client, endpoint } = await join(t, 'aging');
    let said = 0;
    const talk = setInterval(() => {
      endpoint.socket.write('0123456789');
      said += 10;
    }, 10);
    t.after(() => clearInterval(talk));
    assert.equal(await endpoint.ended(), 'fin');
    clearInterval(talk);
    endpoint.finish();
    assert.equal(await client.ended(), 'fin');
    client.finish();
    assert.equal(await scene.reasonOf(client), 'max-age');
    assert.ok(client.received > 0 && client.received <= said);
    assert.equal(client.received % 10, 0);
  });

  test('a peer that stays after the FIN is reset in the end', async (t) => {
    const { client, endpoint } = await join(t, 'stubborn');
    assert.deepEqual([await client.ended(), await endpoint.ended()], ['fin', 'fin']);
    // Neither answers with a FIN of its own.
    assert.equal(await scene.reasonOf(client), 'max-age');
    await assert.rejects(client.send('still here'), /ECONNRESET|EPIPE/);
  });
});

test('nothing is left, and the canary lost nothing', () => scene.expectNothingLeft());
