/**
 * nginx with its stream module, as Debian packages it.
 *
 * Path: one worker process for each worker asked for; the master does not touch connections.
 * With TLS: versions 1.2 and 1.3, tickets as they are by default, no cache of its own.
 * Beyond the defaults: a backlog as large as everybody else's, room for the connections, and long
 * timeouts. Buffers keep their default of 16 KiB, which nginx holds for each direction of a
 * connection. `reuseport` stays off, so that several workers share one accept queue as in most
 * installations.
 */
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Candidate,
  type Presence,
  type Running,
  type StartOptions,
  TLS_VERSIONS,
} from '../rig/index.ts';
import { askVersion, countSockets, findProgram, startPeer } from './start.ts';

const MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';
const INSTALL = 'apt-get install nginx-light libnginx-mod-stream';
const RELOAD_MS = 150;
/** Listening socket and master channel: sockets of a worker that carry no client. */
const SOCKETS_OF_ITS_OWN = 2;

function configureTls({ tls }: StartOptions): string {
  if (tls === undefined) return '';
  return `
    ssl_certificate ${tls.certificate};
    ssl_certificate_key ${tls.key};
    ssl_protocols TLSv1.2 TLSv1.3; # 1.3 is off by default before 1.23`;
}

function configure(options: StartOptions): string {
  const ssl = options.tls === undefined ? '' : ' ssl';
  return `# Written by bench/peers/nginx.ts for one measurement.
${existsSync(MODULE) ? `load_module ${MODULE};` : '# the stream module is built in'}
daemon off;
worker_processes ${options.workers};
worker_rlimit_nofile ${options.connectionsMax};
pid ${options.folder}/nginx.pid;
error_log ${options.folder}/nginx.log crit;
events {
  use epoll;
  worker_connections ${options.connectionsMax};
  multi_accept on;              # several accepts for each event, as the others do
}
stream {
  access_log off;
  proxy_timeout 1h;
  proxy_connect_timeout 5s;
  upstream origin { server 127.0.0.1:${options.originPort}; }
  server {
    listen 127.0.0.1:${options.frontPort}${ssl} backlog=4096;${configureTls(options)}
    tcp_nodelay on;
    proxy_pass origin;
  }
}
`;
}

async function find(): Promise<Presence> {
  const program = findProgram('nginx');
  if (program === undefined) return { missing: INSTALL };
  const version = await askVersion([program, '-V'], /nginx\/(\S+)/);
  const isBuiltIn = await askVersion([program, '-V'], /(--with-stream(?= ))/);
  if (version === undefined) return { missing: INSTALL };
  return existsSync(MODULE) || isBuiltIn !== undefined ? { version } : { missing: INSTALL };
}

async function start(options: StartOptions): Promise<Running> {
  const program = findProgram('nginx') ?? 'nginx';
  const running = await startPeer(options, {
    argv: [program, '-p', options.folder, '-c', 'nginx.conf', '-e', `${options.folder}/nginx.log`],
    files: { 'nginx.conf': configure(options) },
    children: options.workers,
  });
  const { pid } = running.guarded;
  return {
    ...running,
    reload: async () => {
      process.kill(pid, 'SIGHUP');
      await delay(RELOAD_MS);
    },
    connectionsByWorker: async () => {
      const workers = running.pids().filter((each) => each !== pid);
      const sockets = await Promise.all(workers.map(countSockets));
      return sockets.map((count) => Math.max(0, Math.round((count - SOCKETS_OF_ITS_OWN) / 2)));
    },
  };
}

/** nginx stream. */
export const nginx: Candidate = {
  name: 'nginx',
  title: 'nginx stream',
  role: 'peer',
  tlsVersions: TLS_VERSIONS,
  find,
  start,
};
