/**
 * Checks addresses against each other: two binds of one address, and endpoints that lead back here.
 *
 * Path: check.ts runs it on the plain value.
 * Invariant: mirrors the kernel: a wildcard overlaps with every address of its family and port,
 * IPv6 sockets do not take IPv4 connections (IPV6_V6ONLY), network namespaces are apart.
 */
import {
  formatAddress,
  ipBytes,
  isLoopback,
  isWildcard,
  parseBind,
  parseEndpoint,
} from './address.ts';
import { listRouteClusters } from './check-http.ts';
import type { ValuePath } from './findings.ts';
import * as limit from './limits.ts';
import { asList, asMap, type Item, type Report, type Reporter } from './plain.ts';
import { quote } from './units.ts';

/** One address of a listener. */
export interface Bind {
  readonly item: Item;
  readonly path: ValuePath;
  readonly netns: string;
  readonly shown: string;
  /** `4:7f000001` and the like; empty for Unix sockets. */
  readonly ip: string;
  readonly family: number;
  readonly isWildcard: boolean;
  readonly port: number;
}

function readBind(item: Item, path: ValuePath, raw: unknown): Bind | null {
  const parsed = parseBind(typeof raw === 'object' && raw !== null ? asMap(raw)['address'] : raw);
  if (!parsed.ok) return null;
  const netns = typeof item.map['netns'] === 'string' ? item.map['netns'] : '';
  const shown = formatAddress(parsed.value);
  if (parsed.value.kind === 'unix') {
    return {
      item,
      path,
      netns: '',
      shown,
      ip: parsed.value.path,
      family: 0,
      isWildcard: false,
      port: -1,
    };
  }
  const bytes = ipBytes(parsed.value.ip);
  const { ip, port } = parsed.value;
  return {
    item,
    path,
    netns,
    shown,
    ip: bytes.join('.'),
    family: bytes.length,
    isWildcard: isWildcard(ip),
    port,
  };
}

/** Finds binds that the kernel would refuse. Returns all of them. */
export function checkBinds(listeners: Item[], { source, report }: Reporter): Bind[] {
  const binds: Bind[] = [];
  const byPort = new Map<string, Bind[]>();
  for (const item of listeners) {
    const raw = item.map['bind'];
    const list = asList(raw);
    if (list.length > limit.BINDS_MAX) {
      report(
        'tooMany',
        [...item.path, 'bind', limit.BINDS_MAX],
        `a listener has ${list.length} binds, the limit is ${limit.BINDS_MAX}`,
      );
    }
    for (const [i, value] of list.entries()) {
      const path = Array.isArray(raw) ? [...item.path, 'bind', i] : [...item.path, 'bind'];
      const bind = readBind(item, path, value);
      if (bind === null) continue;
      checkMode(bind, value, report);
      binds.push(bind);
      if (bind.port === 0) continue;
      const key = `${bind.netns}\0${bind.family}\0${bind.family === 0 ? bind.ip : bind.port}`;
      const others = byPort.get(key) ?? [];
      const clash = others.find(
        (other) => other.ip === bind.ip || other.isWildcard || bind.isWildcard,
      );
      if (clash !== undefined) reportClash(bind, clash, { source, report });
      byPort.set(key, [...others, bind]);
    }
  }
  return binds;
}

function reportClash(bind: Bind, other: Bind, { source, report }: Reporter): void {
  const by = other.item.name === null ? 'another listener' : `listener ${quote(other.item.name)}`;
  const owner = other.item === bind.item ? 'this listener' : by;
  const { line } = source.place(other.path);
  const message =
    other.ip === bind.ip
      ? `${bind.shown} is already bound by ${owner}`
      : `${bind.shown} overlaps with ${other.shown} of ${owner}`;
  report('duplicateBind', bind.path, message, `the first one is on line ${line}`);
}

function checkMode(bind: Bind, value: unknown, report: Report): void {
  if (bind.family !== 0 && asMap(value)['mode'] !== undefined) {
    report(
      'notApplicable',
      [...bind.path, 'mode'],
      '"mode" has no effect on an IP address',
      'it is for Unix sockets',
    );
  }
}

/** Finds endpoints that are the listener's own address. Longer loops are cut by limits. */
export function checkLoops(
  parts: { listeners: Item[]; clusters: Item[]; binds: Bind[] },
  report: Report,
): void {
  const byName = new Map(parts.clusters.map((cluster) => [cluster.name, cluster]));
  for (const bind of parts.binds) {
    if (bind.port === 0) continue;
    const routes = asList(bind.item.map['routes']).map((route) => asMap(route)['cluster']);
    const http = listRouteClusters(bind.item).map(({ name }) => name);
    for (const name of new Set([bind.item.map['cluster'], ...routes, ...http])) {
      const cluster = typeof name === 'string' ? byName.get(name) : undefined;
      if (cluster !== undefined) checkLoop(bind, cluster, report);
    }
  }
}

function checkLoop(bind: Bind, cluster: Item, report: Report): void {
  const netns = typeof cluster.map['netns'] === 'string' ? cluster.map['netns'] : '';
  for (const [i, raw] of asList(cluster.map['endpoints']).entries()) {
    const parsed = parseEndpoint(
      typeof raw === 'object' && raw !== null ? asMap(raw)['address'] : raw,
    );
    if (!parsed.ok || !isSame(bind, parsed.value, netns)) continue;
    const owner = bind.item.name === null ? 'the listener' : `listener ${quote(bind.item.name)}`;
    report(
      'loop',
      [...cluster.path, 'endpoints', i],
      `${formatAddress(parsed.value)} is ${owner} itself: connections would go in a circle`,
    );
  }
}

function isSame(
  bind: Bind,
  address: { kind: string; ip?: string; path?: string; port?: number },
  netns: string,
): boolean {
  if (address.kind === 'unix') return bind.family === 0 && bind.ip === address.path;
  if (address.kind !== 'ip' || address.ip === undefined) return false;
  if (bind.port !== address.port || bind.netns !== netns) return false;
  const bytes = ipBytes(address.ip);
  return (
    bytes.join('.') === bind.ip ||
    (bind.isWildcard && bytes.length === bind.family && isLoopback(address.ip))
  );
}
