/**
 * What one gets from the Go standard library: a goroutine for each direction of a TCP connection,
 * and httputil.ReverseProxy for HTTP and WebSocket.
 *
 * Path: go-proxy/, built by `npm run bench -- setup go-proxy` into bench/build.
 * Beyond the defaults: GOMAXPROCS is the number of workers.
 * Without TLS or HTTP, io.Copy splices through a pipe that it takes before it waits: two more
 * descriptors for each direction of a connection, so it holds a third of the connections that
 * others hold.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  BUILD,
  type Candidate,
  type Presence,
  type Running,
  type StartOptions,
  TLS_VERSIONS,
} from '../rig/index.ts';
import { askVersion, findProgram, listPortsAndTls, startPeer } from './start.ts';

/** The program that the set-up builds. */
export const GO_PROXY_PROGRAM = join(BUILD, 'go-proxy', 'go-proxy');

const SOCKETS = 2;
const PIPES = 4;

async function find(): Promise<Presence> {
  if (!existsSync(GO_PROXY_PROGRAM)) return { missing: 'npm run bench -- setup go-proxy' };
  const go = findProgram('go');
  const pattern = /go(\d+\.\d+(\.\d+)?)/;
  const version = go && (await askVersion([go, 'version', GO_PROXY_PROGRAM], pattern));
  return { version: version ?? 'of an unknown Go' };
}

function protocolOf({ http }: StartOptions): string {
  if (http === undefined) return 'tcp';
  return http.isBare ? 'http-bare' : 'http';
}

function start(options: StartOptions): Promise<Running> {
  return startPeer(options, {
    argv: [GO_PROXY_PROGRAM, protocolOf(options), ...listPortsAndTls(options)],
    env: { GOMAXPROCS: `${options.workers}` },
  });
}

/** The Go proxy. */
export const goProxy: Candidate = {
  name: 'go-proxy',
  title: 'Go',
  role: 'peer',
  carries: ['tcp', 'http', 'websocket'],
  tlsVersions: TLS_VERSIONS,
  descriptorsPerConnection: ({ isTls, isHttp }) => (isTls || isHttp ? SOCKETS : SOCKETS + PIPES),
  find,
  start,
};
