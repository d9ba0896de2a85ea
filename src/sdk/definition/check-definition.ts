/**
 * Checks the shape of what a module exports: is it something that define* makes, with values that
 * make sense?
 *
 * Path: src/main/filters checks with it before a configuration is used, each shard before it runs a
 * filter.
 * Invariant: pure; reports every fault of a definition, each with the field it is about. Takes
 * nothing for granted: the value comes from a file that somebody wrote.
 */

import { API_VERSION } from '../index.ts';
import { checkCodec } from './check-codec.ts';
import { HOOKS_OF, MESSAGE_BYTES_LIMIT, NEEDED_HEADERS_MAX } from './compile-needs.ts';
import { readDuration } from './read-duration.ts';

/** One thing that is wrong with a definition. */
export interface DefinitionFault {
  /** Like `needs.requestHeaders`; empty for the whole. */
  readonly field: string;
  /** A sentence without a full stop. */
  readonly message: string;
}

type Fields = Readonly<Record<string, unknown>>;
type Report = (field: string, message: string) => void;

const FILTER_KINDS = Object.keys(HOOKS_OF);
const KINDS = [...FILTER_KINDS, 'balancer', 'discovery', 'codec'];
const MARKS = ['kind', 'apiVersion', 'name', 'config'];
const OF_FILTERS = ['onError', 'timeout', 'breaker', 'offload', 'setup', 'dispose', 'begin'];
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const NAME = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const NAME_LENGTH_MAX = 63;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fieldsOf(kind: string): readonly string[] {
  const hooks = Object.keys(HOOKS_OF[kind] ?? {});
  switch (kind) {
    case 'network':
      return [...OF_FILTERS, ...hooks];
    case 'stream':
      return [...OF_FILTERS, 'needs', ...hooks];
    case 'message':
      return [...OF_FILTERS, 'needs', 'order', ...hooks];
    case 'balancer':
      return ['interval', 'weigh'];
    case 'discovery':
      return ['watch'];
    default:
      return ['magic', 'endian', 'frameBytesMax', 'by', 'variants'];
  }
}

function oneOf(fields: Fields, field: string, values: readonly unknown[], report: Report): void {
  if (fields[field] !== undefined && !values.includes(fields[field])) {
    report(field, `must be ${values.map((value) => `"${String(value)}"`).join(' or ')}`);
  }
}

function checkFunctions(fields: Fields, names: readonly string[], report: Report): void {
  for (const name of names) {
    if (fields[name] !== undefined && typeof fields[name] !== 'function') {
      report(name, 'must be a function');
    }
  }
}

function checkHeaderNames(value: unknown, field: string, report: Report): void {
  if (value === undefined || value === true) return;
  if (
    !Array.isArray(value) ||
    value.some((name) => typeof name !== 'string' || !TOKEN.test(name))
  ) {
    report(field, 'must be true or a list of header names');
  } else if (value.length > NEEDED_HEADERS_MAX) {
    report(field, `lists more than ${NEEDED_HEADERS_MAX} names; say true for all of them`);
  }
}

function checkMessageNeeds(needs: Fields, report: Report): void {
  const { messages } = needs;
  if (!isFields(messages)) {
    report('needs.messages', "is missing; say for example { from: 'client' }");
    return;
  }
  const path = (field: string, message: string): void => report(`needs.messages.${field}`, message);
  if (messages['from'] === undefined) path('from', 'is missing');
  oneOf(messages, 'from', ['client', 'endpoint', 'both'], path);
  oneOf(messages, 'larger', ['close', 'pass'], path);
  const { kinds, bytesMax } = messages;
  const isKind = (kind: unknown): boolean => kind === 'text' || kind === 'binary';
  if (kinds !== undefined && !(Array.isArray(kinds) && kinds.length > 0 && kinds.every(isKind))) {
    path('kinds', 'must list "text", "binary" or both');
  }
  const isSize =
    Number.isInteger(bytesMax) && Number(bytesMax) >= 1 && Number(bytesMax) <= MESSAGE_BYTES_LIMIT;
  if (bytesMax !== undefined && !isSize) {
    path('bytesMax', `must be a whole number from 1 to ${MESSAGE_BYTES_LIMIT}`);
  }
}

