/**
 * The part of the language that describes HTTP on a listener: what requests may cost, what is
 * believed and told about clients, and the routes.
 *
 * Path: schema-listener.ts uses it; see schema.ts for the whole.
 * Invariant: the defaults are safe towards the open Internet: what two parsers could read in two
 * ways is refused, and nobody's word about the client is taken.
 */
import { z } from 'zod';
import { parseCidr } from './address.ts';
import { choice, count, duration, field, flag, section, size, text } from './field.ts';
import * as limit from './limits.ts';
import { hosts } from './schema-route.ts';
import { HOUR, KIB, MINUTE, NEVER, UNLIMITED } from './schema-socket.ts';
import { parseProduct, parseVia } from './values-http.ts';

/** The key is that of the header which names the software (RFC 9110 10.2.4). */
const PRODUCT = 'server';

/** A list that may be empty, or be written as its only item; `off` is an empty one. */
function listOf<Item extends z.ZodType>(item: Item) {
  const expand = (value: unknown): unknown => {
    if (value === 'off' || value === false) return [];
    return Array.isArray(value) || value === undefined ? value : [value];
  };
  return z.preprocess(expand, z.array(item));
}

/** HTTP of a listener. */
export const listenerHttp = section('HTTP, where `protocol` is `http`.', {
  limits: section('What requests may cost.', {
    head: size(
      {
        is: 'Bytes of the head of a request, or of a response. More is refused with 431.',
        initial: '32KiB',
      },
      { min: KIB, max: limit.HEAD_BYTES_MAX },
    ),
    target: size(
      { is: 'Bytes of the target of a request. More is refused with 414.', initial: '8KiB' },
      { min: 64, max: limit.HEAD_BYTES_MAX },
    ),
    fields: count(
      { is: 'Header fields of a head. More is refused with 431.', initial: 100 },
      { min: 8, max: limit.HEAD_FIELDS_MAX },
    ),
    requests: count(
      { is: 'Requests on one connection, which is then closed.', initial: 1000 },
      { min: 1, max: 1_000_000_000, zero: UNLIMITED },
    ),
  }),
  timeouts: section('How long clients may take.', {
    head: duration(
      { is: 'From the first byte of a head to its last.', initial: '10s' },
      { min: 100, max: 10 * MINUTE },
    ),
    keepAlive: duration(
      { is: 'Silence between two requests; then the connection is closed.', initial: '60s' },
      { min: 100, max: HOUR, zero: NEVER },
    ),
    body: duration(
      {
        is: 'No byte of the content of a request for this long, or of a response to a client that is behind; content below 500 bytes a second, over 20 s, counts as none. `never` turns both off.',
        initial: '30s',
      },
      { min: 100, max: HOUR, zero: NEVER },
    ),
  }),
  paths: section('How paths are brought into one form, before routes and endpoints see them.', {
    mergeSlashes: flag({ is: 'Takes `//` for `/`.', initial: true }),
    escapedSlashes: choice(
      {
        is: '`%2F` in a path, which some endpoints take for a slash: `refuse` answers with 400, `keep` leaves it as it is.',
        initial: 'refuse',
      },
      ['refuse', 'keep'],
    ),
  }),
  underscores: choice(
    {
      is: 'Field names with `_`, which some endpoints take for `-`: `refuse` answers with 400, `keep` leaves them as they are.',
      initial: 'refuse',
    },
    ['refuse', 'keep'],
  ),
  trust: listOf(
    field(
      parseCidr,
      { is: 'A network.', example: '10.0.0.0/8' },
      { kind: 'network', json: { type: 'string' } },
    ),
  )
    .prefault([])
    .meta({
      description:
        'Networks of proxies in front, whose X-Forwarded-*, Forwarded, request id and traceparent are believed. What others send of these is replaced.',
      'x-example': ['10.0.0.0/8'],
      'x-lone-item': true,
    }),
  forwarded: listOf(choice({ is: 'A word.' }, ['x-forwarded', 'forwarded']))
    .prefault(['x-forwarded'])
    .meta({
      description:
        'How endpoints are told about the client: `x-forwarded` (X-Forwarded-For, -Proto, -Host), `forwarded` (RFC 7239), both, or `off`.',
      'x-example': ['x-forwarded', 'forwarded'],
      'x-lone-item': true,
    }),
  requestId: flag({
    is: 'Gives each request an X-Request-Id, which is also in access records.',
    initial: true,
  }),
  trace: choice(
    {
      is: 'W3C traceparent: `pass` leaves it as it is, `create` makes one where there is none, `remove` takes it out.',
      initial: 'pass',
    },
    ['pass', 'create', 'remove'],
  ),
  via: field(
    parseVia,
    { is: 'Pseudonym of this gateway in Via; `off`: it is not named.', initial: 'off' },
    { kind: 'text', json: { type: 'string' }, limits: 'one word, or "off"' },
  ),
  [PRODUCT]: text(
    {
      is: 'Server of all responses; `pass` leaves what the endpoint says, and names none for responses that the gateway makes itself.',
      initial: 'pass',
    },
    'text',
    parseProduct,
  ),
  hosts,
});
