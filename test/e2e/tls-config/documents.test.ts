/**
 * Every example of a whole configuration works: those in documents, and those in examples/.
 *
 * Path: YAML out of the Markdown -> files made for what it names -> the loader with the real core.
 * Invariant under test: with the files in place nothing is found, not even a warning.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  type Config,
  createWorld,
  loadConfigText,
  withoutTls,
} from '../../../src/main/config/index.ts';
import { makeDirectory } from '../harness.ts';
import { Authority, type KeyKind } from '../tls/authority.ts';

const DOCUMENTS = [
  'README.md',
  'docs/clusters.md',
  'docs/http.md',
  'docs/tls.md',
  'docs/websocket.md',
];
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** Texts of configurations, by where they stand. */
function collect(): [string, string][] {
  const found: [string, string][] = [];
  for (const document of DOCUMENTS) {
    const text = readFileSync(join(ROOT, document), 'utf8');
    for (const [, yaml = ''] of text.matchAll(/```yaml\n(version: 1\n[\s\S]*?)```/g)) {
      const line = text.slice(0, text.indexOf(yaml)).split('\n').length;
      found.push([`${document}:${line}`, yaml]);
    }
  }
  for (const file of readdirSync(join(ROOT, 'examples')).filter((each) => each.endsWith('.yaml'))) {
    found.push([`examples/${file}`, readFileSync(join(ROOT, 'examples', file), 'utf8')]);
  }
  return found;
}

/** Makes the files that a configuration names. Certificates in one list have keys of two kinds. */
function makeFiles(config: Config): void {
  const root = Authority.root('Root');
  const write = (path: string | null, text: string): void => {
    if (path === null) return;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { mode: 0o600 });
  };
  const pair = (files: { cert: string; key: string }, name: string, kind: KeyKind): void => {
    const { chain, key } = root.issue({ name, kind, untilDays: 90 });
    write(files.cert, chain);
    write(files.key, key);
  };
  for (const { tls } of config.listeners) {
    for (const certificate of tls?.certificates ?? []) {
      const stem = certificate.cert.replace(/^.*\//, '').replace(/(-rsa)?\.crt$/, '');
      const name = stem.includes('.') ? stem : `${stem}.example`;
      pair(certificate, name, certificate.cert.includes('-rsa') ? 'rsa' : 'ec');
    }
    for (const auth of [tls?.clientAuth, ...(tls?.certificates ?? []).map((c) => c.clientAuth)]) {
      write(auth?.ca ?? null, root.cert);
      write(auth?.crl ?? null, root.crl());
    }
  }
  for (const { tls } of config.clusters) {
    write(tls?.ca ?? null, root.cert);
    if (tls?.certificate) pair(tls.certificate, 'us.example', 'ec');
  }
}

for (const [place, yaml] of collect()) {
  test(`${place} loads, files and all`, (t) => {
    const path = join(makeDirectory(t), 'holdfast.yaml');
    const world = { ...createWorld(path), descriptorsMax: 1_000_000 };
    const bare = loadConfigText(yaml, path, withoutTls(world));
    assert.ok(bare.config !== null, JSON.stringify(bare.diagnostics));
    makeFiles(bare.config);
    const { config, diagnostics } = loadConfigText(yaml, path, world);
    assert.deepEqual(
      diagnostics.map(({ line, message }) => `${line}: ${message}`),
      [],
    );
    assert.ok(config !== null);
  });
}
