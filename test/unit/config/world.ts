/**
 * A machine for configuration tests: the same everywhere, so the same text gives the same result.
 *
 * Path: every test of the loader passes it instead of the real world.
 * Invariant: four cores, 20,000 open files, one secret file, a fixed environment; the files of TLS
 * hold whatever the configuration wants, and routes are judged by the core.
 */
import { resolve } from 'node:path';
import { loadNative } from '../../../native/epoll/index.ts';
import { loadConfigText } from '../../../src/main/config/load.ts';
import type { World } from '../../../src/main/config/world.ts';
import { NO_TLS_MATERIAL } from '../../../src/main/tls/index.ts';

/** A token that is long enough. */
export const TOKEN = 'a-token-of-enough-length';

export const WORLD: World = {
  env: { IDLE: '90s', BAD: 'ninety', TOKEN },
  parallelism: 4,
  descriptorsMax: 20_000,
  readSecret: (path) =>
    path === 'token' ? { ok: true, value: TOKEN } : { ok: false, reason: `${path} does not exist` },
  resolvePath: (path) => resolve('/etc/holdfast', path),
  loadTls: () => ({ material: NO_TLS_MATERIAL, problems: [] }),
  checkRoutes: (http) => loadNative().checkRoutes(http),
  checkTemplate: (text, use) => loadNative().checkTemplate(text, use),
  listVariables: () => loadNative().abi.http.variables.map(({ name }) => name),
};

/** The smallest valid configuration, with lines to add to its listener, its cluster, and the top. */
export function minimal(
  add: { readonly top?: string; readonly listener?: string; readonly cluster?: string } = {},
): string {
  return [
    'version: 1',
    ...(add.top === undefined ? [] : [add.top]),
    'listeners:',
    '  - name: front',
    '    bind: 127.0.0.1:8080',
    '    cluster: back',
    ...(add.listener === undefined ? [] : [`    ${add.listener}`]),
    'clusters:',
    '  - name: back',
    '    endpoints: [127.0.0.1:3000]',
    ...(add.cluster === undefined ? [] : [`    ${add.cluster}`]),
    '',
  ].join('\n');
}

/** Loads in the test's world. */
export function load(text: string, path: string | null = null): ReturnType<typeof loadConfigText> {
  return loadConfigText(text, path, WORLD);
}

/** `CODE line:column message` for each finding. */
export function findings(text: string): string[] {
  return load(text).diagnostics.map(
    ({ code, line, column, message }) => `${code} ${line}:${column} ${message}`,
  );
}
