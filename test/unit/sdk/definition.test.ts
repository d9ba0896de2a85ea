/**
 * Definitions of filters: what is refused, and what needs compile to.
 *
 * Path: src/sdk/definition, without a host.
 * Invariant: every fault names the field it is about; bits are set for hooks that exist, no others.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as z from 'zod';
import {
  checkDefinition,
  compileNeeds,
  joinNeeds,
  NEED,
  type NeedsSource,
  readDuration,
} from '../../../src/sdk/definition/index.ts';
import {
  defineCodec,
  defineDiscovery,
  defineLoadBalancer,
  defineMessageFilter,
  defineNetworkFilter,
  defineStreamFilter,
} from '../../../src/sdk/index.ts';

const STREAM = { kind: 'stream', apiVersion: 1, name: 'x', onRequest: (): void => {} };

function faultsOf(value: unknown): string[] {
  return checkDefinition(value).map(({ field, message }) => `${field}: ${message}`);
}

test('what define makes has no faults', () => {
  const made = [
    defineNetworkFilter({ name: 'a', onAccept: () => {} }),
    defineStreamFilter({
      name: 'b-2',
      config: z.strictObject({ a: z.string() }),
      needs: { requestHeaders: ['x'], responseHeaders: true },
      onError: 'open',
      timeout: '250ms',
      breaker: { failures: 0, cooldown: '1m' },
      offload: new URL('file:///x.ts'),
      onRequest: () => {},
    }),
    defineMessageFilter({
      name: 'c',
      order: 'serial',
      needs: { messages: { from: 'both', kinds: ['text', 'binary'], bytesMax: 1, larger: 'pass' } },
      onMessage: async () => {},
    }),
    defineLoadBalancer({ name: 'd', interval: '5s', weigh: (list) => list.map(() => 1) }),
    defineDiscovery({ name: 'e', watch: async function* () {} }),
    defineCodec({
      name: 'f',
      frameBytesMax: 100,
      variants: { 0: { kind: 'request', header: 4, length: [{ at: 0, size: 4 }] } },
    }),
  ];
  for (const value of made) assert.deepEqual(faultsOf(value), []);
});

test('every fault of a definition is reported with its field', () => {
  const rows: [unknown, RegExp][] = [
    [undefined, /is not made by one of the define functions/],
    [{ name: 'x' }, /is not made by one of the define functions/],
    [{ ...STREAM, apiVersion: 2 }, /^apiVersion: is 2; this gateway has version 1/],
    [{ ...STREAM, kind: 'steam' }, /^kind: must be one of network, stream/],
    [{ ...STREAM, name: 'X y' }, /^name: must be lower case/],
    [{ ...STREAM, name: 'a'.repeat(64) }, /^name: /],
    [{ ...STREAM, config: 5 }, /^config: must be a schema/],
    [{ ...STREAM, onReqest: () => {} }, /^onReqest: is not known to a stream filter/],
    [{ ...STREAM, onRequest: 3 }, /^onRequest: must be a function/],
    [
      { kind: 'stream', apiVersion: 1, name: 'x' },
      /has no hook; a stream filter may have onRequest/,
    ],
    [{ ...STREAM, onError: 'maybe' }, /^onError: must be "open" or "closed"/],
    [{ ...STREAM, timeout: '5' }, /^timeout: must be a duration/],
    [{ ...STREAM, timeout: '48h' }, /^timeout: /],
    [{ ...STREAM, breaker: { failures: 1.5, cooldown: '1s' } }, /^breaker.failures: /],
    [{ ...STREAM, breaker: { failures: 1, cooldown: 1 } }, /^breaker.cooldown: /],
    [{ ...STREAM, offload: './worker.ts' }, /^offload: must be a URL/],
    [{ ...STREAM, needs: 5 }, /^needs: must be an object/],
    [
      { ...STREAM, needs: { headers: [] } },
      /^needs.headers: is not known; known are requestHeaders/,
    ],
    [
      { ...STREAM, needs: { requestHeaders: ['a b'] } },
      /^needs.requestHeaders: must be true or a list/,
    ],
    [
      { ...STREAM, needs: { requestHeaders: Array.from({ length: 65 }, (_, i) => `x-${i}`) } },
      /^needs.requestHeaders: lists more than 64/,
    ],
    [
      { kind: 'message', apiVersion: 1, name: 'x', onMessage: (): void => {} },
      /^needs.messages: is missing/,
    ],
    [
      {
        kind: 'message',
        apiVersion: 1,
        name: 'x',
        needs: { messages: { from: 'client', bytesMax: 300_000 } },
        onMessage: (): void => {},
      },
      /^needs.messages.bytesMax: must be a whole number from 1 to 262144/,
    ],
    [{ kind: 'balancer', apiVersion: 1, name: 'x' }, /^weigh: must be a function/],
    [
      { kind: 'codec', apiVersion: 1, name: 'x', frameBytesMax: 5 },
      /^variants: must have 1 to 256/,
    ],
    [
      {
        kind: 'codec',
        apiVersion: 1,
        name: 'x',
        frameBytesMax: 5,
        variants: { 0: { kind: 'request', header: 4, length: [{ at: 2, size: 4 }] } },
      },
      /^variants.0.length.0: must lie within the header of 4 bytes/,
    ],
  ];
  for (const [value, expected] of rows) {
    const faults = faultsOf(value);
    assert.ok(
      faults.some((fault) => expected.test(fault)),
      `${expected} not in ${JSON.stringify(faults)}`,
    );
  }
});

test('needs compile to the bits of the hooks that exist', () => {
  const filter = defineStreamFilter({
    name: 'x',
    needs: { requestHeaders: ['X-B', 'x-a', 'x-b'] },
    onRequest: () => {},
    onEnd: () => {},
  });
  assert.deepEqual(compileNeeds(filter as unknown as NeedsSource), {
    mask: NEED.request | NEED.end,
    requestHeaders: ['x-a', 'x-b'],
    responseHeaders: [],
    messageBytesMax: 0,
    oversize: 'close',
  });
});

test('what a filter keeps asks for the end', () => {
  const keeps = defineStreamFilter({ name: 'x', begin: () => 1, onRouted: () => {} });
  assert.equal(compileNeeds(keeps as unknown as NeedsSource).mask, NEED.routed | NEED.end);
});

test('messages compile to direction, kind and order', () => {
  const filter = defineMessageFilter({
    name: 'x',
    order: 'serial',
    needs: { messages: { from: 'endpoint', kinds: ['binary'], bytesMax: 100 } },
    onMessage: () => {},
  });
  const plan = compileNeeds(filter as unknown as NeedsSource);
  assert.equal(plan.mask, NEED.message | NEED.fromEndpoint | NEED.binary | NEED.serial);
  assert.equal(plan.messageBytesMax, 100);
});

test('a chain needs what its filters need together', () => {
  const base = { mask: 0, requestHeaders: [], responseHeaders: [], messageBytesMax: 0 };
  const joined = joinNeeds([
    { ...base, mask: NEED.request, requestHeaders: ['b'], oversize: 'close' },
    { ...base, mask: NEED.message, messageBytesMax: 10, oversize: 'pass' },
    { ...base, mask: NEED.message, requestHeaders: ['a'], messageBytesMax: 20, oversize: 'close' },
  ]);
  assert.deepEqual(joined, {
    mask: NEED.request | NEED.message,
    requestHeaders: ['a', 'b'],
    responseHeaders: [],
    messageBytesMax: 20,
    oversize: 'close',
  });
  assert.equal(joinNeeds([]).mask, 0);
});

test('durations are read in milliseconds, within a day', () => {
  const rows: [unknown, number | null][] = [
    ['250ms', 250],
    ['1.5s', 1500],
    ['2m', 120_000],
    ['24h', 86_400_000],
    ['25h', null],
    ['0ms', null],
    ['5', null],
    ['-1s', null],
    [5, null],
  ];
  for (const [text, ms] of rows) assert.equal(readDuration(text), ms, String(text));
});
