/**
 * Routes, who may use them, what queries mean, and scanning with bounded steps.
 *
 * Path: src/main/admin without HTTP.
 * Invariant under test: nothing is told without the token, and no shard is asked for much at once.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { ConnectionInfo, ConnectionPage } from '../../../native/epoll/index.ts';
import { checkTcpAccess } from '../../../src/main/admin/access.ts';
import { AdminError, parseJson } from '../../../src/main/admin/http.ts';
import { readDurationMs, toDurationMs } from '../../../src/main/admin/query.ts';
import { redact } from '../../../src/main/admin/redact.ts';
import { matchRoute, type Route } from '../../../src/main/admin/router.ts';
import {
  FOUND_PER_STEP,
  formatCursor,
  parseCursor,
  SLOTS_PER_STEP,
  scanPage,
  scanSorted,
} from '../../../src/main/admin/scan.ts';
import type { ShardSupervisor } from '../../../src/main/shards/index.ts';
import { makeConfig } from '../fake-config.ts';

function route(method: Route['method'], pattern: string): Route {
  return { method, pattern, access: 'guarded', handle: () => ({ status: 200, json: {} }) };
}

const ROUTES = [
  route('GET', '/v1/connections'),
  route('DELETE', '/v1/connections/:id'),
  route('PATCH', '/v1/clusters/:name/endpoints'),
];

test('paths, parameters, and methods that do not apply', () => {
  assert.equal(matchRoute(ROUTES, 'HEAD', '/v1/connections').route, ROUTES[0]);
  assert.deepEqual(matchRoute(ROUTES, 'PATCH', '/v1/clusters/a%20b/endpoints').params, {
    name: 'a b',
  });
  for (const [method, path, status] of [
    ['POST', '/v1/connections', 405],
    ['GET', '/v1/connections/0-0-1', 405],
    ['GET', '/v1/connections/', 404],
    ['DELETE', '/v1/connections/%zz', 404],
    ['GET', '/v1/connections/../config', 404],
    ['GET', '', 404],
  ] as const) {
    assert.throws(() => matchRoute(ROUTES, method, path), { status });
  }
});

test('the token, and what is open without it', () => {
  const bearer = { authorization: 'Bearer secret', host: 'gateway.example' };
  checkTcpAccess(bearer, 'guarded', 'secret');
  checkTcpAccess({ host: '10.0.0.1:9901' }, 'open', 'secret');
  checkTcpAccess({ host: '[::1]:9901' }, 'open', 'secret');
  checkTcpAccess({ host: 'localhost' }, 'open', 'secret');
  for (const [headers, access, status] of [
    [{ host: '10.0.0.1' }, 'guarded', 401],
    [{ host: '10.0.0.1', authorization: 'Bearer secre' }, 'guarded', 401],
    [{ host: '10.0.0.1', authorization: 'Basic secret' }, 'guarded', 401],
    [{ host: '10.0.0.1', authorization: 'Bearer ' }, 'guarded', 401],
    [{ host: 'rebound.example' }, 'open', 403],
    [{}, 'open', 403],
    [{ ...bearer, origin: 'null' }, 'guarded', 403],
  ] as const) {
    assert.throws(() => checkTcpAccess(headers, access, 'secret'), { status });
  }
  assert.throws(
    () => checkTcpAccess({ host: '10.0.0.1', authorization: 'Bearer ' }, 'guarded', ''),
    {
      status: 401,
    },
  );
});

test('durations in both forms', () => {
  const query = new URLSearchParams('a=1h30m&b=1500&c=soon');
  assert.equal(readDurationMs(query, 'a', 0), 5_400_000);
  assert.equal(readDurationMs(query, 'b', 0), 1_500);
  assert.equal(readDurationMs(query, 'none', 7), 7);
  assert.throws(() => readDurationMs(query, 'c', 0), AdminError);
  for (const wrong of [-1, 1.5, null, {}, '-5', '']) {
    assert.throws(() => toDurationMs(wrong, 'x'), AdminError);
  }
});

test('bodies that are no JSON', () => {
  assert.deepEqual(parseJson(' '), {});
  assert.throws(() => parseJson('{'), { status: 400 });
});

test('tokens never leave', () => {
  const config = makeConfig(`
admin: { tcp: { bind: 127.0.0.1:9901, token: "very-secret-0123456789" } }
listeners: [{ name: l, bind: 127.0.0.1:0, cluster: c }]
clusters: [{ name: c, endpoints: [127.0.0.1:1] }]
`);
  assert.doesNotMatch(JSON.stringify(redact(config)), /very-secret/);
});

test('header values that look like secrets never leave, others do', () => {
  const config = makeConfig(`
listeners:
  - name: l
    bind: 127.0.0.1:0
    protocol: http
    http:
      hosts:
        - routes:
            - cluster: c
              requestHeaders:
                set:
                  { Authorization: "Bearer very-secret", x-api-key: very-secret, x-name: shown-1 }
              responseHeaders:
                add: { set-cookie: "a=very-secret", x-token: "%{header.x-token}" }
clusters:
  - name: c
    endpoints: [127.0.0.1:1]
    healthCheck:
      type: http
      headers: { authorization: "Basic very-secret", accept: shown-2 }
`);
  const shown = JSON.stringify(redact(config));
  assert.doesNotMatch(shown, /very-secret/);
  assert.match(shown, /shown-1.*%\{header\.x-token\}.*shown-2/);
});

/** Shards that hold some connections at some slots. */
function makeShards(slots: readonly (readonly (number | null)[])[]): {
  readonly supervisor: ShardSupervisor;
  readonly steps: { slots: number; found: number }[];
} {
  const steps: { slots: number; found: number }[] = [];
  const call = (
    shard: number,
    _name: string,
    wanted: { cursor: number; slots: number; limit: number },
  ): Promise<ConnectionPage> => {
    const all = slots[shard] ?? [];
    const connections: ConnectionInfo[] = [];
    let slot = wanted.cursor;
    const end = Math.min(all.length, wanted.cursor + wanted.slots);
    for (; slot < end && connections.length < wanted.limit; slot++) {
      const age = all[slot];
      if (typeof age === 'number') {
        connections.push(makeConnection(`${shard}-${slot.toString(16)}-1`, age));
      }
    }
    steps.push({ slots: slot - wanted.cursor, found: connections.length });
    return Promise.resolve({ connections, next: slot < all.length ? slot : -1 });
  };
  return { supervisor: { count: slots.length, call } as unknown as ShardSupervisor, steps };
}

