/**
 * Stream filters through real sockets: what each hook sees, edits and decides.
 *
 * Path: client -> gateway with filters of this file -> origin.
 * Invariant under test: edits reach the other end, verdicts do what their name says, a filter that
 * fails does what its policy says, and nothing else of the gateway notices.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpOrigin, seenIn } from '../http/http-origin.ts';
import { get, requestOf } from '../http/http-scene.ts';
import { type Response, readResponse, valueOf, valuesOf } from '../http/message.ts';
import {
  type FilterTexts,
  routesOf,
  said,
  shareFilters,
  streamFilter,
  tryAsk,
} from './filter-scene.ts';

const NEEDS = "needs: { requestHeaders: ['x-user'], responseHeaders: ['x-answer', 'set-cookie'] }";

const TEXTS: FilterTexts = {
  'edit.ts': streamFilter(
    'edit',
    `${NEEDS},
  onRequest(request) {
    request.headers.set('x-seen', request.headers.get('x-user') + ' ' + request.method + ' ' + request.path);
    request.headers.add('x-many', 'one');
    request.headers.add('x-many', 'two');
    request.headers.remove('x-user');
  }`,
  ),
  'answer.ts': streamFilter(
    'answer',
    `${NEEDS},
  onResponse(response) {
    response.headers.set('x-answer', response.status + ' ' + response.headers.get('x-answer'));
    response.headers.add('set-cookie', 'b=2');
  }`,
  ),
  'refuse.ts': streamFilter(
    'refuse',
    "onRequest: () => respond(403, { 'x-why': 'policy', 'set-cookie': ['a=1', 'b=2'] }, 'not you')",
  ),
  'slow.ts': streamFilter(
    'slow',
    `${NEEDS},
  async onRequest(request) {
    const user = request.headers.get('x-user');
    await pause(20);
    request.headers.set('x-late', 'for ' + user);
  }`,
  ),
  'throws-open.ts': streamFilter(
    'throws-open',
    `onError: 'open', breaker: { failures: 0, cooldown: '1s' },
  onRequest(request) { request.headers.set('x-half', 'done'); throw new Error('on purpose'); }`,
  ),
  'throws-closed.ts': streamFilter(
    'throws-closed',
    "breaker: { failures: 0, cooldown: '1s' }, onRequest() { throw new Error('on purpose'); }",
  ),
  'rejects.ts': streamFilter(
    'rejects',
    "breaker: { failures: 0, cooldown: '1s' }, async onRequest() { await pause(1); throw new Error('late'); }",
  ),
  'never.ts': streamFilter(
    'never',
    "timeout: '50ms', breaker: { failures: 0, cooldown: '1s' }, onRequest: () => new Promise<undefined>(() => {})",
  ),
  'never-open.ts': streamFilter(
    'never-open',
    "timeout: '50ms', onError: 'open', onRequest: () => new Promise<undefined>(() => {})",
  ),
  'nonsense.ts': streamFilter(
    'nonsense',
    "breaker: { failures: 0, cooldown: '1s' }, onRequest: () => ({ type: 'dance' }) as never",
  ),
  'broken.ts': streamFilter(
    'broken',
    "breaker: { failures: 2, cooldown: '1m' }, onRequest() { throw new Error('again'); }",
  ),
  'rematch.ts': streamFilter(
    'rematch',
    `onRouted(request) {
    if (request.route !== 'rematch') return undefined;
    request.rewrite({ target: '/plain?by=' + request.route });
    return rematch();
  }`,
  ),
  'around.ts': streamFilter('around', 'onRouted: () => rematch()'),
  'choose.ts': streamFilter(
    'choose',
    "onRouted: (request) => (request.query('to') === null ? undefined : choose({ cluster: request.query('to') ?? '' }))",
  ),
  'close.ts': streamFilter('close', 'onRequest: () => close()'),
  'replace.ts': streamFilter(
    'replace',
    "onResponse: (response) => (response.status === 500 ? respond(200, { 'x-by': 'filter' }, 'mended') : undefined)",
  ),
  'retry.ts': streamFilter(
    'retry',
    `${NEEDS},
  onEndpoint(request) { request.headers.set('x-attempt', String(request.attempt)); },
  onResponse: (response) => (response.status === 503 ? retry() : undefined)`,
  ),
  'rechoose.ts': streamFilter(
    'rechoose',
    "onEndpoint: (request) => (request.attempt === 1 && request.query('avoid') === request.endpoint ? rechoose() : undefined)",
  ),
  'end.ts': streamFilter(
    'end',
    `setup: ({ log }) => log, begin: () => ({ path: '' }),
  onRequest(request, { state }) { state.path = request.path; },
  onEnd(record, { shared, state }) { shared.info('ended ' + state.path, { ...record }); }`,
  ),
  'first.ts': streamFilter(
    'first',
    `needs: { requestHeaders: ['x-order'], responseHeaders: ['x-order'] },
  onRequest(request) { request.headers.add('x-order', 'first'); },
  onResponse(response) { response.headers.add('x-order', 'first'); }`,
  ),
  'second.ts': streamFilter(
    'second',
    `needs: { requestHeaders: ['x-order'], responseHeaders: ['x-order'] },
  onRequest(request) { request.headers.add('x-order', request.headers.getAll('x-order').join() + '+second'); },
  onResponse(response) { response.headers.add('x-order', 'second'); }`,
  ),
  'stray.ts': streamFilter(
    'stray',
    `onRequest() {
    setTimeout(() => { throw new Error('in a timer'); }, 1);
    void Promise.reject(new Error('not awaited'));
  }`,
  ),
};

const names = Object.keys(TEXTS).map((file) => file.replace('.ts', ''));

const shared = shareFilters(TEXTS, async (owner) => {
  const other = await HttpOrigin.start(owner, 'other');
  const third = await HttpOrigin.start(owner, 'third');
  const fourth = await HttpOrigin.start(owner, 'fourth');
  const own = names.map((name) => ({ path: `/${name}`, filters: [`./${name}.ts`] }));
  return {
    isRouted: true,
    clusters: [
      { name: 'other', endpoints: [other.address], http: { keepAlive: 'off' } },
      { name: 'pair', endpoints: [third.address, fourth.address], http: { keepAlive: 'off' } },
    ],
    http: routesOf([
      ...own.filter(({ path }) => path !== '/retry' && path !== '/rechoose'),
      { path: '/retry', filters: ['./retry.ts'], more: { retry: { attempts: 2, on: ['503'] } } },
      { path: '/rechoose', filters: ['./rechoose.ts'], cluster: 'pair' },
      { path: '/order', filters: ['./first.ts', './second.ts'] },
      { path: '/plain' },
      { path: '/elsewhere', cluster: 'other' },
    ]),
  };
});

test('a request is read and edited', async (t) => {
  const response = await shared.scene().ask(t, get('/edit/x?a=1', { 'X-User': 'ann' }));
  const seen = seenIn(response);
  assert.deepEqual(valuesOf(seen, 'x-seen'), ['ann GET /edit/x']);
  assert.deepEqual(valuesOf(seen, 'x-many'), ['one', 'two']);
  assert.deepEqual(valuesOf(seen, 'x-user'), []);
  assert.equal(seen.target, '/edit/x?a=1');
});

test('a request with content keeps it', async (t) => {
  const body = 'x'.repeat(100_000);
  const response = await shared
    .scene()
    .ask(t, requestOf('POST', '/edit', { fields: { 'X-User': 'bob' }, body }));
  const seen = seenIn(response);
  assert.deepEqual([valueOf(seen, 'x-seen'), seen.body.length], ['bob POST /edit', body.length]);
});

test('a response is read and edited', async (t) => {
  const scene = shared.scene();
  scene.origin.on('/answer', (request) =>
    request.reply({
      status: 201,
      fields: [
        ['X-Answer', 'yes'],
        ['Set-Cookie', 'a=1'],
      ],
      body: 'made',
    }),
  );
  const response = await scene.ask(t, get('/answer'));
  assert.deepEqual([response.status, response.text], [201, 'made']);
  assert.equal(valueOf(response, 'x-answer'), '201 yes');
  assert.deepEqual(valuesOf(response, 'set-cookie'), ['a=1', 'b=2']);
});

test('a filter answers in place of the endpoint, which sees nothing', async (t) => {
  const scene = shared.scene();
  const response = await scene.ask(t, get('/refuse/it'));
  assert.deepEqual([response.status, response.text], [403, 'not you']);
  assert.equal(valueOf(response, 'x-why'), 'policy');
  assert.deepEqual(valuesOf(response, 'set-cookie'), ['a=1', 'b=2']);
  assert.ok(!scene.origin.seen.includes('GET /refuse/it'));
});

test('the connection goes on after an answer of a filter, also with content on its way', async (t) => {
  const scene = shared.scene();
  const client = await scene.connect(t);
  client.send(requestOf('POST', '/refuse', { body: 'y'.repeat(5000) }) + get('/plain'));
  assert.equal((await readResponse(client, 'POST')).status, 403);
  assert.equal((await readResponse(client)).status, 200);
});

test('a filter that waits holds up its own exchange only', async (t) => {
  const scene = shared.scene();
  const late = scene.ask(t, get('/slow', { 'X-User': 'eve' }));
  assert.equal((await scene.ask(t, get('/plain'))).status, 200);
  assert.equal(valueOf(seenIn(await late), 'x-late'), 'for eve');
  const many = await Promise.all(
    Array.from({ length: 50 }, (_, i) => scene.ask(t, get('/slow', { 'X-User': `u${i}` }))),
  );
  for (const [i, each] of many.entries())
    assert.equal(valueOf(seenIn(each), 'x-late'), `for u${i}`);
});

test('pipelined requests that wait are answered in their order', async (t) => {
  const scene = shared.scene();
  const client = await scene.connect(t);
  client.send(
    get('/slow', { 'X-User': 'a' }) +
      get('/plain?2') +
      get('/refuse') +
      get('/slow?4', { 'X-User': 'd' }),
  );
  const answers: Response[] = [];
  for (let i = 0; i < 4; i++) answers.push(await readResponse(client));
  assert.deepEqual(
    answers.map((each) => each.status),
    [200, 200, 403, 200],
  );
  assert.deepEqual(
    [0, 1, 3].map((i) => seenIn(answers[i] ?? assert.fail()).target),
    ['/slow', '/plain?2', '/slow?4'],
  );
});

test('what a filter throws does what its policy says, and is told', async (t) => {
  const scene = shared.scene();
  const open = seenIn(await scene.ask(t, get('/throws-open')));
  assert.deepEqual(valuesOf(open, 'x-half'), [], 'the edits of a hook that failed are taken back');
  const { msg } = await scene.gateway.logged(({ filter }) => filter === 'throws-open');
  assert.match(msg, /^filter "throws-open" \(generation 1\), onRequest: .*on purpose/);
  for (const [path, status] of [
    ['/throws-closed', 500],
    ['/rejects', 500],
    ['/nonsense', 500],
    ['/never', 503],
    ['/never-open', 200],
  ] as const) {
    const response = await scene.ask(t, get(path));
    assert.equal(response.status, status, path);
    const record = await scene.gateway.logged(({ filter }) => filter === path.slice(1));
    assert.match(record.msg, /\(generation 1\), onRequest: /);
    assert.deepEqual([record['shard'], record['level']], [0, 'error']);
  }
});

test('a filter that keeps failing is left out, and its policy applies', async (t) => {
  const scene = shared.scene();
  const statuses: number[] = [];
  for (let i = 0; i < 4; i++) statuses.push((await scene.ask(t, get('/broken'))).status);
  assert.deepEqual(statuses, [500, 500, 503, 503]);
  const { text } = await scene.gateway.counted('/metrics?scope=filter');
  const labels = 'filter="broken",site="web/broken",hook="request"';
  assert.ok(text.includes(`holdfast_filter_failures_total{${labels}} 2\n`), text);
  assert.ok(text.includes(`holdfast_filter_skipped_total{${labels}} 2\n`));
});

test('what a filter throws outside of its hooks is told and costs nothing', async (t) => {
  const scene = shared.scene();
  const client = await scene.connect(t);
  client.send(get('/stray'));
  assert.equal((await readResponse(client)).status, 200);
  const timer = await scene.gateway.logged(({ msg }) => /in a timer/.test(msg));
  assert.match(timer.msg, /^filter "stray" \(generation 1\), outside of its hooks: it threw/);
  await scene.gateway.logged(({ msg }) => /nobody awaited Error: not awaited/.test(msg));
  client.send(get('/plain'));
  assert.equal((await readResponse(client)).status, 200);
});

test('a route is sought again with the edited head, a bounded number of times', async (t) => {
  const scene = shared.scene();
  assert.equal(seenIn(await scene.ask(t, get('/rematch'))).target, '/plain?by=rematch');
  assert.equal(seenIn(await scene.ask(t, get('/around'))).target, '/around');
});

test('a filter chooses the cluster', async (t) => {
  const scene = shared.scene();
  assert.equal(seenIn(await scene.ask(t, get('/choose'))).origin, 'app');
  assert.equal(seenIn(await scene.ask(t, get('/choose?to=other'))).origin, 'other');
});

test('a filter resets the connection', async (t) => {
  const outcome = await tryAsk(t, shared.scene(), get('/close'));
  assert.ok(outcome === 'ECONNRESET' || outcome === 'fin', JSON.stringify(outcome));
});

test('the response of an endpoint is thrown away for one of a filter', async (t) => {
  const scene = shared.scene();
  scene.origin.on('/replace', (request) =>
    request.reply({ status: 500, body: 'z'.repeat(70_000) }),
  );
  const response = await scene.ask(t, get('/replace'));
  assert.deepEqual([response.status, response.text], [200, 'mended']);
  assert.equal(valueOf(response, 'x-by'), 'filter');
});

test('a response is a reason to try again', async (t) => {
  const scene = shared.scene();
  const attempts: (string | undefined)[] = [];
  scene.origin.on('/retry', (request) => {
    attempts.push(valueOf(request.head, 'x-attempt'));
    request.reply({ status: attempts.length < 3 ? 503 : 200, body: `${attempts.length}` });
  });
  const response = await scene.ask(t, get('/retry'));
  assert.deepEqual([response.status, response.text, attempts], [200, '3', ['1', '2', '3']]);
});

test('another endpoint is taken in place of the one that was chosen', async (t) => {
  const scene = shared.scene();
  const origins = new Set<string>();
  for (let i = 0; i < 4; i++) origins.add(seenIn(await scene.ask(t, get('/rechoose'))).origin);
  assert.deepEqual([...origins].toSorted(), ['fourth', 'third']);
  const { json } = await scene.gateway.counted('/v1/clusters/pair');
  const [endpoint] = json.endpoints as { address: string }[];
  const avoided = new Set<string>();
  for (let i = 0; i < 6; i++) {
    avoided.add(seenIn(await scene.ask(t, get(`/rechoose?avoid=${endpoint?.address}`))).origin);
  }
  assert.deepEqual([...avoided], ['fourth']);
});

test('requests pass filters in their order, responses in reverse', async (t) => {
  const scene = shared.scene();
  scene.origin.on('/order', (request) => {
    const order = valuesOf(request.head, 'x-order').join('|');
    request.reply({ fields: [['X-Order', 'origin']], body: order });
  });
  const response = await scene.ask(t, get('/order'));
  assert.equal(response.text, 'first|first+second');
  assert.deepEqual(valuesOf(response, 'x-order'), ['origin', 'second', 'first']);
});

test('the end of each exchange is told, with what it was', async (t) => {
  const scene = shared.scene();
  await scene.ask(t, get('/end/one'));
  const record = await said(scene.gateway, 'ended /end/one');
  assert.deepEqual([record['code'], record['filter'], record['reason']], [200, 'end', '-']);
  assert.ok(Number(record['bytesOut']) > 0 && Number(record['durationMicros']) > 0);
});

test('requests to routes without filters never cross', async (t) => {
  const scene = shared.scene();
  const calls = async (): Promise<number> => {
    const { text } = await scene.gateway.counted('/metrics?scope=filter');
    const values = [...text.matchAll(/^holdfast_filter_calls_total\{.*\} (\d+)$/gm)];
    return values.reduce((sum, [, value]) => sum + Number(value), 0);
  };
  const before = await calls();
  for (let i = 0; i < 20; i++) await scene.ask(t, get(`/plain?${i}`));
  assert.equal(await calls(), before);
});
