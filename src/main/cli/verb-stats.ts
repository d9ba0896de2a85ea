/**
 * `holdfast stats`: the counters of a running gateway, in tables or as JSON.
 *
 * Path: main.ts -> here -> admin-client.ts -> src/main/admin. Reads only.
 * Invariant: what is zero is not shown; --json is the answer of the API as it is.
 */
import type { Command } from 'commander';
import { ask } from './admin-client.ts';
import { addAdminOptions } from './admin-options.ts';
import type { CliWorld } from './cli-world.ts';
import { type AdminOptions, findAdmin } from './find-admin.ts';
import { type Column, formatTable, shortBytes, shortCount, shortDuration } from './table.ts';

type Numbers = Readonly<Record<string, unknown>>;

/** A route, as the admin API has it. */
interface RouteStats {
  /** Empty for what is counted together. */
  readonly listener: string;
  readonly name: string;
  readonly counters: Readonly<Record<string, number>>;
  /** To the head of the response; null before the first request. */
  readonly latency: Readonly<Record<'p50Micros' | 'p99Micros' | 'p999Micros', number>> | null;
}

const ROUTE_COLUMNS: readonly Column[] = [
  { title: 'LISTENER' },
  { title: 'ROUTE' },
  { title: 'REQUESTS', align: 'right' },
  { title: '4XX', align: 'right' },
  { title: '5XX', align: 'right' },
  { title: 'RETRIES', align: 'right' },
  { title: 'WEBSOCKETS', align: 'right' },
  { title: 'P50', align: 'right' },
  { title: 'P99', align: 'right' },
  { title: 'P99.9', align: 'right' },
];

/** `bytesFromClient` reads as `bytes from client`. */
function humanize(name: string): string {
  return name
    .replaceAll(/([a-z])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`)
    .replaceAll('_', ' ');
}

function formatNumber(name: string, value: number): string {
  return /bytes/i.test(name) ? shortBytes(value) : shortCount(value);
}

/** Lines of the numbers that are not zero. */
function numberLines(values: Numbers, prefix: string): string[] {
  return Object.entries(values).flatMap(([name, value]) => {
    if (name.startsWith('lastSuccess')) return [];
    if (typeof value === 'number' && value !== 0)
      return [
        `  ${`${prefix}${humanize(name)}`.padEnd(36)} ${formatNumber(name, value).padStart(14)}`,
      ];
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
    const inner = name === 'counters' ? '' : `${humanize(name)}: `;
    return numberLines(value as Numbers, inner);
  });
}

/** Milliseconds with as many digits as a glance needs. */
function shortMicros(micros: number | undefined): string {
  if (micros === undefined) return '-';
  const ms = micros / 1000;
  return ms >= 1000 ? shortDuration(ms) : `${ms.toFixed(ms < 10 ? 2 : ms < 100 ? 1 : 0)}ms`;
}

function routeRow({ listener, name, counters, latency }: RouteStats): string[] {
  const of = (counter: string): number => counters[counter] ?? 0;
  return [
    listener === '' ? '-' : listener,
    name,
    shortCount(of('requests')),
    shortCount(of('responses4xx')),
    shortCount(of('responses5xx')),
    shortCount(of('retries')),
    shortCount(of('webSocketsActive')),
    shortMicros(latency?.p50Micros),
    shortMicros(latency?.p99Micros),
    shortMicros(latency?.p999Micros),
  ];
}

async function stats(
  options: AdminOptions & { readonly json?: true },
  world: CliWorld,
): Promise<void> {
  const { terminal } = world;
  const target = findAdmin(options, terminal.env);
  const answer = await ask(target, { method: 'GET', path: '/v1/stats' });
  if (options.json === true) {
    terminal.out(`${JSON.stringify(answer, null, 2)}\n`);
    return;
  }
  const status = await ask(target, { method: 'GET', path: '/v1/status' });
  const word = (key: string): string => {
    const value = status[key];
    return typeof value === 'string' || typeof value === 'number' ? String(value) : '?';
  };
  const uptime = shortDuration(Number(status['uptimeMs'] ?? 0));
  const { paint } = terminal;
  terminal.out(
    `${paint.bold(`holdfast ${word('version')}`)}  pid ${word('pid')}, up ${uptime}, ${word('state')}, generation ${word('generation')}\n`,
  );
  const section = (title: string, values: Numbers): void => {
    const lines = numberLines(values, '');
    if (lines.length > 0) terminal.out(`\n${paint.bold(title)}\n${lines.join('\n')}\n`);
  };
  section('process', (answer['process'] ?? {}) as Numbers);
  for (const [key, word] of [
    ['listeners', 'listener'],
    ['http', 'HTTP of listener'],
    ['clusters', 'HTTP of cluster'],
    ['endpoints', 'endpoint'],
    ['shards', 'shard'],
  ] as const) {
    for (const item of (answer[key] ?? []) as readonly Numbers[]) {
      const { shard, ...rest } = item;
      section(`${word} ${String(item['name'] ?? item['address'] ?? shard)}`, rest);
    }
  }
  const routes = (answer['routes'] ?? []) as readonly RouteStats[];
  if (routes.length > 0) {
    const table = formatTable(ROUTE_COLUMNS, routes.map(routeRow), {
      paint,
      width: terminal.columns,
    });
    terminal.out(`\n${paint.bold('routes')}\n${table}`);
  }
  terminal.out(
    `\n${paint.dim('Zero is not shown. --json has everything; /metrics has it for Prometheus.')}\n`,
  );
}

/** Adds the verb. */
export function addStatsVerb(program: Command, world: CliWorld): void {
  addAdminOptions(program.command('stats'))
    .summary('counters of the gateway')
    .description(
      'Shows the counters of the process, its listeners, endpoints, shards and routes of HTTP.',
    )
    .option('--json', 'print the answer as JSON')
    .action((options: AdminOptions & { readonly json?: true }) => stats(options, world));
}
