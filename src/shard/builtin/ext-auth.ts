/**
 * `holdfast/ext-auth`: a service of yours decides about requests, over HTTP.
 *
 * Configuration: docs/filters-policies.md. The service sees heads only, never content; a WebSocket
 * is decided by the request that opens it.
 * Invariant: fields that come from the service are gone from what the client sent, whatever
 * happens. A service that is slow, gone, or answers nonsense is a failure, and `onFailure` decides.
 */
import { hash } from 'node:crypto';
import { defineStreamFilter, type RequestView, respond, type Scope } from 'holdfast/sdk';
import {
  type Decision,
  decisionOf,
  EXT_AUTH_CONFIG,
  type ExtAuthConfig,
  questionOf,
  Service,
  ServiceFailure,
  UnaskableError,
} from './ext-auth/index.ts';
import { ExpiringMap, FailureLog, readKeyPart } from './parts/index.ts';

/** Denials with more content are not remembered. */
const CACHED_CONTENT_BYTES_MAX = 4096;

interface Shared {
  readonly config: ExtAuthConfig;
  readonly url: URL;
  readonly service: Service;
  readonly failures: FailureLog;
  readonly decisions: ExpiringMap<Decision>;
}

/** What the cache knows a request by; null without a cache. */
function cacheKey(request: RequestView, { cache }: ExtAuthConfig): string | null {
  if (cache === undefined) return null;
  const parts = cache.by.map((part) => readKeyPart(request, part));
  return hash('sha256', JSON.stringify(parts), 'base64url');
}

function apply(request: RequestView, decision: Decision) {
  if (decision.kind === 'denied') {
    return respond(decision.status, decision.fields, decision.content);
  }
  for (const [name, value] of decision.fields) request.headers.set(name, value);
  return undefined;
}

async function ask(
  request: RequestView,
  { shared, signal }: Scope<Shared, undefined>,
  key: string | null,
) {
  const { config, url, service, failures, decisions } = shared;
  try {
    const answer = await service.ask(questionOf(request, config, url), signal);
    const decision = decisionOf(answer, config);
    const isSmall =
      decision.kind === 'allowed' || decision.content.length <= CACHED_CONTENT_BYTES_MAX;
    if (key !== null && isSmall) {
      decisions.set(key, decision, Date.now() + (config.cache?.ttl ?? 0));
    }
    return apply(request, decision);
  } catch (error) {
    if (error instanceof UnaskableError) return respond(400);
    if (!(error instanceof ServiceFailure)) throw error;
    if (!signal.aborted) failures.tell(`${config.url} does not decide: ${error.message}`);
    return config.onFailure === 'open' ? undefined : respond(config.failureStatus);
  }
}

export default defineStreamFilter({
  name: 'ext-auth',
  config: EXT_AUTH_CONFIG,
  // Which fields are sent is known from the configuration only.
  needs: { requestHeaders: true },
  onError: 'closed',
  // Above any `timeout` of the configuration, which decides.
  timeout: '15s',
  breaker: { failures: 0, cooldown: '1s' },
  setup: ({ config, log }): Shared => {
    const url = new URL(config.url);
    return {
      config,
      url,
      service: new Service({
        url,
        timeoutMs: config.timeout,
        connectionsMax: config.connectionsMax,
      }),
      failures: new FailureLog(log),
      decisions: new ExpiringMap(config.cache?.entries ?? 0),
    };
  },
  dispose: ({ service }) => service.close(),
  onRequest(request, scope) {
    const { config, decisions } = scope.shared;
    const key = cacheKey(request, config);
    const known = key === null ? undefined : decisions.get(key);
    const outcome = known ?? ask(request, scope, key);
    for (const name of config.toRequest) {
      if (request.headers.has(name)) request.headers.remove(name);
    }
    return outcome instanceof Promise ? outcome : apply(request, outcome);
  },
});
