/**
 * What main itself looks at in certificates and OCSP answers; everything else is the core's to
 * judge.
 *
 * Path: material.ts, for names, kinds of keys, and mistakes that deserve a better sentence.
 * Invariant: never throws, whatever the bytes.
 */
import { X509Certificate } from 'node:crypto';
import { canonicalServerName } from './canonical-name.ts';

/** A leaf certificate, as far as main needs it. */
export interface Leaf {
  /** Canonical DNS names in it. */
  readonly names: readonly string[];
  /** `rsa`, `ec`, `ed25519`, ... */
  readonly keyKind: string;
}

/** Reads the first certificate of a PEM text; null when there is none. */
export function readLeaf(pem: Buffer): Leaf | null {
  // Without this, DER would be taken as well, which the core does not read.
  if (!pem.includes('-----BEGIN ')) return null;
  try {
    const leaf = new X509Certificate(pem);
    return {
      names: dnsNames(leaf.subjectAltName ?? ''),
      keyKind: leaf.publicKey.asymmetricKeyType ?? 'other',
    };
  } catch {
    return null;
  }
}

/** `DNS:a.example, IP Address:10.0.0.1`; names that no client can ask for are left out. */
function dnsNames(subjectAltName: string): string[] {
  const names = new Set<string>();
  for (const part of subjectAltName.split(', ')) {
    const name = part.startsWith('DNS:') ? canonicalServerName(part.slice('DNS:'.length)) : null;
    if (name !== null) names.add(name);
  }
  return [...names];
}

const TAG_SEQUENCE = 0x30;
const TAG_ENUMERATED = 0x0a;

/** What is wrong with an OCSP answer (RFC 6960 4.2.1), or null. Its signature is the client's to check. */
export function findOcspFault(der: Buffer): string | null {
  if (der.includes('-----BEGIN')) return 'is PEM: an OCSP answer is stapled in DER form';
  const body = contentOf(der, TAG_SEQUENCE);
  const status = body === null ? null : contentOf(body, TAG_ENUMERATED);
  if (body === null || status === null || status.length !== 1) return 'is not an OCSP answer';
  if (status[0] !== 0) return `says that the responder failed (status ${status[0]})`;
  return body.length <= 3 ? 'is an OCSP answer without a response' : null;
}

/** The content of the element that the bytes start with; for a sequence it has to be all of them. */
function contentOf(der: Buffer, tag: number): Buffer | null {
  const first = der[1] ?? 0;
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  if (der[0] !== tag || der.length < 2 + lengthBytes || lengthBytes > 4) return null;
  const start = 2 + lengthBytes;
  const length = lengthBytes === 0 ? first : der.readUIntBE(2, lengthBytes);
  const isWhole =
    tag === TAG_SEQUENCE ? der.length === start + length : der.length >= start + length;
  return isWhole ? der.subarray(start, start + length) : null;
}
