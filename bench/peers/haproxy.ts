/**
 * HAProxy in tcp mode, as Debian packages it.
 *
 * Path: one process with as many threads as workers asked for, under its own master, as it runs in
 * service. Beyond the defaults: room for the connections, no logging, and long timeouts. Splicing
 * keeps its default (off), as does the 16 KiB buffer, which HAProxy takes only while bytes are
 * under way. With TLS: versions 1.2 and 1.3 and tickets, as by default.
 */
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Candidate,
  type Presence,
  type Running,
  type StartOptions,
  TLS_VERSIONS,
} from '../rig/index.ts';
import { askVersion, findProgram, startPeer } from './start.ts';

const INSTALL = 'apt-get install haproxy';
const RELOAD_MS = 150;
/** Descriptors HAProxy needs beside two for each connection. */
const SPARE_DESCRIPTORS = 200;

function configure(options: StartOptions): string {
  const tls = options.tls === undefined ? '' : ` ssl crt ${options.tls.both}`;
  return `# Written by bench/peers/haproxy.ts for one measurement.
global
  nbthread ${options.workers}
  maxconn ${Math.floor((options.connectionsMax - SPARE_DESCRIPTORS) / 2)}
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen front
  bind 127.0.0.1:${options.frontPort} backlog 4096${tls}
  server origin 127.0.0.1:${options.originPort}
`;
}

async function find(): Promise<Presence> {
  const program = findProgram('haproxy');
  const version =
    program === undefined ? undefined : await askVersion([program, '-v'], /version (\S+)/);
  return version === undefined ? { missing: INSTALL } : { version };
}

async function start(options: StartOptions): Promise<Running> {
  const program = findProgram('haproxy') ?? 'haproxy';
  const running = await startPeer(options, {
    argv: [program, '-W', '-f', `${options.folder}/haproxy.cfg`],
    files: { 'haproxy.cfg': configure(options) },
    children: 1,
  });
  return {
    ...running,
    reload: async () => {
      process.kill(running.guarded.pid, 'SIGUSR2');
      await delay(RELOAD_MS);
    },
  };
}

/** HAProxy. */
export const haproxy: Candidate = {
  name: 'haproxy',
  title: 'HAProxy tcp',
  role: 'peer',
  tlsVersions: TLS_VERSIONS,
  find,
  start,
};
