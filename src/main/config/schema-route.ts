/**
 * The part of the language that describes hosts and routes of HTTP: which requests, and what
 * becomes of them.
 *
 * Path: schema-http.ts uses it; see schema.ts for the whole.
 * Invariant: each field is parsed alone. What goes together (one action, one kind of path, no
 * route twice) is for check-http.ts and check-route.ts; patterns, paths and rewrites are for the
 * core, whose faults check-native-routes.ts puts into place.
 */
import { z } from 'zod';
import {
  choice,
  count,
  duration,
  field,
  flag,
  oneOrMore,
  section,
  shorthand,
  size,
  text,
} from './field.ts';
import { maxAge } from './schema-age.ts';
import { filters } from './schema-filters.ts';
import { match } from './schema-match.ts';
import { DAY, HOUR, MIB, NEVER, SECOND, UNLIMITED } from './schema-socket.ts';
import { parseName } from './values.ts';
import {
  parseContent,
  parseCookieName,
  parseCookiePath,
  parseFieldText,
  parseHeaderName,
  parseHostHeader,
  parseHostName,
  parseHttpText,
  parseLabel,
  parseQueryName,
  parseRedirectStatus,
  parseStatus,
} from './values-http.ts';

/** Words of `retry.on`, as the core has them. */
export const RETRY_WORDS = [
  'connect',
  'reset',
  'timeout',
  '502',
  '503',
  '504',
  '5xx',
  '429',
  'unsafe',
  'hedge',
] as const;

const RETRY_WORD = choice({ is: 'A word.' }, RETRY_WORDS);

const anyCaseWord = (value: unknown): unknown => (typeof value === 'number' ? `${value}` : value);

const edits = z
  .record(z.string(), text({ is: 'A template.' }, 'template', parseHttpText))
  .optional();

function headerEdits(whose: string, example: string) {
  return z
    .strictObject({
      remove: oneOrMore(text({ is: 'A name.' }, 'header name', parseHeaderName))
        .optional()
        .meta({ description: 'Headers that are taken out, first.', 'x-example': ['x-debug'] }),
      set: edits.meta({
        description:
          'Headers that get this value instead of what they had, by name. Values are templates: `%{client.address}`.',
        'x-example': { [example]: '%{client.address}' },
        'x-kind': 'map of templates',
      }),
      add: edits.meta({
        description: 'Headers that are added to those that are there, by name.',
        'x-example': { 'x-hop': 'edge' },
        'x-kind': 'map of templates',
      }),
    })
    .optional()
    .meta({ description: `Changes to the headers of ${whose}.` });
}

const webSocket = shorthand(
  z.strictObject({
    allow: flag({ is: 'Takes upgrades to WebSocket.', initial: true }),
    idle: duration(
      { is: 'No message in either direction for this long ends the connection.', initial: '1h' },
      { min: SECOND, max: 30 * DAY, zero: NEVER },
    ),
    countPings: flag({ is: 'Pings and pongs count against `idle` too.', initial: false }),
    ping: duration(
      { is: 'The gateway pings clients that were silent for this long.', initial: 'off' },
      { min: SECOND, max: DAY, zero: NEVER },
    ),
    pong: duration(
      { is: 'And closes when nothing came for so long after its ping.', initial: '10s' },
      { min: 100, max: HOUR },
    ),
    maxFrame: size(
      { is: 'Frames that announce more are refused with 1009.', initial: '16MiB' },
      { min: 125, max: 1024 * 1024 * MIB, zero: UNLIMITED },
    ),
    validate: flag({
      is: 'Reads frames whole and refuses what is no WebSocket or no UTF-8. Without it only their lengths are looked at.',
      initial: false,
    }),
    maxAge: maxAge.prefault('never').meta({
      description: 'Age at which a connection is closed: a duration, or a map.',
    }),
  }),
  'allow',
  { type: 'boolean', examples: [true] },
);

