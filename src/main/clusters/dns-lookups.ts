/**
 * Name resolution as dns-table.ts needs it: DNS with TTLs, and the machine's own way where that
 * fails.
 *
 * Path: the only place that asks the network or the hosts file for names. Runs on the main thread;
 * `getaddrinfo` runs in libuv's pool, at most {@link LOOKUPS_MAX} at once, so that slow answers
 * cannot take every pool thread.
 * Invariant: a name in the hosts file means what the hosts file says. Answers are sorted and
 * unique.
 */

import { promises as dns } from 'node:dns';
import { readFile, stat } from 'node:fs/promises';
import { isIP } from 'node:net';
import { errnoOf } from '../accept/index.ts';
import type { DnsConfig } from '../config/index.ts';

/** Addresses of a name. */
export interface Answer {
  readonly addresses: readonly string[];
  /** How long they hold; null when the source does not say. */
  readonly ttlMs: number | null;
}

/** Asks for one name. Rejects when there is no answer. */
export interface Lookups {
  resolve(host: string, how: Pick<DnsConfig, 'resolvers' | 'family'>): Promise<Answer>;
  close(): void;
}

/** Calls of getaddrinfo at once. */
const LOOKUPS_MAX = 2;
/** Per server and try. */
const QUERY_TIMEOUT_MS = 2_000;
const QUERY_TRIES = 2;
/** A hosts file larger than this is not read. */
const HOSTS_BYTES_MAX = 1024 * 1024;

type Family = DnsConfig['family'];

/** Asks the machine's resolvers, or those that a cluster names. */
export function createLookups(hostsPath = '/etc/hosts'): Lookups {
  const resolvers = new Map<string, dns.Resolver>();
  const limiter = createLimiter(LOOKUPS_MAX);
  const resolverFor = (addresses: readonly string[] | null): dns.Resolver => {
    const key = addresses?.join(' ') ?? '';
    let resolver = resolvers.get(key);
    if (resolver === undefined) {
      resolver = new dns.Resolver({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES });
      if (addresses !== null) {
        resolver.setServers(addresses);
      }
      resolvers.set(key, resolver);
    }
    return resolver;
  };
  return {
    resolve: async (host, how) => {
      const isLocal = host === 'localhost' || host.endsWith('.localhost');
      if (isLocal || (await isInHostsFile(hostsPath, host))) {
        return limiter(() => lookUp(host, how.family));
      }
      try {
        return await query(resolverFor(how.resolvers), host, how.family);
      } catch (error) {
        if (how.resolvers !== null) {
          throw error;
        }
        // Search domains and other sources of the machine are known to getaddrinfo only.
        return limiter(() => lookUp(host, how.family)).catch(() => {
          throw error;
        });
      }
    },
    close: () => {
      for (const resolver of resolvers.values()) {
        resolver.cancel();
      }
    },
  };
}

/** `any` means IPv4, and IPv6 where a name has no IPv4 address: one machine counts once. */
async function query(resolver: dns.Resolver, host: string, family: Family): Promise<Answer> {
  if (family !== 'ipv6') {
    try {
      return toAnswer(await resolver.resolve4(host, { ttl: true }));
    } catch (error) {
      if (family === 'ipv4' || errnoOf(error) !== 'ENODATA') {
        throw error;
      }
    }
  }
  return toAnswer(await resolver.resolve6(host, { ttl: true }));
}

async function lookUp(host: string, family: Family): Promise<Answer> {
  const wanted = family === 'ipv4' ? 4 : family === 'ipv6' ? 6 : 0;
  const found = await dns.lookup(host, { all: true, family: wanted });
  const ipv4 = found.filter((record) => record.family === 4);
  const chosen = wanted === 0 && ipv4.length > 0 ? ipv4 : found;
  return { addresses: sortUnique(chosen.map(({ address }) => address)), ttlMs: null };
}

function toAnswer(records: readonly { address: string; ttl: number }[]): Answer {
  const ttlSeconds = Math.min(...records.map(({ ttl }) => ttl));
  return {
    addresses: sortUnique(records.map(({ address }) => address)),
    ttlMs: Number.isFinite(ttlSeconds) ? ttlSeconds * 1000 : null,
  };
}

function sortUnique(addresses: readonly string[]): string[] {
  return [...new Set(addresses)].sort();
}

async function isInHostsFile(path: string, host: string): Promise<boolean> {
  try {
    const { size } = await stat(path);
    if (size > HOSTS_BYTES_MAX) {
      return false;
    }
    return hasHost(await readFile(path, 'utf8'), host);
  } catch {
    return false;
  }
}

/** True when the text of a hosts file gives an address to `host`. */
export function hasHost(text: string, host: string): boolean {
  const wanted = host.toLowerCase();
  return text.split('\n').some((line) => {
    const [address = '', ...names] = (line.split('#')[0] ?? '').trim().split(/\s+/);
    return isIP(address) !== 0 && names.some((name) => name.toLowerCase() === wanted);
  });
}

type Limiter = <Result>(task: () => Promise<Result>) => Promise<Result>;

function createLimiter(max: number): Limiter {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (task) => {
    if (running < max) {
      running++;
    } else {
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
      });
    }
    try {
      return await task();
    } finally {
      const next = waiting.shift();
      if (next === undefined) {
        running--;
      } else {
        next();
      }
    }
  };
}
