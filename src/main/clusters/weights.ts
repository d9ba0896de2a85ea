/**
 * Weights that a balancer of the user made, laid over the endpoints of its cluster.
 *
 * Path: snapshot/apply.ts, behind resolve.ts.
 * Invariant: while any endpoint may take new connections, one has a weight: when all weights are 0,
 * or no endpoint is left that has another one, those of the configuration hold. A pure function.
 */
import type { ResolvedEndpoint } from './resolve.ts';

/** As large as the core takes them. */
export const CORE_WEIGHT_MAX = 256;

/** Brings weights into what the core takes: proportions stay, to 1 in 256, and 0 stays 0. */
export function scaleWeights(weights: readonly number[]): number[] {
  const largest = weights.reduce((max, weight) => Math.max(max, weight), 0);
  const isRight = largest <= CORE_WEIGHT_MAX && weights.every(Number.isInteger);
  if (isRight || largest === 0) return [...weights];
  const factor = CORE_WEIGHT_MAX / largest;
  return weights.map((weight) => (weight === 0 ? 0 : Math.max(1, Math.round(weight * factor))));
}

/**
 * The endpoints with what the balancer gave them. One that it has not seen yet counts as much as
 * its own weight among those that it has seen. O(endpoints).
 */
export function balanceEndpoints(
  endpoints: readonly ResolvedEndpoint[],
  weights: ReadonlyMap<string, number>,
): readonly ResolvedEndpoint[] {
  const known = endpoints.flatMap((endpoint) => {
    const weight = weights.get(endpoint.text);
    return weight === undefined || endpoint.isDraining ? [] : [{ weight, own: endpoint.weight }];
  });
  const given = known.reduce((sum, { weight }) => sum + weight, 0);
  if (given === 0) return endpoints;
  const own = known.reduce((sum, one) => sum + one.own, 0);
  const scaled = scaleWeights(
    endpoints.map(
      ({ text, weight }) => weights.get(text) ?? Math.max(1, Math.round((weight * given) / own)),
    ),
  );
  return endpoints.map((endpoint, i) => ({ ...endpoint, balanced: scaled[i] ?? 0 }));
}
