/**
 * MOSN with its TCP proxy filter, or its proxy of HTTP/1.1, built from its Go module.
 *
 * Path: one process; `npm run bench -- setup mosn` builds it into bench/build.
 * Beyond the defaults: GOMAXPROCS is the number of workers, logs go nowhere, and the connection
 * limit is out of the way. It refuses TLS 1.3, also when told to offer it.
 * MOSN is what this project started from, so its figures are part of the story.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  BUILD,
  type Candidate,
  type Presence,
  type Running,
  type StartOptions,
} from '../rig/index.ts';
import { askVersion, startPeer } from './start.ts';

/** The Go module and the version that the set-up builds. */
export const MOSN_MODULE = 'mosn.io/mosn';
export const MOSN_VERSION = 'v1.6.0';
/** The program that the set-up builds. */
export const MOSN_PROGRAM = join(BUILD, 'mosn', 'mosn');

/** TLS of the listener, where asked for. */
function configureTls({ tls }: StartOptions): object {
  if (tls === undefined) return {};
  return { tls_context: { status: true, cert_chain: tls.certificate, private_key: tls.key } };
}

/** The filter of the listener: bytes as they are, or HTTP. */
function configureFilter({ http }: StartOptions): object {
  if (http === undefined) {
    return { type: 'tcp_proxy', config: { stat_prefix: 'front', cluster: 'origin' } };
  }
  return {
    type: 'proxy',
    config: {
      downstream_protocol: 'Http1',
      upstream_protocol: 'Http1',
      router_config_name: 'front',
    },
  };
}

const IDENTITY = [
  { header: { key: 'X-Forwarded-For', value: '%downstream_remote_address%' } },
  { header: { key: 'X-Forwarded-Proto', value: 'http' } },
];

/** Where requests go, for HTTP. */
function configureRouters({ http }: StartOptions): object {
  if (http === undefined) return {};
  const host = {
    name: 'all',
    domains: ['*'],
    routers: [{ match: { prefix: '/' }, route: { cluster_name: 'origin' } }],
    ...(http.isBare ? {} : { request_headers_to_add: IDENTITY }),
  };
  return { routers: [{ router_config_name: 'front', virtual_hosts: [host] }] };
}

function configure(options: StartOptions): string {
  return JSON.stringify({
    servers: [
      {
        default_log_path: '/dev/null',
        default_log_level: 'FATAL',
        processor: options.workers,
        ...configureRouters(options),
        listeners: [
          {
            name: 'front',
            address: `127.0.0.1:${options.frontPort}`,
            bind_port: true,
            connection_idle_timeout: '3600s',
            filter_chains: [
              {
                ...configureTls(options),
                filters: [configureFilter(options)],
              },
            ],
          },
        ],
      },
    ],
    cluster_manager: {
      clusters: [
        {
          name: 'origin',
          type: 'SIMPLE',
          lb_type: 'LB_ROUNDROBIN',
          max_request_per_conn: 1_000_000,
          conn_buffer_limit_bytes: 32_768,
          circuit_breakers: [
            {
              max_connections: 1_000_000,
              max_pending_requests: 1_000_000,
              max_requests: 1_000_000,
            },
          ],
          hosts: [{ address: `127.0.0.1:${options.originPort}` }],
        },
      ],
    },
  });
}

async function find(): Promise<Presence> {
  if (!existsSync(MOSN_PROGRAM)) return { missing: 'npm run bench -- setup mosn' };
  const version = await askVersion([MOSN_PROGRAM, '--version'], /v?(\d+\.\d+\.\d+)/);
  return { version: version ?? MOSN_VERSION.slice(1) };
}

function start(options: StartOptions): Promise<Running> {
  return startPeer(options, {
    argv: [MOSN_PROGRAM, 'start', '-c', join(options.folder, 'mosn.json')],
    files: { 'mosn.json': configure(options) },
    env: { GOMAXPROCS: `${options.workers}` },
  });
}

/** MOSN. */
export const mosn: Candidate = {
  name: 'mosn',
  title: 'MOSN',
  role: 'peer',
  carries: ['tcp', 'http'],
  tlsVersions: ['1.2'],
  find,
  start,
};
