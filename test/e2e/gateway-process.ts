/**
 * Runs a gateway from a file in a process of its own, as `holdfast run` does.
 *
 * Path: harness.ts starts this file as a child; its log on standard error is JSON lines.
 * Invariant: the exit code is the gateway's, 1 with one sentence when it does not start, 2 when the
 * file is wrong.
 */
import { flushCompileCache } from 'node:module';
import { CheckedLoader } from '../../src/main/cli/load-checked.ts';
import { GatewayStartError, startGateway } from '../../src/main/gateway.ts';

const [path = '', watching = 'no-watch'] = process.argv.slice(2);
const loader = new CheckedLoader();
const { config, material, diagnostics } = await loader.file(path);
if (config === null) {
  process.stderr.write(`${diagnostics.map(({ message }) => message).join('\n')}\n`);
  process.exit(2);
}
try {
  const gateway = await startGateway({
    config,
    material,
    source: path,
    reloadConfig: () => loader.fileAgain(path),
    parseConfig: (text) => loader.textAgain(text, path),
    filterModules: () => loader.modules,
    watchFile: watching === 'watch' ? path : null,
    signals: 'process',
  });
  // Most of these processes are killed, and what was compiled would be lost each time.
  flushCompileCache();
  process.exit(await gateway.closed);
} catch (error) {
  if (error instanceof GatewayStartError) {
    process.stderr.write(`${error.message}\n`);
    process.exit(error.exitCode);
  }
  throw error;
}
