/**
 * Checks amounts that belong together: watermarks, minima and maxima, limits and what the machine
 * allows.
 *
 * Path: check.ts runs it on the plain value. Defaults that it compares with are those of the
 * schema; a test keeps them the same.
 */
import { formatAddress, ipBytes, isLoopback, parseBind, parseEndpoint } from './address.ts';
import { checkClusterHttp } from './check-health.ts';
import type { ValuePath } from './findings.ts';
import * as limit from './limits.ts';
import { connectionsForDescriptors } from './normalize.ts';
import {
  amountOf,
  asList,
  asMap,
  type CheckInput,
  type Item,
  type PlainMap,
  type Report,
} from './plain.ts';
import {
  formatCount,
  formatDuration,
  formatSize,
  parseCount,
  parseDuration,
  parseSize,
  quote,
} from './units.ts';
import type { World } from './world.ts';

/** Watermarks and trusted networks of a listener. */
export function checkListener({ map, path }: Item, report: Report): void {
  const limits = asMap(map['limits']);
  const buffer = asMap(limits['buffer']);
  const high = amountOf(parseSize, buffer['high'], 64 * 1024);
  const low = amountOf(parseSize, buffer['low'], 32 * 1024);
  if (high !== null && low !== null && low > high) {
    const isLowSet = buffer['low'] !== undefined;
    const message = isLowSet
      ? 'the low watermark is above the high one'
      : 'the high watermark is below the low one, which is 32KiB';
    report(
      'watermarks',
      [...path, 'limits', 'buffer', isLowSet ? 'low' : 'high'],
      message,
      `write "low: ${formatSize(Math.floor(high / 2))}" or less`,
    );
  }
  const proxy = asMap(map['proxyProtocol']);
  const raw = proxy['accept'];
  for (const [i, network] of asList(raw).entries()) {
    if (typeof network !== 'string' || !/\/0+$/.test(network)) continue;
    const place = [...path, 'proxyProtocol', 'accept', ...(Array.isArray(raw) ? [i] : [])];
    report(
      'trustsEveryone',
      place,
      'PROXY headers are accepted from everyone',
      'name the networks of the load balancers only',
    );
  }
}

/** Endpoints, intervals and ejection of a cluster. */
export function checkCluster({ map, path, name }: Item, report: Report): void {
  const list = asList(map['endpoints']);
  const shown = name === null ? 'a cluster' : `cluster ${quote(name)}`;
  checkEndpointSource({ map, path, name }, shown, report);
  if (list.length === 0 && Array.isArray(map['endpoints'])) {
    report(
      'noEndpoints',
      [...path, 'endpoints'],
      `${shown} has no endpoints: its connections are closed`,
    );
  }
  const seen = new Set<string>();
  for (const [i, raw] of list.entries()) {
    const parsed = parseEndpoint(
      typeof raw === 'object' && raw !== null ? asMap(raw)['address'] : raw,
    );
    if (!parsed.ok) continue;
    const value = parsed.value;
    const key =
      value.kind === 'ip' ? `${ipBytes(value.ip).join('.')}:${value.port}` : formatAddress(value);
    if (seen.has(key)) {
      report(
        'duplicateEndpoint',
        [...path, 'endpoints', i],
        `endpoint ${formatAddress(value)} is there twice`,
        'keep one and give it a weight',
      );
    }
    seen.add(key);
  }
  checkClusterAmounts({ map, path, name }, report);
  checkClusterHttp({ map, path, name }, report);
}

/** Endpoints are listed, or a discovery finds them. */
function checkEndpointSource({ map, path }: Item, shown: string, report: Report): void {
  const hasList = map['endpoints'] !== undefined;
  const hasDiscovery = map['discovery'] !== undefined;
  const isMap = Object.keys(map).length > 0;
  if (isMap && !hasList && !hasDiscovery) {
    const hint = 'for example: endpoints: [127.0.0.1:3000]';
    report('missingKey', [...path, 'endpoints'], `${shown} has no "endpoints"`, hint);
  } else if (hasList && hasDiscovery) {
    const message = `${shown} has both "endpoints" and "discovery"`;
    report('endpointsTwice', [...path, 'discovery'], message, 'keep one of the two');
  }
}

