/**
 * The files of TLS: what is read, what is refused with which line, and what comes out.
 *
 * Path: src/main/tls/material.ts and what it calls, through the loader of configurations, with real
 * files and certificates.
 * Invariant under test: everything that is wrong is found in one load, at the value that has to
 * change; keys never appear in a message.
 */
import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type LoadResult, loadConfigText } from '../../../src/main/config/load.ts';
import { createWorld } from '../../../src/main/config/world.ts';
import { TlsFiles } from '../../../src/main/tls/index.ts';
import { makeDirectory } from '../../e2e/harness.ts';
import { Authority, type Wish, writePair, writeText } from '../../e2e/tls/authority.ts';
import { FakeTls } from './fake-tls.ts';

interface Scene {
  readonly directory: string;
  readonly root: Authority;
  readonly native: FakeTls;
  /** Writes `STEM.pem` and `STEM.key`. */
  readonly pair: (stem: string, wish: Wish) => void;
  readonly write: (name: string, text: string) => void;
  /** Loads a listener with these lines under `tls:`, from line 7 on. */
  readonly listener: (...lines: string[]) => LoadResult;
  /** The same for a cluster, from line 10 on. */
  readonly cluster: (...lines: string[]) => LoadResult;
}

function makeScene(t: TestContext): Scene {
  const directory = makeDirectory(t);
  const root = Authority.root('Root');
  const native = new FakeTls();
  const path = join(directory, 'gateway.yaml');
  const files = new TlsFiles({ native: () => native });
  const load = (lines: readonly string[]): LoadResult => {
    const world = createWorld(path);
    return loadConfigText(lines.join('\n'), path, { ...world, loadTls: (c) => files.load(c) });
  };
  const head = ['version: 1', 'listeners:', '  - name: web', '    bind: 127.0.0.1:1'];
  const tail = ['clusters:', '  - name: c', '    endpoints: [127.0.0.1:2]'];
  const indent = (lines: readonly string[]): string[] => lines.map((line) => `      ${line}`);
  return {
    directory,
    root,
    native,
    pair: (stem, wish) => {
      writePair(directory, stem, root.issue(wish));
    },
    write: (name, text) => {
      writeText(directory, name, text);
    },
    listener: (...lines) =>
      load([...head, '    cluster: c', '    tls:', ...indent(lines), ...tail]),
    cluster: (...lines) => load([...head, '    cluster: c', ...tail, '    tls:', ...indent(lines)]),
  };
}

function said({ diagnostics }: LoadResult): string[] {
  return diagnostics.map(({ code, line, message }) => `${code} ${line} ${message}`);
}

function domainsOf({ material }: LoadResult): readonly (readonly string[])[] {
  return (material.listeners.get('web')?.domains ?? []).map(({ names }) => names);
}

test('certificates become domains by the names in them, the first one is the default', (t) => {
  const scene = makeScene(t);
  scene.pair('a', { name: 'a.example', altNames: ['A.example', '*.a.example', '10.0.0.1'] });
  scene.pair('b', { name: 'b.example' });
  const loaded = scene.listener(
    'certificates:',
    '  - { cert: a.pem, key: a.key }',
    '  - { cert: b.pem, key: b.key }',
    'alpn: [h2, http/1.1]',
    'tickets: off',
  );
  assert.deepEqual(said(loaded), []);
  assert.ok(loaded.config !== null);
  assert.deepEqual(domainsOf(loaded), [['a.example', '*.a.example'], ['b.example']]);
  const input = loaded.material.listeners.get('web');
  assert.deepEqual(input?.domains[0]?.alpn, ['h2', 'http/1.1']);
  assert.equal(input.tickets, 0);
  assert.equal(input.name, 'web');
  assert.deepEqual(
    loaded.material.certificates.map(({ owner, names, file }) => [owner, names, file]),
    [
      ['web', ['a.example', '*.a.example'], join(scene.directory, 'a.pem')],
      ['web', ['b.example'], join(scene.directory, 'b.pem')],
    ],
  );
});

test('keys of two kinds share a name; names that are written come before names inside', (t) => {
  const scene = makeScene(t);
  scene.pair('ec', { name: 'a.example' });
  scene.pair('rsa', { name: 'a.example', altNames: ['a.example', 'b.example'], kind: 'rsa' });
  scene.pair('all', { name: 'x', altNames: ['a.example', 'c.example'] });
  const loaded = scene.listener(
    'certificates:',
    '  - { cert: all.pem, key: all.key }',
    '  - { cert: ec.pem, key: ec.key, names: a.example, default: true }',
    '  - { cert: rsa.pem, key: rsa.key }',
  );
  assert.deepEqual(said(loaded), []);
  assert.deepEqual(domainsOf(loaded), [['a.example'], ['c.example'], ['b.example']]);
  const [first] = loaded.material.listeners.get('web')?.domains ?? [];
  assert.equal(first?.certificates.length, 2);
});

