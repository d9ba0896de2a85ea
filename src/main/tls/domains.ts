/**
 * Which certificates answer for which names: a listener's certificates, sorted into domains.
 *
 * Path: material.ts has read the certificates; the core gets the domains, the default one first.
 * Invariant: a name is in one domain. Certificates share a name when their keys differ in kind and
 * they ask the same of clients; names that are written down come before names that are only in a
 * certificate. A pure function.
 */

/** A certificate, as far as names go. */
export interface Claim {
  /** Position in the configuration's list. */
  readonly position: number;
  /** Canonical. */
  readonly names: readonly string[];
  /** True when the configuration lists the names, false when they come out of the certificate. */
  readonly isExplicit: boolean;
  /** `rsa`, `ec`, `ed25519`, ... */
  readonly keyKind: string;
  /** Claims with the same text ask the same of clients. */
  readonly clientAuth: string;
  readonly isDefault: boolean;
}

/** Some names, and the claims that answer for them. */
export interface DomainPlan {
  readonly names: readonly string[];
  readonly claims: readonly Claim[];
}

/** Two claims that exclude each other. */
export interface Conflict {
  /** Empty: it is about the default. */
  readonly name: string;
  readonly first: Claim;
  readonly second: Claim;
  readonly reason: 'same-kind' | 'other-clients' | 'nameless' | 'two-defaults';
}

/** Sorts claims into domains; what conflicts is left out. */
export function planDomains(claims: readonly Claim[]): {
  readonly domains: readonly DomainPlan[];
  readonly conflicts: readonly Conflict[];
} {
  const conflicts: Conflict[] = [];
  const owners = new Map<string, Claim[]>();
  for (const claim of claims.filter(({ isExplicit }) => isExplicit)) {
    claimNames(claim, owners, conflicts);
  }
  for (const claim of claims.filter(({ isExplicit }) => !isExplicit)) {
    claimNames(claim, owners, conflicts);
  }
  const domains = groupNames(owners);
  putDefaultFirst(claims, domains, conflicts);
  return { domains, conflicts };
}

function claimNames(claim: Claim, owners: Map<string, Claim[]>, conflicts: Conflict[]): void {
  for (const name of claim.names) {
    const others = owners.get(name) ?? [];
    const rival = others.find(
      (other) => other.keyKind === claim.keyKind || other.clientAuth !== claim.clientAuth,
    );
    if (rival === undefined) {
      owners.set(
        name,
        [...others, claim].sort((a, b) => a.position - b.position),
      );
    } else if (rival.isExplicit === claim.isExplicit) {
      const reason = rival.keyKind === claim.keyKind ? 'same-kind' : 'other-clients';
      const [first, second] = rival.position < claim.position ? [rival, claim] : [claim, rival];
      conflicts.push({ name, first, second, reason });
    }
  }
}

interface MutableDomain {
  readonly names: string[];
  readonly claims: readonly Claim[];
}

function groupNames(owners: ReadonlyMap<string, readonly Claim[]>): MutableDomain[] {
  const domains = new Map<string, MutableDomain>();
  for (const [name, claims] of owners) {
    const key = claims.map(({ position }) => position).join(' ');
    const domain = domains.get(key) ?? { names: [], claims };
    domain.names.push(name);
    domains.set(key, domain);
  }
  return [...domains.values()];
}

/** The core takes the first domain for the default one. */
function putDefaultFirst(
  claims: readonly Claim[],
  domains: MutableDomain[],
  conflicts: Conflict[],
): void {
  const marked = claims.filter(({ isDefault }) => isDefault);
  const first = marked[0] ?? claims[0];
  if (first === undefined) return;
  const nameless = claims.filter(({ names }) => names.length === 0);
  let chosen = domains.findIndex((domain) => domain.claims.includes(first));
  if (chosen < 0) {
    domains.push({ names: [], claims: [...new Set([first, ...nameless])] });
    chosen = domains.length - 1;
  } else {
    for (const claim of nameless) {
      conflicts.push({ name: '', first, second: claim, reason: 'nameless' });
    }
  }
  const [domain] = domains.splice(chosen, 1);
  if (domain === undefined) return;
  domains.unshift(domain);
  for (const other of marked) {
    if (!domain.claims.includes(other)) {
      conflicts.push({ name: '', first, second: other, reason: 'two-defaults' });
    }
  }
}
