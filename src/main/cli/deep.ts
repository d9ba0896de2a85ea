/**
 * `validate --deep`: what only this machine can tell about a configuration.
 *
 * Path: verb-validate.ts runs it on a configuration that is valid by itself.
 * Invariant: leaves nothing behind; every socket it opens is closed, no file is made. Bounded in
 * time: each try ends within `TRY_TIMEOUT_MS`, and at most `TRIES_AT_ONCE` run together.
 * Does not enter network namespaces; of listeners in one it checks only that it exists.
 */

import { lookup } from 'node:dns/promises';
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { connect, createServer, isIP } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ClusterConfig,
  type Config,
  type Diagnostic,
  type EndpointConfig,
  formatAddress,
  type ListenerConfig,
  type LoadResult,
  placeFindings,
  readSecretFile,
} from '../config/index.ts';

const TRY_TIMEOUT_MS = 3000;
const TRIES_AT_ONCE = 32;
/** More endpoints than this are not tried one by one. */
const ENDPOINTS_TRIED_MAX = 512;
const NETNS_DIRECTORY = '/run/netns';
/** Bit of CAP_SYS_ADMIN, which setns(2) needs. */
const CAP_SYS_ADMIN = 21n;

type Report = ReturnType<typeof placeFindings>['add'];
type Try = () => Promise<void>;

/** Finds what would fail on this machine. */
export async function checkDeep(loaded: LoadResult, config: Config): Promise<Diagnostic[]> {
  const found = placeFindings(loaded);
  const tries: Try[] = [];
  checkFiles(config, loaded.path, found.add);
  for (const [i, listener] of config.listeners.entries()) {
    checkNetns(listener.netns, ['listeners', i, 'netns'], found.add);
    tries.push(...bindTries(listener, i, found.add));
  }
  let endpoints = 0;
  for (const [i, cluster] of config.clusters.entries()) {
    checkNetns(cluster.netns, ['clusters', i, 'netns'], found.add);
    endpoints += cluster.endpoints.length;
    if (endpoints <= ENDPOINTS_TRIED_MAX) tries.push(...endpointTries(cluster, i, found.add));
  }
  await runAll(tries);
  return found.list();
}

async function runAll(tries: readonly Try[]): Promise<void> {
  const queue = [...tries];
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await next();
  };
  await Promise.all(Array.from({ length: TRIES_AT_ONCE }, work));
}

/** The directory that a file would be made in, when it cannot be written. */
function unwritable(path: string): string | null {
  const directory = dirname(resolve(path));
  try {
    if (!statSync(directory).isDirectory()) return `${directory} is not a directory`;
    accessSync(directory, constants.W_OK);
    return null;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    return code === 'ENOENT'
      ? `there is no directory ${directory}`
      : `${directory} cannot be written`;
  }
}

function checkFiles(config: Config, path: string | null, report: Report): void {
  const { admin, log } = config;
  const check = (file: string, at: readonly (string | number)[]): void => {
    const fault = unwritable(file);
    if (fault !== null) report('cannotWrite', at, `${file} cannot be created: ${fault}`);
  };
  if (admin.socket !== null) check(admin.socket, ['admin', 'socket']);
  if (!['stdout', 'stderr', 'off'].includes(log.access)) check(log.access, ['log', 'access']);
  for (const [i, listener] of config.listeners.entries()) {
    for (const [j, bind] of listener.bind.entries()) {
      if ('path' in bind) check(bind.path, ['listeners', i, 'bind', j]);
    }
  }
  const tokenFile = admin.tcp?.tokenFile ?? null;
  if (tokenFile === null) return;
  const token = readSecretFile(resolve(dirname(path ?? '.'), tokenFile));
  if (!token.ok) report('badReference', ['admin', 'tcp', 'tokenFile'], token.reason);
}

function checkNetns(name: string | null, at: readonly (string | number)[], report: Report): void {
  if (name === null) return;
  if (!existsSync(join(NETNS_DIRECTORY, name))) {
    report('noNetns', at, `there is no network namespace "${name}"`, `ip netns add ${name}`);
  } else if (!hasCapability(CAP_SYS_ADMIN)) {
    report(
      'noNetns',
      at,
      `entering network namespace "${name}" needs CAP_SYS_ADMIN`,
      'run as root, or grant the capability',
    );
  }
}

function hasCapability(bit: bigint): boolean {
  const line = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return ((BigInt(`0x${line?.[1] ?? '0'}`) >> bit) & 1n) === 1n;
}

const BIND_FAULTS: Readonly<Record<string, readonly [string, string]>> = {
  EADDRINUSE: [
    'is in use',
    'expected when this gateway is running; otherwise "ss -ltnp" shows who has it',
  ],
  EADDRNOTAVAIL: ['is not an address of this machine', '"ip addr" shows the addresses'],
  EACCES: ['needs a privilege', 'ports below 1024 need CAP_NET_BIND_SERVICE'],
  EAFNOSUPPORT: ['is of a family that this machine has not', 'IPv6 is probably switched off'],
};

function bindTries(listener: ListenerConfig, i: number, report: Report): Try[] {
  if (listener.netns !== null) return [];
  return listener.bind.flatMap((bind, j) => {
    if ('path' in bind || bind.port === 0) return [];
    return async () => {
      const code = await tryListen(bind.ip, bind.port);
      if (code === null) return;
      const [says, hint] = BIND_FAULTS[code] ?? [`cannot be bound (${code})`, ''];
      report('cannotBind', ['listeners', i, 'bind', j], `${formatAddress(bind)} ${says}`, hint);
    };
  });
}

function tryListen(host: string, port: number): Promise<string | null> {
  return new Promise((done) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    probe.listen({ host, port, exclusive: true, ipv6Only: true }, () =>
      probe.close(() => done(null)),
    );
  });
}

function endpointTries(cluster: ClusterConfig, i: number, report: Report): Try[] {
  return cluster.endpoints.map(
    (endpoint, j) => () =>
      tryEndpoint(cluster, endpoint, (name, message, hint) => {
        report(name, ['clusters', i, 'endpoints', j], message, hint);
      }),
  );
}

type EndpointReport = (
  name: 'cannotResolve' | 'cannotConnect',
  message: string,
  hint: string,
) => void;

async function tryEndpoint(
  cluster: ClusterConfig,
  endpoint: EndpointConfig,
  report: EndpointReport,
): Promise<void> {
  if ('host' in endpoint && isIP(endpoint.host) === 0) {
    try {
      await Promise.race([lookup(endpoint.host), failAfter(TRY_TIMEOUT_MS)]);
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      report(
        'cannotResolve',
        `${endpoint.host} does not resolve (${code ?? 'unknown'})`,
        `try: getent hosts ${endpoint.host}`,
      );
      return;
    }
  }
  if (cluster.netns !== null) return;
  const code = await tryConnect(endpoint);
  if (code !== null)
    report('cannotConnect', `${formatAddress(endpoint)} does not accept connections (${code})`, '');
}

/** Rejects later; the timer does not keep the process. */
async function failAfter(ms: number): Promise<never> {
  await sleep(ms, undefined, { ref: false });
  throw Object.assign(new Error('too slow'), { code: 'ETIMEDOUT' });
}

function tryConnect(endpoint: EndpointConfig): Promise<string | null> {
  return new Promise((done) => {
    const socket =
      'path' in endpoint ? connect(endpoint.path) : connect(endpoint.port, endpoint.host);
    const end = (code: string | null): void => {
      socket.destroy();
      done(code);
    };
    socket.setTimeout(TRY_TIMEOUT_MS, () => end('ETIMEDOUT'));
    socket.once('connect', () => end(null));
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
}
