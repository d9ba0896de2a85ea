/**
 * Health checks over HTTP: what endpoints are asked, and which answers take them out.
 *
 * Path: endpoints that answer as a test says <- the checks of a running gateway.
 * Invariant under test: only a status that was asked for is a good answer; everything else, and
 * nothing at all, is a failed check that says why.
 */
import assert from 'node:assert/strict';
import { createServer, type Server, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { GatewayProcess, type Owner } from '../harness.ts';
import { Pki } from '../tls/pki.ts';

const GOOD = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const TIMING = 'interval: 100ms, timeout: 100ms, jitter: 0%, unhealthyAfter: 2, healthyAfter: 2';

/** An endpoint that reads one request of each connection and answers it as it is told. */
class CheckedEndpoint {
  readonly requests: string[] = [];
  answer: (socket: Socket) => void = (socket) => socket.end(GOOD);
  port = 0;
  #wake: () => void = () => {};

  static async start(
    owner: Owner,
    listen: (each: (socket: Socket) => void) => Server = createServer,
  ): Promise<CheckedEndpoint> {
    const endpoint = new CheckedEndpoint();
    const live = new Set<Socket>();
    const server = listen((socket) => {
      live.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => live.delete(socket));
      let text = '';
      socket.on('data', (bytes: Buffer) => {
        text += bytes.toString('latin1');
        if (text.endsWith('\r\n\r\n')) {
          endpoint.requests.push(text);
          endpoint.answer(socket);
          endpoint.#wake();
        }
      });
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    owner.after(() => {
      server.close();
      for (const socket of live) {
        socket.destroy();
      }
    });
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    endpoint.port = address.port;
    return endpoint;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** The next request from now on. */
  async asked(): Promise<string> {
    const before = this.requests.length;
    while (this.requests.length === before) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.requests.at(-1) ?? '';
  }
}

interface EndpointView {
  readonly state: string;
  readonly lastError: string | null;
}

/** A gateway that checks one endpoint. */
async function start(
  t: TestContext,
  { endpoint, check, cluster = '' }: { endpoint: CheckedEndpoint; check: string; cluster?: string },
): Promise<{ whenState: (state: string) => Promise<EndpointView> }> {
  const gateway = await GatewayProcess.start(t, {
    yaml: `
shards: 1
listeners: [{ name: front, bind: 127.0.0.1:0, cluster: c }]
clusters:
  - name: c
    endpoints: [${endpoint.address}]
    healthCheck: { type: http, ${check} ${TIMING} }
    ${cluster}
`,
  });
  return {
    whenState: async (state) => {
      const view = (json: { endpoints: EndpointView[] }): EndpointView | undefined =>
        json.endpoints.find((each) => each.state === state);
      const { json } = await gateway.adminUntil(
        '/v1/clusters/c',
        (answer) => view(answer.json) !== undefined,
      );
      const found = view(json);
      assert.ok(found !== undefined);
      return found;
    },
  };
}

test('an endpoint is asked as configured, and its status decides', async (t) => {
  const endpoint = await CheckedEndpoint.start(t);
  const check =
    'path: "/healthz?deep=1", host: app.internal, headers: { x-probe: a }, status: 401,';
  const { whenState } = await start(t, { endpoint, check });
  assert.equal(
    await endpoint.asked(),
    'GET /healthz?deep=1 HTTP/1.1\r\nHost: app.internal\r\nUser-Agent: holdfast-health-check\r\n' +
      'x-probe: a\r\nConnection: close\r\n\r\n',
  );
  assert.equal((await whenState('unhealthy')).lastError, 'status 200');
  endpoint.answer = (socket) => socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n');
  assert.equal((await whenState('healthy')).lastError, null);
});

const BAD: readonly (readonly [what: string, error: string, answer: (socket: Socket) => void])[] = [
  ['another status', 'status 503', (socket) => socket.end('HTTP/1.1 503 Busy\r\n\r\n')],
  ['no HTTP', 'EPROTO', (socket) => socket.end('220 mail.example ESMTP\r\n')],
  [
    'a head that has two readings',
    'EPROTO',
    (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'),
  ],
  ['nothing', 'ETIMEDOUT', () => {}],
  ['half a head', 'ETIMEDOUT', (socket) => socket.write('HTTP/1.1 200 OK\r\n')],
  ['an end', 'ECONNRESET', (socket) => socket.end()],
  ['a reset', 'ECONNRESET', (socket) => socket.resetAndDestroy()],
];

for (const [what, error, answer] of BAD) {
  test(`an endpoint that answers with ${what} is taken out, and comes back`, async (t) => {
    const endpoint = await CheckedEndpoint.start(t);
    const { whenState } = await start(t, { endpoint, check: '' });
    await whenState('healthy');
    endpoint.answer = answer;
    assert.equal((await whenState('unhealthy')).lastError, error);
    endpoint.answer = (socket) => socket.end(GOOD);
    await whenState('healthy');
  });
}

test('answers may come in pieces, behind interim ones, and with more content than is read', async (t) => {
  const endpoint = await CheckedEndpoint.start(t);
  endpoint.answer = (socket) => socket.end('HTTP/1.1 500 Error\r\n\r\n');
  const { whenState } = await start(t, { endpoint, check: '' });
  await whenState('unhealthy');
  endpoint.answer = (socket) => {
    socket.setNoDelay(true);
    const bytes = Buffer.from('HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n');
    const next = (at: number): void => {
      if (at < bytes.length) {
        socket.write(bytes.subarray(at, at + 1), () => next(at + 1));
      } else {
        socket.end(Buffer.alloc(200_000));
      }
    };
    next(0);
  };
  await whenState('healthy');
});

test('endpoints that wait for a PROXY header get one', async (t) => {
  const endpoint = await CheckedEndpoint.start(t);
  await start(t, { endpoint, check: '', cluster: 'proxyProtocol: v1' });
  assert.match(await endpoint.asked(), /^PROXY UNKNOWN\r\nGET \/ HTTP\/1\.1\r\n/);
});

test('where the cluster has TLS, checks have it too', async (t) => {
  const pki = new Pki(t);
  const { chain, key } = pki.root.issue({ name: 'endpoint.example' });
  const endpoint = await CheckedEndpoint.start(t, (each) =>
    createTlsServer({ cert: chain, key }, each),
  );
  const tls = (serverName: string): string =>
    `tls: { ca: ${pki.rootFile}, serverName: ${serverName} }`;
  const right = await start(t, { endpoint, check: '', cluster: tls('endpoint.example') });
  assert.match(await endpoint.asked(), /^GET \/ HTTP\/1\.1\r\nHost: endpoint\.example\r\n/);
  endpoint.answer = (socket) => socket.end('HTTP/1.1 503 Busy\r\n\r\n');
  assert.equal((await right.whenState('unhealthy')).lastError, 'status 503');
  endpoint.answer = (socket) => socket.end('what?\r\n');
  await endpoint.asked();
  endpoint.answer = (socket) => socket.end(GOOD);
  await right.whenState('healthy');
  const before = endpoint.requests.length;
  endpoint.answer = () => {
    // Never asked in the name of somebody else.
  };
  const wrong = await start(t, { endpoint, check: '', cluster: tls('other.example') });
  const { lastError } = await wrong.whenState('unhealthy');
  assert.match(String(lastError), /ERR_TLS_CERT_ALTNAME_INVALID/);
  const hosts = endpoint.requests.slice(before).map((text) => /^Host: (.*)\r$/m.exec(text)?.[1]);
  assert.ok(hosts.every((host) => host === 'endpoint.example'));
});
