/**
 * HTTP of a listener as the core takes it, with positions and ids where people have names.
 *
 * Path: snapshot/compile-http.ts gives the real positions; check-native-routes.ts asks the core
 * about routes before there are any.
 * Invariant: hosts and routes keep their order, so that the core's numbers are those of the file.
 */
import type { HttpInput, HttpRouteInput } from '../../../native/epoll/index.ts';
import type { HttpConfig, HttpRouteConfig } from './config.ts';

/** Where what a route names is found. */
export interface RouteIds {
  /** Position of a cluster, or of the part of it that a route asks for. */
  readonly cluster: (name: string, route: Omit<HttpRouteConfig, 'filters'>) => number;
  readonly route: (name: string) => number;
  /** Without it routes have neither. */
  readonly filters?: (route: string) => Pick<HttpRouteInput, 'policies' | 'filterChain'>;
}

/** Makes the core's input. */
export function toHttpInput(http: HttpConfig, ids: RouteIds): HttpInput {
  return {
    ...http,
    hosts: http.hosts.map((host) => ({
      ...host,
      routes: host.routes.map(({ filters: _filters, ...route }) => ({
        ...route,
        id: ids.route(route.name),
        splits: route.splits.map(({ cluster, weight }) => ({
          cluster: ids.cluster(cluster, route),
          weight,
        })),
        ...(ids.filters?.(route.name) ?? { policies: [], filterChain: 0 }),
      })),
    })),
  };
}
