/**
 * Filters that throw, reject, hang, return nonsense or keep failing: what their policy says
 * happens.
 *
 * Path: `holdfast/testing` over the real host.
 * Invariant: a failure reaches nobody but its own exchange, connection or tunnel; it is counted,
 * and its line names filter, generation and hook. Nothing is held on to afterwards.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  close,
  defineNetworkFilter,
  defineStreamFilter,
  OffloadError,
  respond,
  type Scope,
} from '../../../src/sdk/index.ts';
import { FilterKit, testFilter } from '../../../src/testing/index.ts';

/** Things a hook can do wrong, with the status of a closed policy. */
const WRONGS: readonly [name: string, run: () => unknown, status: number, said: RegExp][] = [
  [
    'throws',
    () => {
      throw new Error('boom');
    },
    500,
    /Error: boom/,
  ],
  [
    'throws nothing',
    () => {
      throw undefined;
    },
    500,
    /undefined/,
  ],
  [
    'throws what cannot be shown',
    () => {
      throw {
        toString: () => {
          throw new Error('x');
        },
      };
    },
    500,
    /cannot be shown/,
  ],
  ['rejects', () => Promise.reject(new Error('later')), 500, /Error: later/],
  ['never settles', () => new Promise(() => {}), 503, /no answer within 20 ms/],
  ['returns nonsense', () => 'yes', 500, /a value of type string/],
  ['settles with nonsense', async () => ({ type: 'drop' }), 500, /returned "drop"/],
  ['responds out of range', () => respond(99), 500, /status 99/],
  ['responds too much', () => respond(200, {}, 'x'.repeat(70_000)), 500, /at most 65536/],
  ['responds with a bad field', () => respond(200, { 'x y': '1' }), 500, /not the name of a field/],
  ['splits a response', () => respond(200, { x: '1\r\n\r\n<html>' }), 500, /control characters/],
  [
    'throws what cannot be looked at',
    () => {
      throw new Proxy(new Error('x'), {
        getPrototypeOf: () => {
          throw new Error('trap');
        },
      });
    },
    500,
    /cannot be shown/,
  ],
  [
    'is a hostile thenable',
    () =>
      Object.defineProperty({}, ['th', 'en'].join(''), {
        get: () => {
          throw new Error('trap');
        },
      }),
    500,
    /trap/,
  ],
  ['sheds', () => Promise.reject(new OffloadError('shed', 'queue is full')), 503, /queue is full/],
];

for (const [name, run, status, said] of WRONGS) {
  test(`a filter that ${name} answers ${status}, or is not there when it is open`, async () => {
    for (const onError of ['closed', 'open'] as const) {
      await using kit = await testFilter(
        defineStreamFilter({
          name: 'wrong',
          onError,
          timeout: '20ms',
          onRequest: ({ headers }) => {
            headers.set('x-half', 'done');
            return run() as undefined;
          },
        }),
      );
      const outcome = await kit.exchange().request();
      if (onError === 'open') assert.equal(outcome.verdict, 'continue');
      else assert.deepEqual([outcome.verdict, outcome.code], ['respond', status]);
      assert.deepEqual(outcome.edits, [], 'the edits of a failed hook are taken back');
      assert.equal(kit.log.length, 1);
      assert.match(`${kit.log[0]?.message}`, /^filter "wrong" \(generation 1\), onRequest: /);
      assert.match(`${kit.log[0]?.message}`, said);
      const field = said.source.includes('no answer') ? 'timeouts' : 'failures';
      assert.equal(kit.count('request', field), 1);
      assert.deepEqual(kit.held, { parked: 0, holders: 0 });
    }
  });
}

test('a connection whose filter fails is reset', async () => {
  await using kit = await testFilter(
    defineNetworkFilter({
      name: 'gate',
      onAccept: () => {
        throw new Error('boom');
      },
    }),
  );
  const outcome = await kit.connection().accept();
  assert.deepEqual([outcome.verdict, outcome.code], ['close', 0]);
});

test('a late answer after the timeout changes nothing', async () => {
  const gate = Promise.withResolvers<ReturnType<typeof respond>>();
  await using kit = await testFilter(
    defineStreamFilter({ name: 'late', timeout: '10ms', onRequest: () => gate.promise }),
  );
  const outcome = await kit.exchange().request();
  assert.equal(outcome.code, 503);
  gate.resolve(respond(200));
  await gate.promise;
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(kit.held, { parked: 0, holders: 0 });
  assert.equal(kit.log.length, 1);
});

test('the signal aborts at the timeout and when the client goes, not otherwise', async () => {
  const signals: AbortSignal[] = [];
  const hang = (_: unknown, scope: Scope<undefined, undefined>): Promise<undefined> => {
    signals.push(scope.signal);
    return new Promise(() => {});
  };
  await using kit = await testFilter(
    defineStreamFilter({
      name: 'abort',
      timeout: '20ms',
      onRequest: hang,
      onRouted: (_, scope) => {
        signals.push(scope.signal);
      },
    }),
  );
  await kit.exchange().request();
  assert.equal(signals[0]?.aborted, true);
  const gone = kit.exchange();
  const waiting = gone.request();
  gone.end({ reason: 'client-abort' });
  assert.equal((await waiting).verdict, 'gone');
  assert.equal(signals[1]?.aborted, true);
  await kit.exchange().routed();
  assert.equal(signals[2]?.aborted, false);
  assert.deepEqual(kit.held, { parked: 0, holders: 0 });
});

