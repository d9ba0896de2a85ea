/**
 * The part of the language that describes clusters: where connections go and how an endpoint is
 * chosen.
 *
 * Path: one section of schema.ts. Names and endpoints are compared with others in check.ts.
 */
import { z } from 'zod';
import { parseEndpoint } from './address.ts';
import {
  choice,
  count,
  duration,
  field,
  oneOrMore,
  percent,
  section,
  shorthand,
  text,
} from './field.ts';
import * as limit from './limits.ts';
import { clusterHttp } from './schema-cluster-http.ts';
import { steering } from './schema-filters.ts';
import { healthCheck } from './schema-health.ts';
import { DAY, HOUR, MINUTE, NEVER, SECOND, socket, UNLIMITED } from './schema-socket.ts';
import { clusterTls } from './schema-tls.ts';
import { parseName, parseNetns, parseResolver } from './values.ts';
import { parseFactor } from './values-cluster.ts';
import { parseLabel } from './values-http.ts';

const endpoint = shorthand(
  z.strictObject({
    address: field(
      parseEndpoint,
      {
        is: 'IP or DNS name and port, or `unix:` and a path. A name stands for all its addresses.',
        example: '10.0.1.10:1883',
      },
      { kind: 'address', json: { type: 'string' } },
    ),
    weight: count(
      { is: 'Share of new connections, relative to the other endpoints.', initial: 1 },
      { min: 1, max: 256 },
    ),
    connections: count(
      {
        is: 'Live connections this endpoint takes at most; with HTTP, requests under way.',
        initial: 'unlimited',
      },
      { min: 1, max: limit.CONNECTIONS_MAX, zero: UNLIMITED },
    ),
    labels: z
      .record(
        z.string(),
        field(
          parseLabel,
          { is: 'A text.' },
          { kind: 'text', json: { type: ['string', 'number'] } },
        ),
      )
      .optional()
      .meta({
        description: 'What routes can ask for with `subset`.',
        'x-example': { version: 'v2' },
        'x-kind': 'map of texts',
      }),
  }),
  'address',
  { type: 'string', examples: ['10.0.1.10:1883', 'broker.internal:1883', 'unix:/run/app.sock'] },
);

/** One cluster. */
export const cluster = z.strictObject({
  name: text(
    { is: 'Name that listeners refer to; unique among clusters.', example: 'brokers' },
    'name',
    parseName,
  ),
  balance: choice(
    {
      is: 'How the endpoint of a new connection or request is chosen. Every choice honours weights; `weighted` is another word for `round-robin`. `maglev` and `ring-hash` keep a client address, or what `hash` of a route names, on its endpoint. `peak-ewma` prefers endpoints that answer HTTP fast and have little to do; for TCP it is `least-request`.',
      initial: 'least-connections',
    },
    [
      'round-robin',
      'random',
      'least-connections',
      'least-request',
      'maglev',
      'ring-hash',
      'peak-ewma',
    ],
    { weighted: 'round-robin' },
  ),
  balancer: steering(
    'balancer',
    'Code of your own that makes the weights which `balance` goes by; without it, those of the endpoints hold.',
    { use: './zone-balancer.ts', with: { zone: 'a' } },
  ),
  endpoints: z
    .array(endpoint)
    .optional()
    .meta({
      description:
        'Where connections go: addresses, or maps with `address`, `weight`, `connections` and `labels`. Needed without `discovery`.',
      'x-example': ['10.0.1.10:1883', { address: 'broker.internal:1883', weight: 2 }],
    }),
  discovery: steering(
    'discovery',
    'Code of your own that finds the endpoints, in place of `endpoints`.',
    { use: './from-file.ts', with: { file: './endpoints.json' } },
  ),
  connect: section('How endpoints are connected to.', {
    timeout: duration(
      { is: 'A connect that takes longer has failed.', initial: '3s' },
      { min: 10, max: 5 * MINUTE },
    ),
    retries: count(
      { is: 'Further endpoints tried after a failed connect.', initial: 1 },
      { min: 0, max: 10 },
    ),
  }),
  healthCheck,
  ejection: section('How endpoints that do not work are left alone for a while.', {
    afterFailures: count(
      { is: 'Failed connects in a row that eject an endpoint.', initial: 5 },
      { min: 1, max: 1000, zero: ['off'] },
    ),
    afterErrors: count(
      {
        is: 'Requests in a row that eject an endpoint when they are answered with 5xx, reset, or not answered in time.',
        initial: 5,
      },
      { min: 1, max: 1000, zero: ['off'] },
    ),
    latencyFactor: field(
      parseFactor,
      {
        is: 'An endpoint whose mean time to answer is so many times the median of the cluster is ejected. Judged every 5 seconds, from 20 answers on; differences below 1 ms never count.',
        initial: 'off',
      },
      { kind: 'number', json: { type: ['string', 'number'] }, limits: '1.1 to 1000, or "off"' },
    ),
    base: duration(
      {
        is: 'Length of the first ejection; each further one in a row is twice as long.',
        initial: '10s',
      },
      { min: 100, max: HOUR },
    ),
    max: duration({ is: 'Longest ejection.', initial: '5m' }, { min: 100, max: DAY }),
    atMost: percent({ is: 'Share of endpoints that may be ejected at once.', initial: '50%' }),
    panic: percent({
      is: 'Below this share of usable endpoints all are used: a bad endpoint is better than an overloaded one.',
      initial: '30%',
    }),
  }),
  slowStart: duration(
    {
      is: 'An endpoint that turns healthy takes its full share only after this time.',
      initial: 'off',
    },
    { min: SECOND, max: HOUR, zero: NEVER },
  ),
  proxyProtocol: choice(
    { is: 'PROXY header sent to endpoints, so that they see the client address.', initial: 'off' },
    ['off', 'v1', 'v2'],
  ),
  tls: clusterTls,
  http: clusterHttp,
  netns: text(
    { is: 'Network namespace to connect from.', example: 'blue' },
    'name',
    parseNetns,
  ).optional(),
  socket,
  dns: section('How DNS names among the endpoints are followed.', {
    refreshMin: duration(
      { is: 'A shorter TTL counts as this.', initial: '5s' },
      { min: SECOND, max: HOUR },
    ),
    refreshMax: duration(
      { is: 'A longer TTL counts as this.', initial: '5m' },
      { min: SECOND, max: DAY },
    ),
    resolvers: oneOrMore(
      field(
        parseResolver,
        { is: 'An IP, with or without port.', example: '10.0.0.2' },
        { kind: 'address', json: { type: 'string' } },
      ),
    )
      .optional()
      .meta({
        description: 'DNS resolvers to ask; without this list, those of the machine.',
        'x-example': ['10.0.0.2', '10.0.0.3:5353'],
      }),
    family: choice({ is: 'Which addresses of a name are used.', initial: 'any' }, [
      'any',
      'ipv4',
      'ipv6',
    ]),
  }),
});
