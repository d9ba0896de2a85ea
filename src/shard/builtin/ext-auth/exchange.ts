/**
 * Between a request and the service: what is asked, and what the answer means.
 *
 * Path: ext-auth.ts -> here -> service.ts, and back.
 * Invariant: the service learns method, target, host, address and scheme of the request from fields
 * that a client cannot set. Only fields that the configuration names come back from it.
 */
import { isGatewayField, type RequestView } from 'holdfast/sdk';
import type { ExtAuthConfig } from './schema.ts';
import { type Answer, type Question, ServiceFailure } from './service.ts';

/** What the service decided. */
export type Decision =
  | { readonly kind: 'allowed'; readonly fields: readonly (readonly [string, string])[] }
  | {
      readonly kind: 'denied';
      readonly status: number;
      readonly fields: Readonly<Record<string, readonly string[]>>;
      readonly content: Uint8Array;
    };

/** Values that are handed on from one answer. */
const VALUES_MAX = 64;
const FAILURE_STATUS_MIN = 500;
const NO_CONTENT_STATUS = new Set([204, 304]);

function sentFields(request: RequestView, send: ExtAuthConfig['send']): Record<string, string[]> {
  const names = send === 'all' ? request.headers.names() : send;
  const fields: Record<string, string[]> = {};
  for (const name of names) {
    if (isGatewayField(name) || name === 'expect') continue;
    const values = request.headers.getAll(name);
    if (values.length > 0) fields[name] = [...values];
  }
  return fields;
}

/** The question about a request. */
export function questionOf(request: RequestView, config: ExtAuthConfig, url: URL): Question {
  const path = config.appendTarget ? url.pathname.replace(/\/$/, '') : url.pathname + url.search;
  const method = config.method === 'same' ? request.method : config.method;
  const hasNoContent = method !== 'GET' && method !== 'HEAD';
  return {
    method,
    target: config.appendTarget ? `${path}${request.target}` : path,
    headers: {
      ...sentFields(request, config.send),
      host: url.host,
      connection: 'keep-alive',
      ...(hasNoContent && { 'content-length': '0' }),
      'x-forwarded-method': request.method,
      'x-forwarded-uri': request.target,
      'x-forwarded-host': request.host,
      'x-forwarded-for': request.client.ip,
      'x-forwarded-proto': request.isTls ? 'https' : 'http',
    },
  };
}

function pick(answer: Answer, names: readonly string[]): Record<string, readonly string[]> {
  const fields: Record<string, readonly string[]> = {};
  let count = 0;
  for (const name of names) {
    const values = answer.headers[name];
    if (values === undefined) continue;
    count += values.length;
    fields[name] = values;
  }
  if (count > VALUES_MAX) throw new ServiceFailure(`it answered with ${count} fields to hand on`);
  return fields;
}

/** What an answer means. @throws ServiceFailure when it means nothing. */
export function decisionOf(answer: Answer, config: ExtAuthConfig): Decision {
  const { status } = answer;
  if (config.allow.has(status)) {
    const picked = pick(answer, config.toRequest);
    const fields = Object.entries(picked).map(
      ([name, values]) => [name, values.join(', ')] as const,
    );
    return { kind: 'allowed', fields };
  }
  if (status >= FAILURE_STATUS_MIN) throw new ServiceFailure(`it answered with ${status}`);
  const shown = config.denyStatus.get(status) ?? (status < 300 ? 403 : status);
  const content = NO_CONTENT_STATUS.has(shown) ? new Uint8Array() : new Uint8Array(answer.content);
  return { kind: 'denied', status: shown, fields: pick(answer, config.toClient), content };
}
