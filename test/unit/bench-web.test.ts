/**
 * The load generator with HTTP and WebSocket tells the truth: right answers count, wrong ones are
 * seen, and its origin is one that other clients understand.
 *
 * Path: builds bench/loadgen as `npm run bench` does; its clients against Node's HTTP and against
 * its own origin, Node's clients against its origin. Judges no time.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  buildLoadgen,
  type LoadFlags,
  type LoadResult,
  LoadRun,
  listArguments,
  Ports,
} from '../../bench/rig/index.ts';

const STAMP = /\?t=(HF\d(\w)\w{32})/;

let loadgen = '';
let origin: ChildProcess;
let port = 0;

function start(mode: string, flags: LoadFlags): LoadRun {
  return new LoadRun(spawn(loadgen, listArguments(mode, flags), { stdio: 'pipe' }));
}

async function load(mode: string, flags: LoadFlags): Promise<LoadResult> {
  const run = start(mode, { target: `127.0.0.1:${port}`, 'warmup-ms': 0, ...flags });
  await run.event('ready');
  return run.result();
}

/** Listens with Node's HTTP; `answer` gets the content that is right for the request. */
async function listen(
  answer: (response: ServerResponse, content: string, asked: IncomingMessage) => void,
): Promise<{ target: string; close: () => void }> {
  const listener = createServer((asked, response) => {
    const [, stamp = '', filler = ''] = STAMP.exec(asked.url ?? '') ?? [];
    answer(response, stamp.padEnd(64, filler), asked);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  assert.ok(address !== null && typeof address === 'object');
  const close = (): void => {
    listener.close();
    listener.closeAllConnections();
  };
  return { target: `127.0.0.1:${address.port}`, close };
}

before(async () => {
  loadgen = await buildLoadgen();
  [port = 0] = await new Ports().take(1);
  const args = ['origin', '--listen', `127.0.0.1:${port}`, '--interactive'];
  origin = spawn(loadgen, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(origin.stdout as NodeJS.ReadableStream, 'data');
});

after(async () => {
  const ended = once(origin, 'exit');
  origin.stdin?.end();
  await ended;
});

describe('the load generator as a client of HTTP', () => {
  it('takes the right answers of a foreign implementation', async () => {
    const hosts = new Set<string | undefined>();
    const { target, close } = await listen((response, content, asked) => {
      hosts.add(asked.headers.host);
      response.setHeader('content-length', content.length).end(content);
    });
    const result = await load('closed', { target, payload: 'http', connections: 8, messages: 400 });
    close();
    assert.equal(result.answeredInWindow, 400);
    assert.equal(result.connections?.corrupt, 0);
    assert.deepEqual([...hosts], ['bench.test']);
  });

  it('sends no request before the last one is answered, and counts that wait', async () => {
    const underWay = new Map<unknown, number>();
    let most = 0;
    const { target, close } = await listen((response, content, asked) => {
      const count = (underWay.get(asked.socket) ?? 0) + 1;
      underWay.set(asked.socket, count);
      most = Math.max(most, count);
      setTimeout(() => {
        underWay.set(asked.socket, count - 1);
        response.setHeader('content-length', content.length).end(content);
      }, 10);
    });
    const flags = { payload: 'http', connections: 1, rate: 1000, 'duration-ms': 300 };
    const result = await load('open', { target, ...flags });
    close();
    assert.equal(most, 1);
    const { answered = 0, unanswered = 0, missed = 0, response } = result;
    assert.equal(answered + unanswered + missed, 300);
    assert.ok((response?.p50 ?? 0) > 50e6, `${response?.p50}`);
  });

  const WRONG: Readonly<Record<string, (response: ServerResponse, content: string) => void>> = {
    'another status': (response, content) => {
      response.writeHead(503, { 'content-length': content.length }).end(content);
    },
    'another length': (response, content) => {
      response.setHeader('content-length', 63).end(content.slice(1));
    },
    'other content': (response, content) => {
      response.setHeader('content-length', 64).end(`${content.slice(0, 63)}!`);
    },
  };
  for (const [what, answer] of Object.entries(WRONG)) {
    it(`counts ${what} as wrong and quotes it`, async () => {
      let answers = 0;
      const { target, close } = await listen((response, content) => {
        answers += 1;
        if (answers === 100) answer(response, content);
        else response.setHeader('content-length', content.length).end(content);
      });
      const flags = { payload: 'http', connections: 4, messages: 400, 'duration-ms': 1000 };
      const run = start('closed', { target, 'warmup-ms': 0, ...flags, 'open-timeout-ms': 5000 });
      await run.event('ready');
      const result = await run.result();
      close();
      assert.equal(result.connections?.corrupt, 1);
      assert.match(result.connections?.firstCorrupt ?? '', /^HTTP\/1\.1 (503|200)/);
    });
  }

  it('ends a connection for each request where asked to, by the far end', async () => {
    const result = await load('churn', { payload: 'http-close', connections: 4, count: 200 });
    assert.ok((result.completed ?? 0) >= 200);
    assert.equal(result.connections?.failed, 0);
    assert.equal(result.connections?.lost, 0);
  });

  it('delivers every event to every stream', async () => {
    const flags = { payload: 'events', connections: 50, rate: 20, 'duration-ms': 500 };
    const result = await load('fanout', flags);
    assert.equal(result.unanswered, 0);
    assert.equal(result.response?.count, (result.publications ?? 0) * 50);
  });
});

describe('the load generator as a client of WebSocket', () => {
  it('gets every message back, whatever its length', async () => {
    for (const bytes of [36, 125, 126, 70_000]) {
      const flags = { payload: 'websocket', bytes, connections: 5, messages: 100 };
      const result = await load('closed', flags);
      assert.equal(result.answeredInWindow, 100, `${bytes}`);
    }
  });

  it('keeps the latencies of two phases apart and ends when told to', async () => {
    const run = start('phases', {
      target: `127.0.0.1:${port}`,
      payload: 'websocket',
      connections: 10,
      rate: 1000,
      interactive: 'yes',
      'warmup-ms': 0,
      'duration-ms': 60_000,
      'drain-ms': 5000,
    });
    await run.pass('ready');
    await delay(200);
    run.step();
    await delay(200);
    run.step();
    const result = await run.result();
    const [calm = 0, second = 0] = [result.response?.count, result.secondPhase?.count];
    assert.ok(calm > 0 && second > 0, `${calm} and ${second}`);
    assert.equal(calm + second, (result.answered ?? 0) + (result.missed ?? 0));
    assert.equal(result.unanswered, 0);
  });
});

describe('the origin', () => {
  it('answers Node’s client of HTTP with as many bytes as asked for', async () => {
    const asked = request({ port, host: '127.0.0.1', path: '/bytes/1000' }).end();
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    let bytes = 0;
    for await (const part of response) bytes += (part as Buffer).length;
    assert.equal(response.statusCode, 200);
    assert.equal(bytes, 1000);
  });

  it('echoes text, bytes and pings of Node’s client of WebSocket', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/socket`);
    socket.binaryType = 'arraybuffer';
    await once(socket, 'open');
    for (const sent of ['grüße', new Uint8Array([1, 2, 3])]) {
      const answer = once(socket, 'message');
      socket.send(sent);
      const [{ data: got }] = (await answer) as [MessageEvent];
      assert.deepEqual(typeof got === 'string' ? got : new Uint8Array(got as ArrayBuffer), sent);
    }
    const closed = once(socket, 'close');
    socket.close(1000, 'done');
    const [{ code, reason }] = (await closed) as [CloseEvent];
    assert.deepEqual([code, reason], [1000, 'done']);
  });

  it('answers requests that come in pieces, and several at once', async () => {
    const socket = connect(port, '127.0.0.1');
    socket.setEncoding('utf8');
    const text = 'GET /bytes/40 HTTP/1.1\r\nHost: a\r\n\r\n';
    socket.write(text.slice(0, 20));
    setImmediate(() => socket.write(`${text.slice(20)}${text}`));
    let got = '';
    for await (const part of socket) {
      got += part as string;
      if ((got.match(/Content-Length: 40\r\n\r\n\w{40}/g) ?? []).length === 2) break;
    }
    assert.match(got, /^HTTP\/1\.1 200 OK\r\n/);
  });
});
