/**
 * nginx as Debian packages it: its stream module for TCP, its HTTP proxy for HTTP and WebSocket.
 *
 * Path: one worker process for each worker asked for; the master does not touch connections.
 * With TLS: versions 1.2 and 1.3, tickets as they are by default, no cache of its own.
 * Beyond the defaults: a backlog as large as everybody else's, room for the connections, and long
 * timeouts. With HTTP: HTTP/1.1 and kept connections to the origin, no limit of requests for each
 * connection. Buffers keep their defaults; in the stream module that is 16 KiB, which nginx holds
 * for each direction of a connection. `reuseport` stays off, so that several workers share one
 * accept queue as in most installations.
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
import { askVersion, countSockets, createReload, findProgram, startPeer } from './start.ts';

const MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';
const INSTALL = 'apt-get install nginx-light libnginx-mod-stream';
const FILE = 'nginx.conf';
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

const listenOn = (options: StartOptions): string =>
  `listen 127.0.0.1:${options.frontPort}${options.tls === undefined ? '' : ' ssl'} backlog=4096;` +
  configureTls(options);

function configureStream(options: StartOptions): string {
  return `stream {
  access_log off;
  proxy_timeout 1h;
  proxy_connect_timeout 5s;
  upstream origin { server 127.0.0.1:${options.originPort}; }
  server {
    ${listenOn(options)}
    tcp_nodelay on;
    proxy_pass origin;
  }
}
`;
}

/** Requests on one connection, and connections that are kept: out of the way. */
const MANY = 1_000_000_000;
const KEPT = 1024;

function configureHttp(options: StartOptions, generation: number): string {
  const identity =
    options.http?.isBare === true
      ? ''
      : `
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $host;`;
  return `http {
  access_log off;
  keepalive_timeout 1h;
  keepalive_requests ${MANY};
  tcp_nodelay on;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  upstream origin {
    server 127.0.0.1:${options.originPort};
    keepalive ${KEPT};
    keepalive_requests ${MANY};
    keepalive_timeout 1h;
  }
  server {
    ${listenOn(options)}
    proxy_http_version 1.1;
    proxy_connect_timeout 5s;
    proxy_read_timeout 1h;
    proxy_send_timeout 1h;
    proxy_set_header Host $host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;${identity}
    location = /generation { return 200 "${generation}"; }
    location / { proxy_pass http://origin; }
  }
}
`;
}

function configure(options: StartOptions, generation = 0): string {
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
${options.http === undefined ? configureStream(options) : configureHttp(options, generation)}`;
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
    argv: [program, '-p', options.folder, '-c', FILE, '-e', `${options.folder}/nginx.log`],
    files: { [FILE]: configure(options) },
    children: options.workers,
  });
  const { pid } = running.guarded;
  const signal = (): void => void process.kill(pid, 'SIGHUP');
  const reloadStream = async (): Promise<void> => {
    signal();
    await delay(RELOAD_MS);
  };
  return {
    ...running,
    reload:
      options.http === undefined
        ? reloadStream
        : createReload(options, { file: FILE, configure, signal }),
    connectionsByWorker: async () => {
      const workers = running.pids().filter((each) => each !== pid);
      const sockets = await Promise.all(workers.map(countSockets));
      return sockets.map((count) => Math.max(0, Math.round((count - SOCKETS_OF_ITS_OWN) / 2)));
    },
  };
}

/** nginx. */
export const nginx: Candidate = {
  name: 'nginx',
  title: 'nginx',
  role: 'peer',
  carries: ['tcp', 'http', 'websocket'],
  tlsVersions: TLS_VERSIONS,
  find,
  start,
};
