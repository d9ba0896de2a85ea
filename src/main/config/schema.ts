/**
 * The configuration language: every field with its type, unit, default, limits and meaning.
 *
 * Path: load.ts runs it over the plain value; generate.ts derives the JSON Schema and docs/config.md from it.
 * Invariant: this is the only description of the language; what is not here is an unknown key. Amounts leave
 * here in base units (ms, bytes, per second, permille), still under their human names; normalize.ts renames.
 * Does not check fields against each other; check.ts does.
 */
import { z } from 'zod';
import { parseBind, parseCidr, parseEndpoint, parseUnixPath } from './address.ts';
import {
  choice,
  count,
  countOrAuto,
  duration,
  field,
  flag,
  oneOrMore,
  percent,
  permille,
  rate,
  seconds,
  section,
  shorthand,
  size,
  sizeOrAuto,
  text,
} from './field.ts';
import * as limit from './limits.ts';
import { parseFilePath, parseMode, parseName, parseNetns, parseResolver, parseToken, parseVersion } from './values.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const KIB = 1024;
const MIB = 1024 * KIB;
const NEVER = ['off', 'never'];
const UNLIMITED = ['unlimited', 'off'];

/** A listener keeps one kernel socket per bind; 1883 is only an example. */
const bind = shorthand(
  z.strictObject({
    address: field(parseBind, { is: 'IP and port, or `unix:` and a path. Port 0 takes any free port.', example: '0.0.0.0:1883' }, {
      kind: 'address',
      json: { type: 'string' },
    }),
    mode: text({ is: 'Permission bits of a Unix socket, in octal and quoted.', example: '0660' }, 'mode', parseMode).optional(),
  }),
  'address',
  { type: 'string', examples: ['0.0.0.0:1883', '[::]:1883', 'unix:/run/holdfast/app.sock'] },
);

const keepalive = {
  idle: seconds(
    { is: 'A connection that was silent for this long is probed by the kernel.', initial: '60s' },
    { min: SECOND, max: 9 * HOUR, zero: ['off'] },
  ),
  interval: seconds({ is: 'Time between two probes.', initial: '10s' }, { min: SECOND, max: HOUR }),
  count: count({ is: 'Unanswered probes after which the connection is dead.', initial: 6 }, { min: 1, max: 127 }),
};

const socket = section('Options of the TCP sockets on this side.', {
  nodelay: flag({ is: 'Sends small writes at once (TCP_NODELAY).', initial: true }),
  keepalive: section('How silent connections are probed: 60 s and six probes find a dead peer in two minutes.', keepalive),
  userTimeout: duration(
    { is: 'Sent bytes that stay unacknowledged for this long end the connection (TCP_USER_TIMEOUT).', initial: '30s' },
    { min: SECOND, max: HOUR, zero: ['off'] },
  ),
});

const maxAge = shorthand(
  z.strictObject({
    value: duration(
      { is: 'A connection is closed at this age, so that long-lived ones are spread anew.', initial: 'never' },
      { min: SECOND, max: 30 * DAY, zero: NEVER },
    ),
    jitter: permille({ is: 'Spreads the age at random, so that connections that came together do not leave together.', initial: '10%' }),
  }),
  'value',
  { type: 'string', examples: ['24h', 'never'] },
);

