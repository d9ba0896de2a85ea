/**
 * Clients and an origin that do anything at any time, on two shards.
 *
 * Path: each client asks for targets of its own; the origin answers in the way that the target
 * says, rightly or wrongly, and both give up in the middle when they feel like it.
 * Invariant under test: a response that looks whole is the one to the client's own request; when it
 * is over the gateway serves as before and holds nothing. HOLDFAST_CHAOS_SEED asks for other dice.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Owner } from '../harness.ts';
import { checksumOf, Dice, makeBytes } from '../tcp/pattern.ts';
import type { ByteStream } from './byte-stream.ts';
import { type OriginRequest, seenIn } from './http-origin.ts';
import { chunked, get, requestOf, shareHttp } from './http-scene.ts';
import { readResponse } from './message.ts';

const SEED = Number(process.env['HOLDFAST_CHAOS_SEED'] ?? '1');
const CLIENTS = 24;
const ROUNDS = 40;
const PIPELINED_MAX = 4;
const BODY_MAX = 120_000;
/** With what stands behind it, in one write. */
const SMALL_MAX = 1_000;
const OK = 'HTTP/1.1 200 OK\r\n';

/** Content that belongs to a target and to no other. */
function contentOf(target: string): string {
  const bytes = new Dice(target.length * 7919 + Number(/\d+$/.exec(target)?.[0] ?? 0));
  const most = target.startsWith('/more') ? SMALL_MAX : BODY_MAX;
  return `${target} ${makeBytes(target, bytes.below(most)).toString('latin1')}`;
}

function pause(dice: Dice): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, dice.below(5));
  });
}

type Act = (request: OriginRequest, dice: Dice) => Promise<void> | void;

/** Each answers whole, or so that it must not look whole. */
const ACTS: Readonly<Record<string, Act>> = {
  length: (request) => request.reply({ body: contentOf(request.target) }),
  chunks: (request) => {
    const content = contentOf(request.target);
    const pieces = [content.slice(0, 10), content.slice(10)].filter((piece) => piece !== '');
    request.send(`${OK}Transfer-Encoding: chunked\r\n\r\n${chunked(pieces, 'X-End: yes\r\n')}`);
  },
  drip: async (request, dice) => {
    const content = contentOf(request.target);
    request.send(`${OK}Content-Length: ${content.length}\r\n\r\n`);
    for (let at = 0; at < content.length; at += 30_000) {
      request.send(content.slice(at, at + 30_000));
      await pause(dice);
    }
  },
  hints: (request) => {
    request.send('HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n'.repeat(3));
    request.reply({ body: contentOf(request.target) });
  },
  close: (request) => {
    request.reply({ fields: [['Connection', 'close']], body: contentOf(request.target) });
    request.stream.finish();
  },
  end: (request) => {
    request.send(`${OK}Content-Type: text/plain\r\n\r\n${contentOf(request.target)}`);
    request.stream.finish();
  },
  more: (request) => {
    const content = contentOf(request.target);
    const own = `${OK}Content-Length: ${content.length}\r\n\r\n${content}`;
    // What comes later could not be told from the response to the next request.
    request.send(`${own}${OK}Content-Length: 6\r\n\r\npoison`);
  },
  early: (request) => {
    request.reply({ body: contentOf(request.target) });
    request.stream.finish();
  },
  reset: (request) => request.stream.reset(),
  nothing: (request) => request.stream.finish(),
  cut: async (request) => {
    await request.stream.sendAll(`${OK}Content-Length: 1000000\r\n\r\npart`).catch(() => {});
    request.stream.finish();
  },
  both: (request) =>
    request.send(`${OK}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`),
};

/** One client's life on one connection. */
async function live(client: ByteStream, name: string, dice: Dice): Promise<number> {
  const acts = Object.keys(ACTS);
  const targets = Array.from(
    { length: 1 + dice.below(PIPELINED_MAX) },
    (_, i) => `/${acts[dice.below(acts.length)]}?${name}-${i}`,
  );
  const requests = targets.map((target) => {
    const body = makeBytes(target, dice.below(40_000)).toString('latin1');
    return dice.below(2) === 0 ? get(target) : requestOf('POST', target, { body });
  });
  client.send(requests.join(''));
  if (dice.below(6) === 0) {
    await pause(dice);
    client.reset();
    return 0;
  }
  let whole = 0;
  for (const target of targets) {
    let response = await readResponse(client).catch(() => null);
    while (response !== null && response.status < 200) {
      response = await readResponse(client).catch(() => null);
    }
    if (response === null) {
      break;
    }
    if (response.status === 200) {
      assert.equal(checksumOf(response.body), checksumOf(Buffer.from(contentOf(target), 'latin1')));
      whole++;
    } else {
      assert.ok([502, 503, 504].includes(response.status), response.startLine);
    }
  }
  client.socket.destroy();
  return whole;
}

describe('chaos', () => {
  const shared = shareHttp(() => ({
    shards: 2,
    app: { ejection: { afterFailures: 'off', afterErrors: 'off' } },
  }));

  test('whole responses are the right ones', async (t) => {
    const scene = shared.scene();
    const originDice = new Dice(SEED * 31 + 7);
    for (const [path, act] of Object.entries(ACTS)) {
      scene.origin.on(`/${path}`, async (request) => {
        if (path !== 'early') {
          await request.content();
        }
        await act(request, originDice);
      });
    }
    const run = async (owner: Owner, index: number): Promise<number> => {
      const dice = new Dice(SEED * 1_000 + index);
      let whole = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const client = await scene.connect(owner);
        whole += await live(client, `${index}-${round}`, dice);
      }
      return whole;
    };
    const wholes = await Promise.all(Array.from({ length: CLIENTS }, (_, i) => run(t, i)));
    const whole = wholes.reduce((a, b) => a + b, 0);
    assert.ok(whole > CLIENTS * ROUNDS * 0.3, `${whole} responses were whole`);
    for (let i = 0; i < 20; i++) {
      assert.equal(seenIn(await scene.ask(t, get(`/calm-${i}`))).target, `/calm-${i}`);
    }
    scene.origin.check();
  });
});
