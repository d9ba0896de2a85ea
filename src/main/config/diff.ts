/**
 * What changed between two configurations, in the words of the normalized form.
 *
 * Path: reload, dry run and `holdfast reload` show it; the control plane decides with it what to touch.
 * Invariant: equal configurations have no changes; listeners, clusters and endpoints are matched by name and
 * address, not by position. Tokens are never shown.
 */
import { formatAddress } from './address.ts';
import type { Config, EndpointConfig } from './config.ts';

/** One difference. */
export interface ConfigChange {
  /** `listeners.mqtt.limits.connections`. */
  readonly path: string;
  readonly kind: 'added' | 'removed' | 'changed';
  /** JSON of the old and new values; absent for what was added or removed. */
  readonly from?: string;
  readonly to?: string;
  /** `restart`: has no effect until the gateway starts anew. */
  readonly lifetime: 'reload' | 'restart';
}

/** More than this is not read by anyone; the last entry says how many there are. */
const CHANGES_MAX = 200;

/** Fields that take effect only at start. */
const RESTART_PATHS = /^(?:shards$|admin\.|log\.(?:access|format)$|limits\.)/;

type Flat = Map<string, string>;

function endpointKey(endpoint: EndpointConfig): string {
  return formatAddress(endpoint);
}

function flatten(value: unknown, path: string, out: Flat): void {
  if (Array.isArray(value) && value.every((item) => typeof item === 'object' && item !== null)) {
    for (const item of value as Record<string, unknown>[]) {
      const name = typeof item['name'] === 'string' ? item['name'] : endpointKey(item as unknown as EndpointConfig);
      const inner = `${path}.${name}`;
      out.set(inner, '');
      flatten(item, inner, out);
    }
    return;
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [key, item] of Object.entries(value)) flatten(item, path === '' ? key : `${path}.${key}`, out);
    return;
  }
  const isSecret = path === 'admin.tcp.token' && value !== null;
  out.set(path, isSecret ? '"(secret)"' : JSON.stringify(value));
}

function flat(config: Config): Flat {
  const out: Flat = new Map();
  flatten(config, '', out);
  return out;
}

/** True when a part of the path was itself added or removed, so that this is only a detail of it. */
function isDetail(path: string, other: Flat, own: Flat): boolean {
  for (let end = path.lastIndexOf('.'); end > 0; end = path.lastIndexOf('.', end - 1)) {
    const parent = path.slice(0, end);
    if (own.get(parent) === '' && !other.has(parent)) return true;
  }
  return false;
}

/** Lists what changed from `before` to `after`. */
export function diffConfig(before: Config, after: Config): ConfigChange[] {
  const old = flat(before);
  const now = flat(after);
  const changes: ConfigChange[] = [];
  const lifetime = (path: string): ConfigChange['lifetime'] => (RESTART_PATHS.test(path) ? 'restart' : 'reload');
  for (const [path, from] of old) {
    const to = now.get(path);
    if (to === undefined && !isDetail(path, now, old)) changes.push({ path, kind: 'removed', lifetime: lifetime(path) });
    if (to !== undefined && to !== from) changes.push({ path, kind: 'changed', from, to, lifetime: lifetime(path) });
  }
  for (const path of now.keys()) {
    if (!old.has(path) && !isDetail(path, old, now)) changes.push({ path, kind: 'added', lifetime: lifetime(path) });
  }
  const token = before.admin.tcp?.token !== after.admin.tcp?.token;
  if (token && !changes.some((change) => change.path.startsWith('admin.tcp'))) {
    changes.push({ path: 'admin.tcp.token', kind: 'changed', lifetime: 'restart' });
  }
  if (changes.length <= CHANGES_MAX) return changes;
  const more = changes.length - CHANGES_MAX + 1;
  return [...changes.slice(0, CHANGES_MAX - 1), { path: `(${more} more)`, kind: 'changed', lifetime: 'reload' }];
}