const listener = z.strictObject({
  name: text({ is: 'Name in metrics, logs and `holdfast conns`; unique among listeners.', example: 'mqtt' }, 'name', parseName),
  bind: oneOrMore(bind).meta({ description: 'Addresses to listen on: one, or a list of at most 64.', examples: [['0.0.0.0:1883', '[::]:1883']] }),
  netns: text(
    { is: 'Network namespace to create the sockets in, as `ip netns` names it. Entering it needs CAP_SYS_ADMIN at that moment.', example: 'blue' },
    'name',
    parseNetns,
  ).optional(),
  protocol: choice({ is: 'What is spoken on the connections. `tcp` relays bytes as they are.', initial: 'tcp' }, ['tcp']),
  backlog: count(
    { is: 'Connections the kernel holds until they are accepted; `net.core.somaxconn` bounds it.', initial: 4096 },
    { min: 1, max: 65_535 },
  ),
  proxyProtocol: z
    .strictObject({
      accept: oneOrMore(field(parseCidr, { is: 'A network.', example: '10.0.0.0/8' }, { kind: 'network', json: { type: 'string' } })).meta({
        description:
          'Networks that start each connection with a PROXY header (v1 or v2). Who is listed must send one; who is not listed is relayed as it is.',
        examples: [['10.0.0.0/8']],
      }),
      timeout: duration(
        { is: 'A header that is not complete by then closes the connection.', initial: '5s' },
        { min: 100, max: MINUTE },
      ),
    })
    .optional()
    .meta({ description: 'Takes the client address from a PROXY header that a load balancer in front sends.' }),
  limits: section('What this listener accepts at most.', {
    connections: count(
      { is: 'Live connections; further ones are closed at once and counted.', initial: 'unlimited' },
      { min: 1, max: limit.CONNECTIONS_MAX, zero: UNLIMITED },
    ),
    connectionsPerAddress: count(
      { is: 'Live connections of one client address, after the PROXY header. Raise it for clients behind one NAT.', initial: 1000 },
      { min: 1, max: limit.CONNECTIONS_MAX, zero: UNLIMITED },
    ),
    acceptRate: rate(
      { is: 'Accepted connections each second, with a burst of one second; guards against reconnect storms.', initial: 'unlimited' },
      { min: 1, max: 1_000_000, zero: UNLIMITED },
    ),
    buffer: section('Bytes that one connection may hold for a slow reader, in each direction.', {
      high: size({ is: 'Reading from the faster side pauses here.', initial: '64KiB' }, { min: 4 * KIB, max: 16 * MIB }),
      low: size({ is: 'Reading goes on here.', initial: '32KiB' }, { min: 0, max: 16 * MIB }),
    }),
  }),
  timeouts: section('When connections of this listener are closed.', {
    idle: duration({ is: 'No byte in either direction for this long.', initial: '1h' }, { min: SECOND, max: 30 * DAY, zero: NEVER }),
    halfClose: duration(
      { is: 'One side has ended its direction, and the other stays open for this long.', initial: '60s' },
      { min: SECOND, max: 30 * DAY, zero: NEVER },
    ),
    maxAge: maxAge.prefault('never').meta({
      description: 'Age at which a connection is closed: a duration, or a map with `value` and `jitter`.',
      'x-shorthand': { type: 'string', examples: ['24h', 'never'] },
    }),
  }),
  socket,
  accessLog: flag({ is: 'Writes access records for this listener.', initial: true }),
  cluster: text({ is: 'Cluster that connections go to.', example: 'brokers' }, 'cluster', parseName),
});

const endpoint = shorthand(
  z.strictObject({
    address: field(
      parseEndpoint,
      { is: 'IP or DNS name and port, or `unix:` and a path. A name stands for all its addresses.', example: '10.0.1.10:1883' },
      { kind: 'address', json: { type: 'string' } },
    ),
    weight: count({ is: 'Share of new connections, relative to the other endpoints.', initial: 1 }, { min: 1, max: 256 }),
    connections: count(
      { is: 'Live connections this endpoint takes at most.', initial: 'unlimited' },
      { min: 1, max: limit.CONNECTIONS_MAX, zero: UNLIMITED },
    ),
  }),
  'address',
  { type: 'string', examples: ['10.0.1.10:1883', 'broker.internal:1883', 'unix:/run/app.sock'] },
);

const healthCheck = z
  .strictObject({
    type: choice({ is: '`tcp` opens a connection and closes it.', initial: 'tcp' }, ['tcp']),
    interval: duration({ is: 'Time between two checks of one endpoint.', initial: '5s' }, { min: 100, max: HOUR }),
    timeout: duration({ is: 'A check that takes longer has failed.', initial: '2s' }, { min: 10, max: 5 * MINUTE }),
    unhealthyAfter: count({ is: 'Failed checks in a row that take an endpoint out.', initial: 3 }, { min: 1, max: 100 }),
    healthyAfter: count({ is: 'Good checks in a row that bring it back.', initial: 2 }, { min: 1, max: 100 }),
    jitter: permille({ is: 'Spreads the checks over the interval.', initial: '10%' }),
  })
  .optional()
  .meta({ description: 'Active checks; without this map, endpoints count as healthy until connecting fails.' });

