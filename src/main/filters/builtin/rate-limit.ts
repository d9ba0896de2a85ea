/**
 * holdfast/rate-limit: so many requests, connections, messages or bytes in a time, for each key.
 *
 * Path: a native filter. Buckets lie on the board, so that a limit holds for all shards together.
 * Invariant: a use keeps its buckets over reloads. Where the table of buckets is full, requests
 * pass and are counted as such. Bytes are slowed down, everything else is refused.
 */
import { z } from 'zod';
import type { PolicyBase, PolicyKeyInput } from '../../../../native/epoll/index.ts';
import { condition } from './condition.ts';
import {
  type Amount,
  amount,
  DIRECTIONS,
  direction,
  label,
  oneOrMore,
  parsed,
  parseRate,
  perSecond,
  RATE_COUNT_MAX,
  SPEED_MIN,
  status,
  text,
} from './fields.ts';
import { baseOf, type CheckTools, type FilterPlace, nativeFilter } from './native-filter.ts';

/** Parts of a key. */
const KEY_PARTS_MAX = 4;

/** IPv6 clients commonly own a whole /64. */
const IPV6_PREFIX_BITS = 64;

const PLAIN_KEYS = ['address', 'host', 'path', 'method', 'route', 'subject'] as const;

const key = z.union([
  z.enum(PLAIN_KEYS),
  z.strictObject({ header: text }),
  z.strictObject({ cookie: text }),
  z.strictObject({ query: text }),
  z.strictObject({ address: z.strictObject({ ipv6Prefix: z.number().int().min(1).max(128) }) }),
]);

const schema = z.strictObject({
  name: label.optional(),
  shadow: z.boolean().optional(),
  status: status.optional(),
  when: condition.optional(),
  count: z.enum(['requests', 'connections', 'messages', 'bytes']).default('requests'),
  by: oneOrMore(key, KEY_PARTS_MAX).default(['address']),
  rate: parsed(parseRate),
  burst: amount.optional(),
  direction: direction.optional(),
  retryAfter: z.boolean().optional(),
  fields: z.boolean().optional(),
});

type Config = z.output<typeof schema>;

function toKey(from: z.output<typeof key>): PolicyKeyInput {
  const prefixBits = IPV6_PREFIX_BITS;
  if (typeof from === 'string') return { kind: from, name: '', prefixBits };
  if ('address' in from) return { kind: 'address', name: '', prefixBits: from.address.ipv6Prefix };
  for (const kind of ['header', 'cookie', 'query'] as const) {
    const name = (from as Readonly<Record<string, string>>)[kind];
    if (name !== undefined) return { kind, name, prefixBits };
  }
  return { kind: 'address', name: '', prefixBits };
}

/** When what is counted is counted, and where that can be. */
const COUNTED: Readonly<
  Record<Config['count'], { phase: PolicyBase['phase']; places: readonly FilterPlace[] }>
> = {
  requests: { phase: 'request', places: ['listener', 'route'] },
  connections: { phase: 'accept', places: ['listener', 'tcp-listener'] },
  messages: { phase: 'none', places: ['listener', 'route'] },
  bytes: { phase: 'none', places: ['listener', 'route', 'tcp-listener'] },
};

/** A wake of the core comes each ten milliseconds: what two of them bring is there at once. */
const BURST_SHARE = 50;

const PLACE_WORDS: Readonly<Record<FilterPlace, string>> = {
  listener: 'a listener with HTTP',
  route: 'a route',
  'tcp-listener': 'a listener without HTTP',
};

/** Keys that are known as soon as a connection is there. */
function checkKeys(config: Config, tools: CheckTools): boolean {
  const isEarly = config.count === 'connections' || tools.place === 'tcp-listener';
  if (!isEarly) return true;
  const known = config.count === 'connections' ? ['address'] : ['address', 'subject'];
  let isKnown = true;
  for (const [i, one] of config.by.entries()) {
    if (known.includes(toKey(one).kind)) continue;
    tools.report(['by', i], `connections are told apart by ${known.join(' and ')} only`);
    isKnown = false;
  }
  return isKnown;
}

/** Reports what is not for the thing that is counted. */
function checkCounted(config: Config, tools: CheckTools): boolean {
  const isBytes = config.count === 'bytes';
  const amounts: readonly [string, boolean | undefined][] = [
    ['rate', config.rate.isSize],
    ['burst', config.burst?.isSize],
  ];
  const wrong: [string, string][] = [];
  for (const [key, isSize] of amounts) {
    if (isSize === true && !isBytes) {
      wrong.push([key, `${config.count} have no size: write a number, or "count: bytes"`]);
    }
  }
  if (!isBytes && config.direction !== undefined) {
    wrong.push(['direction', 'only bytes have a direction: write "count: bytes"']);
  }
  if (isBytes && perSecond(config.rate) < SPEED_MIN) {
    wrong.push(['rate', 'bytes are not slowed down below "1KiB/s"']);
  }
  for (const name of ['status', 'retryAfter', 'fields'] as const) {
    if (!isBytes || config[name] === undefined) continue;
    wrong.push([name, 'bytes are slowed down, and nothing is refused: leave it out']);
  }
  for (const [key, message] of wrong) tools.report([key], message);
  return wrong.length === 0;
}

/** How much may come at once. */
function burstOf(config: Config): number {
  const given: Amount | undefined = config.burst;
  if (config.count !== 'bytes') return given?.value ?? config.rate.count;
  const speed = perSecond(config.rate);
  const burst = Math.max(given?.value ?? speed, speed / BURST_SHARE, SPEED_MIN);
  return Math.min(Math.ceil(burst), RATE_COUNT_MAX);
}

export const rateLimit = nativeFilter({
  schema,
  places: ['listener', 'route', 'tcp-listener'],
  toPolicy(config, tools) {
    const { phase, places } = COUNTED[config.count];
    if (!places.includes(tools.place)) {
      tools.report(['count'], `${PLACE_WORDS[tools.place]} cannot limit ${config.count}`);
      return null;
    }
    if (!checkCounted(config, tools) || !checkKeys(config, tools)) return null;
    if (config.count === 'connections' && config.when !== undefined) {
      const other = Object.keys(config.when).find((one) => one !== 'address');
      if (other !== undefined) {
        tools.report(['when', other], 'of a connection that begins only the address is known');
        return null;
      }
    }
    const isRequests = phase === 'request';
    return {
      ...baseOf('rate-limit', config, tools, 429),
      phase,
      kind: 'rate-limit',
      counted: config.count,
      by: config.by.map(toKey),
      count: config.rate.count,
      periodMs: config.rate.periodMs,
      burst: burstOf(config),
      hasRetryAfter: isRequests && (config.retryAfter ?? true),
      hasFields: isRequests && (config.fields ?? false),
      directions: DIRECTIONS[config.direction ?? 'both'],
    };
  },
});