function checkNeeds(fields: Fields, report: Report): void {
  const needs = fields['needs'];
  if (needs !== undefined && !isFields(needs)) {
    report('needs', 'must be an object');
    return;
  }
  const known =
    fields['kind'] === 'message'
      ? ['requestHeaders', 'messages']
      : ['requestHeaders', 'responseHeaders'];
  for (const key of Object.keys(needs ?? {})) {
    if (!known.includes(key)) report(`needs.${key}`, `is not known; known are ${known.join(', ')}`);
  }
  checkHeaderNames(needs?.['requestHeaders'], 'needs.requestHeaders', report);
  checkHeaderNames(needs?.['responseHeaders'], 'needs.responseHeaders', report);
  if (fields['kind'] === 'message') checkMessageNeeds(needs ?? {}, report);
}

function checkBreaker(breaker: unknown, report: Report): void {
  if (breaker === undefined) return;
  const fields = isFields(breaker) ? breaker : {};
  if (!Number.isInteger(fields['failures']) || Number(fields['failures']) < 0) {
    report('breaker.failures', 'must be a whole number, 0 for never');
  }
  checkDuration(fields, 'cooldown', (field, message) => report(`breaker.${field}`, message));
}

function checkDuration(fields: Fields, field: string, report: Report): void {
  if (fields[field] !== undefined && readDuration(fields[field]) === null) {
    report(field, 'must be a duration such as "250ms", up to a day');
  }
}

function checkFilter(fields: Fields, kind: string, report: Report): void {
  const hooks = Object.keys(HOOKS_OF[kind] ?? {});
  checkFunctions(fields, [...hooks, 'setup', 'dispose', 'begin'], report);
  if (!hooks.some((hook) => fields[hook] !== undefined)) {
    report('', `has no hook; a ${kind} filter may have ${hooks.join(', ')}`);
  }
  oneOf(fields, 'onError', ['open', 'closed'], report);
  if (kind === 'message') oneOf(fields, 'order', ['sync', 'serial'], report);
  checkDuration(fields, 'timeout', report);
  checkBreaker(fields['breaker'], report);
  if (fields['offload'] !== undefined && !(fields['offload'] instanceof URL)) {
    report('offload', "must be a URL: new URL('./worker.ts', import.meta.url)");
  }
  checkNeeds(fields, report);
}

function checkName(name: unknown, report: Report): void {
  if (typeof name !== 'string' || !NAME.test(name) || name.length > NAME_LENGTH_MAX) {
    report('name', `must be lower case letters, digits and dashes, up to ${NAME_LENGTH_MAX}`);
  }
}

function checkConfigSchema(schema: unknown, report: Report): void {
  if (schema === undefined) return;
  const isHolder = typeof schema === 'function' || isFields(schema);
  const standard = isHolder ? (schema as Fields)['~standard'] : undefined;
  if (!isFields(standard) || typeof standard['validate'] !== 'function') {
    report('config', 'must be a schema, such as z.strictObject({ ... })');
  }
}

/** Checks what a module exports. No faults: it is a definition of one of the known kinds. */
export function checkDefinition(value: unknown): DefinitionFault[] {
  const faults: DefinitionFault[] = [];
  const report: Report = (field, message) => faults.push({ field, message });
  if (!isFields(value) || value['kind'] === undefined) {
    report('', 'is not made by one of the define functions of holdfast/sdk');
    return faults;
  }
  const { kind, apiVersion } = value;
  if (apiVersion !== API_VERSION) {
    report('apiVersion', `is ${String(apiVersion)}; this gateway has version ${API_VERSION}`);
    return faults;
  }
  if (typeof kind !== 'string' || !KINDS.includes(kind)) {
    report('kind', `must be one of ${KINDS.join(', ')}`);
    return faults;
  }
  checkName(value['name'], report);
  checkConfigSchema(value['config'], report);
  const known = [...MARKS, ...fieldsOf(kind)];
  const what = FILTER_KINDS.includes(kind) ? `${kind} filter` : kind;
  for (const field of Object.keys(value)) {
    if (!known.includes(field)) report(field, `is not known to a ${what}`);
  }
  if (FILTER_KINDS.includes(kind)) {
    checkFilter(value, kind, report);
  } else if (kind === 'codec') {
    checkCodec(value, report);
  } else {
    const main = kind === 'balancer' ? 'weigh' : 'watch';
    if (typeof value[main] !== 'function') report(main, 'must be a function');
    checkDuration(value, 'interval', report);
  }
  return faults;
}
