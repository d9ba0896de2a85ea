/**
 * Built-in filters that ask over TLS: the other end has to prove who it is.
 *
 * Path: jwt fetches keys, ext-auth asks, each over https on a loopback socket; rate-limit-global
 * over rediss.
 * Invariant: a certificate of nobody known is a failure of that service, never an answer of it.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import {
  createServer as createTlsServer,
  getCACertificates,
  setDefaultCACertificates,
} from 'node:tls';
import extAuth from 'holdfast/ext-auth';
import jwt from 'holdfast/jwt';
import limit from 'holdfast/rate-limit-global';
import { testFilter } from 'holdfast/testing';
import { Authority } from '../../../e2e/tls/authority.ts';
import { PUBLIC_KEYS, tokenOf } from './issuer.ts';

const KNOWN = getCACertificates('default');
const authority = Authority.root('test root');
const issued = authority.issue({ name: 'site', altNames: ['127.0.0.1'] });
const pair = { cert: issued.chain, key: issued.key };
const site = createServer(pair, (_, response) => {
  response.setHeader('x-user', 'ann').end(JSON.stringify({ keys: PUBLIC_KEYS }));
});
const redis = createTlsServer(pair, (socket) => {
  socket.on('error', () => {});
  socket.on('data', () => socket.write('*2\r\n:0\r\n:9000000\r\n'));
});
let port = 0;
let redisPort = 0;

before(async () => {
  for (const one of [site, redis]) {
    one.listen(0, '127.0.0.1');
    await once(one, 'listening');
  }
  port = (site.address() as AddressInfo).port;
  redisPort = (redis.address() as AddressInfo).port;
});
after(() => {
  setDefaultCACertificates(KNOWN);
  site.closeAllConnections();
  site.close();
  redis.close();
});

async function askAll() {
  const headers = { authorization: `Bearer ${tokenOf({ alg: 'RS256', kid: 'r' })}` };
  const keys = { url: `https://127.0.0.1:${port}/keys`, cooldown: '1h' };
  await using token = await testFilter(jwt, { config: { keys, algorithms: ['RS256'] } });
  await using auth = await testFilter(extAuth, {
    config: { url: `https://127.0.0.1:${port}/check`, timeout: '5s', toRequest: ['x-user'] },
  });
  await using rate = await testFilter(limit, {
    config: { redis: `rediss://127.0.0.1:${redisPort}`, name: 'a', rate: 1, timeout: '5s' },
  });
  const codes: number[] = [];
  for (const kit of [token, auth, rate]) {
    codes.push((await kit.exchange({ headers }).request()).code);
  }
  const lines = [token, auth, rate].map((kit) => kit.log.map(({ message }) => message).join('\n'));
  return { codes, lines };
}

test('a certificate of nobody known is no answer', async () => {
  const { codes, lines } = await askAll();
  assert.deepEqual(codes, [503, 503, 0]);
  for (const line of lines) assert.match(line, /certificate/);
});

test('a certificate of a known authority is taken', async () => {
  setDefaultCACertificates([...KNOWN, authority.cert]);
  const { codes, lines } = await askAll();
  assert.deepEqual(
    [codes, lines],
    [
      [0, 0, 429],
      ['', '', ''],
    ],
  );
});
