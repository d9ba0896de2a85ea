/**
 * Generated documents and examples are what the program says today.
 *
 * Path: src/main/config/generate.ts, reference.ts, json-schema.ts; examples/.
 * Invariant under test: no page is out of date, every field is described, every example loads.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadNative } from '../../../native/epoll/index.ts';
import { findStaleDocuments } from '../../../src/main/config/generate.ts';
import { createJsonSchema, type SchemaNode } from '../../../src/main/config/json-schema.ts';
import * as limit from '../../../src/main/config/limits.ts';
import { load, minimal } from './world.ts';

const EXAMPLES = fileURLToPath(new URL('../../../examples/', import.meta.url));

test('generated documents are up to date', () => {
  assert.deepEqual(findStaleDocuments(), [], 'run "npm run docs"');
});

test('every field has a description, and none of our marks is left without its meaning', () => {
  let fields = 0;
  const visit = (node: SchemaNode, path: string): void => {
    for (const [name, inner] of Object.entries(node.properties ?? {})) {
      fields++;
      assert.match(inner.description ?? '', /^[A-Z`].+\.$/, `${path}.${name}`);
      visit(inner, `${path}.${name}`);
    }
    for (const form of node.anyOf ?? []) visit(form, path);
    if (node.items !== undefined) visit(node.items, path);
  };
  const schema = createJsonSchema();
  visit(schema, '');
  assert.ok(fields > 70);
  assert.doesNotMatch(JSON.stringify(schema), /x-(shorthand|example|lone-item)/);
});

test('every default of the schema is accepted by its own field', () => {
  const { config, diagnostics } = load(minimal());
  assert.deepEqual(diagnostics, []);
  assert.ok(config !== null);
});

const files = readdirSync(EXAMPLES).filter((file) => /\.(yaml|json)$/.test(file));

for (const file of files) {
  test(`examples/${file} loads without a finding`, () => {
    const { config, diagnostics } = load(readFileSync(join(EXAMPLES, file), 'utf8'), file);
    assert.deepEqual(
      diagnostics.map(({ message }) => message),
      [],
    );
    assert.ok(config !== null);
  });
}

test('limits and balancers are those of the native core', () => {
  const { abi } = loadNative();
  assert.ok(abi.shardsMax >= limit.SHARDS_MAX);
  assert.ok(abi.listenersMax >= limit.LISTENERS_MAX);
  assert.ok(abi.clustersMax >= limit.CLUSTERS_MAX);
  assert.ok(abi.endpointsMax >= limit.ENDPOINTS_MAX);
  const balancers = JSON.stringify(createJsonSchema());
  for (const name of abi.balancers) assert.ok(balancers.includes(`"${name}"`), name);
});
