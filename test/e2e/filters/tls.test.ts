/**
 * Filters behind TLS: what they see of names, protocols and certificates, and that they do there
 * what they do without it.
 *
 * Path: clients with names, protocols and certificates of their own -> listeners with TLS whose
 * records are detached -> origins without.
 * Invariant under test: a filter sees the name that was asked for and the protocol that was agreed
 * on; certificates decide where they are asked about; each host has the filters of its routes,
 * whatever name the connection asked for.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { connect } from 'node:tls';
import type { Owner } from '../harness.ts';
import { ByteStream } from '../http/byte-stream.ts';
import { get } from '../http/http-scene.ts';
import { readResponse } from '../http/message.ts';
import { within } from '../tcp/flow.ts';
import type { Issued } from '../tls/authority.ts';
import { Pki } from '../tls/pki.ts';
import { clientFrame, endpointFrame, readCloseCode, readFrame, TEXT } from '../websocket/frames.ts';
import { handshake, Sockets } from '../websocket/ws-scene.ts';
import { messageFilter, networkFilter, said, shareFilters, streamFilter } from './filter-scene.ts';

const SEES = networkFilter(
  'sees',
  `setup: ({ log }) => log,
  onOpen({ isTls, serverName, alpn }, { shared }) {
    shared.info('open ' + [isTls, serverName, alpn].join(' '));
    return serverName === 'closed.example' ? close() : undefined;
  },
  onEnd(record, { shared }) { shared.info('end', { ...record }); }`,
);

const marks = (mark: string): string =>
  streamFilter(
    `marks-${mark}`,
    `needs: { requestHeaders: ['x-mark'], responseHeaders: true },
  async onRequest(request) {
    await pause(1);
    request.headers.set('x-mark', '${mark} ' + request.isTls + ' ' + request.host);
  },
  onResponse: (response) => void response.headers.set('x-answered', '${mark}')`,
  );

const TEXTS = {
  'sees.ts': SEES,
  'a.ts': marks('a'),
  'b.ts': marks('b'),
  'shout.ts': messageFilter(
    'shout',
    `needs: { messages: { from: 'both' } }, order: 'serial',
  async onMessage(message) {
    await pause(1);
    if (message.text === 'drop') return drop();
    if (message.text === 'close') return close(4001, 'enough');
    return replace(message.text.toUpperCase());
  }`,
  ),
};

/** A client's side of TLS. */
interface Secure {
  readonly name: string;
  readonly alpn?: readonly string[];
  readonly client?: Issued;
}

let pki: Pki;

const shared = shareFilters(TEXTS, (owner) => {
  pki = new Pki(owner);
  const names = ['a.example', 'b.example', 'closed.example'];
  const certificates = names.map((name) => pki.pair({ name }));
  const tls = {
    certificates,
    alpn: ['http/1.1'],
    clientAuth: { mode: 'optional', ca: pki.clientsFile },
  };
  const known = (subject: string): object => ({
    use: 'holdfast/rbac',
    with: { default: 'deny', rules: [{ name: 'known', action: 'allow', when: { subject } }] },
  });
  const route = (path: string, filters: readonly unknown[], more: object = {}): object => {
    return { match: { path }, cluster: 'app', filters, ...more };
  };
  return {
    isRouted: true,
    web: { tls, filters: ['./sees.ts'] },
    http: {
      hosts: [
        {
          names: ['a.example'],
          routes: [
            route('/ws', ['./shout.ts'], { websocket: true }),
            route('/private', [known('CN=alice'), './a.ts']),
            route('/', ['./a.ts']),
          ],
        },
        { names: ['b.example'], routes: [route('/', ['./b.ts'])] },
      ],
    },
    listeners: [
      {
        name: 'raw',
        bind: '127.0.0.1:0',
        cluster: 'app',
        tls: { ...tls, alpn: ['chat/2', 'chat/1'] },
        filters: [known('CN=alice'), './sees.ts'],
      },
    ],
  };
});

async function open(owner: Owner, secure: Secure, listener = 'web'): Promise<ByteStream> {
  const { name, alpn, client } = secure;
  const place = { host: '127.0.0.1', port: shared.scene().port(listener), allowHalfOpen: true };
  const socket = connect({
    ...place,
    ca: pki.root.cert,
    servername: name,
    ...(alpn === undefined ? {} : { ALPNProtocols: [...alpn] }),
    ...(client === undefined ? {} : { cert: client.chain, key: client.key }),
  });
  const stream = new ByteStream(owner, socket);
  await within('a handshake', once(socket, 'secureConnect'));
  return stream;
}

