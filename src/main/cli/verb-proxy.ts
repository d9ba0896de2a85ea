/**
 * `holdfast proxy`: a gateway without a file.
 *
 * Path: options -> the equivalent YAML -> the same loader as a file -> startGateway.
 * Invariant: what runs is exactly what --print shows; every fault of an option is a finding of that
 * text, told in the words of the option.
 */
import { type Command, Option } from 'commander';
import { stringify } from 'yaml';
import { type Config, type LoadResult, loadConfigText } from '../config/index.ts';
import type { CliWorld } from './cli-world.ts';
import { CliError, EXIT } from './exit.ts';
import { CheckedLoader } from './load-checked.ts';
import { showAddresses } from './next-steps.ts';

/** Options of the verb. */
export interface ProxyOptions {
  readonly from: readonly string[];
  readonly to: readonly string[];
  readonly protocol?: string;
  readonly shards?: string;
  readonly admin?: string;
  readonly balance?: string;
  readonly sendProxy?: string;
  readonly print?: true;
}

/** Who ends a gateway with Ctrl-C does not want to wait for load balancers. */
const QUICK_DRAIN = { readinessDelay: '0s', over: '1s', grace: '2s' };

function splitList(value: string, before: readonly string[] = []): string[] {
  return [...before, ...value.split(',').map((part) => part.trim())].filter((part) => part !== '');
}

/** `8080`, `:8080` and `localhost:8080` are addresses to people. */
function expandAddress(text: string, anyHost: string): string {
  const plain = text.replace(/^tcp:\/\//, '');
  if (/^\d+$/.test(plain)) return `127.0.0.1:${plain}`;
  if (/^:\d+$/.test(plain)) return `${anyHost}${plain}`;
  return plain.replace(/^localhost:/, '127.0.0.1:');
}

/** Clients on this machine all have one address; the limit for each address is not meant for them. */
function isLocal(bind: string): boolean {
  return bind.startsWith('127.') || bind.startsWith('[::1]') || bind.startsWith('unix:');
}

/** All requests, WebSockets among them, for as long as they take. */
const ALL_ROUTES = {
  hosts: [
    {
      routes: [
        {
          name: 'all',
          cluster: 'origin',
          websocket: true,
          timeouts: { request: 'never', idle: 'never' },
        },
      ],
    },
  ],
};

/** The configuration that the options stand for, as YAML. */
export function proxyYaml(options: ProxyOptions): string {
  const { shards, balance, sendProxy, protocol } = options;
  const bind = options.from.map((from) => expandAddress(from, '0.0.0.0'));
  const limits = bind.every(isLocal) ? { limits: { connectionsPerAddress: 'unlimited' } } : {};
  const config = {
    version: 1,
    ...(shards === undefined ? {} : { shards: shards === 'auto' ? shards : Number(shards) }),
    admin: { socket: options.admin ?? './holdfast.sock' },
    drain: QUICK_DRAIN,
    listeners: [
      {
        name: 'proxy',
        bind,
        ...limits,
        ...(protocol === 'http' ? { protocol, http: ALL_ROUTES } : { cluster: 'origin' }),
      },
    ],
    clusters: [
      {
        name: 'origin',
        ...(balance === undefined ? {} : { balance }),
        endpoints: options.to.map((to) => expandAddress(to, '127.0.0.1')),
        ...(sendProxy === undefined ? {} : { proxyProtocol: sendProxy }),
      },
    ],
  };
  return stringify(config);
}

/** Which option a path of the configuration comes from. */
const OPTION_OF: readonly (readonly [RegExp, string])[] = [
  [/^\/listeners\/0\/bind/, '--from'],
  [/^\/clusters\/0\/endpoints/, '--to'],
  [/^\/clusters\/0\/balance/, '--balance'],
  [/^\/clusters\/0\/proxyProtocol/, '--send-proxy'],
  [/^\/shards/, '--shards'],
  [/^\/admin/, '--admin'],
];

function requireOptions(result: LoadResult): Config {
  if (result.config !== null) return result.config;
  const sentences = result.diagnostics
    .filter((diagnostic) => diagnostic.severity === 'error')
    .map(({ path, message, hint }) => {
      const option = OPTION_OF.find(([pattern]) => pattern.test(path))?.[1] ?? 'proxy';
      const plain = message.replace(/^\w+: /, '');
      return `${option}: ${plain}${hint === '' ? '' : ` (${hint})`}`;
    });
  throw new CliError(sentences.join('\n'), { exitCode: EXIT.usage });
}

async function proxy(options: ProxyOptions, world: CliWorld): Promise<void> {
  const { terminal } = world;
  const yaml = proxyYaml(options);
  const config = requireOptions(loadConfigText(yaml, null));
  if (options.print === true) {
    terminal.out(yaml);
    return;
  }
  const loader = new CheckedLoader();
  const startGateway = await world.loadGateway();
  const gateway = await startGateway({
    config,
    source: 'command line',
    reloadConfig: null,
    parseConfig: (text) => loader.textAgain(text, null),
    filterModules: () => loader.modules,
    watchFile: null,
    signals: 'process',
  });
  showAddresses(gateway, { to: options.to.map((to) => expandAddress(to, '127.0.0.1')), terminal });
  terminal.exit(await gateway.closed);
}

/** Adds the verb. */
export function addProxyVerb(program: Command, world: CliWorld): void {
  program
    .command('proxy')
    .summary('run a gateway without a file')
    .description('Runs a gateway from one address to one or more endpoints, without a file.')
    .requiredOption(
      '--from <address>',
      'where to listen: 8080, 0.0.0.0:8080, [::]:8080, unix:/run/x.sock; may be repeated',
      splitList,
    )
    .requiredOption(
      '--to <address>',
      'endpoints: 3000, 10.0.0.5:3000, broker.internal:1883; separated by commas, or repeated',
      splitList,
    )
    .addOption(
      new Option('--protocol <protocol>', 'http also counts requests, and reuses connections')
        .choices(['tcp', 'http'])
        .default('tcp'),
    )
    .option('--shards <number>', 'worker threads; default: one for each core')
    .option('--balance <name>', 'how an endpoint is chosen; default: least-connections')
    .addOption(
      new Option('--send-proxy <version>', 'send a PROXY header to endpoints').choices([
        'v1',
        'v2',
      ]),
    )
    .option('--admin <path>', 'admin socket, or "off"; default: ./holdfast.sock')
    .option('--print', 'print the equivalent configuration, and do not run it')
    .addHelpText(
      'after',
      '\nExamples:\n  holdfast proxy --from 8080 --to 3000\n' +
        '  holdfast proxy --from 0.0.0.0:1883 --to 10.0.1.10:1883,10.0.1.11:1883 --balance least-request\n' +
        '  holdfast proxy --from 8080 --to 3000,3001 --protocol http\n' +
        '  holdfast proxy --from 8080 --to 3000 --print > holdfast.yaml\n',
    )
    .action((options: ProxyOptions) => proxy(options, world));
}
