/**
 * Routes that are said to be out of reach are: no request that fits one of them is given to it.
 *
 * Path: src/main/config/unreachable.ts, against a plain model of how routes are chosen, which is
 * that of native/epoll/src/http/README.md.
 * Invariant under test: nothing is said that is not true, and what people get wrong most often is
 * found.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { findUnreachable } from '../../../src/main/config/unreachable.ts';

type Routes = Parameters<typeof findUnreachable>[0];
type Route = Routes[number];
type Order = Parameters<typeof findUnreachable>[1];

interface Request {
  readonly path: string;
  readonly method: string;
  readonly headers: ReadonlySet<string>;
}

const header = (name: string) => ({ name, kind: 'present' as const, value: '', isInverted: false });

function make(pathKind: Route['pathKind'], path: string, more: Partial<Route> = {}): Route {
  return { pathKind, path, methods: [], headers: [], query: [], ...more };
}

function takesPath({ pathKind, path }: Route, asked: string): boolean {
  const bare = path.replace(/\/+$/, '');
  switch (pathKind) {
    case 'exact':
      return asked === path;
    case 'prefix':
      return asked.startsWith(path);
    case 'segments':
      return asked === bare || asked.startsWith(`${bare}/`);
    case 'regex':
      return new RegExp(`^(?:${path})$`).test(asked);
  }
}

function takes(route: Route, request: Request): boolean {
  const { methods, headers } = route;
  return (
    takesPath(route, request.path) &&
    (methods.length === 0 || methods.includes(request.method)) &&
    headers.every(({ name }) => request.headers.has(name))
  );
}

/** The smaller one goes first, item by item. */
function rankOf({ pathKind, path, methods, headers }: Route, at: number, order: Order): number[] {
  if (order === 'listed') return [at];
  const fixed = pathKind === 'segments' ? path.replace(/\/+$/, '') : path;
  const beginning = pathKind === 'regex' ? (/^[/a-z]*/.exec(path)?.[0] ?? '') : fixed;
  const length = pathKind !== 'exact' && beginning === '/' ? 0 : beginning.length;
  const kinds = ['exact', 'regex', 'segments', 'prefix'];
  return [
    pathKind === 'exact' ? 0 : 1,
    -length,
    kinds.indexOf(pathKind),
    methods.length > 0 ? 0 : 1,
    -headers.length,
    at,
  ];
}

function choose(routes: Routes, request: Request, order: Order): number {
  const ranked = routes.map((route, at) => ({ route, at, rank: rankOf(route, at, order) }));
  const first = ranked
    .toSorted((a, b) => {
      const different = a.rank.findIndex((value, i) => value !== b.rank[i]);
      return (a.rank[different] ?? 0) - (b.rank[different] ?? 0);
    })
    .find(({ route }) => takes(route, request));
  return first?.at ?? -1;
}

const path = fc.constantFrom('/', '/a', '/a/', '/a/b', '/a/bc', '/ab', '/a/b/c');
const route = fc.record({
  pathKind: fc.constantFrom('exact', 'prefix', 'segments', 'regex'),
  path,
  methods: fc.subarray(['GET', 'POST']),
  headers: fc.subarray(['x', 'y']).map((names) => names.map(header)),
  query: fc.constant([]),
}) as fc.Arbitrary<Route>;

test('what is said is true, for every request that could be made', () => {
  const requests: Request[] = [];
  for (const asked of [
    '/',
    '/a',
    '/a/',
    '/a/b',
    '/a/b/',
    '/a/bc',
    '/a/bcd',
    '/ab',
    '/abc',
    '/a/b/c',
    '/z',
  ]) {
    for (const method of ['GET', 'POST', 'PUT']) {
      for (const names of [[], ['x'], ['y'], ['x', 'y']]) {
        requests.push({ path: asked, method, headers: new Set(names) });
      }
    }
  }
  const order = fc.constantFrom<Order>('listed', 'specificity');
  let said = 0;
  fc.assert(
    fc.property(fc.array(route, { minLength: 2, maxLength: 8 }), order, (routes, by) => {
      const lost = new Set(findUnreachable(routes, by).map((each) => each.route));
      said += lost.size;
      for (const request of requests) {
        const chosen = choose(routes, request, by);
        assert.ok(!lost.has(chosen), JSON.stringify({ routes, request: request.path, chosen, by }));
      }
    }),
    { numRuns: 2000 },
  );
  assert.ok(said > 100, 'such routes are among those that were made');
});

test('what people get wrong most often is found', () => {
  const all = make('segments', '/');
  const api = make('segments', '/api');
  assert.deepEqual(findUnreachable([all, api], 'listed'), [{ route: 1, by: 0 }]);
  assert.deepEqual(findUnreachable([all, api], 'specificity'), []);
  assert.deepEqual(findUnreachable([api, make('segments', '/api/')], 'specificity'), [
    { route: 1, by: 0 },
  ]);
  const limited = make('segments', '/api', { methods: ['GET'] });
  assert.deepEqual(findUnreachable([api, limited], 'listed'), [{ route: 1, by: 0 }]);
  assert.deepEqual(findUnreachable([api, limited], 'specificity'), []);
  const pattern = make('regex', '/x/[0-9]+');
  assert.deepEqual(findUnreachable([all, pattern], 'listed'), [{ route: 1, by: 0 }]);
  assert.deepEqual(findUnreachable([pattern, pattern], 'specificity'), [{ route: 1, by: 0 }]);
  const asterisk = make('exact', '*');
  assert.deepEqual(findUnreachable([all, asterisk], 'listed'), []);
});

test('names of headers are compared without case, those of parameters with it', () => {
  const by = (name: string): Route => make('segments', '/', { headers: [header(name)] });
  assert.equal(findUnreachable([by('X-A'), by('x-a')], 'specificity').length, 1);
  const query = (name: string): Route => make('segments', '/', { query: [header(name)] });
  assert.equal(findUnreachable([query('A'), query('a')], 'specificity').length, 0);
});
