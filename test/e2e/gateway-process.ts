/**
 * Runs a gateway from a file in a process of its own, as `holdfast run` does.
 *
 * Path: harness.ts starts this file as a child; its log on standard error is JSON lines.
 * Invariant: the exit code is the gateway's, 1 with one sentence when it does not start, 2 when the
 * file is wrong.
 */
import { loadConfigFile, loadConfigText } from '../../src/main/config/index.ts';
import { GatewayStartError, startGateway } from '../../src/main/gateway.ts';

const [path = '', watching = 'no-watch'] = process.argv.slice(2);
const { config, material, diagnostics } = loadConfigFile(path);
if (config === null) {
  process.stderr.write(`${diagnostics.map(({ message }) => message).join('\n')}\n`);
  process.exit(2);
}
try {
  const gateway = await startGateway({
    config,
    material,
    source: path,
    reloadConfig: () => Promise.resolve(loadConfigFile(path)),
    parseConfig: (text) => loadConfigText(text, path),
    watchFile: watching === 'watch' ? path : null,
    signals: 'process',
  });
  process.exit(await gateway.closed);
} catch (error) {
  if (error instanceof GatewayStartError) {
    process.stderr.write(`${error.message}\n`);
    process.exit(error.exitCode);
  }
  throw error;
}
