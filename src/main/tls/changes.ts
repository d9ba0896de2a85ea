/**
 * What differs between two loads of the files of TLS, in words.
 *
 * Path: reports and logs of reloads.
 * Invariant: nothing secret is said: certificates by subject and end, everything else by whose it
 * is.
 */
import { isDeepStrictEqual } from 'node:util';
import type { OwnCertificate, TlsMaterial } from './material.ts';

/** One sentence for each certificate that is new, and for each owner whose other files changed. */
export function describeMaterialChanges(before: TlsMaterial, after: TlsMaterial): string[] {
  const changes: string[] = [];
  const known = new Set(before.certificates.map(keyOf));
  const told = new Set<string>();
  for (const certificate of after.certificates) {
    if (known.has(keyOf(certificate))) continue;
    const { kind, owner, subject, notAfter } = certificate;
    told.add(`${kind} ${owner}`);
    const end = new Date(notAfter * 1000).toISOString().slice(0, 10);
    changes.push(`${kind} "${owner}": certificate ${subject}, valid until ${end}`);
  }
  for (const [kind, key] of [
    ['listener', 'listeners'],
    ['cluster', 'clusters'],
  ] as const) {
    for (const [owner, input] of after[key]) {
      const former = before[key].get(owner);
      const isChanged = former !== undefined && !isDeepStrictEqual(former, input);
      if (isChanged && !told.has(`${kind} ${owner}`))
        changes.push(`${kind} "${owner}": TLS changed`);
    }
  }
  return changes;
}

/** True when both hold the same bytes for the same owners. */
export function isSameMaterial(before: TlsMaterial, after: TlsMaterial): boolean {
  return (
    isDeepStrictEqual(before.listeners, after.listeners) &&
    isDeepStrictEqual(before.clusters, after.clusters)
  );
}

function keyOf({ kind, owner, fingerprint }: OwnCertificate): string {
  return `${kind} ${owner} ${fingerprint}`;
}
