/**
 * Clients that send slowly or read slowly, two hundred at once (threats row A1).
 *
 * Path: the short form of the interop suite with slowhttptest, with clients of our own.
 * Invariant under test: each is closed at its deadline, requests beside them are answered, and what
 * is held for them is bounded.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ByteStream } from './byte-stream.ts';
import { HttpScene } from './http-scene.ts';
import { SlowCanary } from './slow-canary.ts';

const CLIENTS = 200;
const CHUNK = 4096;
const CAP = 8 * 1024 * 1024;
const CONTENT = Buffer.alloc(2 * 1024 * 1024, 'c');
const DRIP_MS = 50;

interface Attack {
  readonly name: string;
  readonly first: string;
  /** Sent again and again; nothing where the attack is silence. */
  readonly drip: string;
  readonly isPaused: boolean;
}

const ATTACKS: readonly Attack[] = [
  {
    name: 'heads that never end',
    first: 'GET / HTTP/1.1\r\nHost: a.example\r\nX-A: ',
    drip: 'x',
    isPaused: false,
  },
  {
    name: 'heads of fields that never end',
    first: 'GET / HTTP/1.1\r\nHost: a.example\r\n',
    drip: 'X: y\r\n',
    isPaused: false,
  },
  {
    name: 'content that does not come',
    first: 'POST /big HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5000\r\n\r\nfirst',
    drip: '',
    isPaused: false,
  },
  { name: 'connections without a byte', first: '', drip: '', isPaused: false },
  {
    name: 'responses that nobody reads',
    first: 'GET /big HTTP/1.1\r\nHost: a.example\r\n\r\n',
    drip: '',
    isPaused: true,
  },
];

describe('slow clients', () => {
  for (const { name, first, drip, isPaused } of ATTACKS) {
    test(`${name}: closed at their deadline, and nobody else notices`, async (t) => {
      const scene = await HttpScene.start(t, {
        isRouted: true,
        limits: { memory: `${CAP / 1024 / 1024}MiB` },
        http: {
          timeouts: { head: '1s', body: '1s', keepAlive: '1s' },
          limits: { requests: 100_000 },
          hosts: [{ routes: [{ match: { path: '/' }, cluster: 'app', timeouts: { idle: '1s' } }] }],
        },
      });
      scene.origin.on('/big', async (request) => {
        await request.content();
        request.reply({ body: CONTENT });
      });
      const canary = SlowCanary.start(t, scene.port());
      const clients: ByteStream[] = [];
      for (let i = 0; i < CLIENTS; i++) {
        const client = await scene.connect(t, { isPaused });
        if (first !== '') {
          client.send(first);
        }
        clients.push(client);
      }
      const dripping = setInterval(() => {
        for (const client of clients) {
          if (drip !== '' && client.end === null) {
            client.send(drip);
          }
        }
      }, DRIP_MS);
      t.after(() => clearInterval(dripping));
      if (isPaused) {
        // They see nothing of their end; the gateway's own count tells.
        await scene.gateway.adminUntil('/v1/connections?listener=web', ({ json }) => {
          const addresses = new Set(clients.map(({ socket }) => `127.0.0.1:${socket.localPort}`));
          return !json.connections.some((each: { client: string }) => addresses.has(each.client));
        });
      } else {
        await Promise.all(clients.map((client) => client.ended()));
      }
      const held = (await scene.counter('pendingChunks')) * CHUNK;
      assert.ok(held <= CAP, `${held} bytes are held`);
      const { answered, failed } = await canary.stop();
      assert.equal(failed, 0);
      assert.ok(answered > 0);
    });
  }
});
