/**
 * What filters decide holds also where much comes at once, or where a client wants it otherwise.
 *
 * Path: clients with large heads -> gateway with filters of this file -> origin.
 * Invariant under test: nothing passes a filter unseen because there was no room to show it, and
 * what a client says of its connection, or a route that was left, changes nothing of that.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Owner } from '../harness.ts';
import { seenIn } from '../http/http-origin.ts';
import { get, type HttpScene } from '../http/http-scene.ts';
import { readResponse, valueOf, valuesOf } from '../http/message.ts';
import { routesOf, said, shareFilters, startFilters, streamFilter } from './filter-scene.ts';

/** More heads than one batch holds: 64 of 30 KiB are twice its megabyte. */
const CROWD = 64;
const LARGE = 'x'.repeat(30_000);

/** Parks whoever comes until so many have; then all go on at once. */
const GATE = `const waiting: ((value: undefined) => void)[] = [];
const gate = () => new Promise<undefined>((resolve) => {
  waiting.push(resolve);
  if (waiting.length === ${CROWD}) for (const go of waiting.splice(0)) go(undefined);
});
`;
const ALL = "needs: { requestHeaders: true, responseHeaders: true }, timeout: '20s'";

const TEXTS = {
  'at-endpoint.ts': `${GATE}${streamFilter(
    'at-endpoint',
    `${ALL}, onRouted: () => gate(), onEndpoint: () => respond(418)`,
  )}`,
  'at-response.ts': `${GATE}${streamFilter(
    'at-response',
    `${ALL}, onEndpoint: () => gate(), onResponse: () => respond(418)`,
  )}`,
  'twice.ts': `${GATE}${streamFilter('twice', `${ALL}, onRequest: () => gate(), onRouted: () => respond(418)`)}`,
  'mark.ts': streamFilter(
    'mark',
    "onRequest(request) { request.headers.set('x-user', 'ann'); request.headers.set('x-role', 'low'); }",
  ),
  'first.ts': streamFilter(
    'first',
    `needs: { requestHeaders: ['x-gone'] },
  onRouted: (request) => (request.route === 'first' ? (request.rewrite({ target: '/second' }), rematch()) : undefined)`,
  ),
};

const { scene } = shareFilters(TEXTS, () => ({
  isRouted: true,
  limits: { memory: '256MiB' },
  web: { filters: ['./mark.ts'] },
  http: {
    ...routesOf([
      { path: '/at-endpoint', filters: ['./at-endpoint.ts'] },
      { path: '/at-response', filters: ['./at-response.ts'] },
      { path: '/twice', filters: ['./twice.ts'] },
      {
        path: '/first',
        filters: [
          {
            use: 'holdfast/headers',
            with: {
              request: { set: { 'x-first': 'yes' } },
              response: { set: { 'x-first': 'yes' } },
            },
          },
          { use: 'holdfast/size-limit', with: { request: '10' } },
          './first.ts',
        ],
      },
      { path: '/many', filters: [manyFields('a'), manyFields('b'), manyFields('c')] },
      { path: '/second' },
      { path: '/plain' },
    ]),
    limits: { requests: 'unlimited', head: '60KiB' },
  },
}));

/** As many changes as one use may have. */
function manyFields(mark: string): { readonly use: string; readonly with: unknown } {
  const set = Object.fromEntries([...Array(10).keys()].map((at) => [`x-${mark}-${at}`, mark]));
  return { use: 'holdfast/headers', with: { name: mark, request: { set }, response: { set } } };
}

/** What all of a crowd get. */
async function statuses(about: Owner, from: HttpScene, target: string): Promise<number[]> {
  const clients = await Promise.all(Array.from({ length: CROWD }, () => from.connect(about)));
  for (const client of clients) client.send(get(target, { 'X-Large': LARGE }));
  const answers = await Promise.all(clients.map((client) => readResponse(client)));
  for (const client of clients) client.socket.destroy();
  return [...new Set(answers.map(({ status }) => status))];
}

for (const target of ['/at-endpoint', '/at-response', '/twice']) {
  test(`a crowd that is let go at once is shown whole at the next moment: ${target}`, async (t) => {
    assert.deepEqual(await statuses(t, scene(), target), [418]);
  });
}

test('a client cannot have fields taken out that a filter set', async (t) => {
  const answer = await scene().ask(
    t,
    get('/plain', { Connection: 'x-user, keep-alive, X-Role', 'X-User': 'root' }),
  );
  const { fields } = seenIn(answer);
  assert.deepEqual(valuesOf({ fields }, 'x-user'), ['ann']);
  assert.equal(valueOf({ fields }, 'x-role'), 'low');
});

test('what native filters of a route said does not go on with another route', async (t) => {
  const answer = await scene().ask(t, get('/first'));
  assert.equal(answer.status, 200);
  assert.equal(seenIn(answer).target, '/second');
  assert.equal(valueOf(seenIn(answer), 'x-first'), undefined, 'of the request');
  assert.equal(valueOf(answer, 'x-first'), undefined, 'of the response');
});

test('who waits over a reload that gives it another route passes what stands there', async (t) => {
  const wait = streamFilter(
    'wait',
    `setup: ({ log }) => log, timeout: '20s',
  onRouted(request, { shared }) {
    if (request.path === '/go') {
      for (const go of waiting.splice(0)) go(undefined);
      return undefined;
    }
    shared.info('it waits');
    return new Promise<undefined>((resolve) => waiting.push(resolve));
  }`,
  );
  const text = `const waiting: ((value: undefined) => void)[] = [];\n${wait}`;
  const routes = (...moved: object[]) => ({
    hosts: [
      { routes: [...moved, { match: { path: '/go' }, cluster: 'app', filters: ['./wait.ts'] }] },
    ],
  });
  const match = { path: '/moved' };
  const own = await startFilters(
    t,
    { 'wait.ts': text },
    {
      isRouted: true,
      http: routes({ name: 'one', match, cluster: 'app', filters: ['./wait.ts'] }),
    },
  );
  const client = await own.connect(t);
  client.send(get('/moved'));
  await said(own.gateway, 'it waits');
  const deny = { use: 'holdfast/rbac', with: { default: 'deny' } };
  await own.reload({ http: routes({ name: 'two', match, cluster: 'app', filters: [deny] }) });
  assert.equal((await own.ask(t, get('/go'))).status, 200);
  assert.equal((await readResponse(client)).status, 403);
  assert.ok(!own.origin.seen.some((line) => line.includes('moved')));
});

test('the changes of several native filters are all made', async (t) => {
  const answer = await scene().ask(t, get('/many'));
  for (const message of [answer, seenIn(answer)]) {
    const marked = message.fields.filter(([name]) => /^x-[abc]-\d$/i.test(name));
    assert.equal(marked.length, 30);
  }
});
