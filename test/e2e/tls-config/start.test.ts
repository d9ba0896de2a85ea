/**
 * What is wrong with the files of TLS is found before anything starts, with file and line.
 *
 * Path: `holdfast validate` and `holdfast run` on real files, and the core that judges them.
 * Invariant under test: every fault is told at once, at the line that has to change; nothing
 * starts, and the exit code is 2.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeDirectory } from '../harness.ts';
import { type Outcome, runCommand } from '../peers/cli.ts';
import { Authority, writePair, writeText } from '../tls/authority.ts';

interface Scene {
  readonly directory: string;
  readonly root: Authority;
  /** Runs a verb on a file with these lines. */
  readonly run: (verb: string, lines: readonly string[], env?: object) => Promise<Outcome>;
}

function makeScene(t: TestContext): Scene {
  const directory = makeDirectory(t);
  return {
    directory,
    root: Authority.root('Root'),
    run: (verb, lines, env = {}) => {
      writeFileSync(join(directory, 'gateway.yaml'), lines.join('\n'));
      return runCommand(t, [verb, 'gateway.yaml'], { directory, env: { NO_COLOR: '1', ...env } });
    },
  };
}

const HEAD = [
  'version: 1',
  'listeners:',
  '  - name: web',
  '    bind: 127.0.0.1:0',
  '    cluster: c',
];
const TAIL = ['clusters: [{ name: c, endpoints: ["127.0.0.1:9"] }]', ''];

/** `CODE line message` of each finding. */
function told({ stderr }: Outcome): string[] {
  const pattern = /(?:error|warning)\[(HF\d+)\] (.*)\n {2}at gateway\.yaml:(\d+):/g;
  return Array.from(
    stderr.matchAll(pattern),
    ([, code, message, line]) => `${code} ${line} ${message}`,
  );
}

test('an expired certificate, a key of another, a broken one, all at once', async (t) => {
  const { directory, root, run } = makeScene(t);
  writePair(directory, 'old', root.issue({ name: 'old.example', fromDays: -9, untilDays: -1 }));
  writePair(directory, 'new', root.issue({ name: 'new.example', fromDays: 1 }));
  const good = root.issue({ name: 'good.example' });
  writePair(directory, 'good', good);
  writeText(directory, 'cut.pem', good.cert.slice(0, 200));
  const lines = [
    ...HEAD,
    '    tls:',
    '      certificates:',
    '        - { cert: old.pem, key: old.key }',
    '        - { cert: new.pem, key: new.key }',
    '        - { cert: good.pem, key: old.key }',
    '        - { cert: cut.pem, key: good.key }',
    '        - { cert: missing.pem, key: good.key }',
    ...TAIL,
  ];
  for (const verb of ['validate', 'run']) {
    const outcome = await run(verb, lines);
    assert.equal(outcome.code, 2, outcome.stderr);
    const found = told(outcome).join('\n');
    assert.match(found, /^HF1091 8 cert: the certificate expired on \d{4}-\d\d-\d\d$/m);
    assert.match(found, /^HF1091 9 cert: the certificate is not valid before \d{4}-\d\d-\d\d$/m);
    assert.match(found, /^HF1091 10 key: the key does not belong to the certificate$/m);
    assert.match(found, /^HF1091 11 cert: there is no certificate in .*cut\.pem$/m);
    assert.match(found, /^HF1090 12 cert: .*missing\.pem does not exist$/m);
  }
});

test('settings and authorities that the library refuses', async (t) => {
  const { directory, root, run } = makeScene(t);
  writePair(directory, 'good', root.issue({ name: 'good.example' }));
  writeText(directory, 'none.pem', 'nothing');
  writeText(directory, 'ca.pem', root.cert);
  const tls = (...more: string[]): string[] => [
    ...HEAD,
    '    tls:',
    '      certificates: { cert: good.pem, key: good.key }',
    ...more.map((line) => `      ${line}`),
    ...TAIL,
  ];
  const cases = [
    ['ciphersTls13: [TLS_NOPE]', /^HF1093 8 unknown cipher suite "TLS_NOPE"/],
    ['ciphers: [ECDHE-ECDSA-AES128-GCM-SHA256, NOPE]', /^HF1093 8 unknown cipher suite "NOPE"/],
    ['groups: [X25519, NOPE]', /^HF1093 8 unknown key exchange group in "X25519:NOPE"/],
    ['engine: ./missing.so', /^HF1093 8 .*missing\.so/],
    ['clientAuth: { ca: none.pem }', /^HF1092 8 there is no certificate in the CA's text/],
    ['clientAuth: { ca: ca.pem, crl: none.pem }', /^HF1092 8 there is no CRL in the CRL's text/],
  ] as const;
  for (const [line, pattern] of cases) {
    const outcome = await run('validate', tls(line));
    assert.equal(outcome.code, 2, `${line}: ${outcome.stderr}`);
    assert.match(told(outcome).join('\n'), pattern, line);
  }
  const good = await run('validate', tls('clientAuth: { ca: ca.pem, crl: ca.pem, mode: off }'));
  assert.deepEqual([good.code, told(good)], [0, []]);
});

test('without the core, what it would check is said to be unchecked', async (t) => {
  const { directory, root, run } = makeScene(t);
  writePair(directory, 'good', root.issue({ name: 'good.example' }));
  const lines = [...HEAD, '    tls: { certificates: { cert: good.pem, key: good.key } }', ...TAIL];
  const outcome = await run('validate', lines, { HF_NATIVE_PATH: join(directory, 'nowhere.node') });
  assert.equal(outcome.code, 0, outcome.stderr);
  assert.deepEqual(told(outcome), [
    'HF1073 6 certificates are not checked: the native core could not be loaded',
  ]);
});
