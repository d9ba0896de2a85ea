/**
 * The origin of the demo's page, without a gateway in front: its admin socket is played.
 *
 * Path: src/main/demo/page-origin.ts and gateway-news.ts, through real sockets.
 * Invariant under test: news come as events, also when nobody knows any; other pages can neither
 * reload nor open WebSockets; closing ends everything.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { PageOrigin } from '../../../src/main/demo/index.ts';
import { makeDirectory } from '../../e2e/harness.ts';

const SIZES = { conn: 40, tunnel: 136, frames: 32 };
const ANSWERS: Readonly<Record<string, unknown>> = {
  '/v1/status': { generation: 3, state: 'serving', connections: 7 },
  '/v1/stats': {
    http: [{ name: 'web', counters: { requests: 5, webSocketsActive: 2 } }],
  },
  '/v1/shards': { shards: [{ connections: 4 }, { connections: 3 }], recordBytes: SIZES },
  '/v1/connections': {
    connections: [{ id: '0-1-1', protocol: 'websocket', route: 'messages', ageMs: 10 }],
  },
  '/v1/reload': { result: 'applied', generation: 4, changes: [] },
};

async function startAdmin(t: TestContext): Promise<string> {
  const path = join(makeDirectory(t), 'admin.sock');
  const admin = createServer(({ url = '' }, response) => {
    response.end(JSON.stringify(ANSWERS[url.replace(/\?.*/, '')]));
  });
  admin.listen(path);
  await once(admin, 'listening');
  t.after(() => {
    admin.close();
  });
  return path;
}

async function startPage(t: TestContext, adminSocket: string | null): Promise<string> {
  const page = new PageOrigin();
  const port = await page.start();
  t.after(() => page.close());
  page.follow(adminSocket);
  return `http://127.0.0.1:${port}`;
}

/** Reads events until one of this name. */
async function readEvent(url: string, name: string): Promise<unknown> {
  const abort = new AbortController();
  const { body } = await fetch(`${url}/news`, { signal: abort.signal });
  assert.ok(body !== null);
  let text = '';
  for await (const part of body.pipeThrough(new TextDecoderStream())) {
    text += part;
    const found = new RegExp(`event: ${name}\ndata: (.*)\n\n`).exec(text);
    if (found?.[1] === undefined) continue;
    setImmediate(() => abort.abort());
    return JSON.parse(found[1]);
  }
  throw new Error(`the events ended: ${text}`);
}

test('the page is whole in itself', async (t) => {
  const url = await startPage(t, null);
  const answer = await fetch(`${url}/`);
  const text = await answer.text();
  assert.match(answer.headers.get('content-security-policy') ?? '', /default-src 'none'/);
  const places = [...text.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, place]) => place);
  assert.deepEqual(
    places.filter((place) => !place?.startsWith('data:')),
    [],
  );
  assert.equal((await fetch(`${url}/other`)).status, 404);
});

test('news are what the gateway says', async (t) => {
  const url = await startPage(t, await startAdmin(t));
  assert.deepEqual(await readEvent(url, 'news'), {
    generation: 3,
    state: 'serving',
    connections: 7,
    shards: [4, 3],
    requests: 5,
    webSockets: 2,
    messages: 0,
    webSocketBytes: 248,
    list: [
      {
        id: '0-1-1',
        protocol: 'websocket',
        route: 'messages',
        ageMs: 10,
        messages: 0,
        lastPongMs: 0,
      },
    ],
  });
});

test('where nobody answers there are no news, and that is no fault', async (t) => {
  assert.equal(await readEvent(await startPage(t, null), 'news'), null);
  const gone = join(makeDirectory(t), 'gone.sock');
  const url = await startPage(t, gone);
  assert.equal(await readEvent(url, 'news'), null);
  assert.equal((await fetch(`${url}/reload`, { method: 'POST' })).status, 502);
});

test('a reload is for the page itself', async (t) => {
  const url = await startPage(t, await startAdmin(t));
  const foreign = { method: 'POST', headers: { origin: 'http://elsewhere.example' } };
  assert.equal((await fetch(`${url}/reload`, foreign)).status, 403);
  const events = readEvent(url, 'reload');
  const own = await fetch(`${url}/reload`, { method: 'POST', headers: { origin: url } });
  assert.deepEqual(await own.json(), ANSWERS['/v1/reload']);
  assert.deepEqual(await events, ANSWERS['/v1/reload']);
});

async function upgrade(url: string, path: string, origin: string): Promise<number> {
  const key = Buffer.alloc(16).toString('base64');
  const headers = {
    connection: 'upgrade',
    upgrade: 'websocket',
    'sec-websocket-key': key,
    'sec-websocket-version': '13',
    origin,
  };
  const asked = request(`${url}${path}`, { headers, agent: false });
  asked.end();
  return new Promise((resolve, reject) => {
    asked.once('error', reject);
    asked.once('response', (answer) => {
      resolve(answer.statusCode ?? 0);
      answer.resume();
    });
    asked.once('upgrade', (answer, socket) => {
      resolve(answer.statusCode ?? 0);
      socket.destroy();
    });
  });
}

test('WebSockets send back what they get, and open for the page itself', async (t) => {
  const url = await startPage(t, null);
  assert.equal(await upgrade(url, '/messages', 'http://elsewhere.example'), 403);
  assert.equal(await upgrade(url, '/other', url), 403);
  assert.equal(await upgrade(url, '/messages', url), 101);
  const socket = new WebSocket(`${url.replace('http', 'ws')}/messages`);
  await once(socket, 'open');
  socket.send('what you say comes back');
  const [message] = (await once(socket, 'message')) as [MessageEvent];
  assert.equal(message.data, 'what you say comes back');
  socket.close(4000);
  const [close] = (await once(socket, 'close')) as [CloseEvent];
  assert.equal(close.code, 4000);
});

test('closing ends WebSockets and events', async (t) => {
  const page = new PageOrigin();
  const port = await page.start();
  t.after(() => page.close());
  const socket = new WebSocket(`ws://127.0.0.1:${port}/messages`);
  await once(socket, 'open');
  const closed = once(socket, 'close');
  const { body } = await fetch(`http://127.0.0.1:${port}/news`);
  const reader = body?.getReader();
  await reader?.read();
  page.close();
  await closed;
  await assert.rejects(async () => {
    while ((await reader?.read())?.done === false);
  });
});
