/**
 * What the gateway adds to requests and responses, takes out of them and lets pass.
 *
 * Path: clients that say who they are, trusted or not, and origins that show what reached them
 * (threats rows C9, C12).
 * Invariant under test: fields of one connection stay on it; what says who a client is comes from
 * the gateway or from a peer it trusts, whatever a client calls its fields; edits do what they say.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Owner } from '../harness.ts';
import { type Seen, seenIn } from './http-origin.ts';
import { get, HttpScene, shareHttp } from './http-scene.ts';
import { readResponse, valueOf, valuesOf } from './message.ts';

const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
/** Believed by the listener `trusting`; the loopback network has room for others. */
const TRUSTED = '127.0.0.7';

const SPOOFED = {
  'X-Forwarded-For': '1.2.3.4',
  'X-Forwarded-Proto': 'https',
  'X-Forwarded-Host': 'evil.example',
  'X-Request-Id': 'mine',
  Forwarded: 'for=1.2.3.4;proto=https',
};

describe('fields', () => {
  const shared = shareHttp(() => ({
    isRouted: true,
    http: {
      trust: [`${TRUSTED}/32`],
      forwarded: ['x-forwarded', 'forwarded'],
      hosts: [
        {
          routes: [
            {
              match: { path: '/edits' },
              cluster: 'app',
              requestHeaders: {
                set: {
                  'x-client': '%{client.address}',
                  'x-who': '%{header.x-user}@%{host}',
                  'x-cookie': '%{cookie.sid}',
                  'x-query': '%{query.q}',
                  'x-line': '%{method} %{path} 100%%',
                },
                add: { 'x-many': 'two' },
                remove: ['x-secret', 'cookie'],
              },
              responseHeaders: {
                set: { 'x-route': '%{route}', 'cache-control': 'no-store' },
                add: { 'set-cookie': 'b=2' },
                remove: ['x-powered-by'],
              },
            },
            { match: { path: '/' }, cluster: 'app' },
          ],
        },
      ],
    },
  }));

  async function seen(t: Owner, request: string): Promise<Seen> {
    return seenIn(await shared.scene().ask(t, request));
  }

  test('fields that belong to the connection do not pass', async (t) => {
    const hop = {
      Connection: 'keep-alive, X-Private',
      'Keep-Alive': 'timeout=5',
      'Proxy-Connection': 'keep-alive',
      'X-Private': 'p',
      'X-Public': 'q',
      TE: 'gzip',
      Upgrade: 'h2c',
      'HTTP2-Settings': 'AAMAAABkAARAAAAAAAIAAAAA',
    };
    const got = await seen(t, get('/', hop));
    for (const name of ['connection', 'keep-alive', 'proxy-connection', 'x-private', 'upgrade']) {
      assert.equal(valueOf(got, name), undefined, name);
    }
    assert.equal(valueOf(got, 'x-public'), 'q');
    assert.notEqual(valueOf(got, 'te'), 'gzip');
    const h2c = { Connection: 'Upgrade, HTTP2-Settings', Upgrade: 'h2c', 'HTTP2-Settings': 'AA' };
    const stripped = await seen(t, get('/', h2c));
    assert.equal(valueOf(stripped, 'upgrade'), undefined);
    assert.equal(valueOf(stripped, 'http2-settings'), undefined);
  });

  test('fields of the origin’s connection do not pass either', async (t) => {
    const scene = shared.scene();
    scene.origin.on('/hop', (request) =>
      request.reply({
        fields: [
          ['Connection', 'keep-alive, X-Private'],
          ['Keep-Alive', 'timeout=5'],
          ['X-Private', 'p'],
          ['X-Public', 'q'],
          ['Proxy-Connection', 'keep-alive'],
        ],
        body: 'ok',
      }),
    );
    const response = await scene.ask(t, get('/hop'));
    for (const name of ['connection', 'keep-alive', 'x-private', 'proxy-connection']) {
      assert.equal(valueOf(response, name), undefined, name);
    }
    assert.equal(valueOf(response, 'x-public'), 'q');
  });

  test('Connection cannot take out what the gateway adds', async (t) => {
    const names = 'x-forwarded-for, x-forwarded-proto, x-forwarded-host, x-request-id, forwarded';
    const got = await seen(t, get('/', { Connection: `close, ${names}`, ...SPOOFED }));
    assert.equal(valueOf(got, 'x-forwarded-for'), '127.0.0.1');
    assert.equal(valueOf(got, 'x-forwarded-proto'), 'http');
    assert.equal(valueOf(got, 'x-forwarded-host'), 'a.example');
    assert.ok(valueOf(got, 'x-request-id'));
    assert.match(valueOf(got, 'forwarded') ?? '', /for="?127\.0\.0\.1/i);
  });

  test('Connection cannot take out Host or framing', async (t) => {
    for (const name of ['host', 'content-length', 'transfer-encoding']) {
      const response = await shared.scene().ask(t, get('/', { Connection: `close, ${name}` }));
      assert.equal(response.status, 400, name);
    }
  });

  test('a client that nobody trusts is who it is', async (t) => {
    const got = await seen(t, get('/', SPOOFED));
    assert.equal(valueOf(got, 'x-forwarded-for'), '127.0.0.1');
    assert.equal(valueOf(got, 'x-forwarded-proto'), 'http');
    assert.equal(valueOf(got, 'x-forwarded-host'), 'a.example');
    assert.notEqual(valueOf(got, 'x-request-id'), 'mine');
    assert.doesNotMatch(valueOf(got, 'forwarded') ?? '', /1\.2\.3\.4|https/);
  });

  test('other spellings of such names do not pass', async (t) => {
    for (const name of ['X_Forwarded_For', 'X-Forwarded_For', 'x_request_id']) {
      const response = await shared.scene().ask(t, get('/', { [name]: '1.2.3.4' }));
      assert.equal(response.status, 400, name);
    }
    const twice = 'GET / HTTP/1.1\r\nHost: a.example\r\nx-forwarded-for: 1.1.1.1\r\n';
    const got = await seen(t, `${twice}X-FORWARDED-FOR: 2.2.2.2\r\n\r\n`);
    assert.deepEqual(valuesOf(got, 'x-forwarded-for'), ['127.0.0.1']);
  });

  test('a peer that is trusted is believed, and added to the chain', async (t) => {
    const scene = shared.scene();
    const client = await scene.connect(t, { localAddress: TRUSTED });
    client.send(get('/', { ...SPOOFED, traceparent: TRACE }));
    const got = seenIn(await readResponse(client));
    assert.deepEqual(
      valuesOf(got, 'x-forwarded-for')
        .join(', ')
        .split(/\s*,\s*/),
      ['1.2.3.4', TRUSTED],
    );
    assert.equal(valueOf(got, 'x-forwarded-proto'), 'https');
    assert.equal(valueOf(got, 'x-forwarded-host'), 'evil.example');
    assert.equal(valueOf(got, 'x-request-id'), 'mine');
    assert.equal(valueOf(got, 'traceparent'), TRACE);
    const forwarded = valuesOf(got, 'forwarded').join(', ');
    assert.match(forwarded, /for=1\.2\.3\.4;proto=https/);
    assert.match(forwarded, new RegExp(`for="?${TRUSTED.replaceAll('.', '\\.')}`, 'i'));
  });

  test('each request has an id of its own', async (t) => {
    const ids = new Set<string | undefined>();
    const client = await shared.scene().connect(t);
    for (let i = 0; i < 50; i++) {
      client.send(get());
      ids.add(valueOf(seenIn(await readResponse(client)), 'x-request-id'));
    }
    assert.equal(ids.size, 50);
    assert.equal(ids.has(undefined), false);
  });

  test('edits set, add and remove, with variables', async (t) => {
    const scene = shared.scene();
    const fields = {
      Host: 'a.example',
      'X-User': 'ann',
      'X-Secret': 's',
      'X-Many': 'one',
      'X-Client': 'spoofed',
      Cookie: 'a=1; sid=s77; b=2',
    };
    const got = seenIn(await scene.ask(t, get('/edits/deep?q=r%20s&x=y', fields)));
    assert.equal(valueOf(got, 'x-client'), '127.0.0.1');
    assert.equal(valueOf(got, 'x-who'), 'ann@a.example');
    assert.equal(valueOf(got, 'x-cookie'), 's77');
    assert.equal(valueOf(got, 'x-query'), 'r%20s');
    assert.match(valueOf(got, 'x-line') ?? '', /^GET \/edits\/deep.* 100%$/);
    assert.deepEqual(valuesOf(got, 'x-many'), ['one', 'two']);
    assert.equal(valueOf(got, 'x-secret'), undefined);
    assert.equal(valueOf(got, 'cookie'), undefined);
  });

  test('edits of responses do the same', async (t) => {
    const scene = shared.scene();
    scene.origin.on('/edits', (request) =>
      request.reply({
        fields: [
          ['X-Powered-By', 'magic'],
          ['Cache-Control', 'public'],
          ['Set-Cookie', 'a=1'],
        ],
        body: 'edited',
      }),
    );
    const response = await scene.ask(t, get('/edits'));
    assert.equal(valueOf(response, 'x-powered-by'), undefined);
    assert.equal(valueOf(response, 'cache-control'), 'no-store');
    assert.deepEqual(valuesOf(response, 'set-cookie'), ['a=1', 'b=2']);
    assert.ok(valueOf(response, 'x-route'));
  });

  test('everything else passes as it is, in its order', async (t) => {
    const lines = [
      ['X-B', '2'],
      ['x-a', '1'],
      ['X-B', '3'],
      ['Accept', 'text/*;q=0.3, */*'],
      ['X-Empty', ''],
      ['X-Latin', 'caf\xe9'],
      ['Cookie', 'a=b; c="d"'],
    ] as const;
    const text = lines.map(([name, value]) => `${name}:   ${value} \r\n`).join('');
    const got = await seen(t, `GET / HTTP/1.1\r\nHost: a.example\r\n${text}\r\n`);
    const names = new Set(lines.map(([name]) => name.toLowerCase()));
    assert.deepEqual(
      got.fields.filter(([name]) => names.has(name.toLowerCase())),
      lines.map((line) => [...line]),
    );
  });
});

test('tracing is created, continued and removed as configured', async (t) => {
  const form = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;
  const ask = async (
    trace: string,
    fields: Record<string, string>,
  ): Promise<string | undefined> => {
    const scene = await HttpScene.start(t, { http: { trace, trust: ['127.0.0.1/32'] } });
    return valueOf(seenIn(await scene.ask(t, get('/', fields))), 'traceparent');
  };
  assert.match((await ask('create', {})) ?? '', form);
  const continued = await ask('create', { traceparent: TRACE });
  assert.match(continued ?? '', form);
  assert.equal(continued?.slice(0, 35), TRACE.slice(0, 35));
  assert.equal(await ask('remove', { traceparent: TRACE }), undefined);
});

test('Via and Server are as configured', async (t) => {
  const scene = await HttpScene.start(t, {
    http: { via: 'holdfast-1', server: 'front', forwarded: [], requestId: false },
  });
  scene.origin.on('/server', (request) =>
    request.reply({ fields: [['Server', 'origin/1.0']], body: 'x' }),
  );
  const response = await scene.ask(t, get('/server', { Via: '1.1 earlier' }));
  assert.equal(valueOf(response, 'server'), 'front');
  assert.match(valuesOf(response, 'via').join(', '), /1\.1 holdfast-1$/);
  const got = seenIn(await scene.ask(t, get('/', { Via: '1.1 earlier' })));
  assert.match(valuesOf(got, 'via').join(', '), /^1\.1 earlier, 1\.1 holdfast-1$/);
  assert.equal(valueOf(got, 'x-request-id'), undefined);
  assert.equal(valueOf(got, 'forwarded'), undefined);
});
