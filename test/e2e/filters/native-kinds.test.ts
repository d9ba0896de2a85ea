/**
 * What each native filter does to requests that pass it, through a gateway.
 *
 * Path: client -> policies of the core -> origin.
 * Invariant under test: what a filter refuses never reaches the origin; edits and limits hold for
 * answers of the gateway too.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seenIn } from '../http/http-origin.ts';
import { chunked, get, requestOf } from '../http/http-scene.ts';
import { valueOf, valuesOf } from '../http/message.ts';
import { routesOf, shareFilters, tryAsk } from './filter-scene.ts';

function use(name: string, config: object): { use: string; with: object } {
  return { use: `holdfast/${name}`, with: config };
}

const ORIGIN = 'https://app.example';
const CORS = { origins: [ORIGIN], methods: ['PUT'], credentials: true, maxAge: '1m' };
const USERS = { users: [{ name: 'ann', password: 'secret' }], userHeader: 'x-user', hide: true };
const FIELDS = {
  request: { set: { 'x-env': 'live' }, remove: 'x-debug' },
  response: { set: { 'x-frame-options': 'DENY' } },
};

const { scene } = shareFilters({}, () => ({
  isRouted: true,
  web: { filters: [use('headers', { response: { add: { 'x-gateway': 'yes' } } })] },
  http: routesOf([
    { path: '/plain' },
    { path: '/cors', filters: [use('cors', CORS), use('basic-auth', USERS)] },
    { path: '/open', filters: [use('cors', { origins: [ORIGIN] })] },
    { path: '/auth', filters: [use('basic-auth', USERS)] },
    { path: '/rate', filters: [use('rate-limit', { rate: '2/h', fields: true })] },
    { path: '/size', filters: [use('size-limit', { request: '10B' })] },
    { path: '/fields', filters: [use('headers', FIELDS)] },
    { path: '/abort', filters: [use('fault', { abort: { percent: '100%', status: 502 } })] },
    { path: '/close', filters: [use('fault', { close: { percent: '100%' } })] },
    { path: '/late', filters: [use('fault', { delay: { percent: '100%', time: '50ms' } })] },
    { path: '/busy', filters: [use('concurrency', { min: 1, max: 1, initial: 1 })] },
  ]),
}));

test('cors: preflights are answered, and errors can be read by the page', async (t) => {
  const preflight = requestOf('OPTIONS', '/cors', {
    fields: { Origin: ORIGIN, 'Access-Control-Request-Method': 'PUT' },
  });
  const answer = await scene().ask(t, preflight);
  assert.equal(answer.status, 204);
  assert.equal(valueOf(answer, 'access-control-allow-origin'), ORIGIN);
  assert.equal(valueOf(answer, 'access-control-allow-methods'), 'PUT');
  assert.equal(valueOf(answer, 'access-control-max-age'), '60');
  assert.deepEqual(valuesOf(answer, 'vary'), ['Origin']);
  const refused = await scene().ask(t, get('/cors', { Origin: ORIGIN }));
  assert.equal(refused.status, 401);
  assert.equal(valueOf(refused, 'access-control-allow-origin'), ORIGIN);
  const foreign = await scene().ask(t, get('/cors', { Origin: 'https://evil.example' }));
  assert.equal(valueOf(foreign, 'access-control-allow-origin'), undefined);
});

test('cors: what an endpoint allows by itself counts for nothing', async (t) => {
  const fields = [
    ['Access-Control-Allow-Origin', '*'],
    ['Access-Control-Allow-Credentials', 'true'],
    ['Access-Control-Expose-Headers', 'x-secret'],
  ] as const;
  scene().origin.on('/open', (request) => request.reply({ fields }));
  const names = ['origin', 'credentials'].map((name) => `access-control-allow-${name}`);
  const said = async (origin: Readonly<Record<string, string>>): Promise<string[][]> => {
    const response = await scene().ask(t, get('/open', origin));
    return [...names, 'access-control-expose-headers'].map((name) => valuesOf(response, name));
  };
  assert.deepEqual(await said({ Origin: 'https://evil.example' }), [[], [], []]);
  assert.deepEqual(await said({}), [[], [], []]);
  assert.deepEqual(await said({ Origin: ORIGIN }), [[ORIGIN], [], []]);
});

test('basic-auth: the endpoint learns the user, not the password', async (t) => {
  const credentials = Buffer.from('ann:secret').toString('base64');
  const fields = { Authorization: `Basic ${credentials}`, 'X-User': 'root' };
  const response = await scene().ask(t, get('/auth', fields));
  assert.equal(response.status, 200);
  const seen = seenIn(response);
  assert.deepEqual(valuesOf(seen, 'x-user'), ['ann']);
  assert.deepEqual(valuesOf(seen, 'authorization'), []);
  const refused = await scene().ask(t, get('/auth', { Authorization: 'Basic YW5uOm5v' }));
  assert.equal(refused.status, 401);
  assert.match(valueOf(refused, 'www-authenticate') ?? '', /^Basic realm="holdfast"/);
});

test('rate-limit: what is left is told, and then when to come again', async (t) => {
  const first = await scene().ask(t, get('/rate'));
  assert.equal(first.status, 200);
  assert.match(valueOf(first, 'ratelimit') ?? '', /^"rate-limit";r=1;t=1800$/);
  assert.equal(valueOf(first, 'ratelimit-policy'), '"rate-limit";q=2;w=3600');
  assert.equal((await scene().ask(t, get('/rate'))).status, 200);
  const refused = await scene().ask(t, get('/rate'));
  assert.equal(refused.status, 429);
  assert.ok(Number(valueOf(refused, 'retry-after')) > 1700);
  assert.equal(valueOf(refused, 'x-gateway'), 'yes');
});

test('size-limit: with a length, and without one', async (t) => {
  const ask = (body: string) => scene().ask(t, requestOf('POST', '/size', { body }));
  assert.equal((await ask('x'.repeat(10))).status, 200);
  assert.equal((await ask('x'.repeat(11))).status, 413);
  const head = requestOf('POST', '/size', { fields: { 'Transfer-Encoding': 'chunked' } });
  assert.equal((await scene().ask(t, head + chunked(['12345', '67890', '1']))).status, 413);
  assert.equal((await scene().ask(t, head + chunked(['12345', '67890']))).status, 200);
});

test('headers: of requests, of responses, of answers of the gateway', async (t) => {
  const response = await scene().ask(t, get('/fields', { 'X-Debug': '1', 'X-Env': 'test' }));
  assert.deepEqual(valuesOf(seenIn(response), 'x-env'), ['live']);
  assert.deepEqual(valuesOf(seenIn(response), 'x-debug'), []);
  assert.equal(valueOf(response, 'x-frame-options'), 'DENY');
  assert.equal(valueOf(response, 'x-gateway'), 'yes');
  const missing = await scene().ask(t, get('/nowhere'));
  assert.equal(missing.status, 404);
  assert.equal(valueOf(missing, 'x-gateway'), 'yes');
});

test('fault: abort, close, delay', async (t) => {
  assert.equal((await scene().ask(t, get('/abort'))).status, 502);
  assert.equal(typeof (await tryAsk(t, scene(), get('/close'))), 'string');
  assert.ok(!scene().origin.seen.some((line) => /abort|close/.test(line)));
  assert.equal((await scene().ask(t, get('/late'))).status, 200);
  const { text } = await scene().gateway.counted('/metrics?scope=filter');
  assert.match(text, /holdfast_policy_delayed_total\{[^}]*site="web\/late"\} 1\n/);
});

test('concurrency: one at a time, and its place is given back', async (t) => {
  const refused: number[] = [];
  scene().origin.on('/busy', async (request) => {
    refused.push((await scene().ask(t, get('/busy'))).status);
    request.reply({});
  });
  assert.equal((await scene().ask(t, get('/busy'))).status, 200);
  assert.deepEqual(refused, [503]);
  assert.equal((await scene().ask(t, get('/plain'))).status, 200);
  const { text } = await scene().gateway.counted('/metrics?scope=filter');
  assert.match(text, /holdfast_policy_active\{[^}]*site="web\/busy"\} 0\n/);
  assert.match(text, /holdfast_policy_denied_total\{[^}]*site="web\/busy"\} 1\n/);
});
