/**
 * `holdfast conns`, `clusters` and `stats`: what a running gateway is doing, in tables or as JSON.
 *
 * Path: main.ts -> here -> admin-client.ts -> src/main/admin. Reads only.
 * Invariant: text of clients is printed safely; --json is the answer of the API as it is.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { type AdminTarget, ask } from './admin-client.ts';
import { addAdminOptions } from './admin-options.ts';
import type { CliWorld } from './cli-world.ts';
import { CliError, EXIT } from './exit.ts';
import { type AdminOptions, findAdmin } from './find-admin.ts';
import {
  type Cell,
  type Column,
  formatTable,
  shortBytes,
  shortCount,
  shortDuration,
} from './table.ts';
import type { Terminal } from './terminal.ts';

interface ConnsOptions extends AdminOptions {
  readonly listener?: string;
  readonly cluster?: string;
  readonly endpoint?: string;
  readonly client?: string;
  readonly older?: string;
  readonly idle?: string;
  readonly sort?: string;
  readonly limit: string;
  readonly cursor?: string;
  readonly json?: true;
  readonly watch?: true;
}

/** One connection, as the admin API has it. */
interface Connection {
  readonly id: string;
  readonly client: string;
  readonly listener: string;
  readonly cluster: string;
  readonly endpoint: string | null;
  readonly state: string;
  readonly ageMs: number;
  readonly idleMs: number;
  readonly bytesFromClient: number;
  readonly bytesFromEndpoint: number;
  readonly pendingBytes: number;
  /** TLS version of the client's side; empty: none. */
  readonly tls?: string;
}

interface Endpoint {
  readonly address: string;
  readonly weight: number;
  readonly connections: number;
  readonly connectionsMax: number;
  readonly state: string;
  readonly isChecked: boolean;
  readonly lastError: string | null;
  readonly ejectedMs: number;
}

const WATCH_EVERY_MS = 1000;

const CONNECTION_COLUMNS: readonly Column[] = [
  { title: 'ID' },
  { title: 'CLIENT' },
  { title: 'LISTENER' },
  { title: 'ENDPOINT' },
  { title: 'STATE' },
  { title: 'AGE', align: 'right' },
  { title: 'IDLE', align: 'right' },
  { title: 'IN', align: 'right' },
  { title: 'OUT', align: 'right' },
  { title: 'PENDING', align: 'right' },
];

const TLS_COLUMN: Column = { title: 'TLS' };

const ENDPOINT_COLUMNS: readonly Column[] = [
  { title: 'CLUSTER' },
  { title: 'ENDPOINT' },
  { title: 'STATE' },
  { title: 'WEIGHT', align: 'right' },
  { title: 'CONNECTIONS', align: 'right' },
  { title: 'WHY' },
];

function connectionRow(connection: Connection): string[] {
  return [
    connection.id,
    connection.client,
    connection.listener,
    connection.endpoint ?? '-',
    connection.state,
    shortDuration(connection.ageMs),
    shortDuration(connection.idleMs),
    shortBytes(connection.bytesFromClient),
    shortBytes(connection.bytesFromEndpoint),
    connection.pendingBytes === 0 ? '-' : shortBytes(connection.pendingBytes),
  ];
}

async function showPage(
  target: AdminTarget,
  options: ConnsOptions,
  terminal: Terminal,
): Promise<string> {
  const { listener, cluster, endpoint, client, older, idle, sort, limit, cursor } = options;
  const query = { listener, cluster, endpoint, client, older, idle, sort, limit, cursor };
  const answer = await ask(target, { method: 'GET', path: '/v1/connections', query });
  if (options.json === true) return `${JSON.stringify(answer, null, 2)}\n`;
  const list = (answer['connections'] ?? []) as readonly Connection[];
  if (list.length === 0) return `${terminal.paint.dim('no connections match')}\n`;
  const { paint, columns: width } = terminal;
  // Only where somebody has it: most lists are narrow enough without.
  const hasTls = list.some(({ tls = '' }) => tls !== '');
  const columns = hasTls ? [...CONNECTION_COLUMNS, TLS_COLUMN] : CONNECTION_COLUMNS;
  const rows = list.map((each) => [...connectionRow(each), ...(hasTls ? [each.tls || '-'] : [])]);
  const table = formatTable(columns, rows, { paint, width });
  const next = answer['next'];
  if (typeof next !== 'string') return table;
  return `${table}${paint.dim(`more: add --cursor ${next}`)}\n`;
}

