/**
 * The configuration that the demo's gateway runs: the page and its WebSockets over HTTP, and a
 * plain TCP echo beside them.
 *
 * Path: `holdfast demo` -> here -> the same loader as a file. Each reload loads the next edition.
 * Invariant: two editions always differ in routes, so a reload of the demo always has something to
 * apply; listeners and endpoints stay the same.
 */
import { stringify } from 'yaml';

/** What a demo's configuration depends on. */
export interface DemoConfigParts {
  /** Counts the configurations of this demo, from 1. */
  readonly edition: number;
  /** Ports on 127.0.0.1; 0 takes a free one. */
  readonly pagePort: number;
  readonly echoPort: number;
  readonly pageOriginPort: number;
  readonly echoOriginPort: number;
  /** Null: one for each core. */
  readonly shards: number | null;
  readonly adminSocket: string;
}

/** Clients of a demo all have one address. */
const LIMITS = { connectionsPerAddress: 'unlimited' };
/** Edition by edition: WebSockets that are open keep the one that they were opened with. */
const PING_SECONDS = 20;

/** The configuration as YAML. */
export function demoYaml(parts: DemoConfigParts): string {
  const { edition, shards } = parts;
  const bind = (port: number): string => `127.0.0.1:${port}`;
  return stringify({
    version: 1,
    ...(shards === null ? {} : { shards }),
    admin: { socket: parts.adminSocket },
    log: { level: 'warn', access: 'off' },
    drain: { readinessDelay: '0s', over: '1s', grace: '2s' },
    listeners: [
      {
        name: 'web',
        bind: bind(parts.pagePort),
        protocol: 'http',
        limits: LIMITS,
        http: { hosts: [{ routes: demoRoutes(edition) }] },
      },
      { name: 'echo', bind: bind(parts.echoPort), limits: LIMITS, cluster: 'echo' },
    ],
    clusters: [
      { name: 'page', endpoints: [bind(parts.pageOriginPort)] },
      {
        name: 'echo',
        endpoints: [bind(parts.echoOriginPort)],
        healthCheck: { interval: '5s' },
      },
    ],
  });
}

function demoRoutes(edition: number): unknown[] {
  return [
    {
      name: 'edition',
      match: { path: { exact: '/edition' } },
      respond: { status: 200, body: `${edition}` },
    },
    {
      name: 'messages',
      match: '/messages',
      cluster: 'page',
      websocket: { ping: `${PING_SECONDS + edition}s`, pong: '10s' },
    },
    { name: 'news', match: '/news', cluster: 'page', timeouts: { idle: 'never' } },
    {
      name: 'page',
      cluster: 'page',
      responseHeaders: { set: { 'x-demo-edition': `${edition}` } },
    },
  ];
}
