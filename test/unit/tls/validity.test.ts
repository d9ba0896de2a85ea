/**
 * Until when OCSP answers and revocation lists hold, and what is none.
 *
 * Path: src/main/tls/validity.ts and der.ts, with answers written here and by OpenSSL's rules.
 * Invariant under test: whatever the bytes, reading ends with a time or a sentence.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { crlEndMs, readOcsp } from '../../../src/main/tls/validity.ts';
import { Authority } from '../../e2e/tls/authority.ts';
import * as der from '../../e2e/tls/der.ts';

const DAY = 86_400_000;

function generalized(ms: number): Buffer {
  const text = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  return der.tagged(0x18, Buffer.from(text));
}

function single(endMs: number | null): Buffer {
  const next = endMs === null ? [] : [der.explicit(0, generalized(endMs))];
  return der.sequence(
    der.sequence(der.integer(1)),
    der.implicit(0, Buffer.alloc(0)),
    generalized(0),
    ...next,
  );
}

/** A successful answer for some certificates (RFC 6960 4.2.1). */
function answer(...ends: (number | null)[]): Buffer {
  const responses = der.sequence(...ends.map(single));
  const signed = der.sequence(der.explicit(1, der.sequence()), generalized(0), responses);
  const basic = der.sequence(signed, der.sequence(), der.bits(Buffer.alloc(8)));
  const body = der.sequence(der.oid('1.3.6.1.5.5.7.48.1.1'), der.octets(basic));
  return der.sequence(der.tagged(0x0a, Buffer.from([0])), der.explicit(0, body));
}

test('an answer holds until the first of its next updates', () => {
  const endMs = Date.UTC(2031, 4, 6, 7, 8, 9);
  assert.deepEqual(readOcsp(answer(endMs)), { endMs });
  assert.deepEqual(readOcsp(answer(endMs + DAY, null, endMs)), { endMs });
  assert.deepEqual(readOcsp(answer(null)), { endMs: Number.POSITIVE_INFINITY });
});

test('what is no answer is said to be none, and why', () => {
  const faultOf = (bytes: Buffer): string => {
    const read = readOcsp(bytes);
    return 'fault' in read ? read.fault : '';
  };
  assert.match(faultOf(Buffer.from('-----BEGIN OCSP RESPONSE-----')), /is PEM/);
  assert.equal(faultOf(Buffer.alloc(0)), 'is not an OCSP answer');
  assert.equal(faultOf(answer(DAY).subarray(0, 40)), 'is not an OCSP answer');
  const tryLater = der.sequence(der.tagged(0x0a, Buffer.from([3])));
  assert.equal(faultOf(tryLater), 'says that the responder failed (status 3)');
  const empty = der.sequence(der.tagged(0x0a, Buffer.from([0])));
  assert.equal(faultOf(empty), 'is an OCSP answer without a response');
});

test('lists hold until the first of their next updates', () => {
  const crl = Authority.root('Root').crl();
  const endMs = crlEndMs(Buffer.from(crl));
  assert.ok(Math.abs(endMs - (Date.now() + DAY)) < 60_000);
  assert.equal(crlEndMs(Buffer.from(`${crl}noise${crl}`)), endMs);
  assert.equal(crlEndMs(Buffer.from('noise')), Number.POSITIVE_INFINITY);
});

test('nothing throws, whatever the bytes', () => {
  const good = answer(DAY, null);
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, byte, length) => {
      const changed = Buffer.from(good);
      changed[at] = byte;
      readOcsp(changed.subarray(0, length));
      const list = `-----BEGIN X509 CRL-----${changed.toString('base64')}-----END X509 CRL-----`;
      crlEndMs(Buffer.from(list));
    }),
    { numRuns: 2000 },
  );
});