const cluster = z.strictObject({
  name: text({ is: 'Name that listeners refer to; unique among clusters.', example: 'brokers' }, 'name', parseName),
  balance: choice(
    {
      is: 'How the endpoint of a new connection is chosen. Every choice honours weights; `weighted` is another word for `round-robin`. `maglev` and `ring-hash` keep a client address on its endpoint.',
      initial: 'least-connections',
    },
    ['round-robin', 'random', 'least-connections', 'least-request', 'maglev', 'ring-hash'],
    { weighted: 'round-robin' },
  ),
  endpoints: z.array(endpoint).meta({
    description: 'Where connections go: addresses, or maps with `address`, `weight` and `connections`.',
    examples: [['10.0.1.10:1883', { address: 'broker.internal:1883', weight: 2 }]],
  }),
  connect: section('How endpoints are connected to.', {
    timeout: duration({ is: 'A connect that takes longer has failed.', initial: '3s' }, { min: 10, max: 5 * MINUTE }),
    retries: count({ is: 'Further endpoints tried after a failed connect.', initial: 1 }, { min: 0, max: 10 }),
  }),
  healthCheck,
  ejection: section('How endpoints that refuse connections are left alone for a while.', {
    afterFailures: count(
      { is: 'Failed connects in a row that eject an endpoint.', initial: 5 },
      { min: 1, max: 1000, zero: ['off'] },
    ),
    base: duration({ is: 'Length of the first ejection; each further one is longer by this.', initial: '10s' }, { min: 100, max: HOUR }),
    max: duration({ is: 'Longest ejection.', initial: '5m' }, { min: 100, max: DAY }),
    atMost: percent({ is: 'Share of endpoints that may be ejected at once.', initial: '50%' }),
    panic: percent({ is: 'Below this share of usable endpoints all are used: a bad endpoint is better than an overloaded one.', initial: '30%' }),
  }),
  slowStart: duration(
    { is: 'An endpoint that turns healthy takes its full share only after this time.', initial: 'off' },
    { min: SECOND, max: HOUR, zero: NEVER },
  ),
  proxyProtocol: choice({ is: 'PROXY header sent to endpoints, so that they see the client address.', initial: 'off' }, ['off', 'v1', 'v2']),
  netns: text(
    { is: 'Network namespace to connect from.', example: 'blue' },
    'name',
    parseNetns,
  ).optional(),
  socket,
  dns: section('How DNS names among the endpoints are followed.', {
    refreshMin: duration({ is: 'A shorter TTL counts as this.', initial: '5s' }, { min: SECOND, max: HOUR }),
    refreshMax: duration({ is: 'A longer TTL counts as this.', initial: '5m' }, { min: SECOND, max: DAY }),
    resolvers: oneOrMore(
      field(parseResolver, { is: 'An IP, with or without port.', example: '10.0.0.2' }, { kind: 'address', json: { type: 'string' } }),
    )
      .optional()
      .meta({ description: 'DNS resolvers to ask; without this list, those of the machine.', examples: [['10.0.0.2', '10.0.0.3:5353']] }),
    family: choice({ is: 'Which addresses of a name are used.', initial: 'any' }, ['any', 'ipv4', 'ipv6']),
  }),
});

const adminTcp = shorthand(
  z.strictObject({
    bind: field(parseBind, { is: 'IP and port; 127.0.0.1 unless you know why not.', example: '127.0.0.1:9901', lifetime: 'restart' }, {
      kind: 'address',
      json: { type: 'string' },
    }),
    tokenFile: text({ is: 'File whose first line is the token that requests carry.', example: '/etc/holdfast/token' }, 'path', parseFilePath).optional(),
    token: text(
      { is: 'The token itself, best as a reference: `${env:NAME}` or `${file:path}`.', example: '${env:HOLDFAST_TOKEN}' },
      'secret',
      parseToken,
    ).optional(),
  }),
  'bind',
  { type: 'string', examples: ['127.0.0.1:9901'] },
);