const hash = z.strictObject({
  header: text(
    { is: 'Value of this header.', example: 'x-user' },
    'name',
    parseHeaderName,
  ).optional(),
  cookie: text({ is: 'Value of this cookie.', example: 'sid' }, 'name', parseCookieName).optional(),
  ttl: duration(
    {
      is: 'Who comes without the cookie gets one for this long; `off`: none is given.',
      initial: 'off',
    },
    { min: SECOND, max: 400 * DAY, zero: ['off'] },
  ),
  path: text({ is: 'Path of the cookie that is given.', initial: '/' }, 'path', parseCookiePath),
  query: text(
    { is: 'Value of this parameter of the query.', example: 'user' },
    'name',
    parseQueryName,
  ).optional(),
  address: flag({ is: 'The client address, as without this map.' }).optional(),
});

const redirect = shorthand(
  z.strictObject({
    to: text(
      {
        is: 'Template of the Location: `%{host}`, `%{path}` and others stand for parts of the request.',
        example: 'https://%{host}%{path}',
      },
      'template',
      parseHttpText,
    ),
    status: field(
      parseRedirectStatus,
      { is: 'Its status.', initial: 308 },
      {
        kind: 'number',
        json: { enum: [301, 302, 303, 307, 308] },
        limits: '301, 302, 303, 307 or 308',
      },
    ),
  }),
  'to',
  { type: 'string', examples: ['https://%{host}%{path}'] },
);

const respond = shorthand(
  z.strictObject({
    status: field(
      parseStatus,
      { is: 'Its status.', example: 403 },
      { kind: 'number', json: { type: 'integer' }, limits: '200 to 599' },
    ),
    body: text({ is: 'Template of its content.', initial: '' }, 'template', parseContent),
    contentType: text(
      { is: 'Content-Type, when there is content.', initial: 'text/plain; charset=utf-8' },
      'text',
      parseFieldText,
    ),
  }),
  'status',
  { type: 'integer', examples: [404] },
);

const clusterName = (is: string, example: string) => text({ is, example }, 'cluster', parseName);

