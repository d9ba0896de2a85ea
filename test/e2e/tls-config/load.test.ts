/**
 * Certificates change many times while clients come and go without a pause.
 *
 * Path: a gateway whose files are replaced and reloaded over and over; clients that each check the
 * certificate they are shown and one echo.
 * Invariant under test: no handshake fails, every client meets a pair that was current while it
 * shook hands, and nothing is left of the former ones.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { GatewayProcess, makeDirectory, startEcho } from '../harness.ts';
import { createFileOwner } from '../peers/file-owner.ts';
import { Authority, writePair } from '../tls/authority.ts';
import { SecureClient } from './secure-client.ts';

const ROTATIONS = Number(process.env['HF_TEST_ROTATIONS'] ?? 60);
const CLIENTS_AT_ONCE = 4;

const file = createFileOwner();

async function residentBytes(gateway: GatewayProcess): Promise<number> {
  return (await gateway.counted('/v1/stats')).json.process.residentBytes;
}

for (const threads of ['off', '1']) {
  test(`${ROTATIONS} rotations under load, handshake threads ${threads}: none fails`, async (t) => {
    const origin = await startEcho(file);
    const directory = makeDirectory(t);
    const root = Authority.root('Root');
    const pairs = Array.from({ length: 8 }, () => root.issue({ name: 'a.example' }));
    const put = (turn: number): string => {
      const pair = pairs[turn % pairs.length];
      assert.ok(pair !== undefined);
      writePair(directory, 'a', pair);
      return pair.fingerprint;
    };
    const shown = new Set([put(0)]);
    const gateway = await GatewayProcess.start(t, {
      directory,
      yaml: `
shards: 2
limits: { connections: 1000 }
tls: { handshakeThreads: ${threads} }
listeners:
  - name: web
    bind: 127.0.0.1:0
    cluster: c
    tls: { certificates: { cert: a.pem, key: ${join(directory, 'a.key')} } }
clusters: [{ name: c, endpoints: ["127.0.0.1:${origin.port}"] }]
`,
    });
    const port = await gateway.port('web');
    const load = { isOver: false, clients: 0 };
    const keepConnecting = async (): Promise<void> => {
      while (!load.isOver) {
        const cleaners: (() => void | Promise<void>)[] = [];
        const owner = { after: (clean: () => void | Promise<void>) => void cleaners.push(clean) };
        const client = await SecureClient.connect(owner, port, 'a.example');
        assert.ok(shown.has(client.fingerprint));
        assert.equal(await client.echo('hello'), 'hello');
        load.clients++;
        for (const clean of cleaners) await clean();
      }
    };
    const connecting = Promise.all(Array.from({ length: CLIENTS_AT_ONCE }, keepConnecting));
    const before = await residentBytes(gateway);
    for (let turn = 1; turn <= ROTATIONS; turn++) {
      shown.add(put(turn));
      const { json } = await gateway.admin('POST', '/v1/reload');
      assert.equal(json.result, 'applied', JSON.stringify(json));
      // Some clients for each certificate.
      const wanted = load.clients + CLIENTS_AT_ONCE;
      while (load.clients < wanted) await Promise.race([connecting, setImmediate()]);
    }
    load.isOver = true;
    await connecting;
    const { json } = await gateway.counted('/v1/stats');
    const [listener] = json.listeners;
    assert.equal(listener.counters.tlsHandshakesFailed, 0);
    assert.ok(
      listener.counters.tlsHandshakesFull + listener.counters.tlsHandshakesResumed >= load.clients,
    );
    t.diagnostic(
      `${load.clients} clients; resident ${before} -> ${await residentBytes(gateway)} bytes`,
    );
    await gateway.adminUntil('/v1/status', (answer) => answer.json.connections === 0);
  });
}
