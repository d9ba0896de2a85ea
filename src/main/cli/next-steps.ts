/**
 * Tells where a gateway listens, and what to try next.
 *
 * Path: proxy and demo print it once the gateway runs.
 * Invariant: every command shown can be pasted into another terminal in the same directory and
 * works.
 */
import { join, relative } from 'node:path';
import type { Gateway } from '../gateway-options.ts';
import type { Terminal } from './terminal.ts';

/** How this command is called again, from the directory it was called in. */
export function commandName(script: string, cwd: string): string {
  if (!script.endsWith('.mjs')) return 'holdfast';
  const path = relative(cwd, script);
  const isProject = path === join('src', 'main', 'cli', 'holdfast.mjs');
  if (isProject) return 'npx holdfast';
  return path.startsWith('..') ? script : `./${path}`;
}

/** How this process was called. */
export function ownCommandName(): string {
  return commandName(process.argv[1] ?? '', process.cwd());
}

/** Aligned lines of a command and what it does. */
export function formatSteps(
  steps: readonly (readonly [string, string])[],
  terminal: Terminal,
): string {
  const width = Math.max(...steps.map(([command]) => command.length));
  const { paint } = terminal;
  return steps
    .map(([command, says]) => `  ${paint.cyan(command.padEnd(width))}  ${paint.dim(says)}\n`)
    .join('');
}

/** The option that names the admin socket, when it is not the default one. */
export function adminOption(gateway: Gateway): string {
  const socket = gateway.adminSocket;
  return socket === null || socket === './holdfast.sock' ? '' : ` --admin ${socket}`;
}

/** Prints where the gateway listens and leads to. */
export function showAddresses(
  gateway: Gateway,
  options: { readonly to: readonly string[]; readonly terminal: Terminal },
): void {
  const { terminal, to } = options;
  const { paint } = terminal;
  const from = gateway.listeners.map((listener) => listener.address).join(', ');
  terminal.note(
    `\n${paint.bold('holdfast')}: ${paint.green(from)} ${paint.dim('->')} ${to.join(', ')}\n`,
  );
  if (gateway.adminSocket === null) return;
  const name = ownCommandName();
  terminal.note(
    formatSteps(
      [
        [`${name} conns${adminOption(gateway)}`, 'who is connected'],
        [`curl --unix-socket ${gateway.adminSocket} http://localhost/metrics`, 'for Prometheus'],
        ['Ctrl-C', 'drain and end; twice: end at once'],
      ],
      terminal,
    ),
  );
}
