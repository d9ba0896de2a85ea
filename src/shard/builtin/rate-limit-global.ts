/**
 * `holdfast/rate-limit-global`: so many requests in a time, counted for all gateways in Redis.
 *
 * Configuration: docs/filters-policies.md. A WebSocket counts by the request that opens it.
 * Invariant: a limit holds over all shards and gateways that use the same Redis, prefix and name.
 * Who is over it is not asked about again until its time has come, so a flood stays in the shard.
 * Redis holds digests of keys, never what a client said.
 */
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineStreamFilter, type FilterEnv, type RequestView, respond } from 'holdfast/sdk';
import { ExpiringMap, FailureLog, readKeyPart } from './parts/index.ts';
import {
  type CellRate,
  RATE_LIMIT_CONFIG,
  type RateLimitConfig,
  RedisLink,
  SCRIPT,
  type Taken,
  takeLocally,
  toCellRate,
} from './rate-limit-global/index.ts';

/** Keys that a shard remembers as being over the limit, and keys it counts by itself. */
const KEYS_MAX = 10_000;
const US_PER_MS = 1000;
const US_PER_SECOND = 1_000_000;

interface Shared {
  readonly config: RateLimitConfig;
  readonly link: RedisLink;
  readonly failures: FailureLog;
  readonly args: readonly string[];
  /** When a key that was over the limit may go on, in microseconds since the epoch. */
  readonly overUntilUs: ExpiringMap<number>;
  readonly localRate: CellRate;
  readonly localBuckets: ExpiringMap<number>;
}

function keyOf(request: RequestView, { key, name, prefix }: RateLimitConfig): string {
  const parts = key.map((part) => readKeyPart(request, part));
  return `${prefix}${name}:${hash('sha256', JSON.stringify(parts), 'base64url')}`;
}

function refuse({ config }: Shared, waitUs: number) {
  const seconds = Math.max(1, Math.ceil(waitUs / US_PER_SECOND));
  return respond(config.status, { 'retry-after': `${seconds}` });
}

function readTaken(answer: unknown): Taken {
  const [isAllowed, waitUs] = Array.isArray(answer) ? (answer as unknown[]) : [];
  const isKnown = (isAllowed === 0 || isAllowed === 1) && Number.isSafeInteger(waitUs);
  if (!isKnown) throw new Error('the answer is not what the script replies with');
  return { isAllowed: isAllowed === 1, waitUs: waitUs as number };
}

function applyFailurePolicy(shared: Shared, key: string) {
  const { config, localBuckets, localRate } = shared;
  if (config.onFailure === 'open') return undefined;
  if (config.onFailure === 'closed') return respond(config.failureStatus);
  const { isAllowed, waitUs } = takeLocally(localBuckets, key, localRate);
  return isAllowed ? undefined : refuse(shared, waitUs);
}

async function take(shared: Shared, key: string) {
  const { config, link, failures, args, overUntilUs } = shared;
  let taken: Taken;
  try {
    taken = readTaken(await link.run(key, args));
  } catch (error) {
    failures.tell(`Redis does not count for "${config.name}": ${(error as Error).message}`);
    return applyFailurePolicy(shared, key);
  }
  if (taken.isAllowed) return undefined;
  const untilUs = Date.now() * US_PER_MS + taken.waitUs;
  overUntilUs.set(key, untilUs, untilUs / US_PER_MS);
  return refuse(shared, taken.waitUs);
}

/** The text of a file, from where the configuration is. */
function readPassword(file: string, base: string): string {
  const directory = fileURLToPath(new URL('.', base));
  return readFileSync(resolve(directory, file), 'utf8').trimEnd();
}

/** Says at `holdfast validate` and before a reload what `setup` would fail of. */
export async function checkFiles({ passwordFile }: RateLimitConfig, base: string) {
  try {
    if (passwordFile !== undefined) readPassword(passwordFile, base);
    return [];
  } catch (error) {
    const { message } = error as Error;
    const hint = 'write the path of a file with the password, from where the configuration is';
    const fault = `the password cannot be read from ${passwordFile}: ${message}; ${hint}`;
    return [{ path: ['passwordFile'], message: fault }];
  }
}

async function setUp({ config, log, base }: FilterEnv<RateLimitConfig>): Promise<Shared> {
  const { rate, per, burst = rate, passwordFile, localRate = rate } = config;
  const failures = new FailureLog(log);
  const link = new RedisLink({
    url: config.redis,
    password: passwordFile === undefined ? undefined : readPassword(passwordFile, base),
    script: SCRIPT,
    timeoutMs: config.timeout,
    tell: (message) => failures.tell(`Redis for "${config.name}": ${message}`),
  });
  await link.start();
  const { intervalUs, toleranceUs } = toCellRate(rate, per, burst);
  return {
    config,
    link,
    failures,
    args: [`${intervalUs}`, `${toleranceUs}`],
    overUntilUs: new ExpiringMap(KEYS_MAX),
    localRate: toCellRate(localRate, per, Math.min(burst, localRate)),
    localBuckets: new ExpiringMap(KEYS_MAX),
  };
}

export default defineStreamFilter({
  name: 'rate-limit-global',
  config: RATE_LIMIT_CONFIG,
  // Which fields make the key is known from the configuration only.
  needs: { requestHeaders: true },
  onError: 'closed',
  // Above any `timeout` of the configuration, which decides.
  timeout: '10s',
  breaker: { failures: 0, cooldown: '1s' },
  setup: setUp,
  dispose: ({ link }) => link.close(),
  onRequest(request, { shared }) {
    const key = keyOf(request, shared.config);
    const untilUs = shared.overUntilUs.get(key);
    if (untilUs !== undefined) return refuse(shared, untilUs - Date.now() * US_PER_MS);
    return take(shared, key);
  },
});
