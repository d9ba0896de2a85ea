/**
 * The demo's origin and clients, without a gateway between them.
 *
 * Path: src/main/demo/echo.ts, through real sockets.
 * Invariant under test: what is sent comes back; a client that loses its connection returns.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { EchoClients, EchoOrigin } from '../../../src/main/demo/echo.ts';

/** Waits for a condition; the time limit is that of the test. */
async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await sleep(10);
}

test('the origin greets, and sends back what it gets', async (t) => {
  const origin = new EchoOrigin();
  const port = await origin.start();
  t.after(() => origin.close());
  const socket = connect(port, '127.0.0.1').setEncoding('utf8');
  await once(socket, 'connect');
  let text = '';
  socket.on('data', (chunk: string) => {
    text += chunk;
  });
  socket.end('ping\n');
  await once(socket, 'end');
  assert.match(text, /^hello from the demo origin: .*\nping\n$/);
});

test('clients stay connected, talk, and come back', { timeout: 30_000 }, async (t) => {
  const origin = new EchoOrigin();
  const port = await origin.start();
  const clients = new EchoClients(port, 3);
  t.after(() => {
    clients.close();
    origin.close();
  });
  clients.start();
  await until(() => clients.counts.connected === 3);
  // Three greetings, and at least one answer.
  await until(() => clients.counts.answered > 3);
  assert.equal(clients.counts.lost, 0);
});

test('closing twice, and before starting, is harmless', async () => {
  const origin = new EchoOrigin();
  await origin.start();
  const clients = new EchoClients(1, 1);
  clients.close();
  clients.close();
  origin.close();
});
