/**
 * Origins whose responses could be taken for those of other requests (threats row C8).
 *
 * Path: an origin sends bytes that nobody asked for; the next client asks on the same gateway.
 * Invariant under test: whatever an origin sends, a client never gets a byte of a response to
 * somebody else; the connection that has such bytes is closed; what has two readings is a 502.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seenIn } from './http-origin.ts';
import { get, shareHttp } from './http-scene.ts';
import { readResponse } from './message.ts';

const POISON = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison';
const OK = 'HTTP/1.1 200 OK\r\n';

/** Responses that are whole and have more behind them. */
const TOO_MUCH: Readonly<Record<string, readonly [method: string, bytes: string]>> = {
  'two responses': ['GET', `${OK}Content-Length: 2\r\n\r\nok${POISON}`],
  'content behind its length': ['GET', `${OK}Content-Length: 2\r\n\r\nok and more`],
  'content behind the last chunk': [
    'GET',
    `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n${POISON}`,
  ],
  'content of a HEAD': ['HEAD', `${OK}Content-Length: ${POISON.length}\r\n\r\n${POISON}`],
  'content of a 204': ['GET', `HTTP/1.1 204 No Content\r\n\r\n${POISON}`],
  'content of a 304': [
    'GET',
    `HTTP/1.1 304 Not Modified\r\nContent-Length: ${POISON.length}\r\n\r\n${POISON}`,
  ],
};

/** Responses that have no one meaning. */
const REFUSED: Readonly<Record<string, string>> = {
  'length and encoding': `${OK}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
  'two lengths': `${OK}Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!`,
  'a length with a sign': `${OK}Content-Length: +2\r\n\r\nok`,
  'a length beyond all numbers': `${OK}Content-Length: 18446744073709551618\r\n\r\nok`,
  'a coding besides chunked': `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
  'a length of a 204': `HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\npoison`,
  'a folded field': `${OK}A: b\r\n c\r\nContent-Length: 2\r\n\r\nok`,
  'a bare line feed': `HTTP/1.1 200 OK\nContent-Length: 2\n\nok`,
  'a bare carriage return': `${OK}A: b\rSet-Cookie: c\r\nContent-Length: 2\r\n\r\nok`,
  'a NUL in a field': `${OK}A: b\0c\r\nContent-Length: 2\r\n\r\nok`,
  'a space before the colon': `${OK}Content-Length : 2\r\n\r\nok`,
  'a field without a name': `${OK}: b\r\nContent-Length: 2\r\n\r\nok`,
  'no status line': 'hello\r\n\r\n',
  'a status of four digits': 'HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n',
  'a status of two digits': 'HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n',
  'a status of zero': 'HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n',
  'another version': 'HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n',
  'a head without end': `${OK}A: ${'x'.repeat(70_000)}\r\n\r\n`,
  'too many fields': `${OK}${'A: b\r\n'.repeat(2_000)}\r\n`,
  'nothing before its end': '',
  'half a head before its end': `${OK}Content-Le`,
};

describe('responses that do not belong to their requests', () => {
  const shared = shareHttp();

  for (const [name, [method, bytes]] of Object.entries(TOO_MUCH)) {
    test(`${name}: the next client gets its own response`, async (t) => {
      const scene = shared.scene();
      const closed = Promise.withResolvers<string>();
      scene.origin.on('/poisoned', async (request) => {
        request.send(bytes);
        closed.resolve(await request.stream.ended());
      });
      const victim = await scene.connect(t);
      const attacker = await scene.connect(t);
      attacker.send(`${method} /poisoned HTTP/1.1\r\nHost: a.example\r\n\r\n`);
      const response = await readResponse(attacker, method);
      assert.ok(response.status === 502 || bytes.startsWith(`HTTP/1.1 ${response.status}`));
      assert.ok(['', 'ok'].includes(response.text), response.text);
      victim.send(get('/victim'));
      assert.equal(seenIn(await readResponse(victim)).target, '/victim');
      // The same client is not deceived either, where its connection goes on.
      await closed.promise;
      if (attacker.end === null) {
        attacker.send(get('/again'));
        assert.equal(seenIn(await readResponse(attacker)).target, '/again');
      } else {
        assert.equal(attacker.held, 0);
      }
    });
  }

  for (const [name, bytes] of Object.entries(REFUSED)) {
    test(`${name}: 502, and the connection is closed`, async (t) => {
      const scene = shared.scene();
      const closed = Promise.withResolvers<string>();
      scene.origin.on('/refused', async (request) => {
        request.send(bytes);
        if (bytes === '' || bytes.endsWith('Le')) {
          request.stream.finish();
        }
        closed.resolve(await request.stream.ended());
      });
      const client = await scene.connect(t);
      client.send(get('/refused'));
      assert.equal((await readResponse(client)).status, 502);
      await closed.promise;
      if (client.end === null) {
        client.send(get('/again'));
        assert.equal(seenIn(await readResponse(client)).target, '/again');
      }
    });
  }

  test('bytes on a connection that nobody uses end it', async (t) => {
    const scene = shared.scene();
    const first = seenIn(await scene.ask(t, get('/')));
    const [pooled] = [...scene.origin.live];
    assert.ok(pooled);
    pooled.send(POISON);
    assert.equal(['fin', 'ECONNRESET', 'closed'].includes(await pooled.ended()), true);
    const second = seenIn(await scene.ask(t, get('/victim')));
    assert.equal(second.target, '/victim');
    assert.ok(second.connection > first.connection);
  });

  test('bytes that race with the next request are nobody’s response', async (t) => {
    const scene = shared.scene();
    const victim = await scene.connect(t);
    scene.origin.on('/racing', (request) => request.send(`${OK}Content-Length: 2\r\n\r\nok`));
    for (let i = 0; i < 50; i++) {
      assert.equal((await scene.ask(t, get('/racing'))).text, 'ok');
      for (const pooled of scene.origin.live) {
        pooled.send(POISON);
      }
      victim.send(get(`/race-${i}`));
      const response = await readResponse(victim);
      assert.notEqual(response.text, 'poison');
      // An answer to nothing that comes behind the request is a violation, never a response.
      if (response.status === 200) {
        assert.equal(seenIn(response).target, `/race-${i}`);
      } else {
        assert.equal(response.status, 502);
      }
    }
  });

  test('a long reason, an empty one and unknown statuses are passed on', async (t) => {
    const scene = shared.scene();
    for (const [index, line] of [
      '200 ',
      `200 ${'r'.repeat(500)}`,
      '299 Odd',
      '599 Last',
    ].entries()) {
      scene.origin.on(`/status-${index}`, (request) =>
        request.send(`HTTP/1.1 ${line}\r\nContent-Length: 2\r\n\r\nok`),
      );
      const response = await scene.ask(t, get(`/status-${index}`));
      assert.equal(response.status, Number(line.slice(0, 3)));
      assert.equal(response.text, 'ok');
    }
  });

  test('an origin of HTTP/1.0 is understood', async (t) => {
    const scene = shared.scene();
    scene.origin.on('/old', (request) => {
      request.send('HTTP/1.0 200 OK\r\n\r\nold');
      request.stream.finish();
    });
    assert.equal((await scene.ask(t, get('/old'))).text, 'old');
    scene.origin.on('/old-length', (request) =>
      request.send('HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nold'),
    );
    assert.equal((await scene.ask(t, get('/old-length'))).text, 'old');
  });
});
