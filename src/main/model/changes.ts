/**
 * What differs between two configurations, in words, and what of it needs a restart.
 *
 * Path: snapshot/reload.ts reports these to whoever asked for the reload.
 * Invariant: every difference is named, once; values that may be secret never appear.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../config/index.ts';
import { describeHttpChanges } from './changes-http.ts';

interface Named {
  readonly name: string;
}

/** One sentence for each difference that the reload applies. */
export function describeChanges(before: Config, after: Config): string[] {
  return [
    ...describeNamed('listener', before.listeners, after.listeners, (former, item) => [
      ...changedKeys(former, item).filter((key) => key !== 'http'),
      ...describeHttpChanges(former.http, item.http),
    ]),
    ...describeNamed('cluster', before.clusters, after.clusters, changedKeys),
    ...changedFields(before, after, ['distribution', 'drain']),
    ...(before.tls.ticketRotationMs === after.tls.ticketRotationMs
      ? []
      : ['tls.ticketRotation changed']),
    ...(before.log.level === after.log.level
      ? []
      : [`log.level: ${before.log.level} -> ${after.log.level}`]),
    ...(before.log.accessFormat === after.log.accessFormat &&
    before.log.accessTemplate === after.log.accessTemplate
      ? []
      : ['log.accessFormat changed']),
    ...(before.limits.connections === after.limits.connections
      ? []
      : [`limits.connections: ${before.limits.connections} -> ${after.limits.connections}`]),
  ];
}

/** One sentence for each difference that only a restart applies. `boardConnections` is the size at start. */
export function describeRestartNeeds(
  running: Config,
  after: Config,
  boardConnections: number,
): string[] {
  const warnings: string[] = [];
  const warn = (field: string): void => {
    warnings.push(`${field} changed; it needs a restart to take effect`);
  };
  if (running.shards !== after.shards) {
    warn('shards');
  }
  if (!isDeepStrictEqual(withoutToken(running), withoutToken(after))) {
    warn('admin');
  }
  for (const field of ['access', 'format'] as const) {
    if (running.log[field] !== after.log[field]) {
      warn(`log.${field}`);
    }
  }
  for (const field of ['memory', 'memoryPerShard'] as const) {
    if (running.limits[field] !== after.limits[field]) {
      warn(`limits.${field}`);
    }
  }
  if (running.tls.handshakeThreads !== after.tls.handshakeThreads) {
    warn('tls.handshakeThreads');
  }
  if (after.limits.connections > boardConnections) {
    warnings.push(
      `limits.connections is held at ${boardConnections}, the size of the tables made at start; ` +
        'a larger value needs a restart',
    );
  }
  return warnings;
}

function describeNamed<Item extends Named>(
  kind: string,
  before: readonly Item[],
  after: readonly Item[],
  differences: (former: Item, item: Item) => readonly string[],
): string[] {
  const changes: string[] = [];
  const old = new Map(before.map((item) => [item.name, item]));
  for (const item of after) {
    const former = old.get(item.name);
    if (former === undefined) {
      changes.push(`${kind} "${item.name}" added`);
    } else if (!isDeepStrictEqual(former, item)) {
      changes.push(`${kind} "${item.name}" changed: ${differences(former, item).join(', ')}`);
    }
    old.delete(item.name);
  }
  for (const name of old.keys()) {
    changes.push(`${kind} "${name}" removed`);
  }
  return changes;
}

function changedKeys(before: object, after: object): string[] {
  const old = new Map<string, unknown>(Object.entries(before));
  return Object.entries(after)
    .filter(([key, value]) => !isDeepStrictEqual(old.get(key), value))
    .map(([key]) => key);
}

function changedFields(before: Config, after: Config, fields: readonly (keyof Config)[]): string[] {
  return fields
    .filter((field) => !isDeepStrictEqual(before[field], after[field]))
    .map((field) => `${field} changed`);
}

/** The token itself may change at a reload; where the admin API answers may not. */
function withoutToken(config: Config): unknown {
  const { socket, tcp } = config.admin;
  return { socket, tcp: tcp === null ? null : { host: tcp.host, port: tcp.port } };
}
