/**
 * Checks that the parts of a configuration go together: names, addresses, references, limits.
 *
 * Path: load.ts runs it on the plain value beside the schema, so that a typing error elsewhere does not hide
 * what is found here.
 * Invariant: takes any value whatsoever; what has the wrong shape is left to the schema and skipped here.
 * Does not look at the machine, except at its limit of open files.
 */
import { formatAddress, ipBytes, isLoopback, isWildcard, parseBind, parseEndpoint } from './address.ts';
import type { FindingName } from './codes.ts';
import type { Findings, ValuePath } from './findings.ts';
import * as limit from './limits.ts';
import { connectionsForDescriptors } from './normalize.ts';
import type { Resolved } from './references.ts';
import type { Source } from './source.ts';
import { suggest } from './suggest.ts';
import { formatDuration, type Parsed, parseCount, parseDuration, parseSize, quote } from './units.ts';
import type { World } from './world.ts';

/** What the checks look at. */
export interface CheckInput {
  readonly source: Source;
  readonly resolved: Resolved;
  readonly world: World;
  readonly findings: Findings;
}

type PlainMap = Readonly<Record<string, unknown>>;
type Report = (name: FindingName, path: ValuePath, message: string, hint?: string) => void;

/** A named item of one of the two top lists. */
interface Item {
  readonly map: PlainMap;
  readonly path: ValuePath;
  readonly name: string | null;
}

const EMPTY: PlainMap = {};

function asMap(value: unknown): PlainMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as PlainMap) : EMPTY;
}

function asList(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  return value === undefined || value === null ? [] : [value];
}

function items(root: PlainMap, key: 'listeners' | 'clusters'): Item[] {
  const list = Array.isArray(root[key]) ? (root[key] as unknown[]) : [];
  return list.map((value, i) => {
    const map = asMap(value);
    return { map, path: [key, i], name: typeof map['name'] === 'string' ? map['name'] : null };
  });
}

function amountOf(parse: (value: unknown) => Parsed<number>, value: unknown, initial: number): number | null {
  if (value === undefined || value === null) return initial;
  const parsed = parse(value);
  return parsed.ok ? parsed.value : null;
}

/** Runs all checks. */
export function checkMeaning(input: CheckInput): void {
  const { source, resolved, findings } = input;
  const root = asMap(resolved.value);
  const report: Report = (name, path, message, hint) => {
    findings.add({ name, path, place: source.place(path), message, ...(hint === undefined ? {} : { hint }) });
  };
  const listeners = items(root, 'listeners');
  const clusters = items(root, 'clusters');
  checkCounts(listeners, clusters, report);
  checkNames(listeners, 'listener', { source, report });
  checkNames(clusters, 'cluster', { source, report });
  const binds = checkBinds(listeners, { source, report });
  checkClusterNames(listeners, clusters, report);
  for (const listener of listeners) checkListener(listener, report);
  for (const cluster of clusters) checkCluster(cluster, report);
  checkLoops({ listeners, clusters, binds }, report);
  checkAdmin(asMap(root['admin']), input, report);
  checkProcessLimits(asMap(root['limits']), input.world, report);
}

function checkCounts(listeners: Item[], clusters: Item[], report: Report): void {
  if (listeners.length === 0) report('noListeners', ['listeners'], 'there is no listener: nothing is accepted');
  if (listeners.length > limit.LISTENERS_MAX) {
    report('tooMany', ['listeners', limit.LISTENERS_MAX], `there are ${listeners.length} listeners, the limit is ${limit.LISTENERS_MAX}`);
  }
  if (clusters.length > limit.CLUSTERS_MAX) {
    report('tooMany', ['clusters', limit.CLUSTERS_MAX], `there are ${clusters.length} clusters, the limit is ${limit.CLUSTERS_MAX}`);
  }
  let endpoints = 0;
  for (const cluster of clusters) {
    const before = endpoints;
    endpoints += asList(cluster.map['endpoints']).length;
    if (before <= limit.ENDPOINTS_MAX && endpoints > limit.ENDPOINTS_MAX) {
      const path = [...cluster.path, 'endpoints', limit.ENDPOINTS_MAX - before];
      report('tooMany', path, `there are more than ${limit.ENDPOINTS_MAX} endpoints in all`, 'a DNS name stands for all its addresses');
    }
  }
}

