/**
 * `holdfast demo`: a gateway with something behind it and something in front of it, to look at.
 *
 * Path: `npm start` runs it. Origins and clients live in this process; the gateway between them is
 * the real one: HTTP with a page that shows it, and a TCP echo beside it.
 * Invariant: listens on 127.0.0.1 only; leaves nothing behind when it ends.
 */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Command } from 'commander';
import { type LoadResult, loadConfigText, parseCount } from '../config/index.ts';
import { demoYaml, EchoClients, EchoOrigin, PageOrigin } from '../demo/index.ts';
import type { Gateway } from '../gateway-options.ts';
import type { CliWorld } from './cli-world.ts';
import { CliError, EXIT } from './exit.ts';
import { CheckedLoader } from './load-checked.ts';
import { adminOption, formatSteps, ownCommandName } from './next-steps.ts';
import { shortCount } from './table.ts';
import type { Terminal } from './terminal.ts';

interface DemoOptions {
  readonly port?: string;
  readonly connections: string;
  readonly admin: string;
  readonly shards?: string;
}

/** Tried in turn; after them any free port. The echo gets the one behind the page's. */
const PORTS = [8080, 8082, 8084, 8086];
/** Below those that the kernel gives to outgoing connections. */
const ANY_PORTS = { from: 10_000, to: 30_000, last: 65_535 } as const;
const ANY_PORT_ATTEMPTS = 50;
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

interface Ports {
  readonly page: number;
  readonly echo: number;
}

/**
 * A free port, and a free one behind it. Never "any" as the kernel takes it: the listener would
 * come back on another port when a drain is taken back.
 */
async function chooseAnyPorts(): Promise<Ports> {
  for (let attempt = 0; attempt < ANY_PORT_ATTEMPTS; attempt++) {
    const page = randomInt(ANY_PORTS.from, ANY_PORTS.to);
    if ((await isFree(page)) && (await isFree(page + 1))) return { page, echo: page + 1 };
  }
  return { page: 0, echo: 0 };
}

async function choosePorts(wanted: string | undefined): Promise<Ports> {
  if (wanted === '0') return chooseAnyPorts();
  const candidates = wanted === undefined ? PORTS : [Number(wanted)];
  for (const page of candidates) {
    if (wanted === undefined && !(await isFree(page))) continue;
    const hasNext = page < ANY_PORTS.last && (await isFree(page + 1));
    return { page, echo: hasNext ? page + 1 : (await chooseAnyPorts()).echo };
  }
  return chooseAnyPorts();
}

function addressOf(gateway: Gateway, listener: string): string {
  return gateway.listeners.find(({ name }) => name === listener)?.address ?? '';
}

function welcome(gateway: Gateway, clients: number, terminal: Terminal): void {
  const { paint } = terminal;
  const page = `http://${addressOf(gateway, 'web')}/`;
  const address = addressOf(gateway, 'echo');
  const [host = '', port = ''] = address.split(/:(?=\d+$)/);
  const name = ownCommandName();
  const admin = adminOption(gateway);
  const socket = gateway.adminSocket ?? '';
  terminal.out(
    `\n${paint.bold('Holdfast is running.')} Open ${paint.green(page)} to see WebSockets and server-sent events go through it.\n` +
      `${shortCount(clients)} demo clients talk through ${paint.green(address)} to an echo origin.\n\n` +
      `${paint.bold('Try in another terminal, in this directory:')}\n\n` +
      formatSteps(
        [
          [`nc ${host} ${port}`, 'be a client yourself: what you type comes back'],
          [`curl -sN ${page}news`, 'what the page is told, as it comes'],
          [`${name} conns --sort age --limit 5${admin}`, 'who is connected'],
          [`${name} clusters${admin}`, 'where connections go, and how the endpoints are'],
          [`${name} reload${admin}`, 'change routes; nobody loses a connection'],
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

function watchTraffic(clients: EchoClients, terminal: Terminal): NodeJS.Timeout {
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

/** Loads one edition of the demo's configuration after the other. */
class Editions {
  readonly #ports: Ports;
  readonly #origins: Ports;
  readonly #options: DemoOptions;
  #edition = 0;

  constructor(parts: { ports: Ports; origins: Ports; options: DemoOptions }) {
    this.#ports = parts.ports;
    this.#origins = parts.origins;
    this.#options = parts.options;
  }

  next(): LoadResult {
    const { shards, admin } = this.#options;
    this.#edition++;
    const yaml = demoYaml({
      edition: this.#edition,
      pagePort: this.#ports.page,
      echoPort: this.#ports.echo,
      pageOriginPort: this.#origins.page,
      echoOriginPort: this.#origins.echo,
      shards: shards === undefined ? null : Number(shards),
      adminSocket: admin,
    });
    return loadConfigText(yaml, null);
  }
}

async function runGateway(editions: Editions, world: CliWorld): Promise<Gateway> {
  const startGateway = await world.loadGateway();
  const { config, diagnostics } = editions.next();
  if (config === null) {
    throw new CliError(diagnostics.map(({ message }) => message).join('; '), {
      exitCode: EXIT.usage,
    });
  }
  const loader = new CheckedLoader();
  return startGateway({
    config,
    source: 'demo',
    reloadConfig: async () => editions.next(),
    parseConfig: (text) => loader.textAgain(text, null),
    filterModules: () => loader.modules,
    watchFile: null,
    signals: 'process',
  });
}

async function demo(options: DemoOptions, world: CliWorld): Promise<void> {
  const { terminal } = world;
  const count = parseCount(options.connections);
  if (!count.ok || count.value > CONNECTIONS_MAX) {
    throw new CliError(`--connections takes 0 to ${CONNECTIONS_MAX}, not ${options.connections}`, {
      exitCode: EXIT.usage,
    });
  }
  const page = new PageOrigin();
  const echo = new EchoOrigin();
  try {
    const origins = { page: await page.start(), echo: await echo.start() };
    const ports = await choosePorts(options.port);
    const gateway = await runGateway(new Editions({ ports, origins, options }), world);
    page.follow(gateway.adminSocket);
    const echoPort = Number(/:(\d+)$/.exec(addressOf(gateway, 'echo'))?.[1] ?? 0);
    const clients = new EchoClients(echoPort, count.value);
    clients.start();
    welcome(gateway, count.value, terminal);
    const status = watchTraffic(clients, terminal);
    terminal.exit(await gateway.closed);
    clearInterval(status);
    clients.close();
  } finally {
    page.close();
    echo.close();
  }
}

/** Adds the verb. */
export function addDemoVerb(program: Command, world: CliWorld): void {
  program
    .command('demo')
    .summary('run a gateway with a page that shows it, to look at')
    .description(
      'Runs a gateway on 127.0.0.1 with a page that shows WebSockets and server-sent events going through it, an echo origin with clients beside it, and says what to try.',
    )
    .option('--port <port>', 'port of the page; default: 8080, or another free one')
    .option('--connections <count>', 'demo clients', '100')
    .option('--shards <number>', 'worker threads; default: one for each core')
    .option('--admin <path>', 'admin socket', './holdfast.sock')
    .action((options: DemoOptions) => demo(options, world));
}