/** One route. */
export const route = z.strictObject({
  name: text(
    {
      is: 'Name in metrics and logs, unique in the listener. Without it, the first name of the host, a colon and the path.',
      example: 'rooms',
    },
    'name',
    parseName,
  ).optional(),
  match: match.optional().meta({
    description: 'Which requests: a path, or a map. Without it, all of the host.',
  }),
  cluster: clusterName('Cluster that such requests go to.', 'chat').optional(),
  split: z
    .array(
      z.strictObject({
        cluster: clusterName('Name of a cluster.', 'chat-v2'),
        weight: count(
          { is: 'Its share, against the sum of all weights; 0: nothing.', initial: 1 },
          { min: 0, max: 1_000_000 },
        ),
      }),
    )
    .min(1)
    .optional()
    .meta({
      description: 'Several clusters that such requests are shared between.',
      'x-example': [
        { cluster: 'chat', weight: 9 },
        { cluster: 'chat-v2', weight: 1 },
      ],
    }),
  redirect: redirect.optional().meta({
    description: 'Sends the client elsewhere: a template, or a map.',
  }),
  respond: respond.optional().meta({
    description: 'Answers without an endpoint: a status, or a map.',
  }),
  rewrite: z
    .strictObject({
      prefix: text(
        { is: 'Takes the place of what the path of the route matched.', example: '/v2' },
        'path',
        parseHttpText,
      ).optional(),
      regex: text(
        {
          is: 'A regular expression; every match in the path is replaced by `to`.',
          example: 'x(.)',
        },
        'pattern',
        parseHttpText,
      ).optional(),
      to: text(
        {
          is: 'What takes its place; `\\1` to `\\9` are groups, `\\0` is all of it.',
          example: 'y\\1',
        },
        'text',
        parseHttpText,
      ).optional(),
    })
    .optional()
    .meta({ description: 'Changes the path that endpoints get: `prefix`, or `regex` with `to`.' }),
  host: text(
    { is: 'Host that endpoints get, instead of that of the client.', example: 'app.internal' },
    'host',
    parseHostHeader,
  ).optional(),
  requestHeaders: headerEdits('requests, before an endpoint gets them', 'x-client'),
  responseHeaders: headerEdits('responses, before the client gets them', 'x-served-to'),
  websocket: webSocket.optional().meta({
    description: 'Upgrades to WebSocket: `true`, or a map. Without it they are refused with 403.',
  }),
  timeouts: section('How long such requests may take.', {
    request: duration(
      {
        is: 'From the last byte of the request to the head of the response; `never` for requests that wait for something to happen.',
        initial: '30s',
      },
      { min: 1, max: DAY, zero: NEVER },
    ),
    perTry: duration(
      { is: 'The same for one try, where there may be several.', initial: 'never' },
      { min: 1, max: DAY, zero: NEVER },
    ),
    idle: duration(
      {
        is: 'No byte of content in either direction for this long ends the exchange.',
        initial: '5m',
      },
      { min: 100, max: 30 * DAY, zero: NEVER },
    ),
  }),
  body: size(
    { is: 'Content that a request may have; more is refused with 413.', initial: 'unlimited' },
    { min: 1, max: 1024 * 1024 * MIB, zero: UNLIMITED },
  ),
  retry: shorthand(
    z.strictObject({
      on: z
        .preprocess(
          (value) => (Array.isArray(value) ? value.map(anyCaseWord) : [anyCaseWord(value)]),
          z.array(RETRY_WORD).min(1),
        )
        .prefault(['connect'])
        .meta({
          description:
            'After what: `connect` (nothing was sent), `reset` (the endpoint ended without an answer), `timeout` (of `perTry`), or statuses; with `hedge` a try that took longer than `perTry` goes on beside the next one, and the first answer counts. All but `connect` are for requests that may be repeated (RFC 9110 9.2.2); with `unsafe` for every request.',
          'x-example': ['connect', 'reset', '503'],
          'x-lone-item': true,
        }),
      attempts: count(
        { is: 'Further tries, each with another endpoint where there is one.', initial: 1 },
        { min: 1, max: 10, zero: ['off'] },
      ),
    }),
    'attempts',
    { type: ['string', 'integer'], examples: ['off', 2] },
  )
    .prefault({})
    .meta({ description: 'Further tries after one that failed: a map, a number, or `off`.' }),
  hash: hash.optional().meta({
    description:
      'What requests are told apart by in clusters that balance by hash (`maglev`, `ring-hash`): one of `header`, `cookie`, `query`, `address`. Without it, the client address.',
  }),
  subset: z
    .record(
      z.string(),
      field(parseLabel, { is: 'A text.' }, { kind: 'text', json: { type: ['string', 'number'] } }),
    )
    .optional()
    .meta({
      description: 'Labels that endpoints of the cluster must have to be chosen.',
      'x-example': { version: 'v2' },
      'x-kind': 'map of texts',
    }),
  filters: filters('Filters of the requests that this route takes, after those of the listener.'),
});

/** Hosts with their routes. */
export const hosts = z
  .array(
    z.strictObject({
      names: oneOrMore(
        text(
          { is: 'A host name, `*.` and a host name, or `*`.', example: 'a.example' },
          'host name',
          parseHostName,
        ),
      )
        .prefault(['*'])
        .meta({
          description:
            'Host names: exact ones, `*.` and a name for any number of labels in front, or `*` for all that no other host has. An exact name is preferred, then the longest wildcard.',
          'x-example': ['chat.example.com', '*.chat.example.com'],
        }),
      order: choice(
        {
          is: 'Which of several routes that fit is taken: the most specific one, or the first one listed.',
          initial: 'specificity',
        },
        ['specificity', 'listed'],
      ),
      routes: z.array(route).min(1).meta({
        description:
          'What becomes of requests to these hosts. Each route has one of `cluster`, `split`, `redirect`, `respond`; a request that no route takes is answered with 404.',
      }),
    }),
  )
  .min(1)
  .optional()
  .meta({
    description:
      'Routes by host. Without this list every request goes to the `cluster` of the listener, WebSockets included.',
  });
