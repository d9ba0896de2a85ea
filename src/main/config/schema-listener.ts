/**
 * The part of the language that describes listeners: where connections come from and what they may
 * cost.
 *
 * Path: one section of schema.ts. Names, binds and clusters are compared with others in check.ts.
 */
import { z } from 'zod';
import { parseBind, parseCidr } from './address.ts';
import {
  choice,
  count,
  duration,
  field,
  flag,
  oneOrMore,
  rate,
  section,
  shorthand,
  size,
  text,
} from './field.ts';
import * as limit from './limits.ts';
import { maxAge } from './schema-age.ts';
import { codec, filters } from './schema-filters.ts';
import { listenerHttp } from './schema-http.ts';
import { DAY, KIB, MIB, MINUTE, NEVER, SECOND, socket, UNLIMITED } from './schema-socket.ts';
import { listenerTls, routes } from './schema-tls.ts';
import { parseMode, parseName, parseNetns } from './values.ts';

const bind = shorthand(
  z.strictObject({
    address: field(
      parseBind,
      {
        is: 'IP and port, or `unix:` and a path. Port 0 takes any free port.',
        example: '0.0.0.0:1883',
      },
      {
        kind: 'address',
        json: { type: 'string' },
      },
    ),
    mode: text(
      { is: 'Permission bits of a Unix socket, in octal and quoted.', example: '0660' },
      'mode',
      parseMode,
    ).optional(),
  }),
  'address',
  { type: 'string', examples: ['0.0.0.0:1883', '[::]:1883', 'unix:/run/holdfast/app.sock'] },
);

/** One listener. */
export const listener = z.strictObject({
  name: text(
    { is: 'Name in metrics, logs and `holdfast conns`; unique among listeners.', example: 'mqtt' },
    'name',
    parseName,
  ),
  bind: oneOrMore(bind).meta({
    description: 'Addresses to listen on: one, or a list of at most 64.',
    'x-example': ['0.0.0.0:1883', '[::]:1883'],
  }),
  netns: text(
    {
      is: 'Network namespace to create the sockets in, as `ip netns` names it. Entering it needs CAP_SYS_ADMIN at that moment.',
      example: 'blue',
    },
    'name',
    parseNetns,
  ).optional(),
  protocol: choice(
    {
      is: 'What is spoken on the connections: `tcp` relays bytes as they are, `http` is HTTP/1.1 with WebSockets.',
      initial: 'tcp',
    },
    ['tcp', 'http'],
  ),
  backlog: count(
    {
      is: 'Connections the kernel holds until they are accepted; `net.core.somaxconn` bounds it.',
      initial: 4096,
    },
    { min: 1, max: 65_535 },
  ),
  proxyProtocol: z
    .strictObject({
      accept: oneOrMore(
        field(
          parseCidr,
          { is: 'A network.', example: '10.0.0.0/8' },
          { kind: 'network', json: { type: 'string' } },
        ),
      ).meta({
        description:
          'Networks that start each connection with a PROXY header (v1 or v2). Who is listed must send one; who is not listed is relayed as it is.',
        'x-example': ['10.0.0.0/8'],
      }),
      timeout: duration(
        { is: 'A header that is not complete by then closes the connection.', initial: '5s' },
        { min: 100, max: MINUTE },
      ),
    })
    .optional()
    .meta({
      description:
        'Takes the client address from a PROXY header that a load balancer in front sends.',
    }),
  limits: section('What this listener accepts at most.', {
    connections: count(
      {
        is: 'Live connections; further ones are closed at once and counted.',
        initial: 'unlimited',
      },
      { min: 1, max: limit.CONNECTIONS_MAX, zero: UNLIMITED },
    ),
    connectionsPerAddress: count(
      {
        is: 'Live connections of one client address, after the PROXY header. Raise it for clients behind one NAT.',
        initial: 1000,
      },
      { min: 1, max: limit.CONNECTIONS_MAX, zero: UNLIMITED },
    ),
    acceptRate: rate(
      {
        is: 'Accepted connections each second, with a burst of one second; guards against reconnect storms.',
        initial: 'unlimited',
      },
      { min: 1, max: 1_000_000, zero: UNLIMITED },
    ),
    buffer: section('Bytes that one connection may hold for a slow reader, in each direction.', {
      high: size(
        { is: 'Reading from the faster side pauses here.', initial: '64KiB' },
        { min: 4 * KIB, max: 16 * MIB },
      ),
      low: size({ is: 'Reading goes on here.', initial: '32KiB' }, { min: 0, max: 16 * MIB }),
    }),
  }),
  timeouts: section('When connections of this listener are closed.', {
    idle: duration(
      { is: 'No byte in either direction for this long.', initial: '1h' },
      { min: SECOND, max: 30 * DAY, zero: NEVER },
    ),
    halfClose: duration(
      {
        is: 'One side has ended its direction, and then the other is silent for this long.',
        initial: '60s',
      },
      { min: SECOND, max: 30 * DAY, zero: NEVER },
    ),
    maxAge: maxAge.prefault('never').meta({
      description:
        'Age at which a connection is closed: a duration, or a map with `value` and `jitter`.',
    }),
  }),
  socket,
  tls: listenerTls,
  routes,
  accessLog: flag({ is: 'Writes access records for this listener.', initial: true }),
  cluster: text(
    {
      is: 'Cluster that connections go to where no route fits. Required, but for HTTP with `http.hosts`.',
      example: 'brokers',
    },
    'cluster',
    parseName,
  ).optional(),
  http: listenerHttp,
  filters: filters(
    'Filters of every connection, or request of HTTP, that comes in here; they see a request before its route is sought.',
  ),
  codec: codec(
    'Of TCP: how frames end, so that message filters see whole ones. Without it they see what one read brought.',
  ),
});