function checkClusterAmounts({ map, path }: Item, report: Report): void {
  const ejection = asMap(map['ejection']);
  checkOrder(
    ejection,
    { path: [...path, 'ejection'], low: 'base', high: 'max', lowMs: 10_000, highMs: 300_000 },
    report,
  );
  const dns = asMap(map['dns']);
  checkOrder(
    dns,
    { path: [...path, 'dns'], low: 'refreshMin', high: 'refreshMax', lowMs: 5000, highMs: 300_000 },
    report,
  );
  if (map['healthCheck'] === undefined) return;
  const check = asMap(map['healthCheck']);
  const interval = amountOf(parseDuration, check['interval'], 5000);
  const timeout = amountOf(parseDuration, check['timeout'], 2000);
  if (interval !== null && timeout !== null && timeout > interval) {
    const message = `a check may take ${formatDuration(timeout)}, longer than its interval of ${formatDuration(interval)}`;
    const key = check['timeout'] === undefined ? 'interval' : 'timeout';
    report(
      'checkTooSlow',
      [...path, 'healthCheck', key],
      message,
      `write "timeout: ${formatDuration(Math.ceil(interval / 2))}"`,
    );
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

/** Who can reach the admin endpoint, and with what. */
export function checkAdmin(admin: PlainMap, input: CheckInput, report: Report): void {
  const raw = admin['tcp'];
  if (raw === undefined || raw === null) return;
  const path = ['admin', 'tcp'];
  const tcp = typeof raw === 'object' ? asMap(raw) : { bind: raw };
  const token = tcp['token'];
  const hasFile = tcp['tokenFile'] !== undefined;
  if (token === undefined && !hasFile) {
    report(
      'tokenMissing',
      path,
      'the admin endpoint on TCP has no token',
      'write tcp: { bind: 127.0.0.1:9901, tokenFile: /etc/holdfast/token }',
    );
  }
  if (token !== undefined && hasFile)
    report('tokenTwice', [...path, 'tokenFile'], 'both "token" and "tokenFile" are set');
  if (typeof token === 'string' && !input.resolved.origins.has('/admin/tcp/token')) {
    report(
      'tokenInText',
      [...path, 'token'],
      'the token stands in the configuration itself',
      'write ${env:HOLDFAST_TOKEN}, or use tokenFile',
    );
  }
  const bind = parseBind(tcp['bind']);
  if (!bind.ok) return;
  const bindPath = typeof raw === 'object' ? [...path, 'bind'] : path;
  if (bind.value.kind === 'unix') {
    report(
      'badAddress',
      bindPath,
      'admin.tcp takes an IP and port',
      'admin.socket is for Unix sockets',
    );
  } else if (!isLoopback(bind.value.ip)) {
    report(
      'adminExposed',
      bindPath,
      'the admin endpoint can be reached from other machines',
      `write 127.0.0.1:${bind.value.port}`,
    );
  }
}

/** Limits of the process against the machine. */
export function checkProcessLimits(limits: PlainMap, world: World, report: Report): void {
  const connections = limits['connections'];
  if (connections !== undefined && connections !== 'auto') {
    const wanted = amountOf(parseCount, connections, 0);
    const possible = connectionsForDescriptors(world.descriptorsMax);
    if (wanted !== null && wanted > possible) {
      const message = `${formatCount(wanted)} connections need more than the ${world.descriptorsMax} open files of this process; ${possible} fit`;
      report(
        'moreThanDescriptors',
        ['limits', 'connections'],
        message,
        `raise it: ulimit -n ${wanted * 2 + limit.DESCRIPTORS_RESERVED}`,
      );
    }
  }
  const memory = amountOf(parseSize, limits['memory'], 512 * 1024 * 1024);
  const perShard =
    limits['memoryPerShard'] === 'auto' ? null : amountOf(parseSize, limits['memoryPerShard'], 0);
  if (memory !== null && perShard !== null && perShard > memory) {
    report('wrongOrder', ['limits', 'memoryPerShard'], '"memoryPerShard" is above "memory"');
  }
}
