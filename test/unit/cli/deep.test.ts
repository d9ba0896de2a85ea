/**
 * `validate --deep`: what this machine says about a configuration that is valid by itself.
 *
 * Path: src/main/cli/deep.ts, through real sockets on loopback.
 * Invariant under test: each fault is found at its place; a configuration that works has none.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { checkDeep } from '../../../src/main/cli/deep.ts';
import { load, minimal } from '../config/world.ts';
import { temporaryDirectory } from './cli.ts';

async function listening(
  t: TestContext,
): Promise<{ readonly port: number; readonly open: Server }> {
  const open = createServer((socket) => socket.destroy());
  open.listen(0, '127.0.0.1');
  await once(open, 'listening');
  t.after(() => open.close());
  return { port: (open.address() as AddressInfo).port, open };
}

async function deep(text: string): Promise<string[]> {
  const loaded = load(text);
  assert.ok(loaded.config !== null, JSON.stringify(loaded.diagnostics));
  const found = await checkDeep(loaded, loaded.config);
  return found.map(({ code, line, column, message }) => `${code} ${line}:${column} ${message}`);
}

/** A configuration whose admin socket can be made anywhere the test runs. */
function config(t: TestContext, parts: { bind: string; endpoint: string; add?: string }): string {
  const socket = join(temporaryDirectory(t), 'a.sock');
  return minimal({
    top: `admin: { socket: "${socket}" }`,
    ...(parts.add === undefined ? {} : { listener: parts.add }),
  })
    .replace('127.0.0.1:8080', parts.bind)
    .replace('127.0.0.1:3000', parts.endpoint);
}

test('a configuration that works has no finding', async (t) => {
  const { port } = await listening(t);
  assert.deepEqual(
    await deep(config(t, { bind: '127.0.0.1:0', endpoint: `127.0.0.1:${port}` })),
    [],
  );
});

test('a port that is taken is found at its place', async (t) => {
  const { port } = await listening(t);
  const origin = await listening(t);
  const found = await deep(
    config(t, { bind: `127.0.0.1:${port}`, endpoint: `127.0.0.1:${origin.port}` }),
  );
  assert.deepEqual(found, [`HF1080 5:11 127.0.0.1:${port} is in use`]);
});

test('an address of another machine is found', async (t) => {
  const { port } = await listening(t);
  const found = await deep(config(t, { bind: '192.0.2.1:8080', endpoint: `127.0.0.1:${port}` }));
  assert.deepEqual(found, ['HF1080 5:11 192.0.2.1:8080 is not an address of this machine']);
});

test('an endpoint that refuses is found, and does not make the file invalid', async (t) => {
  const { port, open } = await listening(t);
  open.close();
  await once(open, 'close');
  const loaded = load(config(t, { bind: '127.0.0.1:0', endpoint: `127.0.0.1:${port}` }));
  assert.ok(loaded.config !== null);
  const [found] = await checkDeep(loaded, loaded.config);
  assert.equal(found?.code, 'HF1084');
  assert.equal(found.severity, 'warning');
});

test('a name that does not resolve is found', async (t) => {
  const found = await deep(config(t, { bind: '127.0.0.1:0', endpoint: 'nowhere.invalid:80' }));
  assert.match(found[0] ?? '', /^HF1081 9:17 nowhere\.invalid does not resolve/);
});

test('a namespace that does not exist is found', async (t) => {
  const { port } = await listening(t);
  const add = 'netns: holdfast-no-such-namespace';
  const found = await deep(config(t, { bind: '127.0.0.1:0', endpoint: `127.0.0.1:${port}`, add }));
  assert.deepEqual(found, [
    'HF1082 7:12 there is no network namespace "holdfast-no-such-namespace"',
  ]);
});

test('a directory that does not exist is found', async (t) => {
  const { port } = await listening(t);
  const text = config(t, { bind: 'unix:/nonexistent/a.sock', endpoint: `127.0.0.1:${port}` });
  const found = await deep(
    text.replace('listeners:', 'log: { access: /nonexistent/access.log }\nlisteners:'),
  );
  assert.deepEqual(
    found.map((line) => line.slice(0, 12)),
    ['HF1083 3:16 ', 'HF1083 6:11 '],
  );
});
