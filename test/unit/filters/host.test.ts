/**
 * The host on whole batches: many holders at once, several filters, limits of the memory.
 *
 * Path: batches are built as the core builds them; answers are read as it reads them.
 * Invariant: each record has its answer or none, in order, wherever the batch was split.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  choose,
  defineMessageFilter,
  defineStreamFilter,
  drop,
  replace,
  respond,
} from '../../../src/sdk/index.ts';
import type { ReadAnswer } from '../../../src/testing/answer-reader.ts';
import { ScriptedExchange, ScriptedTunnel } from '../../../src/testing/scripted-holders.ts';
import { createHost } from './chain-host.ts';

function mark(name: string) {
  return defineMessageFilter({
    name,
    needs: { messages: { from: 'both' } },
    onMessage: ({ text }) => replace(`${text}${name}`),
  });
}

test('messages of clients pass filters in order, those of endpoints in reverse', async () => {
  const { core, chain } = createHost([mark('a'), mark('b'), mark('c')]);
  const tunnel = new ScriptedTunnel(core, chain, 1, {});
  assert.equal((await tunnel.fromClient('>')).text, '>abc');
  assert.equal((await tunnel.fromEndpoint('<')).text, '<cba');
});

test('each filter of a chain sees only what it asked for', async () => {
  const seen: string[] = [];
  const see = (name: string, needs: Parameters<typeof defineMessageFilter>[0]['needs']) =>
    defineMessageFilter({
      name,
      needs,
      onMessage: ({ from, isText, size }) => void seen.push(`${name} ${from} ${isText} ${size}`),
    });
  const { core, chain } = createHost([
    see('up', { messages: { from: 'client' } }),
    see('down', { messages: { from: 'endpoint', kinds: ['binary'] } }),
    see('small', { messages: { from: 'client', bytesMax: 2, larger: 'pass' } }),
  ]);
  const tunnel = new ScriptedTunnel(core, chain, 1, {});
  await tunnel.fromClient('ab');
  await tunnel.fromClient('abc');
  await tunnel.fromEndpoint(new Uint8Array(1));
  assert.deepEqual(seen, [
    'up client true 2',
    'small client true 2',
    'up client true 3',
    'down endpoint false 1',
  ]);
});

test('edits of one filter are seen by the next; a failed one leaves no trace; choices add up', async () => {
  const { core, chain } = createHost([
    defineStreamFilter({
      name: 'first',
      onRouted: ({ headers }) => {
        headers.set('x-a', '1');
        return choose({ hash: 'key' });
      },
    }),
    defineStreamFilter({
      name: 'broken',
      onError: 'open',
      onRouted: ({ headers }) => {
        headers.set('x-a', 'broken');
        throw new Error('half way');
      },
    }),
    defineStreamFilter({
      name: 'last',
      needs: { requestHeaders: ['x-a'] },
      async onRouted({ headers }) {
        await Promise.resolve();
        headers.add('x-a', `${headers.get('x-a')}+`);
        return choose({ cluster: 'other' });
      },
    }),
  ]);
  const outcome = await new ScriptedExchange(core, chain, 1, { headers: { 'x-a': '0' } }).routed();
  assert.deepEqual(
    outcome.edits.map(({ what, value }) => `${what} ${value}`),
    ['set 1', 'add 1+'],
  );
  assert.deepEqual([outcome.verdict, outcome.hash, outcome.cluster], ['choose', 'key', 'other']);
});

test('a batch of many holders is answered in order, also when the answers need two rounds', () => {
  const { core, chain } = createHost([
    defineMessageFilter({
      name: 'grow',
      needs: { messages: { from: 'client', bytesMax: 100_000 } },
      onMessage({ text }) {
        if (text.startsWith('keep')) return undefined;
        return text.startsWith('drop') ? drop() : replace('r'.repeat(200_000));
      },
    }),
  ]);
  const starts: number[] = [];
  for (let index = 0; index < 60; index++) {
    const text = `${['keep', 'drop', 'grow'][index % 3]} ${index}`;
    const target = {
      holder: 'tunnel',
      hook: 'message',
      index: index % 7,
      generation: 1,
      chain,
    } as const;
    starts.push(
      core.batch.message(target, { bytes: Buffer.from(text), isText: true, isBack: false }),
    );
  }
  const answers: ReadAnswer[] = core.run();
  assert.deepEqual(
    answers.map((answer) => starts.indexOf(answer.record ?? -1)),
    starts.map((_, index) => index).filter((index) => index % 3 !== 0),
  );
  for (const answer of answers) {
    const isDrop = starts.indexOf(answer.record ?? -1) % 3 === 1;
    assert.equal(answer.verdict, isDrop ? 'drop' : 'replace');
    assert.equal(answer.first.length, isDrop ? 0 : 200_000);
  }
});

test('parked exchanges of one batch are answered together, later', async () => {
  const { core, chain, host } = createHost([
    defineStreamFilter({
      name: 'wait',
      async onRequest({ path }) {
        await new Promise((resolve) => setImmediate(resolve));
        return respond(200, {}, path);
      },
    }),
  ]);
  const exchanges = Array.from(
    { length: 50 },
    (_, index) => new ScriptedExchange(core, chain, index, { target: `/${index}` }),
  );
  const outcomes = Promise.all(exchanges.map((exchange) => exchange.routed()));
  assert.equal(host.counts.parked, 50);
  assert.deepEqual(
    (await outcomes).map((outcome) => outcome.text),
    exchanges.map((_, index) => `/${index}`),
  );
  assert.equal(host.counts.parked, 0);
});

test('thousands that one Promise lets go are all answered, in order', async () => {
  const gate = Promise.withResolvers<void>();
  const { core, chain, host } = createHost([
    defineStreamFilter({
      name: 'wait',
      async onRequest({ path }) {
        await gate.promise;
        return respond(200, {}, path);
      },
    }),
  ]);
  const exchanges = Array.from(
    { length: 1500 },
    (_, index) => new ScriptedExchange(core, chain, index, { target: `/${index}` }),
  );
  const outcomes = Promise.all(exchanges.map((exchange) => exchange.routed()));
  assert.equal(host.counts.parked, exchanges.length);
  gate.resolve();
  assert.deepEqual(
    (await outcomes).map((outcome) => outcome.text),
    exchanges.map((_, index) => `/${index}`),
  );
});

test('a record of a chain that is gone continues', () => {
  const { core, chain } = createHost([mark('a')]);
  const target = { holder: 'tunnel', hook: 'message', index: 1, generation: 1 } as const;
  const message = { bytes: Buffer.from('x'), isText: true, isBack: false };
  core.batch.message({ ...target, chain: { ...chain, id: 77 } }, message);
  assert.deepEqual(core.run(), []);
});

test('a slot that was given to another holder has a state of its own', async () => {
  const { core, chain, host } = createHost([
    defineStreamFilter({
      name: 'state',
      begin: () => ({ count: 0 }),
      onRequest: (_, { state }) => respond(200, {}, String(++state.count)),
    }),
  ]);
  const ask = (generation: number): string => {
    const head = { method: 'GET', target: '/', host: 'h', clientIp: '', clientPort: 0 };
    const rest = { isTls: false, isWebSocket: false, route: 'r', cluster: 'c', endpoint: '' };
    core.batch.head(
      { holder: 'exchange', hook: 'routed', index: 3, generation, chain },
      { ...head, ...rest, status: 0, attempt: 1, fields: [] },
    );
    return `${core.run()[0]?.first.toString()}`;
  };
  assert.deepEqual([ask(1), ask(1), ask(2)], ['1', '2', '1']);
  assert.equal(host.counts.holders, 1);
});
