/**
 * A gateway whose start-up a test can look into, in a process of its own.
 *
 * Path: start-up.test.ts runs it in place of gateway-process.ts. The last step of a start-up reads
 * the file once more; that step waits here for a signal when HF_TEST_HOLD is set, and says so.
 * Invariant: a file FILE.next takes the place of FILE after that was loaded and before anything
 * starts.
 */
import { existsSync, renameSync } from 'node:fs';
import { loadConfigFile } from '../../../src/main/config/index.ts';
import { startGateway } from '../../../src/main/gateway.ts';

const [path = ''] = process.argv.slice(2);
const { config } = loadConfigFile(path);
if (config === null) {
  throw new Error(`${path} is wrong`);
}
if (existsSync(`${path}.next`)) {
  renameSync(`${path}.next`, path);
}

async function holdForSignal(): Promise<void> {
  const held = Promise.withResolvers<void>();
  // A pending promise alone keeps no process alive.
  const alive = setInterval(() => {}, 1_000);
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.once(signal, () => held.resolve());
  }
  process.stderr.write('{"msg":"starting"}\n');
  await held.promise;
  clearInterval(alive);
}

const gateway = await startGateway({
  config,
  source: path,
  reloadConfig: async () => {
    if (process.env['HF_TEST_HOLD'] === '1') {
      delete process.env['HF_TEST_HOLD'];
      await holdForSignal();
    }
    return loadConfigFile(path);
  },
  parseConfig: null,
  watchFile: path,
  signals: 'process',
});
process.exit(await gateway.closed);
