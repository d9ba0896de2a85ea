/**
 * The part of the language that describes HTTP towards the endpoints of a cluster: which
 * connections are kept, and how much may be under way.
 *
 * Path: schema-cluster.ts uses it; see schema.ts for the whole.
 * Invariant: limits are of all shards together, except those that say otherwise; the defaults fit
 * the 10,000th request as well as the first one.
 */
import { z } from 'zod';
import { count, duration, field, section, shorthand } from './field.ts';
import * as limit from './limits.ts';
import { DAY, HOUR, NEVER, SECOND, UNLIMITED } from './schema-socket.ts';
import { parseBudget } from './values-cluster.ts';

/** HTTP of a cluster. */
export const clusterHttp = section('HTTP towards the endpoints, for listeners with HTTP.', {
  keepAlive: shorthand(
    z.strictObject({
      idle: duration(
        {
          is: 'An unused connection is closed after this; shorter than what endpoints wait for.',
          initial: '30s',
        },
        { min: 100, max: HOUR, zero: NEVER },
      ),
      maxAge: duration(
        {
          is: 'A connection of this age is closed after its request, so that names and weights take effect.',
          initial: '1h',
        },
        { min: SECOND, max: 30 * DAY, zero: NEVER },
      ),
      requests: count(
        { is: 'Requests on one connection, which is then closed.', initial: 1000 },
        { min: 1, max: 1_000_000_000, zero: UNLIMITED },
      ),
      connections: count(
        {
          is: 'Unused connections that each shard keeps to one endpoint; `off`: each request gets its own connection.',
          initial: 64,
        },
        { min: 1, max: 65_536, zero: ['off'] },
      ),
    }),
    'connections',
    { type: ['string', 'integer'], examples: ['off', 16] },
  )
    .prefault({})
    .meta({
      description: 'Connections that are kept between requests: a map, a number, or `off`.',
    }),
  limits: section('What the cluster may have under way; beyond it, requests get 503 at once.', {
    connections: count(
      {
        is: 'Connections to endpoints, in use or kept, WebSockets included.',
        initial: 'unlimited',
      },
      { min: 1, max: limit.CONNECTIONS_MAX, zero: UNLIMITED },
    ),
    requests: count(
      { is: 'Requests under way; a WebSocket counts until it is open.', initial: 'unlimited' },
      { min: 1, max: limit.CONNECTIONS_MAX, zero: UNLIMITED },
    ),
    pending: count(
      { is: 'Requests that wait for a connect.', initial: 1024 },
      { min: 1, max: limit.CONNECTIONS_MAX, zero: UNLIMITED },
    ),
    retries: count(
      { is: 'Retries under way.', initial: 'unlimited' },
      { min: 1, max: limit.CONNECTIONS_MAX, zero: UNLIMITED },
    ),
    retryBudget: field(
      parseBudget,
      {
        is: 'Retries as a share of requests, in each shard; three each second are always possible. Keeps retries from making an overload worse.',
        initial: '20%',
      },
      { kind: 'percent', json: { type: 'string' }, limits: '0.1% to 100%, or "off"' },
    ),
  }),
});
