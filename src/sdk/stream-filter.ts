/**
 * Stream filters: what becomes of a request and of its response.
 *
 * Path: listeners and routes name them. On a listener, onRequest runs before the route is sought;
 * on a route, when the route took the request.
 * Invariant: requests pass the filters in the order of the configuration, responses in the reverse
 * order; a hook that waits holds up its own exchange only.
 */
import {
  API_VERSION,
  type Defined,
  type FilterBase,
  type MaybePromise,
  type Scope,
} from './filter.ts';
import type { StreamNeeds } from './needs.ts';
import type { Choose, Close, Continue, Rechoose, Rematch, Respond, Retry } from './verdict.ts';
import type { EndpointView, EndRecord, RequestView, ResponseView, RoutedView } from './views.ts';

/** A filter of requests and responses. */
export interface StreamFilter<Config, Shared, State> extends FilterBase<Config, Shared> {
  readonly needs?: StreamNeeds;
  /** Makes what this filter keeps for one exchange. Runs before its first hook. */
  begin?(shared: Shared): State;
  /** The head of a request is there. */
  onRequest?(
    request: RequestView,
    scope: Scope<Shared, State>,
  ): MaybePromise<Continue | Respond | Close>;
  /** Its route is known. */
  onRouted?(
    request: RoutedView,
    scope: Scope<Shared, State>,
  ): MaybePromise<Continue | Respond | Close | Rematch | Choose>;
  /** An endpoint was chosen; nothing was sent to it. Runs for every try. */
  onEndpoint?(
    request: EndpointView,
    scope: Scope<Shared, State>,
  ): MaybePromise<Continue | Respond | Close | Rechoose>;
  /** The head of the response is there. With `respond` the endpoint's answer is thrown away. */
  onResponse?(
    response: ResponseView,
    scope: Scope<Shared, State>,
  ): MaybePromise<Continue | Respond | Close | Retry>;
  /** The exchange is over: for logs and counts. Always runs, once. */
  onEnd?(record: EndRecord, scope: Scope<Shared, State>): void;
}

/** Defines a filter of requests and responses. */
export function defineStreamFilter<Config = undefined, Shared = undefined, State = undefined>(
  filter: StreamFilter<Config, Shared, State>,
): StreamFilter<Config, Shared, State> & Defined<'stream'> {
  return Object.freeze({ ...filter, kind: 'stream', apiVersion: API_VERSION });
}
