/**
 * `holdfast/rate-limit-global`: one limit for many gateways, and what happens without Redis.
 *
 * Path: the filter runs in the kit; Redis is a stand-in on a loopback socket, and a real one in the
 * last test where one is installed.
 * Invariant: a limit is never exceeded while Redis answers; when it does not, the failure policy
 * decides within the timeout.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import limit from 'holdfast/rate-limit-global';
import { type RequestScript, testFilter } from 'holdfast/testing';
import { openRedis } from './redis-stand-in.ts';

const BASE = { name: 'all', rate: 3, per: '1h', timeout: '5s' };
const openKit = (config: object) => testFilter(limit, { config: { ...BASE, ...config } });
type Kit = Awaited<ReturnType<typeof openKit>>;

async function ask(kit: Kit, script: RequestScript = {}): Promise<number> {
  const outcome = await kit.exchange(script).request();
  return outcome.verdict === 'continue' ? 200 : outcome.code;
}

async function askMany(kit: Kit, count: number, script: RequestScript = {}): Promise<number[]> {
  const codes: number[] = [];
  for (let index = 0; index < count; index++) codes.push(await ask(kit, script));
  return codes;
}

test('a limit holds over several gateways, and says when to come again', async () => {
  await using redis = await openRedis();
  await using one = await openKit({ redis: redis.url });
  await using other = await openKit({ redis: redis.url });
  assert.deepEqual([await ask(one), await ask(other), await ask(one)], [200, 200, 200]);
  for (const kit of [one, other]) {
    const { code, headers } = await kit.exchange().request();
    assert.equal(code, 429);
    const seconds = Number(headers['retry-after']);
    assert.ok(seconds > 1100 && seconds <= 1200, `${seconds}`);
  }
  assert.deepEqual([one.log, other.log, redis.connectionCount], [[], [], 2]);
});

test('who is over the limit is not asked about again', async () => {
  await using redis = await openRedis();
  await using kit = await openKit({ redis: redis.url, rate: 1 });
  await askMany(kit, 2);
  const before = redis.commands.length;
  assert.deepEqual(
    await askMany(kit, 20),
    Array.from({ length: 20 }, () => 429),
  );
  assert.equal(redis.commands.length, before);
});

test('requests of one turn leave in one go over one connection', async () => {
  await using redis = await openRedis();
  await using kit = await openKit({ redis: redis.url, rate: 50 });
  const codes = await Promise.all(Array.from({ length: 80 }, () => ask(kit)));
  assert.equal(codes.filter((code) => code === 200).length, 50);
  assert.equal(redis.connectionCount, 1);
});

test('the key is made of what the configuration names, and Redis never sees it', async () => {
  await using redis = await openRedis();
  const rows: [string[], RequestScript, RequestScript, boolean][] = [
    [[':address'], { client: { ip: '10.0.0.1' } }, { client: { ip: '10.0.0.2' } }, false],
    [[':address'], { target: '/a' }, { target: '/b' }, true],
    [['X-User'], { headers: { 'x-user': 'ann' } }, { headers: { 'x-user': 'bob' } }, false],
    [['x-user'], { headers: { 'x-user': '' } }, {}, false],
    [[':path'], { target: '/a?1' }, { target: '/a?2' }, true],
    [[':method', ':host'], { host: 'a' }, { host: 'b' }, false],
    [[], { host: 'a' }, { host: 'b' }, true],
  ];
  for (const [index, [key, first, second, isSame]] of rows.entries()) {
    await using kit = await openKit({ redis: redis.url, rate: 1, key, name: `row-${index}` });
    assert.equal(await ask(kit, first), 200);
    assert.equal(await ask(kit, second), isSame ? 429 : 200, `row ${index}`);
  }
  const said = JSON.stringify(redis.commands);
  assert.ok(said.includes('holdfast:row-0:') && !said.includes('10.0.0') && !said.includes('ann'));
});

test('the route is a key on a route, in its place', async () => {
  await using redis = await openRedis();
  const config = { ...BASE, redis: redis.url, rate: 1, key: [':route'] };
  await using kit = await testFilter(limit, { config, place: 'route' });
  const codes: number[] = [];
  for (const route of ['a', 'b', 'a']) codes.push((await kit.exchange().routed(route)).code);
  assert.deepEqual(codes, [0, 0, 429]);
});

test('a burst may be smaller or larger than the rate', async () => {
  await using redis = await openRedis();
  await using small = await openKit({ redis: redis.url, rate: 100, burst: 2 });
  assert.deepEqual(await askMany(small, 3), [200, 200, 429]);
  await using large = await openKit({ redis: redis.url, rate: 1, burst: 4, name: 'large' });
  assert.deepEqual(await askMany(large, 5), [200, 200, 200, 200, 429]);
});

test('the password is read from a file, and the number of the database from the URL', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-redis-'));
  writeFileSync(join(directory, 'password'), 'open sesame\n');
  await using redis = await openRedis();
  const config = { ...BASE, redis: `${redis.url}/2`, passwordFile: 'password' };
  const base = pathToFileURL(join(directory, 'holdfast.yaml')).href;
  await using kit = await testFilter(limit, { config, base });
  assert.equal(await ask(kit), 200);
  rmSync(directory, { recursive: true });
  const names = redis.commands.map((command) => command.slice(0, 2).join(' '));
  assert.deepEqual(names.slice(0, 2), ['AUTH open sesame', 'SELECT 2']);
});

test('without an answer the failure policy decides', async () => {
  for (const reply of [null, '-ERR wrong\r\n', '+OK\r\n', '*2\r\n:7\r\n$1\r\nx\r\n', ':1\r\n']) {
    await using redis = await openRedis();
    const config = { redis: redis.url, timeout: '20ms', rate: 1 };
    await using open = await openKit(config);
    await using closed = await openKit({ ...config, onFailure: 'closed' });
    await using local = await openKit({ ...config, onFailure: 'local', localRate: 2 });
    redis.answer(() => reply);
    assert.deepEqual(await askMany(open, 3), [200, 200, 200]);
    assert.deepEqual(await askMany(closed, 2), [503, 503]);
    // One at once: the burst is that of the limit.
    assert.deepEqual(await askMany(local, 2), [200, 429]);
    const lines = open.log.map(({ level, message }) => `${level} ${message}`);
    assert.match(`${lines[0]}`, /^warn Redis does not count for "all": ./);
    assert.equal(lines.length, 1);
  }
});

test('a Redis that goes away and comes back is found again', async () => {
  await using redis = await openRedis();
  await using kit = await openKit({ redis: redis.url, rate: 1000, onFailure: 'closed' });
  assert.equal(await ask(kit), 200);
  for (const [step, wanted] of [
    [() => redis.goAway(), 503],
    [() => redis.comeBack(), 200],
  ] as const) {
    step();
    while ((await ask(kit)) !== wanted) await new Promise((resolve) => setImmediate(resolve));
  }
});

test('a Redis that is down at the start does not hold the gateway up', async () => {
  const { url } = await (async () => {
    await using redis = await openRedis();
    return { url: redis.url };
  })();
  await using kit = await openKit({ redis: url });
  assert.equal(await ask(kit), 200);
  assert.match(`${kit.log[0]?.message}`, /ECONNREFUSED/);
});

test('a connection that says nothing any more is given up', async () => {
  await using redis = await openRedis();
  await using kit = await openKit({ redis: redis.url, timeout: '1ms' });
  redis.answer((command) => (command[0]?.startsWith('EVAL') ? null : '+OK\r\n'));
  while (redis.connectionCount < 2) {
    assert.equal(await ask(kit), 200);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(kit.log.length > 0);
});

test('a configuration that cannot be is refused, with the field and the reason', async () => {
  const redis = 'redis://127.0.0.1:9';
  const rows: [object, RegExp][] = [
    [{ redis: 'http://h' }, /must be redis:/],
    [{ redis: 'redis://:secret@h' }, /see passwordFile/],
    [{ redis: 'redis://h/x' }, /must be redis:/],
    [{ redis, name: 'a b' }, /up to 64 letters/],
    [{ redis, rate: 0 }, /a whole number from 1 to 1000000/],
    [{ redis, rate: 5000, per: '1ms' }, /at most 1,000,000 for each second/],
    [{ redis, per: '30d' }, /from 1ms to 24h/],
    [{ redis, key: ['a b'] }, /one of :method/],
    [{ redis, onFailure: 'maybe' }, /"open", "closed" or "local"/],
    [{ redis, localRate: 5 }, /is for onFailure: local/],
    [{ redis, passwordFile: './nowhere' }, /nowhere/],
    [{ redis, name: undefined }, /must be a name/],
    [{}, /must be redis:/],
    [{ redis, raet: 1 }, /raet/],
  ];
  for (const [config, message] of rows) {
    await assert.rejects(openKit(config), message, JSON.stringify(config));
  }
});

const PROGRAM = ['redis-server', 'valkey-server']
  .flatMap((name) => (process.env['PATH'] ?? '').split(delimiter).map((path) => join(path, name)))
  .find((path) => existsSync(path));
const skip = PROGRAM === undefined ? 'there is no redis-server or valkey-server in PATH' : false;

test('the script counts as it should in a real Redis', { skip }, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-redis-'));
  const path = join(directory, 'redis.sock');
  const flags = ['--port', '0', '--unixsocket', path, '--save', '', '--dir', directory];
  const redis = spawn(`${PROGRAM}`, flags, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(redis, 'exit');
  try {
    let text = '';
    for await (const chunk of redis.stdout) {
      text += String(chunk);
      if (/ready to accept connections/i.test(text)) break;
    }
    const config = { redis: `unix:${path}`, rate: 20, burst: 5, timeout: '5s' };
    await using one = await openKit(config);
    await using other = await openKit(config);
    const kits = [one, other];
    const asks = Array.from({ length: 40 }, (_, index) => ask(kits[index % 2] as Kit));
    const codes = await Promise.all(asks);
    assert.equal(codes.filter((code) => code === 200).length, 5);
    const { code, headers } = await one.exchange().request();
    const seconds = Number(headers['retry-after']);
    assert.ok(code === 429 && seconds > 170 && seconds <= 180, `${code}, ${seconds}`);
    // Fast enough that the bucket empties while this asks.
    await using quick = await openKit({
      ...config,
      rate: 1000,
      per: '1s',
      burst: 1,
      name: 'quick',
    });
    let allowed = 0;
    while (allowed < 5) if ((await ask(quick)) === 200) allowed++;
    assert.deepEqual([one.log, other.log, quick.log], [[], [], []]);
  } finally {
    redis.kill();
    await ended;
    rmSync(directory, { recursive: true });
  }
});
