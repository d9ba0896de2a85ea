/**
 * Several filters change one field: the last one holds, and everything behind a filter sees what it
 * said.
 *
 * Path: client -> policies and filters of the listener -> route -> its policies and filters ->
 * origin, and the response back.
 * Invariant under test: a field that a filter sets reaches nobody as the client sent it, not the
 * filters behind, conditions and keys among them, and not the endpoint.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Owner } from '../harness.ts';
import { seenIn } from '../http/http-origin.ts';
import { get } from '../http/http-scene.ts';
import { valuesOf } from '../http/message.ts';
import { routesOf, shareFilters, streamFilter } from './filter-scene.ts';

function use(name: string, config: object): { use: string; with: object } {
  return { use: `holdfast/${name}`, with: config };
}

const set = (value: string) =>
  use('headers', { request: { set: { 'X-A': value } }, response: { set: { 'X-R': value } } });
const remove = use('headers', { request: { remove: 'x-a' }, response: { remove: 'x-r' } });
const add = (value: string) =>
  use('headers', { request: { add: { 'x-a': value } }, response: { add: { 'x-r': value } } });

const users = (when: object = {}) =>
  use('basic-auth', {
    users: ['ann', 'max'].map((name) => ({ name, password: 'secret' })),
    userHeader: 'X-User',
    when,
  });
const onlyAnn = use('rbac', {
  rules: [{ name: 'ann', when: { headers: [{ name: 'x-user', exact: 'ann' }] } }],
});
/** Appends a word to what it sees, of requests and responses. */
const append = (name: string): string =>
  streamFilter(
    name,
    `needs: { requestHeaders: ['x-a', 'x-user'], responseHeaders: ['x-r'] },
  onRequest: ({ headers }) => headers.set('x-a', \`\${headers.get('x-a')}+${name}\`),
  onResponse: ({ headers }) => headers.set('x-r', \`\${headers.get('x-r')}+${name}\`)`,
  );

const { scene } = shareFilters(
  {
    'one.ts': append('one'),
    'two.ts': append('two'),
    'under.ts': streamFilter(
      'under',
      `onRequest: ({ path, headers }) => {
  if (path === '/under') headers.set('x_code', '2');
}`,
    ),
    'tell.ts': streamFilter(
      'tell',
      `needs: { requestHeaders: ['x-user'] },
  onRequest: ({ headers }) => respond(200, {}, String(headers.get('x-user')))`,
    ),
  },
  () => ({
    isRouted: true,
    web: {
      filters: [
        set('listener'),
        users({ path: '/known' }),
        use('headers', { when: { path: '/under' }, request: { set: { x_native: '1' } } }),
        './under.ts',
      ],
    },
    http: routesOf([
      { path: '/set', filters: [set('route')] },
      { path: '/removed', filters: [remove] },
      { path: '/many', filters: [set('a'), add('b'), remove, add('c'), add('d')] },
      { path: '/code', filters: ['./one.ts', './two.ts'] },
      { path: '/both', filters: [set('route'), './one.ts'] },
      { path: '/own', more: { requestHeaders: { set: { 'x-a': 'own' } } } },
      {
        path: '/proto',
        more: { requestHeaders: { set: { 'x-forwarded-proto': 'https' } } },
      },
      { path: '/under' },
      { path: '/known', filters: [onlyAnn] },
      { path: '/here', filters: [users(), onlyAnn] },
      { path: '/told', filters: [users(), './tell.ts'] },
      {
        path: '/limited',
        filters: [users(), use('rate-limit', { rate: '1/h', by: { header: 'x-user' } })],
      },
      {
        path: '/matched',
        more: { match: { path: '/matched', headers: [{ name: 'x-a', exact: 'listener' }] } },
      },
    ]),
  }),
);

/** What origin and client see of the two fields. */
async function seen(owner: Owner, path: string): Promise<string[][]> {
  const response = await scene().ask(owner, get(path, { 'X-A': 'client' }));
  return [valuesOf(seenIn(response), 'x-a'), valuesOf(response, 'x-r')];
}

/** The status for who says to be `name`, and is Max. */
async function asMax(owner: Owner, path: string, name: string): Promise<number> {
  const authorization = `Basic ${Buffer.from('max:secret').toString('base64')}`;
  const fields = { Authorization: authorization, 'X-User': name };
  return (await scene().ask(owner, get(path, fields))).status;
}

test('the last native filter that sets or removes a field holds', async (t) => {
  assert.deepEqual(await seen(t, '/set'), [['route'], ['route']]);
  assert.deepEqual(await seen(t, '/removed'), [[], []]);
  assert.deepEqual(await seen(t, '/many'), [
    ['c', 'd'],
    ['c', 'd'],
  ]);
});

test('filters in TypeScript see what native ones of requests set, and one another', async (t) => {
  assert.deepEqual(await seen(t, '/code'), [['listener+one+two'], ['null+two+one']]);
  assert.deepEqual(await seen(t, '/both'), [['route+one'], ['null+one']]);
});

test('fields of a route take the place of those of the gateway', async (t) => {
  const response = await scene().ask(t, get('/proto'));
  assert.deepEqual(valuesOf(seenIn(response), 'x-forwarded-proto'), ['https']);
  assert.deepEqual((await seen(t, '/own'))[0], ['own']);
});

test('filters may set names that clients may not', async (t) => {
  const response = await scene().ask(t, get('/under'));
  assert.deepEqual(valuesOf(seenIn(response), 'x_native'), ['1']);
  assert.deepEqual(valuesOf(seenIn(response), 'x_code'), ['2']);
  assert.equal((await scene().ask(t, get('/under', { x_client: '3' }))).status, 400);
});

test('a route is found by what native filters of its listener set', async (t) => {
  assert.deepEqual((await seen(t, '/matched'))[0], ['listener']);
});

test('who a client is, is never what it says', async (t) => {
  for (const path of ['/known', '/here']) assert.equal(await asMax(t, path, 'ann'), 403);
  const authorization = `Basic ${Buffer.from('max:secret').toString('base64')}`;
  const told = get('/told', { Authorization: authorization, 'X-User': 'ann' });
  assert.equal((await scene().ask(t, told)).text, 'max');
  assert.equal(await asMax(t, '/limited', 'one'), 200);
  assert.equal(await asMax(t, '/limited', 'two'), 429);
});
