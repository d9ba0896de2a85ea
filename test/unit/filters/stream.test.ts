/**
 * Stream filters in the host: what they see, what their verdicts and edits become.
 *
 * Path: `holdfast/testing` plays the core's side over the real batches.
 * Invariant: a head looks to a filter as its needs say; whatever it decides reaches the core whole.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  choose,
  close,
  defineStreamFilter,
  type RequestView,
  rechoose,
  rematch,
  respond,
  retry,
} from '../../../src/sdk/index.ts';
import { testFilter } from '../../../src/testing/index.ts';

test('a request is seen as it is', async () => {
  const seen: unknown[] = [];
  await using kit = await testFilter(
    defineStreamFilter({
      name: 'see',
      needs: { requestHeaders: ['cookie', 'x-many', 'x-none'] },
      onRequest({ method, target, path, host, client, isTls }) {
        seen.push({ method, target, path, host, client, isTls });
      },
    }),
  );
  const exchange = kit.exchange({
    method: 'POST',
    target: '/a/b?x=1',
    host: 'api.example.com',
    client: { ip: '2001:db8::1', port: 5 },
    isTls: true,
  });
  assert.equal((await exchange.request()).verdict, 'continue');
  assert.deepEqual(seen, [
    {
      method: 'POST',
      target: '/a/b?x=1',
      path: '/a/b',
      host: 'api.example.com',
      client: { ip: '2001:db8::1', port: 5 },
      isTls: true,
    },
  ]);
});

test('fields are read by name, all values, and only those that needs name', async () => {
  await using kit = await testFilter(
    defineStreamFilter({
      name: 'fields',
      needs: { requestHeaders: ['X-Many', 'x-none', 'x-one'] },
      onRequest(request) {
        assert.equal(request.headers.get('x-many'), 'a, b');
        assert.deepEqual(request.headers.getAll('X-MANY'), ['a', 'b']);
        assert.equal(request.headers.get('x-none'), null);
        assert.equal(request.headers.has('x-one'), true);
        assert.deepEqual(request.headers.names(), ['x-many', 'x-one']);
        assert.equal(request.query('b'), 'ü');
        assert.throws(
          () => request.headers.get('cookie'),
          /"cookie" is not named in needs.requestHeaders/,
        );
        return respond(204);
      },
    }),
  );
  const headers = { 'x-many': ['a', 'b'], 'X-One': '1', cookie: 'secret' };
  const outcome = await kit.exchange({ headers, target: '/?a=1&b=%C3%BC' }).request();
  assert.deepEqual([outcome.verdict, outcome.code, kit.log], ['respond', 204, []]);
});

test('with true all fields cross, whatever their names', async () => {
  await using kit = await testFilter(
    defineStreamFilter({
      name: 'all',
      needs: { requestHeaders: true },
      onRequest: ({ headers }) =>
        respond(
          200,
          {},
          headers
            .names()
            .map((name) => `${name}=${headers.get(name)}`)
            .join(';'),
        ),
    }),
  );
  const outcome = await kit.exchange({ headers: { B: '2', a: ['1', '3'] } }).request();
  assert.equal(outcome.text, 'b=2;a=1, 3');
});

test('edits are recorded in order and seen by what comes after', async () => {
  await using kit = await testFilter(
    defineStreamFilter({
      name: 'edit',
      needs: { requestHeaders: ['x-a', 'x-b'], responseHeaders: ['x-out'] },
      onRequest({ headers }) {
        headers.set('X-A', '1');
        headers.add('x-a', '2');
        headers.remove('x-b');
        assert.equal(headers.get('x-a'), '1, 2');
        assert.equal(headers.has('x-b'), false);
      },
      onResponse({ headers, status }) {
        headers.set('x-out', `${headers.get('x-out')}-${status}`);
      },
    }),
  );
  const exchange = kit.exchange({ headers: { 'x-a': 'old', 'x-b': 'old', 'x-c': 'stays' } });
  const { edits } = await exchange.request();
  assert.deepEqual(edits, [
    { what: 'set', name: 'x-a', value: '1' },
    { what: 'add', name: 'x-a', value: '2' },
    { what: 'remove', name: 'x-b', value: '' },
  ]);
  assert.deepEqual(Object.keys(exchange.requestHeaders).sort(), ['x-a', 'x-c']);
  const back = await exchange.response({ status: 201, headers: { 'x-out': 'v' } });
  assert.deepEqual(back.edits, [{ what: 'set', name: 'x-out', value: 'v-201' }]);
});

test('no edit can frame a message, reach a hop, or split a field', async () => {
  const bad: [string, string][] = [
    ['content-length', '0'],
    ['Transfer-Encoding', 'chunked'],
    ['connection', 'close'],
    ['upgrade', 'h2c'],
    ['host', 'x'],
    ['x\r\ny', '1'],
    ['x y', '1'],
    ['', '1'],
    ['x', 'a\r\nset-cookie: b'],
    ['x', 'a\0'],
    ['x', '\u{1f600}'],
    [':path', '/x'],
  ];
  let row = 0;
  await using kit = await testFilter(
    defineStreamFilter({
      name: 'smuggle',
      breaker: { failures: 0, cooldown: '1s' },
      onRequest({ headers }) {
        const [name, value] = bad[row] as [string, string];
        headers.set('x-before', 'taken back');
        headers.set(name, value);
      },
    }),
  );
  for (; row < bad.length; row++) {
    const outcome = await kit.exchange().request();
    assert.deepEqual([outcome.verdict, outcome.code], ['respond', 500], JSON.stringify(bad[row]));
    assert.deepEqual(outcome.edits, []);
  }
  assert.equal(kit.log.length, 10, 'the rate of failure lines is limited');
});

test('target and host can be rewritten before the route, and nothing else becomes of them', async () => {
  await using kit = await testFilter(
    defineStreamFilter({
      name: 'rewrite',
      onRequest(request) {
        request.rewrite({ target: '/new?q=1', host: 'other.example.com' });
        assert.deepEqual(
          [request.path, request.host, request.query('q')],
          ['/new', 'other.example.com', '1'],
        );
        assert.throws(() => request.rewrite({ target: 'relative' }), TypeError);
        assert.throws(() => request.rewrite({ target: '/a b' }), TypeError);
        assert.throws(() => request.rewrite({ host: 'a/b' }), TypeError);
      },
      onEndpoint(request) {
        assert.throws(() => request.rewrite({ target: '/late' }), /cannot rewrite/);
      },
    }),
  );
  const exchange = kit.exchange({ target: '/old' });
  await exchange.request();
  assert.equal(exchange.requestTarget, '/new?q=1');
  assert.equal((await exchange.endpoint()).verdict, 'continue');
  assert.deepEqual(kit.log, []);
});

test('a response of the filter is whole: status, fields, content', async () => {
  await using kit = await testFilter(
    defineStreamFilter({
      name: 'deny',
      onRequest({ headers, path }) {
        headers.set('x-edit', 'is gone');
        return path === '/text'
          ? respond(403, { 'X-Why': ['because', 'so'] }, 'nö')
          : respond(401, { 'content-type': 'application/json' }, new Uint8Array([0x7b, 0x7d]));
      },
    }),
  );
  const text = await kit.exchange({ target: '/text' }).request();
  assert.deepEqual(text.headers, {
    'x-why': 'because, so',
    'content-type': 'text/plain; charset=utf-8',
  });
  assert.deepEqual([text.code, text.text, text.edits], [403, 'nö', []]);
  const json = await kit.exchange().request();
  assert.deepEqual([json.headers['content-type'], json.text], ['application/json', '{}']);
});

test('each hook has its verdicts', async () => {
  await using kit = await testFilter(
    defineStreamFilter({
      name: 'verdicts',
      onRequest: ({ path }) => (path === '/close' ? close() : undefined),
      onRouted: ({ path, route, cluster }) =>
        path === '/rematch' ? rematch() : choose({ cluster: `${cluster}-2`, hash: route }),
      onEndpoint: ({ attempt, endpoint }) =>
        attempt === 1 && endpoint !== '' ? rechoose() : undefined,
      onResponse: ({ status }) => (status === 503 ? retry() : undefined),
    }),
  );
  assert.equal((await kit.exchange({ target: '/close' }).request()).verdict, 'close');
  assert.equal((await kit.exchange({ target: '/rematch' }).routed()).verdict, 'rematch');
  const exchange = kit.exchange();
  const chosen = await exchange.routed('rooms', 'chat');
  assert.deepEqual([chosen.verdict, chosen.cluster, chosen.hash], ['choose', 'chat-2', 'rooms']);
  assert.equal((await exchange.endpoint('a:1', 1)).verdict, 'rechoose');
  assert.equal((await exchange.endpoint('b:1', 2)).verdict, 'continue');
  assert.equal((await exchange.response({ status: 503 })).verdict, 'retry');
  assert.equal((await exchange.response({ status: 200 })).verdict, 'continue');
});

test('a hook that waits holds up its own exchange only, and reads what it was given', async () => {
  const gates = new Map<string, () => void>();
  await using kit = await testFilter(
    defineStreamFilter({
      name: 'wait',
      needs: { requestHeaders: ['x-id'] },
      async onRequest(request) {
        const id = `${request.headers.get('x-id')}`;
        if (id === 'slow') await new Promise<void>((resolve) => gates.set(id, resolve));
        request.headers.set(
          'x-seen',
          `${request.method} ${request.target} ${request.headers.get('x-id')}`,
        );
      },
    }),
  );
  const slow = kit.exchange({ target: '/slow', headers: { 'x-id': 'slow' } }).request();
  const quick = await kit.exchange({ target: '/quick', headers: { 'x-id': 'quick' } }).request();
  assert.equal(quick.edits[0]?.value, 'GET /quick quick');
  assert.equal(kit.held.parked, 1);
  gates.get('slow')?.();
  const outcome = await slow;
  assert.equal(outcome.edits[0]?.value, 'GET /slow slow');
  assert.deepEqual([outcome.hasWaited, kit.held.parked], [true, 0]);
});

test('views end with their hook, also when they are kept', async () => {
  const kept: RequestView[] = [];
  await using kit = await testFilter(
    defineStreamFilter({
      name: 'keep',
      needs: { requestHeaders: ['x'] },
      onRequest(request) {
        kept.push(request);
        void request.headers;
      },
    }),
  );
  await kit.exchange({ headers: { x: '1' } }).request();
  const [request] = kept;
  assert.throws(() => request?.method, /used after its hook ended/);
  assert.throws(() => request?.headers.get('x'), /used after its hook ended/);
  assert.throws(() => request?.headers.set('x', '2'), /used after its hook ended/);
});

test('what begin makes belongs to one exchange, and goes with it', async () => {
  const ended: string[] = [];
  await using kit = await testFilter(
    defineStreamFilter({
      name: 'state',
      setup: () => ({ count: 0 }),
      begin: (shared) => ({ number: ++shared.count, path: '' }),
      onRequest({ path }, { state }) {
        state.path = path;
      },
      onResponse: ({ headers }, { state }) => headers.set('x-path', state.path),
      onEnd: ({ code, reason }, { state }) => {
        ended.push(`${state.number} ${state.path} ${code} ${reason}`);
      },
    }),
  );
  const [one, two] = [kit.exchange({ target: '/one' }), kit.exchange({ target: '/two' })];
  await one.request();
  await two.request();
  assert.equal(kit.held.holders, 2);
  assert.equal((await one.response()).edits[0]?.value, '/one');
  one.end({ code: 200, reason: 'ok' });
  two.end({ code: 499, reason: 'client-abort' });
  assert.deepEqual(ended, ['1 /one 200 ok', '2 /two 499 client-abort']);
  assert.equal(kit.held.holders, 0);
});

test('on a route, onRequest runs when the route took the request', async () => {
  const filter = defineStreamFilter({
    name: 'late',
    onRequest: ({ headers }) => headers.set('x', '1'),
  });
  await using kit = await testFilter(filter, { place: 'route' });
  const exchange = kit.exchange();
  assert.deepEqual((await exchange.request()).edits, []);
  assert.equal((await exchange.routed()).edits.length, 1);
  assert.equal(kit.count('request', 'calls'), 1);
});

test('hooks that a filter does not have never cross', async () => {
  await using kit = await testFilter(defineStreamFilter({ name: 'quiet', onResponse: () => {} }));
  const exchange = kit.exchange();
  await exchange.request();
  await exchange.routed();
  await exchange.endpoint();
  exchange.end();
  assert.equal(kit.crossings, 0);
  await kit.exchange().response();
  assert.equal(kit.crossings, 1);
});
