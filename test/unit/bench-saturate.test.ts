/**
 * Saturating an HTTP address: what is counted, and when the figures must not be used.
 *
 * Path: src/main/saturate against origins on loopback made here.
 * Does not judge speed.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { after, describe, it } from 'node:test';
import { merge } from '../../bench/report/index.ts';
import { parseHttp } from '../../bench/run/index.ts';
import { formatSaturation, saturate } from '../../src/main/saturate/index.ts';

const listening: Server[] = [];

async function serve(answer: RequestListener): Promise<string> {
  const origin = createServer(answer).listen(0, '127.0.0.1');
  await once(origin, 'listening');
  listening.push(origin);
  const address = origin.address();
  assert.ok(address !== null && typeof address === 'object');
  return `http://127.0.0.1:${address.port}/`;
}

after(() => {
  for (const origin of listening) {
    origin.closeAllConnections();
    origin.close();
  }
});

/** Flaws that do not depend on how busy the machine is. */
const lasting = (flaws: readonly string[]): string[] =>
  flaws.filter((flaw) => !flaw.includes('of its core'));

describe('saturate', () => {
  it('merges what several processes recorded, each response once', async () => {
    const url = await serve((_request, response) => response.end('fine'));
    const result = await saturate({
      url,
      connections: 5,
      seconds: 1,
      processes: 2,
      expectBody: 'fine',
    });
    assert.deepEqual(lasting(result.flaws), []);
    assert.ok(result.responses > 0);
    assert.equal(merge([result.histogram]).totalCount, result.responses);
    assert.ok(result.p50 > 0 && result.p50 <= result.p99 && result.p99 <= result.max);
  });

  it('says that a run with a wrong body is no result', async () => {
    const url = await serve((_request, response) => response.end('other'));
    const result = await saturate({ url, connections: 2, seconds: 1, expectBody: 'fine' });
    assert.ok(result.mismatches > 0);
    assert.match(result.flaws.join(), /answers had another body/);
    assert.match(formatSaturation(result), /^not a result: /);
  });

  it('says that a run with an error status is no result', async () => {
    const url = await serve((_request, response) => response.writeHead(503).end());
    const result = await saturate({ url, connections: 2, seconds: 1 });
    assert.match(result.flaws.join(), /answers were not 2xx/);
  });

  it('ends its processes when it is told to stop', async () => {
    const url = await serve((_request, response) => response.end('fine'));
    const signal = AbortSignal.timeout(300);
    await assert.rejects(saturate({ url, seconds: 60, signal }), /ended with/);
  });
});

describe('the command line of http', () => {
  it('takes an address and numbers', () => {
    const words = ['http://127.0.0.1:8080/', '--connections', '10', '--seconds', '2'];
    assert.deepEqual(parseHttp(words), { url: words[0], connections: 10, seconds: 2 });
  });

  it('refuses anything else', () => {
    for (const words of [
      [],
      ['nowhere'],
      ['http://a/', 'http://b/'],
      ['http://a/', '--speed', '1'],
    ]) {
      assert.throws(() => parseHttp(words), { name: 'UsageFailure' });
    }
  });
});
