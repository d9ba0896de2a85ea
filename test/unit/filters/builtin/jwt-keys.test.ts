/**
 * `holdfast/jwt` with keys from a URL: cached, read again, and kept when the URL is gone.
 *
 * Path: the filter runs in the kit; its keys come over a loopback socket.
 * Invariant: tokens cannot make the gateway ask more often than the cool-down allows, and a place
 * that is down, slow or talks nonsense neither opens the door nor takes known keys away.
 */
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import jwt from 'holdfast/jwt';
import { testFilter } from 'holdfast/testing';
import { openKeySite, PUBLIC_KEYS, tokenOf } from './issuer.ts';

const [RSA_KEY, EC_KEY] = PUBLIC_KEYS as [object, object];
const byRsa = tokenOf({ alg: 'RS256', kid: 'r' });
const byEc = tokenOf({ alg: 'ES256', kid: 'e' });

async function openKit(keys: object) {
  return await testFilter(jwt, { config: { keys, algorithms: ['RS256', 'ES256'] } });
}

type Kit = Awaited<ReturnType<typeof openKit>>;

async function ask(kit: Kit, token: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}` };
  const outcome = await kit.exchange({ headers }).request();
  return outcome.verdict === 'continue' ? 200 : outcome.code;
}

test('an unknown key is asked for at once, but not again within the cool-down', async () => {
  await using site = await openKeySite();
  site.giveKeys([RSA_KEY]);
  await using quick = await openKit({ url: site.url, cooldown: '0ms' });
  site.giveKeys([RSA_KEY, EC_KEY]);
  assert.deepEqual([await ask(quick, byEc), site.count], [200, 2]);
  await using calm = await openKit({ url: site.url, cooldown: '1h' });
  const asked = site.count;
  const strangers = Array.from({ length: 20 }, (_, index) =>
    ask(calm, tokenOf({ alg: 'RS256', kid: `k${index}` })),
  );
  assert.deepEqual([...new Set(await Promise.all(strangers))], [401]);
  assert.equal(site.count, asked);
});

test('many strangers at once make one request', async () => {
  await using site = await openKeySite();
  site.giveKeys([RSA_KEY]);
  await using kit = await openKit({ url: site.url, cooldown: '0ms', refresh: '24h' });
  const before = site.count;
  const all = Array.from({ length: 50 }, () => ask(kit, byEc));
  assert.deepEqual([...new Set(await Promise.all(all))], [401]);
  assert.equal(site.count, before + 1);
});

test('strangers that wait for keys do not keep others out', async () => {
  await using site = await openKeySite();
  site.giveKeys([RSA_KEY]);
  await using kit = await openKit({ url: site.url, cooldown: '0ms', timeout: '5s' });
  const { promise: held, resolve: hold } = Promise.withResolvers<ServerResponse>();
  site.give(hold);
  const strangers = Array.from({ length: 600 }, () => ask(kit, byEc));
  const response = await held;
  assert.equal(await ask(kit, byRsa), 200);
  response.end(JSON.stringify({ keys: [RSA_KEY] }));
  const codes = await Promise.all(strangers);
  assert.deepEqual(new Set(codes), new Set([401, 503]));
  assert.equal(codes.filter((code) => code === 401).length, 256);
});

test('keys are read again by the clock; what a key that is gone has signed is not taken', async () => {
  await using site = await openKeySite();
  site.giveKeys([RSA_KEY, EC_KEY]);
  await using kit = await openKit({ url: site.url, refresh: '10ms', cooldown: '1h' });
  assert.equal(await ask(kit, byRsa), 200);
  site.giveKeys([EC_KEY]);
  // The second one from now on begins when the first was read.
  await site.asked();
  await site.asked();
  assert.deepEqual([await ask(kit, byRsa), await ask(kit, byEc)], [401, 200]);
});

test('while the place is down, the last keys stay, up to their limit', async () => {
  const silent = (): void => {};
  for (const give of [
    (response: ServerResponse) => response.writeHead(500).end(),
    (response: ServerResponse) => response.socket?.destroy(),
    (response: ServerResponse) => response.end('<html>'),
    (response: ServerResponse) => response.end('x'.repeat(300_000)),
    (response: ServerResponse) => response.writeHead(302, { location: '/elsewhere' }).end(),
    silent,
  ]) {
    await using site = await openKeySite();
    site.giveKeys([RSA_KEY]);
    // The time that the first keys have, too; only the silent place is waited for until it is over.
    const timing = { cooldown: '0ms', timeout: give === silent ? '1s' : '5s' };
    await using kit = await openKit({ url: site.url, ...timing });
    await using strict = await openKit({ url: site.url, ...timing, stale: '0ms' });
    site.give(give);
    // An unknown key makes it read.
    assert.equal(await ask(kit, byEc), 401);
    assert.equal(await ask(kit, byRsa), 200);
    assert.match(`${kit.log[0]?.message}`, /cannot be read from http.*; the last ones stay$/);
    assert.equal(await ask(strict, byEc), 503);
    assert.equal(await ask(strict, byRsa), 503);
  }
});

test('a place that is down at the start makes tokens wait for it, not the gateway', async () => {
  await using site = await openKeySite();
  site.give((response) => response.writeHead(503).end());
  await using kit = await openKit({ url: site.url, cooldown: '0ms' });
  assert.match(`${kit.log[0]?.message}`, /the answer is 503; tokens are answered with 503$/);
  assert.equal(await ask(kit, byRsa), 503);
  site.giveKeys([RSA_KEY]);
  assert.equal(await ask(kit, byRsa), 200);
});
