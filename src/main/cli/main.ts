/**
 * The command line's entry: gives the verbs the real world.
 *
 * Path: holdfast.mjs -> here -> run-cli.ts.
 * Invariant: a reader that goes away (`holdfast conns | head`) is no error.
 */
import type { StartGateway } from './cli-world.ts';
import { runCli } from './run-cli.ts';
import { createTerminal } from './terminal.ts';

/** The gateway is loaded when it is needed: most verbs run without the native core. */
async function loadGateway(): Promise<StartGateway> {
  const { startGateway } = await import('../gateway.ts');
  return startGateway;
}

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
}
await runCli(process.argv.slice(2), { terminal: createTerminal(process), loadGateway });
