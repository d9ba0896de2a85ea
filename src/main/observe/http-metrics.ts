/**
 * What the core counts about HTTP, as Prometheus families: listeners, routes, clusters, WebSockets.
 *
 * Path: the board's numbers, in the order of the core's own tables -> here -> metrics.ts.
 * Invariant: of a gateway without HTTP nothing is read, so that it keeps no memory for it; a rule
 * or a cluster that never counted anything has no samples.
 */
import type { Latency } from '../../../native/epoll/index.ts';
import type { CoreSources } from './core-metrics.ts';
import { type Family, histogramSamples, type Sample } from './exposition.ts';
import { type Row, type Shown, tableFamilies } from './table-families.ts';

const MICROS_PER_SECOND = 1e6;
const DIRECTION = {
  client: { direction: 'from_client' },
  endpoint: { direction: 'from_endpoint' },
};
const CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const;

/** Counters `responses1xx` to `responses5xx` as one family. */
function byClass(name: string, help: string): Record<string, Shown> {
  return Object.fromEntries(
    CLASSES.map((code_class) => [`responses${code_class}`, { name, labels: { code_class }, help }]),
  );
}

const LISTENER_NAMES: Readonly<Record<string, Shown>> = {
  requestsActive: { name: 'holdfast_requests_active' },
  ...byClass('holdfast_http_responses_total', 'Responses sent to clients, by class of the status.'),
  webSocketsOpened: { name: 'holdfast_websockets_opened_total' },
  webSocketsActive: { name: 'holdfast_websockets_active' },
  webSocketsClosed: { name: 'holdfast_websockets_closed_total' },
  webSocketsRefused: { name: 'holdfast_websockets_refused_total' },
  webSocketMessagesFromClients: {
    name: 'holdfast_websocket_messages_total',
    labels: DIRECTION.client,
    help: 'Whole text and binary messages of WebSockets, by direction.',
  },
  webSocketMessagesFromEndpoints: {
    name: 'holdfast_websocket_messages_total',
    labels: DIRECTION.endpoint,
  },
  webSocketPingsSent: { name: 'holdfast_websocket_pings_sent_total' },
  webSocketPongTimeouts: { name: 'holdfast_websocket_pong_timeouts_total' },
  webSocketClosesSent: { name: 'holdfast_websocket_closes_sent_total' },
};

/** Why a copy of a request was not sent. */
function droppedBy(reason: string): Shown {
  return {
    name: 'holdfast_cluster_mirrors_dropped_total',
    labels: { reason },
    help: 'Copies of requests that were not made or not sent, by reason.',
  };
}

/** Counters `mirrorResponses2xx` to `mirrorResponses5xx`. */
const MIRROR_CLASSES = Object.fromEntries(
  CLASSES.slice(1).map((code_class) => [
    `mirrorResponses${code_class}`,
    {
      name: 'holdfast_cluster_mirror_responses_total',
      labels: { code_class },
      help: 'Responses of endpoints to copies of requests, by class of the status.',
    },
  ]),
);

const CLUSTER_HTTP_NAMES: Readonly<Record<string, Shown>> = {
  ...byClass('holdfast_cluster_responses_total', 'Responses of endpoints, by class of the status.'),
  ...MIRROR_CLASSES,
  mirrorsTooLong: droppedBy('too_long'),
  mirrorsOverLimit: droppedBy('over_limit'),
  mirrorsNoMemory: droppedBy('no_memory'),
};

/** What a limit of a cluster refused. */
function refusedBy(limit: string): Shown {
  return {
    name: 'holdfast_cluster_refused_total',
    labels: { limit },
    help: 'Requests and retries refused by a limit of the cluster.',
  };
}

const CLUSTER_NAMES: Readonly<Record<string, Shown>> = {
  requestsRefused: refusedBy('requests'),
  pendingRefused: refusedBy('pending'),
  retriesRefused: refusedBy('retries'),
  httpConnectionsRefused: refusedBy('connections'),
  retryBudgetRefused: refusedBy('retry_budget'),
};

/** Families of HTTP. */
export function httpFamilies(sources: CoreSources): Family[] {
  const routes = [...sources.ids.routes()];
  return [
    ...listenerFamilies(sources, [...new Set(routes.map(({ listener }) => listener))]),
    ...routeFamilies(sources, routes),
    ...clusterFamilies(sources, routes.length > 0),
  ];
}

