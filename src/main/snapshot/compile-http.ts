/**
 * HTTP of a listener to the plain data that the core compiles.
 *
 * Path: compile.ts calls it for each listener with HTTP.
 * Invariant: a route leads to positions that exist; what the configuration calls a cluster and a
 * subset of its endpoints is one position.
 */
import type { HttpInput } from '../../../native/epoll/index.ts';
import { type ListenerConfig, toHttpInput } from '../config/index.ts';
import type { FilterPlaceInput } from './filter-layout.ts';
import { subsetName } from './subsets.ts';

/** What a route is told about the rest of the snapshot. */
export interface HttpPlaces {
  /** Position of a cluster, or of a subset, by name. */
  readonly cluster: (name: string) => number;
  /** Id of a route of this listener on the board. */
  readonly route: (name: string) => number;
  readonly filters: (route: string) => FilterPlaceInput;
}

/** Makes the core's input; null for a listener without HTTP. */
export function compileHttp({ http }: ListenerConfig, places: HttpPlaces): HttpInput | null {
  if (http === null) return null;
  return toHttpInput(http, {
    cluster: (name, { subset }) => places.cluster(subsetName(name, subset)),
    route: places.route,
    filters: places.filters,
  });
}