interface Reporter {
  readonly source: Source;
  readonly report: Report;
}

function checkNames(list: Item[], word: string, { source, report }: Reporter): void {
  const first = new Map<string, Item>();
  for (const item of list) {
    if (item.name === null) continue;
    const other = first.get(item.name);
    if (other === undefined) {
      first.set(item.name, item);
      continue;
    }
    const { line } = source.place([...other.path, 'name']);
    report('duplicateName', [...item.path, 'name'], `there are two ${word}s named ${quote(item.name)}`, `the first one is on line ${line}`);
  }
}

interface Bind {
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
    return { item, path, netns: '', shown, ip: parsed.value.path, family: 0, isWildcard: false, port: -1 };
  }
  const bytes = ipBytes(parsed.value.ip);
  const { ip, port } = parsed.value;
  return { item, path, netns, shown, ip: bytes.join('.'), family: bytes.length, isWildcard: isWildcard(ip), port };
}

/** Finds binds that the kernel would refuse. Returns all of them. */
function checkBinds(listeners: Item[], { source, report }: Reporter): Bind[] {
  const binds: Bind[] = [];
  const byPort = new Map<string, Bind[]>();
  for (const item of listeners) {
    const raw = item.map['bind'];
    const list = asList(raw);
    if (list.length > limit.BINDS_MAX) {
      report('tooMany', [...item.path, 'bind', limit.BINDS_MAX], `a listener has ${list.length} binds, the limit is ${limit.BINDS_MAX}`);
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
      const clash = others.find((other) => other.ip === bind.ip || other.isWildcard || bind.isWildcard);
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
    other.ip === bind.ip ? `${bind.shown} is already bound by ${owner}` : `${bind.shown} overlaps with ${other.shown} of ${owner}`;
  report('duplicateBind', bind.path, message, `the first one is on line ${line}`);
}

function checkMode(bind: Bind, value: unknown, report: Report): void {
  if (bind.family !== 0 && asMap(value)['mode'] !== undefined) {
    report('notApplicable', [...bind.path, 'mode'], '"mode" has no effect on an IP address', 'it is for Unix sockets');
  }
}

function checkClusterNames(listeners: Item[], clusters: Item[], report: Report): void {
  const names = clusters.flatMap((cluster) => cluster.name ?? []);
  const used = new Set<unknown>(listeners.map((listener) => listener.map['cluster']));
  const known = new Set(names);
  for (const { map, path } of listeners) {
    const name = map['cluster'];
    if (typeof name !== 'string' || known.has(name)) continue;
    const guess = suggest(name, names);
    if (guess !== null) used.add(guess);
    const list = names.length === 0 ? 'there are no clusters' : `there is ${names.slice(0, 8).map(quote).join(', ')}`;
    report('unknownCluster', [...path, 'cluster'], `there is no cluster ${quote(name)}`, guess === null ? list : `did you mean "${guess}"?`);
  }
  for (const cluster of clusters) {
    if (cluster.name !== null && !used.has(cluster.name)) {
      report('unusedCluster', [...cluster.path, 'name'], `no listener leads to cluster ${quote(cluster.name)}`);
    }
  }
}

function checkListener({ map, path }: Item, report: Report): void {
  const limits = asMap(map['limits']);
  const buffer = asMap(limits['buffer']);
  const high = amountOf(parseSize, buffer['high'], 64 * 1024);
  const low = amountOf(parseSize, buffer['low'], 32 * 1024);
  if (high !== null && low !== null && low > high) {
    const isLowSet = buffer['low'] !== undefined;
    const message = isLowSet ? 'the low watermark is above the high one' : 'the high watermark is below the low one, which is 32KiB';
    report('watermarks', [...path, 'limits', 'buffer', isLowSet ? 'low' : 'high'], message, `write "low: ${Math.floor(high / 2)}" or less`);
  }
  const proxy = asMap(map['proxyProtocol']);
  const raw = proxy['accept'];
  for (const [i, network] of asList(raw).entries()) {
    if (typeof network !== 'string' || !/\/0+$/.test(network)) continue;
    const place = [...path, 'proxyProtocol', 'accept', ...(Array.isArray(raw) ? [i] : [])];
    report('trustsEveryone', place, 'PROXY headers are accepted from everyone', 'name the networks of the load balancers only');
  }
}

function checkCluster({ map, path, name }: Item, report: Report): void {
  const list = asList(map['endpoints']);
  if (list.length === 0 && Array.isArray(map['endpoints'])) {
    const shown = name === null ? 'a cluster' : `cluster ${quote(name)}`;
    report('noEndpoints', [...path, 'endpoints'], `${shown} has no endpoints: its connections are closed`);
  }
  const seen = new Set<string>();
  for (const [i, raw] of list.entries()) {
    const parsed = parseEndpoint(typeof raw === 'object' && raw !== null ? asMap(raw)['address'] : raw);
    if (!parsed.ok) continue;
    const value = parsed.value;
    const key = value.kind === 'ip' ? `${ipBytes(value.ip).join('.')}:${value.port}` : formatAddress(value);
    if (seen.has(key)) {
      report('duplicateEndpoint', [...path, 'endpoints', i], `endpoint ${formatAddress(value)} is there twice`, 'keep one and give it a weight');
    }
    seen.add(key);
  }
  checkClusterAmounts({ map, path, name }, report);
}

function checkClusterAmounts({ map, path }: Item, report: Report): void {
  const ejection = asMap(map['ejection']);
  checkOrder(ejection, { path: [...path, 'ejection'], low: 'base', high: 'max', lowMs: 10_000, highMs: 300_000 }, report);
  const dns = asMap(map['dns']);
  checkOrder(dns, { path: [...path, 'dns'], low: 'refreshMin', high: 'refreshMax', lowMs: 5000, highMs: 300_000 }, report);
  if (map['healthCheck'] === undefined) return;
  const check = asMap(map['healthCheck']);
  const interval = amountOf(parseDuration, check['interval'], 5000);
  const timeout = amountOf(parseDuration, check['timeout'], 2000);
  if (interval !== null && timeout !== null && timeout > interval) {
    const message = `a check may take ${formatDuration(timeout)}, longer than its interval of ${formatDuration(interval)}`;
    const key = check['timeout'] === undefined ? 'interval' : 'timeout';
    report('checkTooSlow', [...path, 'healthCheck', key], message, `write "timeout: ${formatDuration(Math.ceil(interval / 2))}"`);
  }
}

interface Order {
  readonly path: ValuePath;
  readonly low: string;
  readonly high: string;
  readonly lowMs: number;
  readonly highMs: number;
}

function checkOrder(map: PlainMap, order: Order, report: Report): void {
  const low = amountOf(parseDuration, map[order.low], order.lowMs);
  const high = amountOf(parseDuration, map[order.high], order.highMs);
  if (low === null || high === null || low <= high) return;
  const key = map[order.low] === undefined ? order.high : order.low;
  const message = `"${order.low}" is ${formatDuration(low)}, above "${order.high}" of ${formatDuration(high)}`;
  report('wrongOrder', [...order.path, key], message);
}

/** Finds endpoints that are the listener's own address. Longer loops are cut by limits. */
function checkLoops(parts: { listeners: Item[]; clusters: Item[]; binds: Bind[] }, report: Report): void {
  const byName = new Map(parts.clusters.map((cluster) => [cluster.name, cluster]));
  for (const bind of parts.binds) {
    const clusterName = bind.item.map['cluster'];
    const cluster = typeof clusterName === 'string' ? byName.get(clusterName) : undefined;
    if (cluster === undefined || bind.port === 0) continue;
    const netns = typeof cluster.map['netns'] === 'string' ? cluster.map['netns'] : '';
    for (const [i, raw] of asList(cluster.map['endpoints']).entries()) {
      const parsed = parseEndpoint(typeof raw === 'object' && raw !== null ? asMap(raw)['address'] : raw);
      if (!parsed.ok || !isSame(bind, parsed.value, netns)) continue;
      const owner = bind.item.name === null ? 'the listener' : `listener ${quote(bind.item.name)}`;
      report('loop', [...cluster.path, 'endpoints', i], `${formatAddress(parsed.value)} is ${owner} itself: connections would go in a circle`);
    }
  }
}

function isSame(bind: Bind, address: { kind: string; ip?: string; path?: string; port?: number }, netns: string): boolean {
  if (address.kind === 'unix') return bind.family === 0 && bind.ip === address.path;
  if (address.kind !== 'ip' || address.ip === undefined) return false;
  if (bind.port !== address.port || bind.netns !== netns) return false;
  const bytes = ipBytes(address.ip);
  return bytes.join('.') === bind.ip || (bind.isWildcard && bytes.length === bind.family && isLoopback(address.ip));
}

function checkAdmin(admin: PlainMap, input: CheckInput, report: Report): void {
  const raw = admin['tcp'];
  if (raw === undefined || raw === null) return;
  const path = ['admin', 'tcp'];
  const tcp = typeof raw === 'object' ? asMap(raw) : { bind: raw };
  const token = tcp['token'];
  const hasFile = tcp['tokenFile'] !== undefined;
  if (token === undefined && !hasFile) {
    report('tokenMissing', path, 'the admin endpoint on TCP has no token', 'write tcp: { bind: 127.0.0.1:9901, tokenFile: /etc/holdfast/token }');
  }
  if (token !== undefined && hasFile) report('tokenTwice', [...path, 'tokenFile'], 'both "token" and "tokenFile" are set');
  if (typeof token === 'string' && !input.resolved.origins.has('/admin/tcp/token')) {
    report('tokenInText', [...path, 'token'], 'the token stands in the configuration itself', 'write ${env:HOLDFAST_TOKEN}, or use tokenFile');
  }
  const bind = parseBind(tcp['bind']);
  if (!bind.ok) return;
  const bindPath = typeof raw === 'object' ? [...path, 'bind'] : path;
  if (bind.value.kind === 'unix') {
    report('badAddress', bindPath, 'admin.tcp takes an IP and port', 'admin.socket is for Unix sockets');
  } else if (!isLoopback(bind.value.ip)) {
    report('adminExposed', bindPath, 'the admin endpoint can be reached from other machines', `write 127.0.0.1:${bind.value.port}`);
  }
}

function checkProcessLimits(limits: PlainMap, world: World, report: Report): void {
  const connections = limits['connections'];
  if (connections !== undefined && connections !== 'auto') {
    const wanted = amountOf(parseCount, connections, 0);
    const possible = connectionsForDescriptors(world.descriptorsMax);
    if (wanted !== null && wanted > possible) {
      const message = `${wanted} connections need more than the ${world.descriptorsMax} open files of this process; ${possible} fit`;
      report('moreThanDescriptors', ['limits', 'connections'], message, `raise it: ulimit -n ${wanted * 2 + limit.DESCRIPTORS_RESERVED}`);
    }
  }
  const memory = amountOf(parseSize, limits['memory'], 512 * 1024 * 1024);
  const perShard = limits['memoryPerShard'] === 'auto' ? null : amountOf(parseSize, limits['memoryPerShard'], 0);
  if (memory !== null && perShard !== null && perShard > memory) {
    report('wrongOrder', ['limits', 'memoryPerShard'], '"memoryPerShard" is above "memory"');
  }
}
