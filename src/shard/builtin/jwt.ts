/**
 * `holdfast/jwt`: requests need a JSON Web Token (RFC 7519) that a key of a set has signed.
 *
 * Configuration: docs/filters-policies.md. A WebSocket is checked by the request that opens it.
 * Invariant: fields that carry claims are the filter's own: what a client sent in them is gone
 * before anything else happens. A token that was given and is wrong is always refused, whatever
 * `onMissing` says. Does not decide what a user may do: holdfast/rbac does, by those fields.
 */
import {
  defineStreamFilter,
  type FilterEnv,
  OffloadError,
  type RequestView,
  respond,
  type Scope,
} from 'holdfast/sdk';
import {
  type ClaimField,
  createKeyReader,
  digestOf,
  fieldsOf,
  findToken,
  JWT_CONFIG,
  type JwtConfig,
  KeySource,
  type Location,
  parseKeySet,
  removeToken,
  VerifiedTokens,
  Verifier,
} from './jwt/index.ts';

/** Longest token that is looked at. */
const TOKEN_LENGTH_MAX = 8192;
const RETRY_AFTER_SECONDS = 5;
const MS = 1000;

interface Shared {
  readonly config: JwtConfig;
  readonly source: KeySource;
  readonly verified: VerifiedTokens;
  readonly verifier: Verifier;
}

/** A challenge (RFC 6750 3). */
function challenge(status: number, config: JwtConfig, fault?: readonly [string, string]) {
  const parts: string[] = [];
  if (config.realm !== undefined) parts.push(`realm="${config.realm}"`);
  if (fault !== undefined) {
    const description = fault[1].replaceAll(/["\\]|[^\x20-\x7e]/g, '?');
    parts.push(`error="${fault[0]}"`, `error_description="${description}"`);
  }
  const value = parts.length === 0 ? 'Bearer' : `Bearer ${parts.join(', ')}`;
  return respond(status, { 'www-authenticate': value });
}

function unavailable() {
  return respond(503, { 'retry-after': `${RETRY_AFTER_SECONDS}` });
}

/** Tells the endpoint what the token says. */
function pass(
  request: RequestView,
  { config }: Shared,
  found: { readonly at: Location; readonly fields: readonly ClaimField[] },
) {
  for (const [name, value] of found.fields) request.headers.set(name, value);
  if (!config.removeToken) return undefined;
  try {
    removeToken(request, found.at);
  } catch {
    // What stands beside the token is too large, or not in a form, to be written again.
    return respond(400);
  }
  return undefined;
}

async function verify(
  request: RequestView,
  { shared, offload }: Scope<Shared, undefined>,
  { token, at }: { readonly token: string; readonly at: Location },
) {
  const { config, verified, verifier } = shared;
  const { epoch } = verified;
  try {
    const outcome = await verifier.verify(token, offload);
    if (outcome.kind === 'unavailable') return unavailable();
    if (outcome.kind === 'fault') {
      return challenge(401, config, ['invalid_token', outcome.fault]);
    }
    const fields = fieldsOf(outcome.claims, config.claims);
    if (typeof fields === 'string') {
      return challenge(401, config, ['invalid_token', `the claim ${fields} is too long`]);
    }
    const { exp } = outcome.claims;
    const endsAtMs = exp === undefined ? Infinity : exp * MS + config.clockTolerance;
    verified.add(digestOf(token), { fields, endsAtMs }, epoch);
    return pass(request, shared, { at, fields });
  } catch (error) {
    if (error instanceof OffloadError) return unavailable();
    throw error;
  }
}

async function setUp({ config, log, base }: FilterEnv<JwtConfig>): Promise<Shared> {
  const { keys, algorithms } = config;
  const verified = new VerifiedTokens(config.cacheEntries);
  const source = new KeySource({
    ...createKeyReader(keys, base),
    algorithms,
    refreshMs: keys.refresh,
    cooldownMs: keys.cooldown,
    staleMs: keys.url === undefined ? Infinity : keys.stale,
    log,
    onChange: () => verified.clear(),
  });
  try {
    await source.start();
  } catch (error) {
    const { message } = error as Error;
    const where = keys.url ?? keys.file;
    if (keys.url === undefined) {
      source.close();
      throw new Error(`keys cannot be read from ${where}: ${message}`, { cause: error });
    }
    // Who issues tokens may come up after the gateway.
    log.warn(`keys cannot be read from ${where}: ${message}; tokens are answered with 503`);
  }
  const verifier = new Verifier(source, algorithms, {
    issuer: config.issuer,
    audience: config.audience,
    require: config.require,
    clockToleranceSeconds: config.clockTolerance / MS,
  });
  return { config, source, verified, verifier };
}

/** Says at `holdfast validate` and before a reload what `setup` would fail of. */
export async function checkFiles({ keys, algorithms }: JwtConfig, base: string) {
  if (keys.file === undefined) return [];
  try {
    parseKeySet(await createKeyReader(keys, base).read(), algorithms);
    return [];
  } catch (error) {
    const { message } = error as Error;
    const hint = 'write the path of a JSON Web Key Set, from where the configuration is';
    const fault = `keys cannot be read from ${keys.file}: ${message}; ${hint}`;
    return [{ path: ['keys', 'file'], message: fault }];
  }
}

const SUFFIX = /\.ts(\?|$)/.test(import.meta.url) ? 'ts' : 'js';

export default defineStreamFilter({
  name: 'jwt',
  config: JWT_CONFIG,
  // Where tokens are is known from the configuration only.
  needs: { requestHeaders: true },
  onError: 'closed',
  timeout: '10s',
  // No input makes it fail; a breaker would let one client shut the others out.
  breaker: { failures: 0, cooldown: '1s' },
  offload: new URL(`./jwt/worker.${SUFFIX}`, import.meta.url),
  setup: setUp,
  dispose: ({ source }) => source.close(),
  onRequest(request, scope) {
    const { config, verified } = scope.shared;
    const { headers } = request;
    for (const name of config.claims.keys()) {
      if (headers.has(name)) headers.remove(name);
    }
    const found = findToken(request, config.token);
    if (found.kind === 'twice') {
      return challenge(400, config, ['invalid_request', 'there is more than one token']);
    }
    if (found.kind === 'none') {
      return config.onMissing === 'pass' ? undefined : challenge(401, config);
    }
    const { token, at } = found;
    if (token === '' || token.length > TOKEN_LENGTH_MAX) {
      return challenge(401, config, ['invalid_token', 'it is not a token']);
    }
    const fields = verified.get(digestOf(token));
    if (fields !== undefined) return pass(request, scope.shared, { at, fields });
    return verify(request, scope, { token, at });
  },
});