async function conns(options: ConnsOptions, world: CliWorld): Promise<void> {
  const { terminal } = world;
  const target = findAdmin(options, terminal.env);
  if (options.watch !== true) {
    terminal.out(await showPage(target, options, terminal));
    return;
  }
  if (terminal.columns === 0) {
    throw new CliError('--watch needs a terminal', {
      exitCode: EXIT.usage,
      hint: 'leave it out, or use --json in a loop',
    });
  }
  for (;;) {
    const page = await showPage(target, options, terminal);
    terminal.out(
      `\u001b[H\u001b[2J${terminal.paint.dim(`${new Date().toLocaleTimeString()}  Ctrl-C ends`)}\n\n${page}`,
    );
    await sleep(WATCH_EVERY_MS);
  }
}

function endpointRow(cluster: string, endpoint: Endpoint, terminal: Terminal): Cell[] {
  const limit = endpoint.connectionsMax === 0 ? '' : `/${shortCount(endpoint.connectionsMax)}`;
  const ejected = endpoint.ejectedMs > 0 ? `back in ${shortDuration(endpoint.ejectedMs)}` : '';
  const isFine = endpoint.state === 'healthy';
  const state = isFine && !endpoint.isChecked ? 'unchecked' : endpoint.state;
  const why = [ejected, isFine ? '' : (endpoint.lastError ?? '')]
    .filter((part) => part !== '')
    .join(', ');
  const mark = isFine ? terminal.paint.green : terminal.paint.red;
  return [
    cluster,
    endpoint.address,
    state === 'unchecked' ? state : { text: state, color: mark },
    String(endpoint.weight),
    `${shortCount(endpoint.connections)}${limit}`,
    why,
  ];
}

async function clusters(
  options: AdminOptions & { readonly json?: true },
  world: CliWorld,
): Promise<void> {
  const { terminal } = world;
  const answer = await ask(findAdmin(options, terminal.env), {
    method: 'GET',
    path: '/v1/clusters',
  });
  if (options.json === true) {
    terminal.out(`${JSON.stringify(answer, null, 2)}\n`);
    return;
  }
  const list = (answer['clusters'] ?? []) as readonly {
    name: string;
    endpoints: readonly Endpoint[];
  }[];
  const rows = list.flatMap(({ name, endpoints }) =>
    endpoints.length === 0
      ? [[name, '-', 'no endpoints', '', '', '']]
      : endpoints.map((endpoint) => endpointRow(name, endpoint, terminal)),
  );
  terminal.out(
    formatTable(ENDPOINT_COLUMNS, rows, { paint: terminal.paint, width: terminal.columns }),
  );
}

type Numbers = Readonly<Record<string, unknown>>;

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
    ['endpoints', 'endpoint'],
    ['shards', 'shard'],
  ] as const) {
    for (const item of (answer[key] ?? []) as readonly Numbers[]) {
      const { shard, ...rest } = item;
      section(`${word} ${String(item['name'] ?? item['address'] ?? shard)}`, rest);
    }
  }
  terminal.out(
    `\n${paint.dim('Zero is not shown. --json has everything; /metrics has it for Prometheus.')}\n`,
  );
}

/** Adds the verbs. */
export function addConnsVerbs(program: Command, world: CliWorld): void {
  addAdminOptions(program.command('conns'))
    .summary('who is connected')
    .description(
      'Shows live connections: since when, how much, to where, and what waits for a slow reader.',
    )
    .option('--listener <name>', 'only of this listener')
    .option('--cluster <name>', 'only to this cluster')
    .option('--endpoint <address>', 'only to this endpoint')
    .option('--client <address>', 'only from this address, without port')
    .option('--older <duration>', 'only older than this, such as 1h')
    .option('--idle <duration>', 'only idle for longer than this')
    .addOption(
      new Option('--sort <key>', 'largest first').choices(['age', 'bytes', 'idle', 'pending']),
    )
    .option('--limit <count>', 'lines of a page', '100')
    .option('--cursor <cursor>', 'go on where a page ended; not with --sort')
    .option('--watch', 'show again every second')
    .option('--json', 'print the answer as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  holdfast conns --older 1h --sort bytes --limit 20\n  holdfast conns --sort pending      # slow readers\n' +
        '  holdfast conns --client 10.0.0.7 --json | jq -r .connections[].id | xargs holdfast kill\n',
    )
    .action((options: ConnsOptions) => conns(options, world));

  addAdminOptions(program.command('clusters'))
    .summary('where connections go, and how the endpoints are')
    .description('Shows the endpoints of each cluster with their health and load.')
    .option('--json', 'print the answer as JSON')
    .action((options: AdminOptions & { readonly json?: true }) => clusters(options, world));

  addAdminOptions(program.command('stats'))
    .summary('counters of the gateway')
    .description('Shows the counters of the process, its listeners, endpoints and shards.')
    .option('--json', 'print the answer as JSON')
    .action((options: AdminOptions & { readonly json?: true }) => stats(options, world));
}
