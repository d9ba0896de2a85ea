/**
 * `holdfast bench` against an HTTP origin of the test.
 *
 * Path: the command as it is typed, a real server socket, load in processes of its own.
 * Invariant under test: right answers are counted, wrong ones make the run no result, and a wrong
 * address starts nothing.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly note: string;
}

function holdfast(...words: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['src/main/cli/holdfast.mjs', ...words],
      { env: { ...process.env, NO_COLOR: '1' } },
      (error, out, note) => resolve({ code: Number(error?.code ?? 0), out, note }),
    );
  });
}

async function startOrigin(t: TestContext, status: number): Promise<string> {
  const origin = createServer((_, response) => response.writeHead(status).end('right'));
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  t.after(() => {
    origin.closeAllConnections();
    origin.close();
  });
  return `http://127.0.0.1:${(origin.address() as AddressInfo).port}/`;
}

test('right answers are counted', async (t) => {
  const url = await startOrigin(t, 200);
  const { out } = await holdfast('bench', url, '--seconds', '1', '--connections', '4');
  assert.match(out, /[1-9][\d,]* responses in 1\.\d s/);
  assert.doesNotMatch(out, /wrong|failed/);
});

test('wrong answers make it no result', async (t) => {
  const url = await startOrigin(t, 503);
  const { code, out } = await holdfast('bench', url, '--seconds', '1', '--connections', '4');
  assert.equal(code, 1);
  assert.match(out, /not a result/);
});

test('a wrong address exits with 2', async () => {
  const { code, note } = await holdfast('bench', 'ftp://127.0.0.1/');
  assert.equal(code, 2);
  assert.match(note, /http:\/\/127\.0\.0\.1:8080/);
});
