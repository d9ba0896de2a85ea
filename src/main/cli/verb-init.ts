/**
 * `holdfast init`: a configuration to start from, with comments.
 *
 * Path: writes one file and touches nothing else.
 * Invariant: what it writes is valid (a test loads it) and never replaces a file without --force.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import type { CliWorld } from './cli-world.ts';
import { CliError, EXIT } from './exit.ts';

interface InitOptions {
  readonly force?: true;
}

/** The schema that this installation brings, as an editor finds it from the new file. */
function schemaPath(file: string): string | null {
  const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
  for (const base of [root, join(root, '..')]) {
    const schema = join(base, 'docs', 'config.schema.json');
    if (existsSync(schema)) return relative(dirname(resolve(file)), schema);
  }
  return null;
}

/** The file that `init` writes. */
export function initialConfig(schema: string | null): string {
  const head = schema === null ? '' : `# yaml-language-server: $schema=${schema}\n`;
  return `${head}# Holdfast configuration. Every field and its default: docs/config.md.
# Check it with "holdfast validate", run it with "holdfast run"; it reloads when this file changes.
version: 1

# Where "holdfast conns", "holdfast drain" and the metrics are. Mode 0600: only you.
admin: { socket: ./holdfast.sock }

# access: one record for each connection when it ends; stdout, stderr, off, or a file.
log: { level: info, access: stdout }

listeners:
  - name: app
    bind: 127.0.0.1:8080              # or a list: [0.0.0.0:8080, "[::]:8080"]
    cluster: app
    # limits: { connections: 100k, connectionsPerAddress: 200, acceptRate: 5k/s }
    # timeouts: { idle: 1h, halfClose: 60s, maxAge: { value: 24h, jitter: 10% } }
    # proxyProtocol: { accept: [10.0.0.0/8] }    # a load balancer in front sends PROXY headers

clusters:
  - name: app
    balance: least-connections        # round-robin, random, least-request, maglev, ring-hash
    endpoints: [127.0.0.1:3000]       # IPs, DNS names, unix:/paths, or { address: ..., weight: 2 }
    healthCheck: { type: tcp, interval: 5s }
    # connect: { timeout: 3s, retries: 1 }
    # proxyProtocol: v2               # tell endpoints the address of the client
`;
}

function init(file: string, options: InitOptions, world: CliWorld): void {
  const { out, paint } = world.terminal;
  try {
    writeFileSync(file, initialConfig(schemaPath(file)), {
      flag: options.force === true ? 'w' : 'wx',
    });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST')
      throw new CliError(`${file} exists`, {
        hint: 'name another file, or replace it with --force',
      });
    const why = code === 'ENOENT' ? `there is no directory ${dirname(resolve(file))}` : message;
    throw new CliError(`${file} cannot be written: ${why}`, { exitCode: EXIT.failed });
  }
  out(
    `${paint.green(`wrote ${file}`)}\nNext: edit it, "holdfast validate ${file}", "holdfast run ${file}".\n`,
  );
}

/** Adds the verb. */
export function addInitVerb(program: Command, world: CliWorld): void {
  program
    .command('init')
    .summary('write a configuration to start from')
    .description('Writes a commented configuration to start from.')
    .argument('[file]', 'file to write', 'holdfast.yaml')
    .option('--force', 'replace the file when it exists')
    .action((file: string, options: InitOptions) => init(file, options, world));
}
