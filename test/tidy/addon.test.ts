/**
 * What the built addon shows to the process it is loaded into, and what it asks of it.
 *
 * Path: a house rule, run by `npm run check`, over the file that the set-up has built. It reads the
 * dynamic section with nm and readelf, which come with the compiler.
 * Invariant: two exported symbols, no symbol from outside Node-API, libuv, glibc and OpenSSL, and
 * OpenSSL's only weakly: the addon loads in a process without it, although it is bound at once. No
 * mutable statics of ours: each environment that loads the addon has its state to itself.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from './tree.ts';

const ADDON = join(ROOT, 'native/epoll/build/Release/holdfast.node');
const EXPORTED = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];
const ALLOWED = [
  /^(napi|node_api|uv)_\w+$/,
  /^\w+@GLIBC_2\.\d+(\.\d+)?$/,
  /^(_ITM_(de)?registerTMCloneTable|__gmon_start__)$/,
];
/** Found in the process if it has them (tls/library_openssl.h lists them), else null. */
const OPENSSL =
  /^(SSL|BIO|EVP|X509|PEM|ERR|CRYPTO|OPENSSL|OSSL|OpenSSL|ASN1|RAND|TLS|GENERAL_NAMES?)_\w+$/;
const LIBRARIES = /^(libc|libm|libdl|librt|libpthread|ld-linux[\w-]*)\.so\.\d+$/;

function run(command: string, ...args: string[]): string[] {
  return execFileSync(command, [...args, ADDON], { encoding: 'utf8', maxBuffer: 1 << 26 })
    .trimEnd()
    .split('\n');
}

function lastWord(line: string): string {
  return `${line.trim().split(/\s+/).at(-1)}`;
}

test('the addon exports the two symbols of Node-API and nothing else', () => {
  assert.deepEqual(run('nm', '-D', '--defined-only').map(lastWord).sort(), EXPORTED);
});

test('the addon asks for Node-API, libuv, glibc and OpenSSL only', () => {
  const strange = run('nm', '-D', '--undefined-only')
    .map(lastWord)
    .filter((symbol) => ![...ALLOWED, OPENSSL].some((pattern) => pattern.test(symbol)));
  assert.deepEqual(strange, []);
});

test('the addon loads without OpenSSL: every symbol of it is weak', () => {
  const strong = run('nm', '-D', '--undefined-only')
    .map((line) => line.trim().split(/\s+/))
    .filter(([kind, symbol]) => OPENSSL.test(`${symbol}`) && kind !== 'w')
    .map(([, symbol]) => symbol);
  assert.deepEqual(strong, []);
});

test('the addon needs no library that a machine with Node may lack', () => {
  const needed = run('readelf', '-dW').flatMap(
    (line) => /\(NEEDED\).*\[(.+)\]/.exec(line)?.[1] ?? [],
  );
  assert.deepEqual(
    needed.filter((library) => !LIBRARIES.test(library)),
    [],
  );
});

test('the addon is linked read-only after relocation, bound at once, without executable stack', () => {
  const dynamic = run('readelf', '-dW').join('\n');
  const segments = run('readelf', '-lW').join('\n');
  assert.match(dynamic, /BIND_NOW/);
  assert.match(segments, /GNU_RELRO/);
  assert.match(segments, /GNU_STACK.*RW\s/);
});

test('the core keeps no mutable statics', () => {
  const symbols = run('nm', '-C', '--format=sysv').map((line) => line.split('|'));
  const mutable = symbols.filter(([name, , , , , , section]) => {
    return /\bholdfast::/.test(`${name}`) && /^\.(data|bss|tdata|tbss)$/.test(`${section}`.trim());
  });
  assert.deepEqual(
    mutable.map(([name]) => `${name}`.trim()),
    [],
  );
});
