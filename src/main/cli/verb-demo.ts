/**
 * `holdfast demo`: a gateway with something behind it and something in front of it, to look at.
 *
 * Path: `npm start` runs it. Origin and clients live in this process; the gateway between them is
 * the real one.
 * Invariant: listens on 127.0.0.1 only; leaves nothing behind when it ends.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { loadConfigText, parseCount } from '../config/index.ts';
import type { Gateway } from '../gateway-options.ts';
import type { CliWorld } from './cli-world.ts';
import { DemoClients, DemoOrigin } from './demo-origin.ts';
import { CliError, EXIT } from './exit.ts';
import { adminOption, formatSteps, ownCommandName } from './next-steps.ts';
import { shortCount } from './table.ts';
import type { Terminal } from './terminal.ts';

interface DemoOptions {
  readonly port?: string;
  readonly connections: string;
  readonly admin: string;
  readonly shards?: string;
}

/** Tried in turn; after them any free port. */
const PORTS = [8080, 8081, 8082, 8083, 0];
const CONNECTIONS_MAX = 5000;
const STATUS_EVERY_MS = 5000;

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  try {
    probe.listen({ port, host: '127.0.0.1', exclusive: true });
    await once(probe, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    probe.close();
  }
}

async function choosePort(wanted: string | undefined): Promise<number> {
  if (wanted !== undefined) return Number(wanted);
  for (const port of PORTS) {
    if (await isFree(port)) return port;
  }
  return 0;
}

function demoYaml(parts: { port: number; originPort: number; options: DemoOptions }): string {
  const { port, originPort, options } = parts;
  return stringify({
    version: 1,
    ...(options.shards === undefined ? {} : { shards: Number(options.shards) }),
    admin: { socket: options.admin },
    log: { level: 'warn', access: 'off' },
    drain: { readinessDelay: '0s', over: '1s', grace: '2s' },
    listeners: [
      {
        name: 'demo',
        bind: `127.0.0.1:${port}`,
        limits: { connectionsPerAddress: 'unlimited' },
        cluster: 'origin',
      },
    ],
    clusters: [
      { name: 'origin', endpoints: [`127.0.0.1:${originPort}`], healthCheck: { interval: '5s' } },
    ],
  });
}

function welcome(gateway: Gateway, clients: number, terminal: Terminal): void {
  const { paint } = terminal;
  const address = gateway.listeners[0]?.address ?? '';
  const [host = '', port = ''] = address.split(/:(?=\d+$)/);
  const name = ownCommandName();
  const admin = adminOption(gateway);
  const socket = gateway.adminSocket ?? '';
  terminal.out(
    `\n${paint.bold('Holdfast is running.')} ${shortCount(clients)} demo clients talk through ${paint.green(address)} to an echo origin.\n\n` +
      `${paint.bold('Try in another terminal, in this directory:')}\n\n` +
      formatSteps(
        [
          [`nc ${host} ${port}`, 'be a client yourself: what you type comes back'],
          [`${name} conns --sort age --limit 5${admin}`, 'who is connected'],
          [`${name} clusters${admin}`, 'where connections go, and how the endpoints are'],
          [`${name} drain --over 10s${admin}`, 'ask everyone to leave, spread over ten seconds'],
          [`${name} undrain${admin}`, 'and let them come back'],
          [`${name} doctor`, 'what would stop 100,000 connections on this machine'],
          [`curl -s --unix-socket ${socket} http://localhost/metrics`, 'what Prometheus would see'],
        ],
        terminal,
      ) +
      `\n${paint.dim('A gateway of your own: "')}${name} proxy --from 9000 --to 3000${paint.dim('" or "')}${name} init${paint.dim('". Ctrl-C ends the demo.')}\n\n`,
  );
}

function watchTraffic(clients: DemoClients, terminal: Terminal): NodeJS.Timeout {
  let answeredBefore = 0;
  let lostBefore = 0;
  return setInterval(() => {
    const { connected, answered, lost } = clients.counts;
    const rate = Math.round(((answered - answeredBefore) * 1000) / STATUS_EVERY_MS);
    const gone = lost - lostBefore;
    answeredBefore = answered;
    lostBefore = lost;
    const losses = gone === 0 ? '' : `, ${shortCount(gone)} closed and coming back`;
    terminal.out(
      `${terminal.paint.dim(`${shortCount(connected)} connections, ${shortCount(rate)} messages/s${losses}`)}\n`,
    );
  }, STATUS_EVERY_MS);
}

async function demo(options: DemoOptions, world: CliWorld): Promise<void> {
  const { terminal } = world;
  const count = parseCount(options.connections);
  if (!count.ok || count.value > CONNECTIONS_MAX) {
    throw new CliError(`--connections takes 0 to ${CONNECTIONS_MAX}, not ${options.connections}`, {
      exitCode: EXIT.usage,
    });
  }
  const startGateway = await world.loadGateway();
  const origin = new DemoOrigin();
  const originPort = await origin.start();
  try {
    const yaml = demoYaml({ port: await choosePort(options.port), originPort, options });
    const loaded = loadConfigText(yaml, null);
    if (loaded.config === null) {
      throw new CliError(loaded.diagnostics.map(({ message }) => message).join('; '), {
        exitCode: EXIT.usage,
      });
    }
    const gateway = await startGateway({
      config: loaded.config,
      source: 'demo',
      reloadConfig: null,
      parseConfig: (text) => loadConfigText(text, null),
      watchFile: null,
      signals: 'process',
    });
    const port = Number(/:(\d+)$/.exec(gateway.listeners[0]?.address ?? '')?.[1] ?? 0);
    const clients = new DemoClients(port, count.value);
    clients.start();
    welcome(gateway, count.value, terminal);
    const status = watchTraffic(clients, terminal);
    terminal.exit(await gateway.closed);
    clearInterval(status);
    clients.close();
  } finally {
    origin.close();
  }
}

/** Adds the verb. */
export function addDemoVerb(program: Command, world: CliWorld): void {
  program
    .command('demo')
    .summary('run a gateway with an origin and clients, to look at')
    .description(
      'Runs a gateway on 127.0.0.1 with an echo origin behind it and clients in front of it, and says what to try.',
    )
    .option('--port <port>', 'port to listen on; default: 8080, or the next free one')
    .option('--connections <count>', 'demo clients', '100')
    .option('--shards <number>', 'worker threads; default: one for each core')
    .option('--admin <path>', 'admin socket', './holdfast.sock')
    .action((options: DemoOptions) => demo(options, world));
}