function makeConnection(id: string, ageMs: number): ConnectionInfo {
  return {
    id,
    listener: 0,
    cluster: 0,
    endpoint: 0,
    client: '127.0.0.1:1',
    state: 'open',
    ageMs,
    idleMs: 0,
    bytesFromClient: 0,
    bytesFromEndpoint: 0,
    pendingBytes: 0,
    tls: '',
    protocol: 'tcp',
    route: -1,
    messagesFromClient: 0,
    messagesFromEndpoint: 0,
    lastPongMs: 0,
  };
}

const SHARDS = fc.array(
  fc.array(fc.option(fc.integer({ min: 0, max: 1_000 }), { nil: null }), { maxLength: 400 }),
  { minLength: 1, maxLength: 4 },
);

test('pages give each connection once, in bounded steps', async () => {
  await fc.assert(
    fc.asyncProperty(SHARDS, fc.integer({ min: 1, max: 300 }), async (slots, limit) => {
      const { supervisor, steps } = makeShards(slots);
      const seen: string[] = [];
      let cursor: { shard: number; slot: number } | null = { shard: 0, slot: 0 };
      while (cursor !== null) {
        const page: Awaited<ReturnType<typeof scanPage>> = await scanPage(supervisor, {
          filter: {},
          limit,
          cursor,
        });
        assert.ok(page.connections.length <= limit);
        seen.push(...page.connections.map(({ id }) => id));
        cursor = page.next === null ? null : parseCursor(formatCursor(page.next));
      }
      const expected = slots.flat().filter((age) => age !== null).length;
      assert.equal(new Set(seen).size, seen.length);
      assert.equal(seen.length, expected);
      for (const step of steps) {
        assert.ok(step.slots <= SLOTS_PER_STEP && step.found <= FOUND_PER_STEP);
      }
    }),
    { numRuns: 50 },
  );
});

test('a sorted list is the top of everything', async () => {
  await fc.assert(
    fc.asyncProperty(SHARDS, fc.integer({ min: 1, max: 50 }), async (slots, limit) => {
      const { supervisor } = makeShards(slots);
      const top = await scanSorted(supervisor, { filter: {}, limit, sort: 'age' });
      const expected = slots
        .flat()
        .filter((age) => age !== null)
        .toSorted((left, right) => right - left)
        .slice(0, limit);
      assert.deepEqual(
        top.map(({ ageMs }) => ageMs),
        expected,
      );
    }),
    { numRuns: 50 },
  );
});

test('cursors that are none', () => {
  for (const text of ['', '1', '1.', '.1', '-1.0', '1.1.1', '99999.1', 'a.b']) {
    assert.equal(parseCursor(text), null);
  }
});
