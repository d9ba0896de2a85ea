/**
 * The host against filters that return, throw and await what no filter should.
 *
 * Path: batches as the core builds them; answers as it reads them.
 * Invariant under test: what one filter returns is that filter's failure and nobody else's: every
 * holder has one answer, nothing stays parked, and the breaker goes on working.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { choose, close, defineStreamFilter, respond } from '../../../src/sdk/index.ts';
import type { ReadAnswer } from '../../../src/testing/answer-reader.ts';
import { createHost } from './chain-host.ts';

const LARGE = 3 << 20;
/** What the language makes sense of: a Promise is followed, and a close is one. */
const PASSING = new Set(['a Promise whose then throws', 'a code that changes']);
const BREAKER = { failures: 0, cooldown: '1s' } as const;

type Host = ReturnType<typeof createHost>;
type Callback = (value: unknown) => void;

/** Put together, because no object of ours should have it by mistake. */
const THEN = ['th', 'en'].join('');

function thenable(then: (resolve: Callback, reject: Callback) => void): object {
  return Object.defineProperty({}, THEN, { value: then, enumerable: true });
}

function addRouted({ core, chain }: Host, index: number, generation = 1): number {
  const head = { method: 'GET', target: `/${index}`, host: 'h', clientIp: '', clientPort: 0 };
  const rest = { isTls: false, isWebSocket: false, route: 'r', cluster: 'c', endpoint: '' };
  return core.batch.head(
    { holder: 'exchange', hook: 'routed', index, generation, chain },
    { ...head, ...rest, status: 0, attempt: 1, fields: [] },
  );
}

function addEnd({ core, chain }: Host, index: number, generation: number): void {
  core.batch.end(
    { holder: 'exchange', hook: 'end', index, generation, chain },
    {
      code: 200,
      reason: '-',
      bytesIn: 0,
      bytesOut: 0,
      durationMicros: 0,
      messagesIn: 0,
      messagesOut: 0,
    },
  );
}

/** What three exchanges of one batch get; the filter does its worst for the one in the middle. */
async function askThree(worst: () => unknown): Promise<(string | number)[]> {
  const host = createHost([
    defineStreamFilter({
      name: 'worst',
      breaker: BREAKER,
      onRouted: ({ path }) => (path === '/2' ? (worst() as undefined) : respond(201, {}, path)),
    }),
  ]);
  const late: ReadAnswer[] = [];
  void host.core.waitFor((answer) => late.push(answer) > 0);
  for (const index of [1, 2, 3]) addRouted(host, index);
  const answers = host.core.run();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(host.host.counts.parked, 0, 'nothing is parked');
  const all = [...answers, ...late].filter(({ verdict }) => verdict !== 'park');
  return all.toSorted((one, other) => one.index - other.index).map(({ code }) => code);
}

for (const [what, worst] of Object.entries<() => unknown>({
  'a field of three megabytes': () => respond(200, { 'x-large': 'x'.repeat(LARGE) }),
  'many long fields': () =>
    respond(
      200,
      Object.fromEntries([...Array(100).keys()].map((at) => [`x-${at}`, 'x'.repeat(LARGE / 100)])),
    ),
  'a cluster of three megabytes': () => choose({ cluster: 'c'.repeat(LARGE) }),
  'a hash key of three megabytes': () => choose({ hash: 'k'.repeat(LARGE) }),
  'a name of three megabytes': () => respond(200, { [`x-${'n'.repeat(LARGE)}`]: '1' }),
  'the same, later': async () => {
    await Promise.resolve();
    return choose({ hash: 'k'.repeat(LARGE) });
  },
  'a proxy that throws at "in"': () =>
    new Proxy(
      {},
      {
        has: () => {
          throw new Error('in');
        },
      },
    ),
  'a Promise whose constructor throws': () =>
    Object.defineProperty(Promise.resolve(), 'constructor', {
      get: () => {
        throw new Error('c');
      },
    }),
  'a Promise whose then throws': () =>
    Object.assign(
      Promise.resolve(),
      thenable(() => {
        throw new Error('then');
      }),
    ),
  'a thenable that calls back twice, and throws': () =>
    thenable((resolve, reject) => {
      resolve(Promise.reject(new Error('first')));
      reject(new Error('second'));
      throw new Error('third');
    }),
  'a code that changes': () => {
    let reads = 0;
    return {
      ...close(),
      get code() {
        return reads++ === 0 ? 0 : { valueOf: () => -1e99 };
      },
    };
  },
})) {
  test(`${what} fails its own exchange`, async () => {
    assert.deepEqual(await askThree(worst), [201, PASSING.has(what) ? 0 : 500, 201]);
  });
}

test('a rewrite that says one thing and then another sets what was checked', () => {
  const said = ['/checked', '/x HTTP/1.1\r\nEvil: 1\r\n\r\n'];
  const text = (list: string[]) => ({ toString: () => list.shift() ?? '' }) as unknown as string;
  const host = createHost([
    defineStreamFilter({
      name: 'worst',
      breaker: BREAKER,
      onRouted(request) {
        if (request.path === '/1') {
          request.rewrite({
            get target() {
              return `${said.shift()}`;
            },
          });
        } else if (request.path === '/2') {
          request.rewrite({ target: text(['/checked', '/checked', 'a b']) });
        } else {
          const fields = text(['x-a', 'x-a', 'x-a: b\r\nEvil']);
          request.headers.set(Object.assign(fields, { toLowerCase: () => fields }), '1');
        }
      },
    }),
  ]);
  for (const index of [1, 2, 3]) addRouted(host, index);
  const answers = host.core.run();
  assert.deepEqual(
    answers.map(({ code, edits }) => [code, edits.map(({ value }) => value)]),
    [
      [0, ['/checked']],
      [500, []],
      [500, []],
    ],
  );
});

test('a breaker that tries is decided also by what cannot be looked at', async () => {
  const hidden = new Proxy(
    {},
    {
      has: () => {
        throw new Error('in');
      },
    },
  );
  const turns = [
    () => {
      throw new Error('opens it');
    },
    () => hidden,
    () => respond(201),
  ];
  const host = createHost([
    defineStreamFilter({
      name: 'worst',
      breaker: { failures: 1, cooldown: '1ms' },
      onRouted: () => turns.shift()?.() as never,
    }),
  ]);
  const codes: unknown[] = [];
  while (turns.length > 0) {
    const left = turns.length;
    addRouted(host, left);
    codes.push(host.core.run()[0]?.code);
    assert.equal(turns.length, left - 1, 'it was called');
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  assert.deepEqual(codes, [500, 500, 201]);
});

test('an end that comes late lets go of its own holder only', async () => {
  const ended: unknown[] = [];
  const host = createHost([
    defineStreamFilter({
      name: 'count',
      begin: () => ({ count: 0 }),
      onRouted: (_, { state }) => respond(200, {}, String(++state.count)),
      onEnd: (_, { state }) => void ended.push(state.count),
    }),
  ]);
  const ask = (generation: number): string => {
    addRouted(host, 5, generation);
    return `${host.core.run()[0]?.first.toString()}`;
  };
  assert.deepEqual([ask(1), ask(2)], ['1', '1']);
  addEnd(host, 5, 1);
  host.core.run();
  assert.equal(ask(2), '2', 'what the second one counted is there');
  addEnd(host, 5, 2);
  host.core.run();
  assert.equal(ended.at(-1), 2);
  assert.equal(host.host.counts.holders, 0);
});
