/**
 * Finds the admin endpoint that a verb means.
 *
 * Path: every verb that talks to a running gateway starts here.
 * Invariant: the order is --admin, HOLDFAST_ADMIN, the file of -c, a holdfast.yaml in the current
 * directory, ./holdfast.sock. What is named explicitly is never replaced by a guess.
 */
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import {
  type Config,
  createWorld,
  loadConfigFile,
  parseBind,
  readSecretFile,
  withoutTls,
} from '../config/index.ts';
import type { AdminTarget } from './admin-client.ts';
import { CliError, EXIT } from './exit.ts';

/** Options that name the endpoint. */
export interface AdminOptions {
  readonly admin?: string;
  readonly config?: string;
}

const SOCKET = './holdfast.sock';

/** Configuration files that are found without being named, in this order. */
export const DEFAULT_FILES = ['holdfast.yaml', 'holdfast.yml', 'holdfast.json'] as const;

type Env = Readonly<Record<string, string | undefined>>;

/** Reads `PATH`, `unix:PATH`, `HOST:PORT` or `http://HOST:PORT`. */
function parseTarget(text: string, env: Env, option: string): AdminTarget {
  const plain = text.replace(/^http:\/\//, '').replace(/\/$/, '');
  if (plain.startsWith('unix:')) return { kind: 'unix', path: plain.slice('unix:'.length) };
  const parsed = parseBind(plain.replace(/^localhost:/, '127.0.0.1:'));
  if (!parsed.ok || parsed.value.kind !== 'ip') {
    if (text.startsWith('http')) {
      throw new CliError(`${option}: ${text} is not an address`, {
        exitCode: EXIT.usage,
        hint: 'write 127.0.0.1:9901',
      });
    }
    return { kind: 'unix', path: plain };
  }
  const token = env['HOLDFAST_TOKEN'] ?? '';
  return { kind: 'tcp', host: parsed.value.ip, port: parsed.value.port, token };
}

function targetOf(config: Config, path: string, env: Env): AdminTarget | null {
  if (config.admin.socket !== null) return { kind: 'unix', path: config.admin.socket };
  const { tcp } = config.admin;
  if (tcp === null) return null;
  const file =
    tcp.tokenFile === null ? null : readSecretFile(resolve(dirname(path), tcp.tokenFile));
  const token = env['HOLDFAST_TOKEN'] ?? tcp.token ?? (file?.ok === true ? file.value : '');
  return { kind: 'tcp', host: tcp.host, port: tcp.port, token };
}

/** Finds the endpoint. @throws CliError when a named file has none */
export function findAdmin(options: AdminOptions, env: Env): AdminTarget {
  if (options.admin !== undefined) return parseTarget(options.admin, env, '--admin');
  const named = env['HOLDFAST_ADMIN'];
  if (named !== undefined && named !== '') return parseTarget(named, env, 'HOLDFAST_ADMIN');
  const path = options.config ?? DEFAULT_FILES.find((file) => existsSync(file));
  if (path === undefined) return { kind: 'unix', path: SOCKET };
  const { config } = loadConfigFile(path, withoutTls(createWorld(path)));
  const target = config === null ? null : targetOf(config, path, env);
  if (target !== null) return target;
  if (options.config === undefined) return { kind: 'unix', path: SOCKET };
  const why = config === null ? 'is not a valid configuration' : 'has no admin endpoint';
  throw new CliError(`${path} ${why}`, {
    exitCode: EXIT.usage,
    hint: 'name the socket with --admin',
  });
}