test('every wrong certificate is found at once, each at its line', (t) => {
  const scene = makeScene(t);
  scene.pair('old', { name: 'old.example', fromDays: -10, untilDays: -1 });
  scene.pair('early', { name: 'early.example', fromDays: 1 });
  scene.pair('good', { name: 'good.example' });
  scene.write('noise.pem', 'no certificate');
  const loaded = scene.listener(
    'certificates:',
    '  - { cert: old.pem, key: old.key }',
    '  - { cert: early.pem, key: early.key }',
    '  - { cert: good.pem, key: old.key, names: good.example }',
    '  - { cert: missing.pem, key: good.key }',
    '  - { cert: noise.pem, key: good.key }',
    '  - { cert: good.pem, key: noise.pem, names: other.example }',
    '  - { cert: good.pem, key: good.key, ocsp: noise.pem, names: third.example }',
  );
  assert.equal(loaded.config, null);
  const { directory } = scene;
  assert.deepEqual(
    said(loaded).toSorted(),
    [
      'HF1091 10 key: the key does not belong to the certificate',
      `HF1090 11 cert: ${directory}/missing.pem does not exist`,
      `HF1091 12 cert: there is no certificate in ${directory}/noise.pem`,
      "HF1091 13 key: there is no private key in the key's text",
      `HF1071 13 key: others than its owner can read ${directory}/noise.pem`,
      `HF1091 14 ocsp: ${directory}/noise.pem is not an OCSP answer`,
      'HF1091 8 cert: the certificate expired on some day',
      'HF1091 9 cert: the certificate is not valid before some day',
    ].toSorted(),
  );
});

test('two certificates with the same name say so, with both lines', (t) => {
  const scene = makeScene(t);
  scene.pair('a', { name: 'a.example' });
  scene.pair('b', { name: 'b.example', altNames: ['b.example', 'a.example'] });
  const loaded = scene.listener(
    'certificates:',
    '  - { cert: a.pem, key: a.key }',
    '  - { cert: b.pem, key: b.key }',
  );
  const [found] = loaded.diagnostics;
  assert.deepEqual(said(loaded), [
    'HF1051 9 server name "a.example" belongs to certificate #1 already',
  ]);
  assert.match(found?.hint ?? '', /^the first one is on line 8; their keys are of the same kind/);
  const written = scene.listener(
    'certificates:',
    '  - { cert: a.pem, key: a.key, names: [x.example, A.example] }',
    '  - { cert: b.pem, key: b.key,',
    '      names: [a.example] }',
  );
  assert.deepEqual(said(written), [
    'HF1051 10 server name "a.example" belongs to certificate #1 already',
  ]);
});

test('a certificate without a name is refused, unless it is the default', (t) => {
  const scene = makeScene(t);
  scene.pair('a', { name: 'a.example' });
  scene.pair('none', { name: 'none', altNames: [] });
  const refused = scene.listener(
    'certificates:',
    '  - { cert: a.pem, key: a.key }',
    '  - { cert: none.pem, key: none.key }',
  );
  assert.deepEqual(said(refused), [
    'HF1050 9 the certificate has no DNS name: no client would get it',
  ]);
  const taken = scene.listener(
    'certificates:',
    '  - { cert: a.pem, key: a.key }',
    '  - { cert: none.pem, key: none.key, default: true }',
  );
  assert.deepEqual(domainsOf(taken), [[], ['a.example']]);
});

test('clients: authorities and lists come from files, for each certificate of its own', (t) => {
  const scene = makeScene(t);
  scene.pair('a', { name: 'a.example' });
  scene.pair('b', { name: 'b.example' });
  scene.write('ca.pem', scene.root.cert);
  scene.write('crl.pem', scene.root.crl());
  const loaded = scene.listener(
    'certificates:',
    '  - { cert: a.pem, key: a.key }',
    '  - { cert: b.pem, key: b.key, clientAuth: { mode: off } }',
    'clientAuth: { ca: ca.pem, crl: crl.pem, depth: 2 }',
  );
  assert.deepEqual(said(loaded), []);
  const [a, b] = loaded.material.listeners.get('web')?.domains ?? [];
  assert.deepEqual([a?.clientAuth, a?.depthMax], ['required', 2]);
  assert.equal(Buffer.from(a?.ca ?? []).toString(), scene.root.cert);
  assert.equal(b?.clientAuth, 'off');
  assert.equal(b.ca.length, 0);
  scene.write('crl.pem', 'nothing');
  scene.write('empty.pem', '');
  const wrong = (ca: string): string[] =>
    said(
      scene.listener(
        'certificates: { cert: a.pem, key: a.key }',
        `clientAuth: { ca: ${ca}, crl: crl.pem }`,
      ),
    );
  assert.deepEqual(wrong('ca.pem'), ["HF1092 8 there is no CRL in the CRL's text"]);
  assert.deepEqual(wrong('empty.pem'), ["HF1092 8 there is no certificate in the CA's text"]);
  const gone = `HF1090 8 ca: ${scene.directory}/gone.pem does not exist`;
  assert.deepEqual(wrong('gone.pem'), [gone]);
});

