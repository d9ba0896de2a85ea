/**
 * Runs the `watch` of one cluster's discovery, again and again.
 *
 * Path: worker.ts makes one for each cluster with a discovery of its own.
 * Invariant: only lists that make sense leave here. When the iterator throws or ends, the last list
 * holds and it begins anew after a pause that doubles from PAUSE_MIN_MS to PAUSE_MAX_MS.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Discovery, FoundEndpoint } from '../../../sdk/index.ts';

export const PAUSE_MIN_MS = 1000;
export const PAUSE_MAX_MS = 60_000;
/** As many as a cluster may have. */
const ENDPOINTS_MAX = 4096;
const WEIGHT_MAX = 1000;

function checkEndpoint(value: unknown): FoundEndpoint {
  const fields = (typeof value === 'object' && value !== null ? value : {}) as {
    readonly [Key in keyof FoundEndpoint]?: unknown;
  };
  const { address, weight = 1, labels = {} } = fields;
  if (typeof address !== 'string' || address === '') {
    throw new TypeError('it yielded an endpoint without an address');
  }
  if (!Number.isInteger(weight) || Number(weight) < 1 || Number(weight) > WEIGHT_MAX) {
    throw new TypeError(`it yielded ${address} with weight ${String(weight)}`);
  }
  const pairs = Object.entries(labels as object).map(([key, text]) => [key, String(text)]);
  return {
    address,
    weight: Number(weight),
    labels: Object.fromEntries(pairs) as Record<string, string>,
  };
}

/** A list that was checked. @throws TypeError with one sentence */
export function checkEndpoints(list: unknown): FoundEndpoint[] {
  if (!Array.isArray(list)) throw new TypeError(`it yielded ${typeof list}, not a list`);
  if (list.length > ENDPOINTS_MAX) throw new TypeError(`it yielded ${list.length} endpoints`);
  return list.map(checkEndpoint);
}

/** What a discovery at work tells. */
export interface DiscoveryEvents {
  readonly found: (endpoints: readonly FoundEndpoint[]) => void;
  readonly fault: (message: string) => void;
}

/** What a discovery is run with. */
export interface DiscoveryAbout {
  readonly config: unknown;
  readonly cluster: string;
  readonly signal: AbortSignal;
}

/** Iterates once; returns why it is over. */
async function watchOnce(
  discovery: Discovery<unknown>,
  about: DiscoveryAbout,
  onFound: (endpoints: readonly FoundEndpoint[]) => void,
): Promise<string> {
  try {
    for await (const list of discovery.watch(about)) {
      if (about.signal.aborted) break;
      onFound(checkEndpoints(list));
    }
    return 'it ended';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Watches until the signal aborts. Never rejects. */
export async function runDiscovery(
  discovery: Discovery<unknown>,
  about: DiscoveryAbout,
  events: DiscoveryEvents,
): Promise<void> {
  const { signal } = about;
  let pauseMs = PAUSE_MIN_MS;
  while (!signal.aborted) {
    const why = await watchOnce(discovery, about, (endpoints) => {
      pauseMs = PAUSE_MIN_MS;
      events.found(endpoints);
    });
    if (signal.aborted) return;
    events.fault(`discovery "${discovery.name}": ${why}; again in ${pauseMs / 1000} s`);
    await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => {});
    pauseMs = Math.min(pauseMs * 2, PAUSE_MAX_MS);
  }
}