function listenerFamilies({ abi, board, ids }: CoreSources, names: readonly string[]): Family[] {
  const rows: Row[] = [];
  const ends: Sample[] = [];
  const violations: Sample[] = [];
  const frames: Sample[] = [];
  for (const listener of names) {
    const id = ids.findListener(listener);
    if (id === undefined) {
      continue;
    }
    rows.push({ labels: { listener }, values: board.httpCounters(id) });
    const values = board.httpEnds(id);
    ends.push(
      ...abi.http.ends.map(({ name }, index) => ({
        labels: { listener, flag: name },
        value: values[index] ?? 0,
      })),
    );
    const broken = board.httpViolations(id);
    violations.push(
      ...byRule({ listener, from: 'client' }, abi.http.violations, broken.fromClients),
      ...byRule({ listener, from: 'endpoint' }, abi.http.violations, broken.fromEndpoints),
    );
    frames.push(
      ...byRule({ listener, from: 'client' }, abi.http.frameViolations, broken.framesFromClients),
      ...byRule(
        { listener, from: 'endpoint' },
        abi.http.frameViolations,
        broken.framesFromEndpoints,
      ),
    );
  }
  return [
    ...tableFamilies(abi.http.counters, rows, {
      prefix: 'holdfast_http',
      names: LISTENER_NAMES,
      skipped: new Set(),
    }),
    {
      name: 'holdfast_http_ends_total',
      kind: 'counter',
      help: 'Requests and WebSockets that ended, by the flag of their access records.',
      samples: ends,
    },
    {
      name: 'holdfast_http_violations_total',
      kind: 'counter',
      help: 'Messages refused, by the rule of HTTP that they broke.',
      samples: violations,
    },
    {
      name: 'holdfast_websocket_violations_total',
      kind: 'counter',
      help: 'Frames refused, by the rule of WebSocket that they broke.',
      samples: frames,
    },
  ];
}

function routeFamilies(
  { abi, board }: CoreSources,
  routes: readonly { readonly listener: string; readonly name: string; readonly id: number }[],
): Family[] {
  const requests: Sample[] = [];
  const durations: Sample[] = [];
  const retries: Sample[] = [];
  const webSockets: Sample[] = [];
  const { routeCounters, latencyBoundsMicros } = abi.http;
  for (const { listener, name, id } of routes) {
    const labels = { listener, route: name };
    const values = board.routeCounters(id);
    const of = (counter: string): number => values[routeCounters.indexOf(counter)] ?? 0;
    requests.push(
      ...CLASSES.map((code_class) => ({
        labels: { ...labels, code_class },
        value: of(`responses${code_class}`),
      })),
      { labels: { ...labels, code_class: 'none' }, value: of('unanswered') },
    );
    retries.push({ labels, value: of('retries') });
    webSockets.push({ labels, value: of('webSocketsActive') });
    durations.push(...latencySamples(labels, board.routeLatency(id), latencyBoundsMicros));
  }
  return [
    {
      name: 'holdfast_requests_total',
      kind: 'counter',
      help: 'Requests that ended, by route and class of the status; none: nothing was answered.',
      samples: requests,
    },
    {
      name: 'holdfast_request_duration_seconds',
      kind: 'histogram',
      help: 'Time from the head of a request to the head of its response.',
      samples: durations,
    },
    {
      name: 'holdfast_route_retries_total',
      kind: 'counter',
      help: 'Requests of a route tried again.',
      samples: retries,
    },
    {
      name: 'holdfast_route_websockets_active',
      kind: 'gauge',
      help: 'Live WebSockets of a route.',
      samples: webSockets,
    },
  ];
}

function clusterFamilies({ abi, board, ids }: CoreSources, isHttp: boolean): Family[] {
  const rows: Row[] = [];
  const limits: Row[] = [];
  const durations: Sample[] = [];
  for (const { name, id } of isHttp ? ids.clusters() : []) {
    const labels = { cluster: name };
    const values = board.clusterHttpCounters(id);
    const limited = board.clusterCounters(id);
    if ([...values, ...limited].every((value) => value === 0)) {
      continue;
    }
    rows.push({ labels, values });
    limits.push({ labels, values: limited });
    durations.push(
      ...latencySamples(labels, board.clusterLatency(id), abi.http.latencyBoundsMicros),
    );
  }
  return [
    ...tableFamilies(abi.http.clusterCounters, rows, {
      prefix: 'holdfast_cluster',
      names: CLUSTER_HTTP_NAMES,
      skipped: new Set(),
    }),
    ...tableFamilies(abi.clusterCounters, limits, {
      prefix: 'holdfast_cluster',
      names: CLUSTER_NAMES,
      skipped: new Set(),
    }),
    {
      name: 'holdfast_upstream_response_seconds',
      kind: 'histogram',
      help: 'Time from the choice of an endpoint to the first byte of its response.',
      samples: durations,
    },
  ];
}

/** Samples of the rules that were broken; the first of a table is none. */
function byRule(
  labels: Readonly<Record<string, string>>,
  rules: readonly string[],
  values: readonly number[],
): Sample[] {
  return rules.flatMap((rule, index) => {
    const value = values[index] ?? 0;
    return value === 0 || index === 0 ? [] : [{ labels: { ...labels, rule }, value }];
  });
}

function latencySamples(
  labels: Readonly<Record<string, string>>,
  latency: Latency | null,
  boundsMicros: readonly number[],
): Sample[] {
  return latency === null
    ? []
    : histogramSamples(labels, {
        bounds: boundsMicros.map((micros) => micros / MICROS_PER_SECOND),
        counts: latency.counts,
        count: latency.count,
        sum: latency.sumMicros / MICROS_PER_SECOND,
      });
}
