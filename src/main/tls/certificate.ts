/**
 * What main itself looks at in certificates; everything else is the core's to judge.
 *
 * Path: listener-tls.ts, for names and kinds of keys.
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
