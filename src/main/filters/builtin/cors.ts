/**
 * holdfast/cors: which other origins pages may be from that read responses.
 *
 * Path: a native filter. Preflights are answered by the core and go no further; responses get the
 * fields that browsers ask for.
 * Invariant: `*` and credentials exclude each other, as browsers demand (WHATWG Fetch 3.2.5).
 */
import { z } from 'zod';
import type { PolicyTestInput } from '../../../../native/epoll/index.ts';
import { condition } from './condition.ts';
import { duration, label, oneOrMore, text, token } from './fields.ts';
import { baseOf, type CheckTools, nativeFilter } from './native-filter.ts';

/** A day: browsers take no more. */
const MAX_AGE_MS_MAX = 86_400_000;

/** Methods that pages may use without asking, and POST. */
const METHODS = ['GET', 'HEAD', 'POST'];

/** Nobody has a method that differs from one of these by its case. */
const KNOWN_METHODS = new Set([...METHODS, 'PUT', 'DELETE', 'OPTIONS', 'PATCH']);

const schema = z.strictObject({
  name: label.optional(),
  when: condition.optional(),
  origins: oneOrMore(z.union([text, z.strictObject({ regex: text })])),
  methods: oneOrMore(token).default(METHODS),
  headers: oneOrMore(token).default(['*']),
  exposed: oneOrMore(token).optional(),
  credentials: z.boolean().default(false),
  maxAge: duration(0, MAX_AGE_MS_MAX).default(0),
});

const ORIGIN =
  /^(?:null|[a-z][a-z0-9+.-]*:\/\/(?:\*\.)?[a-z0-9._-]+(?::\d{1,5})?|[a-z][a-z0-9+.-]*:\/\/\[[0-9a-f:.]+\](?::\d{1,5})?)$/;

const DEFAULT_PORT = /^(?:http:.*:80|https:.*:443)$/;

/** Lists in which `*` means nothing to browsers, where credentials are allowed. */
const STARRED = ['methods', 'exposed'] as const;

function test(match: 'exact' | 'regex', values: readonly string[]): PolicyTestInput {
  return { kind: 'text', source: 'header', name: 'origin', match, values };
}

/** `https://*.a.example` as a pattern: any labels in front. */
function patternOf(origin: string): string {
  return origin.replace(/[.+^$()|[\]{}?\\]/g, '\\$&').replace('*', '[a-z0-9._-]+');
}

function testOf(
  origins: readonly (string | { readonly regex: string })[],
  { report }: CheckTools,
): PolicyTestInput {
  const exact: string[] = [];
  const patterns: string[] = [];
  for (const [i, origin] of origins.entries()) {
    if (typeof origin !== 'string') patterns.push(origin.regex);
    else if (origin.includes('*')) patterns.push(patternOf(origin));
    else exact.push(origin);
    if (typeof origin === 'string' && origin !== '*' && !ORIGIN.test(origin)) {
      report(['origins', i], `${JSON.stringify(origin)} is no origin: write "https://a.example"`);
    }
    if (typeof origin === 'string' && DEFAULT_PORT.test(origin)) {
      report(['origins', i], 'browsers leave out the port that the scheme has: leave it out here');
    }
  }
  return { kind: 'any', parts: [test('exact', exact), test('regex', patterns)] };
}

export const cors = nativeFilter({
  schema,
  places: ['listener', 'route'],
  toPolicy(config, tools) {
    const isAnyOrigin = config.origins.includes('*');
    if (isAnyOrigin && config.credentials) {
      tools.report(['credentials'], 'browsers refuse credentials where "*" is allowed');
      return null;
    }
    if (isAnyOrigin && config.origins.length > 1) {
      tools.report(['origins'], '"*" allows all origins: leave out the others, or "*"');
    }
    for (const key of STARRED) {
      if (!config.credentials || config[key]?.includes('*') !== true) continue;
      tools.report([key], 'with credentials browsers take "*" for a name: write a list');
    }
    for (const [i, method] of config.methods.entries()) {
      const upper = method.toUpperCase();
      if (method === upper || !KNOWN_METHODS.has(upper)) continue;
      tools.report(['methods', i], `methods are compared with their case: write "${upper}"`);
    }
    return {
      ...baseOf('cors', config, tools, 204),
      kind: 'cors',
      origins: isAnyOrigin ? { kind: 'any', parts: [] } : testOf(config.origins, tools),
      isAnyOrigin,
      hasCredentials: config.credentials,
      methods: config.methods.join(', '),
      headers: config.headers.includes('*') ? '' : config.headers.join(', '),
      exposed: (config.exposed ?? []).join(', '),
      maxAgeSeconds: Math.floor(config.maxAge / 1000),
    };
  },
});