function clientOf(name: string): Issued {
  return pki.clients.issue({ name });
}

test('a network filter sees the name and the protocol that were agreed on', async (t) => {
  const { gateway } = shared.scene();
  const client = await open(t, { name: 'b.example', alpn: ['h2', 'http/1.1'] });
  await said(gateway, 'open true b.example http/1.1');
  client.send(get('/', { Host: 'b.example' }));
  assert.equal((await readResponse(client)).status, 200);
  const from = gateway.records.length;
  client.socket.destroy();
  const record = await said(gateway, 'end', from);
  assert.ok(Number(record['bytesIn']) > 0);
  await open(t, { name: 'a.example' });
  await said(gateway, 'open true a.example ');
});

test('what it closes by name ends before a request is read', async (t) => {
  const { gateway, origin } = shared.scene();
  const seen = origin.seen.length;
  const client = await open(t, { name: 'closed.example' });
  client.send(get('/', { Host: 'a.example' }));
  assert.notEqual(await client.ended(), 'closed');
  await gateway.accessed(({ reason }) => reason === 'filter');
  assert.equal(origin.seen.length, seen);
});

test('each host has the filters of its routes, on one connection', async (t) => {
  const client = await open(t, { name: 'a.example' });
  for (const host of ['a', 'b', 'a']) {
    client.send(get('/', { Host: `${host}.example` }));
    const response = await readResponse(client);
    const { fields } = JSON.parse(response.text) as { fields: [string, string][] };
    const mark = fields.find(([name]) => name.toLowerCase() === 'x-mark')?.[1];
    assert.equal(mark, `${host} true ${host}.example`);
    assert.deepEqual(
      response.fields.filter(([name]) => name === 'x-answered').map(([, value]) => value),
      [host],
    );
  }
});

test('rbac goes by the subject of the client, on a route', async (t) => {
  const ask = async (client?: Issued): Promise<number> => {
    const stream = await open(t, {
      name: 'a.example',
      ...(client === undefined ? {} : { client }),
    });
    stream.send(get('/private', { Host: 'a.example' }));
    return (await readResponse(stream)).status;
  };
  assert.equal(await ask(clientOf('alice')), 200);
  assert.equal(await ask(clientOf('mallory')), 403);
  assert.equal(await ask(), 403, 'without a certificate');
});

test('rbac goes by the subject of the client, on a listener of TCP', async (t) => {
  const { gateway } = shared.scene();
  const alice = await open(
    t,
    { name: 'a.example', alpn: ['chat/1', 'chat/2'], client: clientOf('alice') },
    'raw',
  );
  await said(gateway, 'open true a.example chat/2');
  alice.send(get('/', { Host: 'a.example' }));
  assert.equal((await readResponse(alice)).status, 200);
  const mallory = await open(t, { name: 'a.example', client: clientOf('mallory') }, 'raw');
  mallory.send(get('/', { Host: 'a.example' }));
  await mallory.ended();
  assert.equal(mallory.received, 0);
  const record = await gateway.accessed(
    ({ listener, reason }) => listener === 'raw' && reason === 'filter',
  );
  assert.equal(record['bytesOut'] ?? 0, 0);
});

test('messages through wss are replaced, dropped and closed both ways', async (t) => {
  const sockets = new Sockets(shared.scene().origin);
  const client = await open(t, { name: 'a.example' });
  client.send(handshake());
  assert.equal((await readResponse(client)).status, 101);
  const { stream: endpoint } = await sockets.next();
  for (const text of ['one', 'drop', 'two']) client.send(clientFrame(TEXT, text));
  for (const text of ['ONE', 'TWO']) {
    assert.equal((await readFrame(endpoint)).payload.toString(), text);
  }
  for (const text of ['three', 'drop', 'x'.repeat(20_000)]) {
    endpoint.send(endpointFrame(TEXT, text));
  }
  for (const text of ['THREE', 'X'.repeat(20_000)]) {
    assert.equal((await readFrame(client)).payload.toString(), text);
  }
  client.send(clientFrame(TEXT, 'close'));
  assert.equal(await readCloseCode(client), 4001);
});