test('settings that the library refuses are found at the setting', (t) => {
  const scene = makeScene(t);
  scene.pair('a', { name: 'a.example' });
  const certificates = 'certificates: [{ cert: a.pem, key: a.key }]';
  assert.deepEqual(said(scene.listener(certificates, 'ciphersTls13: [NOPE]')), [
    'HF1093 8 unknown cipher suite "NOPE"',
  ]);
  assert.deepEqual(said(scene.listener(certificates, 'policy: modern', 'groups: NOPE')), [
    'HF1093 9 unknown key exchange group in "NOPE"',
  ]);
});

test('a cluster trusts its CA, else the machine; a wrong pair is found', (t) => {
  const scene = makeScene(t);
  scene.write('ca.pem', scene.root.cert);
  scene.pair('us', { name: 'us' });
  scene.pair('other', { name: 'other' });
  const loaded = scene.cluster(
    'ca: ca.pem',
    'cert: us.pem',
    'key: us.key',
    'serverName: B.example.',
  );
  assert.deepEqual(said(loaded), []);
  const input = loaded.material.clusters.get('c');
  assert.equal(input?.role, 'originating');
  assert.equal(Buffer.from(input.domains[0]?.ca ?? []).toString(), scene.root.cert);
  assert.equal(loaded.config?.clusters[0]?.tls?.serverName, 'b.example');
  assert.deepEqual(
    loaded.material.certificates.map(({ kind, owner }) => [kind, owner]),
    [['cluster', 'c']],
  );
  const machine = scene.cluster('{}').material.clusters.get('c');
  assert.ok((machine?.domains[0]?.ca.length ?? 0) > 1000);
  const wrong = scene.cluster('cert: us.pem', 'key: other.key');
  assert.deepEqual(said(wrong), ['HF1091 11 key: the key does not belong to the certificate']);
});

test('warnings: keys that others can read, certificates that end', (t) => {
  const scene = makeScene(t);
  scene.pair('a', { name: 'a.example', untilDays: 3 });
  chmodSync(join(scene.directory, 'a.key'), 0o640);
  const loaded = scene.listener('certificates: { cert: a.pem, key: a.key }');
  assert.ok(loaded.config !== null);
  assert.deepEqual(
    loaded.diagnostics.map(({ code, severity }) => `${code} ${severity}`).toSorted(),
    ['HF1071 warning', 'HF1072 warning'],
  );
});

test('a revocation list past its time is warned of', (t) => {
  const scene = makeScene(t);
  scene.pair('a', { name: 'a.example' });
  scene.write('ca.pem', scene.root.cert);
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() - 10 * 86_400_000 });
  scene.write('crl.pem', scene.root.crl());
  t.mock.timers.reset();
  const loaded = scene.listener(
    'certificates: { cert: a.pem, key: a.key }',
    'clientAuth: { ca: ca.pem, crl: crl.pem }',
  );
  assert.ok(loaded.config !== null);
  assert.match(said(loaded).join(), /^HF1074 8 crl: .*crl\.pem should have been renewed by \d{4}/);
});

test('a process without TLS refuses it in one sentence; the rest works', (t) => {
  const scene = makeScene(t);
  scene.pair('a', { name: 'a.example' });
  scene.native.problem = 'its OpenSSL is too old';
  const loaded = scene.listener('certificates: { cert: a.pem, key: a.key }');
  assert.deepEqual(said(loaded), ['HF1094 7 this process cannot have TLS: its OpenSSL is too old']);
  assert.ok(scene.listener('mode: passthrough').config !== null);
});

test('without the core everything else is still checked, and that is said', (t) => {
  const { directory } = makeScene(t);
  const path = join(directory, 'gateway.yaml');
  writeFileSync(join(directory, 'x.key'), '');
  const files = new TlsFiles({
    native: () => {
      throw new Error('no such file\nand more');
    },
  });
  const text = [
    'version: 1',
    'listeners:',
    '  - { name: web, bind: "127.0.0.1:1", cluster: c, tls: { certificates: { cert: x, key: y } } }',
    'clusters: [{ name: c, endpoints: ["127.0.0.1:2"] }]',
  ].join('\n');
  const world = { ...createWorld(path), loadTls: files.load.bind(files) };
  assert.deepEqual(
    loadConfigText(text, path, world).diagnostics.map(({ code }) => code),
    ['HF1073', 'HF1090', 'HF1090'],
  );
});

test('whatever is wrong, no key is in a message', (t) => {
  const scene = makeScene(t);
  scene.pair('a', { name: 'a.example' });
  scene.pair('b', { name: 'b.example' });
  const loaded = scene.listener(
    'certificates: [{ cert: a.key, key: a.pem }, { cert: b.pem, key: a.key }]',
  );
  assert.equal(loaded.config, null);
  assert.doesNotMatch(JSON.stringify(loaded.diagnostics), /PRIVATE|MII|MIG/);
});
