/**
 * The set-up knows what is current: after npm by hand, after an edit, and after work cut short.
 *
 * Path: src/main/setup/stamps.mjs, in a clone in miniature.
 * Invariant: a doubt means "not current".
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { type Clone, createClone, pretendBuilt } from './clone.ts';

describe('stamps', () => {
  let clone: Clone;
  before(async () => {
    clone = await createClone();
  });
  beforeEach(() => pretendBuilt(clone));
  after(() => clone.remove());

  it('takes packages that npm installed by hand as current', () => {
    assert.equal(clone.stamps.areDependenciesCurrent(clone.root), true);
  });

  it('wants an install when the lock file names another version', () => {
    const pinned = `node_modules/node-linux-${process.arch}`;
    const lock = { packages: { '': {}, [pinned]: { version: '1.0.0' } } };
    const newer = { packages: { '': {}, [pinned]: { version: '2.0.0' } } };
    clone.write('package-lock.json', JSON.stringify(newer));
    assert.equal(clone.stamps.areDependenciesCurrent(clone.root), false);
    clone.write('package-lock.json', JSON.stringify(lock));
    assert.equal(clone.stamps.areDependenciesCurrent(clone.root), true);
  });

  it('wants a build after an edit, a new file and a new flag', () => {
    for (const [file, text] of [
      ['native/epoll/src/runtime/one.cc', '// Another text.\n'],
      ['native/epoll/src/proxy/two.h', '// A new file.\n'],
      ['native/epoll/binding.gyp', '{}\n'],
    ] as const) {
      assert.equal(clone.stamps.isNativeCurrent(clone.root), true, file);
      clone.write(file, text);
      assert.equal(clone.stamps.isNativeCurrent(clone.root), false, file);
      pretendBuilt(clone);
    }
  });

  it('does not build again for tests and fuzzers', () => {
    clone.write('native/epoll/src/codec/one_test.cc', '// A test.\n');
    clone.write('native/epoll/src/codec/one_fuzz.cc', '// A fuzzer.\n');
    assert.equal(clone.stamps.isNativeCurrent(clone.root), true);
  });

  it('trusts no build without its stamp, and no stamp without its build', () => {
    clone.stamps.removeStamp(clone.stamps.nativeStamp(clone.root));
    assert.equal(clone.stamps.isNativeCurrent(clone.root), false);
    pretendBuilt(clone);
    rmSync(join(clone.root, 'native/epoll/build/Release/holdfast.node'));
    assert.equal(clone.stamps.isNativeCurrent(clone.root), false);
  });
});
