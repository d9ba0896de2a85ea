/**
 * `holdfast/ext-auth`: what the service is asked, what its answer does, and what happens without.
 *
 * Path: the filter runs in the kit; the service is an HTTP origin on a loopback socket.
 * Invariant: a client can neither forge what the service learns, nor what the endpoint learns from
 * it; a service that fails opens the door only where the configuration says so.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import extAuth from 'holdfast/ext-auth';
import { type RequestScript, testFilter } from 'holdfast/testing';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

async function openService(answer: Answer) {
  let decide = answer;
  const asked: IncomingMessage[] = [];
  let connectionCount = 0;
  const service = createServer((request, response) => {
    asked.push(request);
    decide(request, response);
  });
  service.on('connection', () => connectionCount++);
  service.listen(0, '127.0.0.1');
  await once(service, 'listening');
  return {
    url: `http://127.0.0.1:${(service.address() as AddressInfo).port}`,
    asked,
    get connectionCount() {
      return connectionCount;
    },
    answer(next: Answer): void {
      decide = next;
    },
    dropIdle: () => service.closeIdleConnections(),
    async [Symbol.asyncDispose]() {
      service.closeAllConnections();
      service.close();
      await once(service, 'close');
    },
  };
}

const allowAll: Answer = (_, response) => response.end();
const openKit = (config: object) => testFilter(extAuth, { config });

test('the service gets the chosen fields, and where the request was going', async () => {
  await using service = await openService(allowAll);
  await using kit = await openKit({
    url: `${service.url}/check?a=1`,
    send: ['Authorization', 'x-b'],
  });
  const headers = {
    authorization: 'Bearer x',
    'x-b': ['1', '2'],
    cookie: 'c=d',
    'x-forwarded-uri': '/free',
    'x-forwarded-for': '10.9.9.9',
  };
  const script = { method: 'PUT', target: '/a/b?c=d', host: 'h.example', headers, isTls: true };
  assert.equal((await kit.exchange(script).request()).verdict, 'continue');
  const [asked] = service.asked;
  assert.deepEqual([asked?.method, asked?.url], ['GET', '/check?a=1']);
  assert.deepEqual(asked?.headers, {
    authorization: 'Bearer x',
    'x-b': '1, 2',
    host: service.url.slice(7),
    connection: 'keep-alive',
    'x-forwarded-method': 'PUT',
    'x-forwarded-uri': '/a/b?c=d',
    'x-forwarded-host': 'h.example',
    'x-forwarded-for': '192.0.2.1',
    'x-forwarded-proto': 'https',
  });
});

test('the target can be appended, the method and all fields taken over', async () => {
  await using service = await openService(allowAll);
  const config = { url: `${service.url}/auth/`, appendTarget: true, method: 'same', send: 'all' };
  await using kit = await openKit(config);
  const headers = { 'x-a': '1', 'x-forwarded-for': '10.9.9.9', 'transfer-encoding': 'chunked' };
  await kit.exchange({ method: 'DELETE', target: '/x?y', headers }).request();
  const [asked] = service.asked;
  assert.deepEqual([asked?.method, asked?.url], ['DELETE', '/auth/x?y']);
  assert.equal(asked?.headers['x-a'], '1');
  assert.equal(asked?.headers['x-forwarded-for'], '192.0.2.1');
  assert.equal(asked?.headers['transfer-encoding'], undefined);
});

test('the request gets what the service says, and never what the client says in its place', async () => {
  await using service = await openService((_, response) => {
    response.setHeader('x-user', 'ann');
    response.setHeader('x-groups', ['a', 'b']);
    response.setHeader('x-secret', 'not for endpoints').end();
  });
  const config = { url: service.url, toRequest: ['X-User', 'x-groups', 'x-level'] };
  await using kit = await openKit(config);
  const headers = { 'x-user': 'root', 'x-level': '9', 'x-other': 'o' };
  const exchange = kit.exchange({ headers });
  assert.equal((await exchange.request()).verdict, 'continue');
  const expected = { 'x-other': 'o', 'x-user': 'ann', 'x-groups': 'a, b' };
  assert.deepEqual(exchange.requestHeaders, expected);
});

test('what the service denies, the client is told in its words, and by its status', async () => {
  await using service = await openService((request, response) => {
    const status = Number(request.headers['x-forwarded-uri']?.slice(1));
    response.writeHead(status, {
      location: 'https://login.example/',
      'set-cookie': ['a=1', 'b=2'],
      'content-type': 'text/plain',
      'x-secret': 'not for clients',
      'www-authenticate': 'Bearer',
    });
    response.end('no');
  });
  const config = { url: service.url, allow: [200], denyStatus: { 404: 403 } };
  await using kit = await openKit(config);
  const rows: [number, number][] = [
    [401, 401],
    [403, 403],
    [302, 302],
    [404, 403],
    [204, 403],
  ];
  for (const [status, shown] of rows) {
    const outcome = await kit.exchange({ target: `/${status}` }).request();
    assert.deepEqual([outcome.verdict, outcome.code], ['respond', shown]);
    assert.equal(outcome.text, status === 204 ? '' : 'no');
    const fields = ['content-type', 'location', 'set-cookie', 'www-authenticate'];
    assert.deepEqual(Object.keys(outcome.headers).sort(), fields);
    assert.equal(outcome.headers['set-cookie'], 'a=1, b=2');
  }
  assert.deepEqual(kit.log, []);
});

/** Ways for a service not to answer. */
const FAILURES: Readonly<Record<string, Answer>> = {
  slow: () => {},
  'slow content': (_, response) => response.writeHead(200).write('x'),
  '500': (_, response) => response.writeHead(500).end(),
  garbage: (request) => request.socket.end('HTTP/9 what\r\n\r\n'),
  'no answer': (request) => request.socket.destroy(),
  'huge content': (_, response) => response.end('x'.repeat(70_000)),
  'huge head': (_, response) => response.setHeader('x-a', 'x'.repeat(20_000)).end(),
  'many fields': (_, response) =>
    response
      .setHeader(
        'x-user',
        Array.from({ length: 100 }, () => 'u'),
      )
      .end(),
  upgrade: (request) =>
    request.socket.write('HTTP/1.1 101 Go\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
};

test('a service that fails closes the door, or opens it, as configured', async () => {
  for (const [what, answer] of Object.entries(FAILURES)) {
    await using service = await openService(answer);
    const config = { url: service.url, timeout: '100ms', toRequest: ['x-user'] };
    await using closed = await openKit({ ...config, failureStatus: 502 });
    const outcome = await closed.exchange().request();
    assert.deepEqual([outcome.verdict, outcome.code], ['respond', 502], what);
    assert.match(`${closed.log[0]?.message}`, /^http.* does not decide: ./, what);
    assert.equal(closed.log[0]?.level, 'warn');
    await using open = await openKit({ ...config, onFailure: 'open' });
    const exchange = open.exchange({ headers: { 'x-user': 'root' } });
    assert.equal((await exchange.request()).verdict, 'continue', what);
    assert.deepEqual(exchange.requestHeaders, {}, what);
  }
});

test('a service that is not there fails, is told of once, and is asked again', async () => {
  const { url } = await (async () => {
    await using service = await openService(allowAll);
    return { url: service.url };
  })();
  await using kit = await openKit({ url });
  for (let index = 0; index < 20; index++) {
    assert.equal((await kit.exchange().request()).code, 503);
  }
  assert.deepEqual([kit.log.length, /ECONNREFUSED/.test(`${kit.log[0]?.message}`)], [1, true]);
});

test('a request that cannot be a question is the fault of the client', async () => {
  await using service = await openService(allowAll);
  const config = { url: service.url, appendTarget: true, onFailure: 'open' };
  await using kit = await openKit(config);
  assert.equal((await kit.exchange({ target: '/a b' }).request()).code, 400);
  assert.equal(service.asked.length, 0);
});

test('connections are used again, and one that the service closed is no failure', async () => {
  await using service = await openService(allowAll);
  await using kit = await openKit({ url: service.url, connectionsMax: 2 });
  const ask = async () => (await kit.exchange().request()).verdict;
  const all = await Promise.all(Array.from({ length: 20 }, ask));
  assert.deepEqual([[...new Set(all)], service.connectionCount], [['continue'], 2]);
  // Closed while the next question may already be on its way: asked again over another one.
  service.answer((request, response) => {
    if (service.connectionCount === 2) request.socket.resetAndDestroy();
    else response.end();
  });
  assert.equal(await ask(), 'continue');
  assert.ok(service.connectionCount > 2);
  assert.deepEqual(kit.log, []);
});

test('a client that goes away ends its question', async () => {
  await using service = await openService(() => {});
  await using kit = await openKit({ url: service.url, timeout: '10s' });
  const exchange = kit.exchange();
  const waiting = exchange.request();
  while (service.asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const closed = once((service.asked[0] as IncomingMessage).socket, 'close');
  service.asked[0]?.on('error', () => {});
  exchange.end();
  await Promise.all([waiting, closed]);
  assert.deepEqual([kit.held.parked, kit.log], [0, []]);
});

test('decisions are remembered by what the configuration chooses, failures never', async () => {
  await using service = await openService((request, response) => {
    const user = request.headers.authorization;
    response
      .writeHead(user === 'bad' ? 403 : user === 'worse' ? 500 : 200, { 'x-user': user })
      .end();
  });
  const cache = { by: ['authorization', ':path'], ttl: '10m', entries: 3 };
  await using kit = await openKit({ url: service.url, cache, toRequest: ['x-user'] });
  const ask = async (authorization: string, target = '/') => {
    const script: RequestScript = { target, headers: { authorization, 'x-user': 'root' } };
    const exchange = kit.exchange(script);
    const { code } = await exchange.request();
    return [code, code === 0 ? exchange.requestHeaders['x-user'] : '', service.asked.length];
  };
  assert.deepEqual(await ask('ann'), [0, 'ann', 1]);
  assert.deepEqual(await ask('ann', '/?other'), [0, 'ann', 1]);
  assert.deepEqual(await ask('ann', '/other'), [0, 'ann', 2]);
  assert.deepEqual(await ask('bad'), [403, '', 3]);
  assert.deepEqual(await ask('bad'), [403, '', 3]);
  assert.deepEqual(await ask('worse'), [503, '', 4]);
  assert.deepEqual(await ask('worse'), [503, '', 5]);
  // A fourth one pushes out the one that was used least recently.
  assert.deepEqual(await ask('bob'), [0, 'bob', 6]);
  assert.deepEqual(await ask('ann'), [0, 'ann', 7]);
});

test('a configuration that cannot be is refused, with the field and the reason', async () => {
  const url = 'http://127.0.0.1:1/';
  const rows: [object, RegExp][] = [
    [{}, /http or https URL/],
    [{ url: 'unix:/a' }, /http or https URL/],
    [{ url: 'http://user@h/' }, /without a user/],
    [{ url, method: 'G T' }, /a method, or "same"/],
    [{ url, timeout: '1h' }, /from 1ms to 10s/],
    [{ url, send: 'some' }, /"all" or a list/],
    [{ url, toRequest: ['connection'] }, /belongs to the gateway/],
    [{ url, toClient: ['content-length'] }, /belongs to the gateway/],
    [{ url, allow: ['5xx'] }, /a status from 200 to 499/],
    [{ url, denyStatus: { 500: 403 } }, /a status from 200 to 499/],
    [{ url, onFailure: 'maybe' }, /"closed" or "open"/],
    [{ url, cache: { by: [] } }, /what tells requests apart/],
    [{ url, cache: { by: [':port'] } }, /one of :method/],
    [{ url, tiemout: '1s' }, /tiemout/],
  ];
  for (const [config, message] of rows) {
    await assert.rejects(openKit(config), message, JSON.stringify(config));
  }
});