/** The whole language. */
export const configSchema = z.strictObject({
  version: field(parseVersion, { is: 'Version of this language.', example: 1 }, { kind: 'number', json: { const: 1 } }),
  shards: countOrAuto(
    { is: 'Worker threads that carry connections; `auto` is one for each core that the process may use.', initial: 'auto', lifetime: 'restart' },
    { min: 1, max: limit.SHARDS_MAX },
  ),
  distribution: choice(
    {
      is: 'How accepted connections are given to shards. Long-lived connections stay balanced only by counting them.',
      initial: 'least-connections',
    },
    ['least-connections', 'round-robin'],
  ),
  admin: section('Where the admin API answers; `holdfast conns` and its like use it.', {
    socket: field<string | null>(
      (value) => {
        if (value === 'off' || value === null || value === false) return { ok: true, value: null };
        if (typeof value === 'string') return parseUnixPath(value.replace(/^unix:/, ''));
        return { ok: false, fault: { name: 'wrongType', message: 'the admin socket is a path', hint: 'write "./holdfast.sock" or "off"' } };
      },
      { is: 'Path of the Unix socket, made with mode 0600; `off` for none.', initial: './holdfast.sock', lifetime: 'restart' },
      { kind: 'path', json: { type: 'string' }, limits: 'at most 107 bytes, or "off"' },
    ),
    tcp: adminTcp.optional().meta({
      description: 'Also answers over TCP, with a token in `Authorization: Bearer`.',
      'x-shorthand': { type: 'string', examples: ['127.0.0.1:9901'] },
    }),
  }),
  log: section('The process log, and one access record for each connection.', {
    level: choice({ is: 'Least severe messages that are logged. `holdfast log-level` changes it while running.', initial: 'info' }, [
      'trace',
      'debug',
      'info',
      'warn',
      'error',
      'fatal',
    ]),
    access: text(
      { is: 'Where access records go: `stdout`, `stderr`, `off`, or a file.', initial: 'stdout', lifetime: 'restart' },
      'path',
      parseFilePath,
    ),
    accessInterval: duration(
      { is: 'Connections that live longer are recorded at this interval too.', initial: '1h' },
      { min: SECOND, max: 7 * DAY, zero: NEVER },
    ),
    format: choice({ is: 'Form of the process log: `auto` is `pretty` on a terminal and `json` elsewhere.', initial: 'auto', lifetime: 'restart' }, [
      'auto',
      'json',
      'pretty',
    ]),
  }),
  limits: section('Limits of the whole process.', {
    connections: countOrAuto(
      {
        is: 'Live proxied connections; at the limit, new ones are closed at once. `auto` is what the limit of open files allows: two for each connection, after a reserve of 256.',
        initial: 'auto',
        lifetime: 'restart',
      },
      { min: 1, max: limit.CONNECTIONS_MAX },
    ),
    memory: size(
      { is: 'Bytes that all connections together may hold for slow readers.', initial: '512MiB', lifetime: 'restart' },
      { min: MIB, max: 1024 * 1024 * MIB },
    ),
    memoryPerShard: sizeOrAuto(
      { is: 'The same for one shard; `auto` is an equal part of `memory`.', initial: 'auto', lifetime: 'restart' },
      { min: 256 * KIB, max: 1024 * 1024 * MIB },
    ),
  }),
  drain: section('How the gateway leaves on SIGTERM and on `holdfast drain`.', {
    readinessDelay: duration(
      { is: 'Time between failing readiness and the first close, for load balancers to look elsewhere.', initial: '5s' },
      { min: 0, max: HOUR },
    ),
    over: duration({ is: 'Closes are spread at random over this window, so that clients do not return all at once.', initial: '30s' }, { min: 0, max: DAY }),
    grace: duration({ is: 'Time to flush after the window; then what is left is cut.', initial: '10s' }, { min: 0, max: HOUR }),
  }),
  listeners: z.array(listener).meta({ description: 'Where connections come from; at most 256.' }),
  clusters: z.array(cluster).meta({ description: 'Where connections go to; at most 1024, with 16384 endpoints in all.' }),
});

/** What the schema yields: complete, in base units, under human names. */
export type ParsedConfig = z.output<typeof configSchema>;
