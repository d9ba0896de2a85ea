/**
 * The boundary under random heads, edits, messages and codecs.
 *
 * Path: fast-check drives `holdfast/testing`; a model in a few lines says what must come out.
 * Invariant: what a filter reads is what the client sent, what it writes is what goes on, and no
 * value that crosses becomes another one. A failure prints its seed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  defineCodec,
  defineMessageFilter,
  defineStreamFilter,
  replace,
} from '../../../src/sdk/index.ts';
import { FrameReader, testFilter } from '../../../src/testing/index.ts';

const NAMES = ['x-a', 'x-b', 'x-c', 'cookie'];
const RUNS = { numRuns: 200 };
const name = fc.constantFrom(...NAMES);
/** Latin-1 without control characters, as fields may hold it. */
const value = fc
  .array(fc.oneof(fc.integer({ min: 0x21, max: 0x7e }), fc.integer({ min: 0xa1, max: 0xff })))
  .map((codes) => String.fromCharCode(...codes));
const edit = fc.record({ what: fc.constantFrom('set', 'add', 'remove'), name, value });

function applyEdit(
  model: Map<string, string[]>,
  one: { what: string; name: string; value: string },
) {
  const before = model.get(one.name) ?? [];
  if (one.what === 'set') model.set(one.name, [one.value]);
  else if (one.what === 'add') model.set(one.name, [...before, one.value]);
  else model.delete(one.name);
}

test('fields and edits come out as a model says', async () => {
  const run = fc.asyncProperty(
    fc.array(fc.tuple(name, value), { maxLength: 12 }),
    fc.array(edit, { maxLength: 12 }),
    fc.constantFrom(true, NAMES),
    fc.boolean(),
    async (fields, edits, requestHeaders, waits) => {
      const model = new Map<string, string[]>();
      for (const [field, text] of fields)
        applyEdit(model, { what: 'add', name: field, value: text });
      const headers = Object.fromEntries(model);
      await using kit = await testFilter(
        defineStreamFilter({
          name: 'model',
          needs: { requestHeaders: requestHeaders as true },
          async onRequest(request) {
            if (waits) await Promise.resolve();
            for (const one of edits) {
              for (const known of NAMES) {
                assert.deepEqual(request.headers.getAll(known), model.get(known) ?? []);
              }
              if (one.what === 'remove') request.headers.remove(one.name);
              else request.headers[one.what === 'set' ? 'set' : 'add'](one.name, one.value);
              applyEdit(model, one);
            }
          },
        }),
      );
      const outcome = await kit.exchange({ headers }).request();
      assert.deepEqual(kit.log, []);
      assert.deepEqual(
        outcome.edits,
        edits.map((one) => ({ ...one, value: one.what === 'remove' ? '' : one.value })),
      );
    },
  );
  await fc.assert(run, RUNS);
});

test('messages come through as they are, and as they are replaced', async () => {
  await using kit = await testFilter(
    defineMessageFilter({
      name: 'echo',
      needs: { messages: { from: 'both', kinds: ['text', 'binary'], bytesMax: 262_144 } },
      onMessage: (message) => replace(message.isText ? `${message.text}!` : message.bytes),
    }),
  );
  const tunnel = kit.tunnel();
  const run = fc.asyncProperty(
    fc.string({ unit: 'grapheme' }),
    fc.uint8Array(),
    async (text, bytes) => {
      const wellFormed = Buffer.from(text).toString();
      assert.equal((await tunnel.fromClient(text)).text, `${wellFormed}!`);
      const binary = await tunnel.fromEndpoint(bytes);
      assert.equal(binary.text, Buffer.from(bytes).toString('utf8'));
    },
  );
  await fc.assert(run, RUNS);
});

test('frames are the same however the bytes are split, and hostile bytes end', () => {
  const codec = defineCodec({
    name: 'any',
    frameBytesMax: 300,
    by: { at: 0, size: 1 },
    variants: {
      1: { kind: 'request', header: 3, length: [{ at: 1, size: 2 }] },
      2: { kind: 'oneway', header: 2, length: [{ at: 1, size: 1 }], lengthPlus: -1 },
    },
  });
  const read = (pieces: readonly Uint8Array[]): string => {
    const reader = new FrameReader(codec);
    const seen: string[] = [];
    try {
      for (const piece of pieces) {
        for (const frame of reader.push(piece)) {
          seen.push(`${frame.variant}:${Buffer.from(frame.body).toString('hex')}`);
        }
      }
    } catch (error) {
      seen.push((error as Error).name);
    }
    return seen.join();
  };
  const frame = fc.uint8Array({ maxLength: 200 }).map((body) => {
    return Buffer.concat([Buffer.from([1, body.length >> 8, body.length & 0xff]), body]);
  });
  const bytes = fc.oneof(
    fc.array(frame, { maxLength: 5 }).map((frames) => Buffer.concat(frames)),
    fc.uint8Array({ maxLength: 50 }).map((raw) => Buffer.from(raw)),
  );
  const run = fc.property(bytes, fc.integer({ min: 1, max: 20 }), (whole, size) => {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < whole.length; at += size) pieces.push(whole.subarray(at, at + size));
    const [one, many] = [read([whole]), read(pieces)];
    // A fault later in the bytes is met before the frames of the same piece are handed out.
    if (one.includes('Error')) assert.ok(many.includes('FrameError'));
    else assert.equal(many, one);
  });
  fc.assert(run, RUNS);
});
