/**
 * The boundary as it is written down and as it is in code.
 *
 * Path: src/shard/filters/README.md, from which the core is written, against layout.ts.
 * Invariant: a word or verdict that one has and the other has not fails here.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { NEED } from '../../../src/sdk/definition/index.ts';
import { defineStreamFilter } from '../../../src/sdk/index.ts';
import {
  type AnyFilter,
  createCounterMemory,
  FilterCounters,
  FilterHost,
  FilterInstance,
} from '../../../src/shard/filters/index.ts';
import {
  ANSWER,
  BATCH_WORDS,
  CHAIN_ID_MAX,
  CONNECTION,
  END,
  FIELD_WORDS,
  HEAD,
  HOOK,
  MESSAGE,
  MESSAGE_BYTES_MAX,
  VERDICT,
} from '../../../src/shard/filters/layout.ts';
import { ScriptedCore } from '../../../src/testing/index.ts';

const PAGE = readFileSync(new URL('../../../src/shard/filters/README.md', import.meta.url), 'utf8');

/** The page as its tables are read: without the padding of their cells. */
const PLAIN = PAGE.replaceAll(/ {2,}/g, ' ');

/** The first column of the table that follows a text, as the numbers that words start at. */
function wordsAfter(text: string): number[] {
  const table = PLAIN.slice(PLAIN.indexOf(text)).split('\n\n')[1] ?? '';
  const rows = table.split('\n').slice(2);
  return rows.map((row) => Number(/^\| (\d+)/.exec(row)?.[1]));
}

function startsOf(fields: Readonly<Record<string, number>>, leftOut: string[] = []): number[] {
  return Object.entries(fields).flatMap(([name, at]) => (leftOut.includes(name) ? [] : [at]));
}

test('every word of every record is where the page says', () => {
  assert.deepEqual(wordsAfter('**request, routed, endpoint, response**'), startsOf(HEAD));
  assert.deepEqual(wordsAfter('**accept, open**'), startsOf(CONNECTION, ['size']));
  assert.deepEqual(wordsAfter('**message**'), startsOf(MESSAGE, ['size']));
  assert.deepEqual(wordsAfter('**end**'), startsOf(END, ['size']));
  assert.deepEqual(wordsAfter('Otherwise:'), startsOf(ANSWER));
});

test('verdicts have the numbers of the page', () => {
  const rows = [
    ...PLAIN.matchAll(/^\| (\d+) \| (\w+) \| (all|request|routed|endpoint|response|message)/gm),
  ];
  assert.deepEqual(Object.fromEntries(rows.map((row) => [row[2], Number(row[1])])), VERDICT);
});

test('hooks and mask bits have the numbers of the page', () => {
  const table = PLAIN.slice(PLAIN.indexOf('| Mask bit |')).split('\n\n')[0] ?? '';
  const bits = new Map<string, number>();
  for (const row of table.split('\n').slice(2)) {
    const cells = row.split('|').map((cell) => cell.trim());
    const from = Number(cells[1]?.split(',')[0]);
    cells[2]?.split(', ').forEach((name, index) => {
      bits.set(name, 1 << (from + index));
    });
  }
  assert.deepEqual(Object.fromEntries(bits), NEED);
  for (const [name, hook] of Object.entries(HOOK)) {
    assert.equal(NEED[name as keyof typeof HOOK], 1 << hook);
  }
});

test('sizes are those of the page', () => {
  assert.match(
    PLAIN,
    new RegExp(`\\| \`inWords\` \\| Uint32Array \\| ${BATCH_WORDS.toLocaleString('en')} words`),
  );
  assert.match(PLAIN, new RegExp(`at most ${MESSAGE_BYTES_MAX.toLocaleString('en')}`));
  assert.match(PLAIN, new RegExp(`from 1 to ${CHAIN_ID_MAX}`));
  assert.match(PLAIN, new RegExp(`24 \\+ ${FIELD_WORDS}\\*i\\*`));
});

test('the worked example is what host and core write', async () => {
  const [batch, answer] = [...PAGE.matchAll(/```text\n([^`]*)```/g)].map((match) => `${match[1]}`);
  const core = new ScriptedCore();
  const filter = defineStreamFilter({
    name: 'who',
    needs: { requestHeaders: ['x-user'] },
    onRequest: ({ headers }) => headers.set('x-who', `${headers.get('x-user')}!`),
  });
  const plan = {
    id: 1,
    filter: 'who',
    program: '',
    offload: null,
    config: null,
    base: 'file:///',
    generation: 1,
    cell: 0,
  };
  const instance = new FilterInstance(plan, filter as unknown as AnyFilter, () => {});
  const members = [{ instance: 1, place: 'listener' as const }];
  const chain = { ...instance.needs, id: 3, members, framing: null };
  const { memory } = core;
  const counters = new FilterCounters(createCounterMemory());
  const host = new FilterHost({
    core,
    memory,
    counters,
    mode: 'production',
    offloader: null,
    write: () => {},
  });
  host.commit(
    { generation: 1, programs: [], instances: [plan], chains: [chain] },
    new Map([[1, instance]]),
  );
  core.batch.head(
    { holder: 'exchange', hook: 'request', index: 7, generation: 9, chain },
    {
      method: 'GET',
      target: '/a',
      host: 'h',
      clientIp: '10.0.0.1',
      clientPort: 5000,
      isTls: true,
      isWebSocket: false,
      route: '',
      cluster: '',
      endpoint: '',
      status: 0,
      attempt: 1,
      fields: [['x-user', 'ann']],
    },
  );
  const words = core.batch.take();
  const shown = (list: Uint32Array, bytes: Uint8Array, count: number, size: number): string =>
    `${[...list.subarray(0, count)].join(' ')}\n${Buffer.from(bytes.subarray(0, size)).toString('latin1')}\n`;
  assert.equal(batch, shown(memory.inWords, memory.inBytes, words, 17));
  const answers = host.run(words);
  assert.equal(answer, shown(memory.outWords, memory.outBytes, answers, 9));
});
