/**
 * Health checks over TLS: an endpoint is healthy when its certificate is.
 *
 * Path: a running gateway that checks endpoints of every kind, and its admin API.
 * Invariant under test: what connections would be refused for, checks fail for; a check leaves no
 * connection behind.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createServer, type TlsOptions } from 'node:tls';
import { GatewayProcess, makeDirectory, startEcho } from '../harness.ts';
import { Authority, writePair } from '../tls/authority.ts';

const root = Authority.root('Root');
const stranger = Authority.root('Stranger');

interface SecureOrigin {
  readonly address: string;
  readonly open: ReadonlySet<Socket>;
  /** Names that were asked for. */
  readonly asked: (string | false)[];
}

/** An endpoint that shakes hands and then is silent. */
async function startSecure(t: TestContext, options: TlsOptions): Promise<SecureOrigin> {
  const open = new Set<Socket>();
  const asked: (string | false)[] = [];
  const listening = createServer(options, (socket) => {
    asked.push(socket.servername ?? false);
    socket.on('error', () => {});
  });
  listening.on('tlsClientError', () => {});
  listening.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => open.delete(socket));
  });
  listening.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  t.after(() => {
    for (const socket of open) socket.destroy();
    listening.close();
  });
  const bound = listening.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  return { address: `127.0.0.1:${port}`, open, asked };
}

function pairOf(authority: Authority, name: string, altNames = [name]): TlsOptions {
  const { chain, key } = authority.issue({ name, altNames });
  return { cert: chain, key };
}

/** What status says about each endpoint, once every one was checked and turned. */
async function verdicts(
  gateway: GatewayProcess,
  cluster: string,
  isDone: (states: string[]) => boolean,
): Promise<string[]> {
  const statesOf = (json: { endpoints: { state: string; lastError: string | null }[] }): string[] =>
    json.endpoints.map(({ state, lastError }) => `${state} ${lastError ?? '-'}`);
  const { json } = await gateway.adminUntil(`/v1/clusters/${cluster}`, (answer) =>
    isDone(statesOf(answer.json)),
  );
  return statesOf(json);
}

test('chain, name and protocol are checked as connections would', async (t) => {
  const directory = makeDirectory(t);
  writeFileSync(join(directory, 'ca.pem'), root.cert);
  writePair(directory, 'us', stranger.issue({ name: 'us' }));
  const good = await startSecure(t, pairOf(root, 'b.internal'));
  const unknown = await startSecure(t, pairOf(stranger, 'b.internal'));
  const otherName = await startSecure(t, pairOf(root, 'c.internal'));
  const plain = await startEcho(t);
  const byAddress = await startSecure(t, pairOf(root, 'x', ['127.0.0.1']));
  const strict = await startSecure(t, {
    ...pairOf(root, 'd.internal'),
    requestCert: true,
    rejectUnauthorized: true,
    ca: stranger.cert,
  });
  const checks =
    'healthCheck: { type: tls, interval: 100ms, timeout: 5s, unhealthyAfter: 1, healthyAfter: 1 }';
  const gateway = await GatewayProcess.start(t, {
    directory,
    yaml: `
drain: { readinessDelay: 0s, over: 0s, grace: 1s }
listeners:
  - name: all
    bind: 127.0.0.1:0
    cluster: named
    tls: { mode: passthrough }
    routes:
      - { serverNames: addressed, cluster: addressed }
      - { serverNames: unchecked, cluster: unchecked }
      - { serverNames: shown, cluster: shown }
      - { serverNames: unshown, cluster: unshown }
clusters:
  - name: named
    endpoints:
      - ${good.address}
      - ${unknown.address}
      - ${otherName.address}
      - 127.0.0.1:${plain.port}
    tls: { ca: ca.pem, serverName: B.internal }
    ${checks}
  - name: addressed
    endpoints: [${byAddress.address}]
    tls: { ca: ca.pem }
    ${checks}
  - name: unchecked
    endpoints: [${unknown.address}]
    tls: { verify: off }
    ${checks}
  - name: shown
    endpoints: [${strict.address}]
    tls: { ca: ca.pem, serverName: d.internal, cert: us.pem, key: us.key }
    ${checks}
  - name: unshown
    endpoints: [${strict.address}]
    tls: { ca: ca.pem, serverName: d.internal }
    ${checks}
`,
  });
  const named = await verdicts(gateway, 'named', (states) =>
    states.slice(1).every((state) => state.startsWith('unhealthy')),
  );
  assert.equal(named[0], 'healthy -');
  assert.match(`${named[1]}`, /UNABLE_TO|SELF_SIGNED/);
  assert.match(`${named[2]}`, /ERR_TLS_CERT_ALTNAME_INVALID/);
  assert.match(`${named[3]}`, /^unhealthy /);
  const isRefused = ([state = '']: string[]): boolean => state.startsWith('unhealthy');
  const [unshown] = await verdicts(gateway, 'unshown', isRefused);
  assert.match(`${unshown}`, /CERTIFICATE_REQUIRED/);
  for (const [cluster, origin] of [
    ['addressed', byAddress],
    ['shown', strict],
  ] as const) {
    await gateway.adminUntil('/v1/status', () => origin.asked.length >= 2);
    assert.deepEqual(await verdicts(gateway, cluster, () => true), ['healthy -'], cluster);
  }
  assert.deepEqual(await verdicts(gateway, 'unchecked', () => true), ['healthy -']);
  assert.equal(good.asked[0], 'b.internal');
  assert.equal(byAddress.asked[0], false);
  // Hundreds of checks leave no descriptor behind.
  const counted = /holdfast_health_checks_total\{cluster="named",result="success"\} (\d+)/;
  await gateway.adminUntil(
    '/metrics?scope=endpoint',
    ({ text }) => Number(counted.exec(text)?.[1]) >= 30,
  );
  const { text } = await gateway.counted('/metrics?scope=process');
  assert.ok(Number(/holdfast_open_fds (\d+)/.exec(text)?.[1]) < 120, text);
  gateway.signal('SIGTERM');
  await gateway.exited;
  assert.equal(good.open.size, 0);
});
