/**
 * Conditions of native filters: `when: { path: /api, address: 10.0.0.0/8, not: { tls: true } }`.
 *
 * Path: rules of rbac and `when` of the other filters; the core evaluates what comes out.
 * Invariant: all fields of a map hold together, and one item of a list is enough. A condition that
 * says nothing always holds.
 */
import { z } from 'zod';
import type { PolicyTestInput, PolicyTextTestInput } from '../../../../native/epoll/index.ts';
import { parseHeaderName, parseHostName } from '../../config/index.ts';
import { network, oneOrMore, parsed, text } from './fields.ts';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH'] as const;

/** Kinds of comparison, in the order in which they are tried. */
const MATCHES = ['exact', 'prefix', 'suffix', 'regex', 'segments'] as const;

const textName = parsed((value) =>
  typeof value === 'string'
    ? parseHeaderName(value)
    : ({
        ok: false,
        fault: { name: 'wrongType', message: 'a name is text', hint: '' },
      } as const),
);

const host = parsed((value) => parseHostName(typeof value === 'string' ? value : ''));

const values = oneOrMore(text).optional();

const comparison = { exact: values, prefix: values, suffix: values, regex: values };

/** A lone text, or a list of them, stands for `{ [key]: ... }`. */
function short<Inner extends z.ZodType>(inner: Inner, key: string) {
  const expand = (value: unknown): unknown =>
    typeof value === 'string' || Array.isArray(value) ? { [key]: value } : value;
  return z.preprocess(expand, inner).optional();
}

const named = z
  .strictObject({
    name: textName,
    ...comparison,
    present: z.boolean().optional(),
    invert: z.boolean().optional(),
  })
  .array()
  .optional();

const textMatch = z.strictObject(comparison);

/** What a condition looks like. */
export interface Condition {
  readonly all?: readonly Condition[] | undefined;
  readonly any?: readonly Condition[] | undefined;
  readonly not?: Condition | undefined;
  readonly address?: readonly string[] | undefined;
  readonly tls?: boolean | undefined;
  readonly methods?: readonly string[] | undefined;
  readonly hosts?: readonly string[] | undefined;
  readonly path?: Comparison | undefined;
  readonly headers?: readonly NamedComparison[] | undefined;
  readonly query?: readonly NamedComparison[] | undefined;
  readonly cookies?: readonly NamedComparison[] | undefined;
  readonly subject?: Comparison | undefined;
  readonly san?: Comparison | undefined;
}

type Comparison = { readonly [Match in (typeof MATCHES)[number]]?: readonly string[] | undefined };

interface NamedComparison extends Comparison {
  readonly name: string;
  readonly present?: boolean | undefined;
  readonly invert?: boolean | undefined;
}

/** The fields of a condition. */
export const CONDITION_KEYS: readonly (keyof Condition)[] = [
  'all',
  'any',
  'not',
  'address',
  'tls',
  'methods',
  'hosts',
  'path',
  'headers',
  'query',
  'cookies',
  'subject',
  'san',
];

/** A condition. */
export const condition: z.ZodType<Condition> = z.lazy(() =>
  z.strictObject({
    all: z.array(condition).optional(),
    any: z.array(condition).optional(),
    not: condition.optional(),
    address: oneOrMore(network).optional(),
    tls: z.boolean().optional(),
    methods: oneOrMore(z.enum(METHODS)).optional(),
    hosts: oneOrMore(host).optional(),
    path: short(z.strictObject({ ...comparison, segments: values }), 'segments'),
    headers: named,
    query: named,
    cookies: named,
    subject: short(textMatch, 'exact'),
    san: short(textMatch, 'exact'),
  }),
);

type Source = PolicyTextTestInput['source'];

/** A condition that always holds. */
export const ALWAYS: PolicyTestInput = { kind: 'all', parts: [] };

function joined(kind: 'all' | 'any', parts: readonly PolicyTestInput[]): PolicyTestInput {
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : { kind, parts };
}

function not(part: PolicyTestInput): PolicyTestInput {
  return { kind: 'not', parts: [part] };
}

function textTests(source: Source, name: string, compared: Comparison): PolicyTestInput[] {
  return MATCHES.flatMap((match): PolicyTestInput[] => {
    const given = compared[match];
    return given === undefined ? [] : [{ kind: 'text', source, name, match, values: given }];
  });
}

function namedTest(source: Source, compared: NamedComparison): PolicyTestInput {
  const { name, present, invert } = compared;
  const tests = textTests(source, name, compared);
  const isThere: PolicyTestInput = { kind: 'text', source, name, match: 'present', values: [] };
  if (present !== undefined || tests.length === 0) {
    tests.push(present === false ? not(isThere) : isThere);
  }
  const test = joined('all', tests);
  return invert === true ? not(test) : test;
}

function hostTest(hosts: readonly string[]): PolicyTestInput {
  if (hosts.includes('*')) return ALWAYS;
  const wide = hosts.filter((name) => name.startsWith('*.')).map((name) => name.slice(1));
  const exact = hosts.filter((name) => !name.startsWith('*.'));
  const tests: PolicyTestInput[] = [];
  const base = { kind: 'text', source: 'host', name: '' } as const;
  if (exact.length > 0) tests.push({ ...base, match: 'exact', values: exact });
  if (wide.length > 0) tests.push({ ...base, match: 'suffix', values: wide });
  return joined('any', tests);
}

/** A condition as the core takes it. */
export function toTest(from: Condition | undefined): PolicyTestInput {
  if (from === undefined) return ALWAYS;
  const parts: PolicyTestInput[] = [];
  if (from.address !== undefined) parts.push({ kind: 'address', networks: from.address });
  if (from.tls !== undefined) parts.push(from.tls ? { kind: 'tls' } : not({ kind: 'tls' }));
  if (from.methods !== undefined) parts.push({ kind: 'method', methods: from.methods });
  if (from.hosts !== undefined) parts.push(hostTest(from.hosts));
  for (const [source, compared] of [
    ['path', from.path],
    ['subject', from.subject],
    ['altName', from.san],
  ] as const) {
    if (compared !== undefined) parts.push(joined('any', textTests(source, '', compared)));
  }
  parts.push(...(from.headers ?? []).map((one) => namedTest('header', one)));
  parts.push(...(from.query ?? []).map((one) => namedTest('query', one)));
  parts.push(...(from.cookies ?? []).map((one) => namedTest('cookie', one)));
  parts.push(...(from.all ?? []).map(toTest));
  if (from.any !== undefined) parts.push(joined('any', from.any.map(toTest)));
  if (from.not !== undefined) parts.push(not(toTest(from.not)));
  return joined('all', parts);
}

/** What a condition needs to know. */
export interface TestNeeds {
  /** Something of a request. */
  readonly request: boolean;
  /** What a TLS handshake agreed on. */
  readonly tls: boolean;
}

/** What a condition needs to know: `accept` knows addresses only, `open` TLS too. */
export function needsOf(test: PolicyTestInput): TestNeeds {
  switch (test.kind) {
    case 'all':
    case 'any':
    case 'not': {
      const needs = test.parts.map(needsOf);
      return {
        request: needs.some((one) => one.request),
        tls: needs.some((one) => one.tls),
      };
    }
    case 'address':
      return { request: false, tls: false };
    case 'tls':
      return { request: false, tls: true };
    case 'method':
      return { request: true, tls: false };
    case 'text': {
      const isPeer = test.source === 'subject' || test.source === 'altName';
      return { request: !isPeer, tls: isPeer };
    }
  }
}
