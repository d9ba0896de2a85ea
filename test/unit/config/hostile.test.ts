/**
 * Hostile configurations: whatever the text, a configuration or findings, and never an exception.
 *
 * Path: the whole loader and the renderers.
 * Invariant under test: bounded findings with true places; nothing printed can control a terminal;
 * a configuration only without errors.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { LoadResult } from '../../../src/main/config/load.ts';
import { renderGithub, renderHuman, renderJson } from '../../../src/main/config/render.ts';
import { load, minimal } from './world.ts';

const EXAMPLES = ['mqtt', 'http'].map((name) =>
  readFileSync(new URL(`../../../examples/${name}.yaml`, import.meta.url), 'utf8'),
);
const PIECES = [
  ...new Set(EXAMPLES.join('\n').match(/[A-Za-z]+|[0-9.:/]+|[^\sA-Za-z0-9]/g) ?? []),
  '\n',
  '  ',
  '\t',
  '- ',
  '&a ',
  '*a',
  '<<: *a',
  '---\n',
  '? ',
  '!!binary ',
  '|\n',
  '"',
  '${env:IDLE}',
  '${',
  '\u001b[31m',
  '\u202e',
  '__proto__',
  'null',
  '1e999',
  '0x7fffffffffffffff',
];

function check(result: LoadResult): void {
  const { config, diagnostics, text } = result;
  const hasErrors = diagnostics.some(({ severity }) => severity === 'error');
  assert.equal(config === null, hasErrors);
  assert.ok(diagnostics.length <= 100);
  const lines = text.split('\n').length;
  for (const { line, column, length, code } of diagnostics) {
    assert.ok(line >= 0 && line <= lines + 1 && column >= 0 && length >= 1);
    assert.match(code, /^HF1\d\d\d$/);
  }
  const input = { diagnostics, text, name: 'x.yaml' };
  const human = renderHuman(input, { color: false });
  // oxlint-disable-next-line no-control-regex
  assert.doesNotMatch(human, /[\u0000-\u0009\u000b-\u001f\u007f\u202a-\u202e]/);
  assert.equal((JSON.parse(renderJson(input)) as { valid: boolean }).valid, !hasErrors);
  assert.equal(renderGithub(input).split('\n').length - 1, diagnostics.length);
}

test('any text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => check(load(text))),
  );
});

test('pieces of a configuration in any order', () => {
  const text = fc
    .array(fc.constantFrom(...PIECES), { maxLength: 80 })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(text, (value) => check(load(value))),
    { numRuns: 500 },
  );
});

test('a configuration with any part cut out, put in or exchanged', () => {
  const example = fc.constantFrom(...EXAMPLES);
  const place = fc.nat({ max: Math.max(...EXAMPLES.map(({ length }) => length)) });
  const piece = fc
    .array(fc.constantFrom(...PIECES), { maxLength: 4 })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(example, place, fc.nat({ max: 40 }), piece, (text, far, cut, put) => {
      const at = far % text.length;
      check(load(text.slice(0, at) + put + text.slice(at + cut)));
    }),
    { numRuns: 1000 },
  );
});

test('any value in the place of any other', () => {
  const valid = JSON.parse(
    JSON.stringify({
      version: 1,
      admin: { tcp: { bind: '127.0.0.1:1', tokenFile: 'x' } },
      log: { level: 'info' },
      limits: { connections: 10 },
      listeners: [
        { name: 'a', bind: ['127.0.0.1:1'], limits: { buffer: { high: '8KiB' } }, cluster: 'c' },
        {
          name: 'b',
          bind: '127.0.0.1:2',
          protocol: 'http',
          http: {
            trust: ['10.0.0.0/8'],
            hosts: [
              {
                names: ['a.example'],
                routes: [
                  {
                    match: { path: { exact: '/a' }, headers: [{ name: 'x', exact: 'y' }] },
                    split: [{ cluster: 'c', weight: 1 }],
                    rewrite: { regex: 'x', to: 'y' },
                    requestHeaders: { set: { a: '%{host}' }, remove: ['b'] },
                    websocket: { maxAge: '1h' },
                    retry: { on: ['connect'] },
                    hash: { cookie: 'c' },
                    subset: { l: '1' },
                  },
                  { match: '/r', redirect: 'https://%{host}/' },
                ],
              },
            ],
          },
        },
      ],
      clusters: [{ name: 'c', endpoints: ['127.0.0.1:2', { address: 'a.b:3' }], healthCheck: {} }],
    }),
  ) as Record<string, unknown>;
  const paths: string[][] = [];
  const visit = (value: unknown, path: string[]): void => {
    if (path.length > 0) paths.push(path);
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) visit(inner, [...path, key]);
  };
  visit(valid, []);
  fc.assert(
    fc.property(fc.constantFrom(...paths), fc.jsonValue({ maxDepth: 3 }), (path, value) => {
      const copy = structuredClone(valid);
      let parent: Record<string, unknown> = copy;
      for (const key of path.slice(0, -1)) parent = parent[key] as Record<string, unknown>;
      parent[path.at(-1) ?? ''] = value;
      check(load(JSON.stringify(copy, null, 2)));
    }),
    { numRuns: 1000 },
  );
});

test('a valid configuration stays valid in every writing of its amounts', () => {
  const amount = fc.integer({ min: 1, max: 86_400 });
  fc.assert(
    fc.property(amount, fc.constantFrom('s', 'm'), (value, unit) => {
      const { config } = load(minimal({ listener: `timeouts: { idle: ${value}${unit} }` }));
      const ms = value * (unit === 's' ? 1000 : 60_000);
      assert.equal(config?.listeners[0]?.timeouts.idleMs, ms <= 2_592_000_000 ? ms : undefined);
    }),
  );
});
