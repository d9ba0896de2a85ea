/**
 * The configuration of `holdfast/ext-auth`.
 *
 * Path: src/main/filters checks with it; ext-auth.ts gets what it yields.
 * Invariant: every status has one meaning: allowed, denied, or a failure of the service.
 */
import * as z from 'zod';
import { duration, headerName, keyPart, settableHeaderName } from '../parts/index.ts';

const NAMES_MAX = 32;
const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/;
const CONNECTIONS_MAX = 4096;
const CACHE_ENTRIES_MAX = 100_000;
const TO_CLIENT = ['www-authenticate', 'location', 'set-cookie', 'content-type', 'retry-after'];

const URL_ERROR = 'must be an http or https URL without a user';
const STATUS_ERROR = 'must be a status from 200 to 499, or a class: "2xx", "3xx", "4xx"';
const CLASSES: Readonly<Record<string, number>> = { '2xx': 200, '3xx': 300, '4xx': 400 };

function isServiceUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.hash === '';
}

/** Statuses, or classes of them; yields a test. */
const allow = z
  .array(
    z.union([z.int().min(200).max(499), z.enum(['2xx', '3xx', '4xx'])], { error: STATUS_ERROR }),
  )
  .min(1)
  .transform((list) => {
    const statuses = list.flatMap((one) => {
      if (typeof one === 'number') return [one];
      return Array.from({ length: 100 }, (_, index) => (CLASSES[one] ?? 0) + index);
    });
    return new Set(statuses);
  });

const clientStatus = z.int().min(300).max(599);

/** What a status of the service becomes for the client. */
const denyStatus = z.record(z.string(), clientStatus).transform((map, about) => {
  const statuses = new Map<number, number>();
  for (const [from, to] of Object.entries(map)) {
    if (/^[234]\d\d$/.test(from)) {
      statuses.set(Number(from), to);
    } else {
      const message = 'must be a status from 200 to 499';
      about.addIssue({ code: 'custom', path: [from], message });
    }
  }
  return statuses;
});

/** The schema of what stands under `with`. */
export const EXT_AUTH_CONFIG = z.strictObject({
  url: z.string({ error: URL_ERROR }).refine(isServiceUrl, URL_ERROR),
  method: z.string().regex(METHOD, 'must be a method, or "same"').default('GET'),
  appendTarget: z.boolean().default(false),
  timeout: duration({ from: '1ms', to: '10s' }).prefault('500ms'),
  send: z
    .union([z.literal('all'), z.array(headerName).max(NAMES_MAX)], {
      error: 'must be "all" or a list of header fields',
    })
    .default(['authorization', 'cookie']),
  toRequest: z.array(settableHeaderName).max(NAMES_MAX).default([]),
  toClient: z.array(settableHeaderName).max(NAMES_MAX).default(TO_CLIENT),
  allow: allow.prefault(['2xx']),
  denyStatus: denyStatus.prefault({}),
  onFailure: z.enum(['closed', 'open'], { error: 'must be "closed" or "open"' }).default('closed'),
  failureStatus: z.int().min(400).max(599).default(503),
  connectionsMax: z.int().min(1).max(CONNECTIONS_MAX).default(64),
  cache: z
    .strictObject({
      by: z.array(keyPart).min(1, 'must name what tells requests apart').max(NAMES_MAX),
      ttl: duration({ from: '1ms', to: '10m' }).prefault('5s'),
      entries: z.int().min(1).max(CACHE_ENTRIES_MAX).default(1000),
    })
    .optional(),
});

/** The configuration as ext-auth.ts gets it. */
export type ExtAuthConfig = z.infer<typeof EXT_AUTH_CONFIG>;
