/**
 * `holdfast conns` and `clusters`: who is connected, and where to, in tables or as JSON.
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
  /** `tcp`, `http` or `websocket`. */
  readonly protocol?: string;
  readonly route?: string | null;
  readonly messagesFromClient?: number;
  readonly messagesFromEndpoint?: number;
  /** 0: no pong was seen. */
  readonly lastPongMs?: number;
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

/** A column that is shown only where somebody has something in it: lists stay narrow. */
interface Extra extends Column {
  /** Empty: nothing. */
  readonly valueOf: (connection: Connection) => string;
}

function ifWebSocket(connection: Connection, text: string): string {
  return connection.protocol === 'websocket' ? text : '';
}

const EXTRA_COLUMNS: readonly Extra[] = [
  { title: 'TLS', valueOf: ({ tls = '' }) => tls },
  { title: 'PROTOCOL', valueOf: ({ protocol = 'tcp' }) => (protocol === 'tcp' ? '' : protocol) },
  { title: 'ROUTE', valueOf: ({ route }) => route ?? '' },
  {
    title: 'MSGS IN',
    align: 'right',
    valueOf: (each) => ifWebSocket(each, shortCount(each.messagesFromClient ?? 0)),
  },
  {
    title: 'MSGS OUT',
    align: 'right',
    valueOf: (each) => ifWebSocket(each, shortCount(each.messagesFromEndpoint ?? 0)),
  },
  {
    title: 'LAST PONG',
    align: 'right',
    valueOf: ({ lastPongMs = 0 }) => (lastPongMs === 0 ? '' : shortDuration(lastPongMs)),
  },
];

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
  const extras = EXTRA_COLUMNS.filter(({ valueOf }) => list.some((each) => valueOf(each) !== ''));
  const rows = list.map((each) => [
    ...connectionRow(each),
    ...extras.map(({ valueOf }) => valueOf(each) || '-'),
  ]);
  const table = formatTable([...CONNECTION_COLUMNS, ...extras], rows, { paint, width });
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
}