test('a filter that keeps failing is left out, then tried once', async () => {
  let isBroken = true;
  let calls = 0;
  await using kit = await testFilter(
    defineStreamFilter({
      name: 'flaky',
      breaker: { failures: 3, cooldown: '30ms' },
      onRequest: () => {
        calls++;
        if (isBroken) throw new Error('down');
        return respond(204);
      },
    }),
  );
  const ask = async (): Promise<number> => (await kit.exchange().request()).code;
  assert.deepEqual([await ask(), await ask(), await ask()], [500, 500, 500]);
  assert.deepEqual([await ask(), await ask()], [503, 503]);
  assert.deepEqual([calls, kit.count('request', 'skipped')], [3, 2]);
  while ((await ask()) === 503) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(calls, 4, 'one call tried, and failed');
  isBroken = false;
  let code = await ask();
  assert.equal(code, 503, 'the cool-down begins again');
  while (code === 503) {
    await new Promise((resolve) => setImmediate(resolve));
    code = await ask();
  }
  assert.deepEqual([code, await ask(), calls], [204, 204, 6]);
});

test('begin that throws is a failure of the hook; onEnd that throws is only told', async () => {
  const filter = defineStreamFilter({
    name: 'edges',
    begin: (): number => {
      throw new Error('no begin');
    },
    onRequest: () => {},
    onEnd: () => {},
  });
  await using kit = await testFilter(filter);
  const exchange = kit.exchange();
  assert.equal((await exchange.request()).code, 500);
  exchange.end();
  assert.match(`${kit.log[1]?.message}`, /onEnd: Error: no begin/);
  const ends = defineStreamFilter({
    name: 'ends',
    onEnd: () => Promise.reject(new Error('x')) as unknown as undefined,
  });
  await using other = await testFilter(ends);
  other.exchange().end();
  assert.match(`${other.log[0]?.message}`, /onEnd: TypeError: it returned a Promise/);
});

test('what setup throws, and a wrong definition, are told before anything runs', async () => {
  const filter = defineStreamFilter({
    name: 'x',
    setup: () => {
      throw new Error('no database');
    },
    onRequest: () => {},
  });
  await assert.rejects(testFilter(filter), /no database/);
  await assert.rejects(testFilter({ name: 'x' }), /not made by one of the define functions/);
  assert.equal(typeof FilterKit, 'function');
});

test('a hook that blocks its shard is told by name, and its verdict holds', async () => {
  await using kit = await testFilter(
    defineStreamFilter({
      name: 'blocker',
      onRequest: () => {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 520);
        return respond(204);
      },
    }),
  );
  assert.equal((await kit.exchange().request()).code, 204);
  const [line] = kit.log;
  assert.match(
    `${line?.message}`,
    /^filter "blocker" \(generation 1\), onRequest: it held up its shard for \d+ ms$/,
  );
  assert.deepEqual([kit.count('request', 'blocked'), kit.count('request', 'failures')], [1, 0]);
});

test('a flood of a filter’s own lines is cut', async () => {
  await using kit = await testFilter(
    defineStreamFilter({
      name: 'chatty',
      setup: ({ log }) => log,
      onRequest: (_, { shared }) => {
        for (let line = 0; line < 1000; line++) shared.info('hello', { line });
        return close();
      },
    }),
  );
  await kit.exchange().request();
  assert.ok(kit.log.length >= 100 && kit.log.length <= 200, `${kit.log.length} lines`);
});

test('a network filter sees who connects, and chooses where they go', async () => {
  const ends: unknown[] = [];
  await using kit = await testFilter(
    defineNetworkFilter({
      name: 'gate',
      onAccept: ({ client }) => (client.ip.startsWith('203.') ? close() : undefined),
      onOpen: ({ serverName, alpn, isTls, localPort }) => ({
        type: 'choose',
        cluster: isTls ? `tls-${localPort}` : 'plain',
        hash: `${serverName}/${alpn}`,
      }),
      onEnd: (record) => {
        ends.push(record);
      },
    }),
  );
  assert.equal((await kit.connection({ client: { ip: '203.0.113.1' } }).accept()).verdict, 'close');
  const connection = kit.connection({
    isTls: true,
    serverName: 'a.example',
    alpn: 'mqtt',
    localPort: 8883,
  });
  assert.equal((await connection.accept()).verdict, 'continue');
  const open = await connection.open();
  assert.deepEqual([open.cluster, open.hash], ['tls-8883', 'a.example/mqtt']);
  const record = {
    code: 0,
    reason: 'client-fin',
    bytesIn: 2 ** 40 + 1,
    bytesOut: 7,
    durationMicros: 3,
    messagesIn: 0,
    messagesOut: 0,
  };
  connection.end(record);
  assert.deepEqual(ends, [record]);
});
