/**
 * Network filters: who may connect, and where a connection goes.
 *
 * Path: listeners name them; accept and open each cross once for a connection, its bytes never.
 * Invariant: hooks run in the order of the configuration, one at a time for one connection.
 */
import {
  API_VERSION,
  type Defined,
  type FilterBase,
  type MaybePromise,
  type Scope,
} from './filter.ts';
import type { Choose, Close, Continue } from './verdict.ts';
import type { AcceptView, ConnectionView, EndRecord } from './views.ts';

/** A filter of connections. */
export interface NetworkFilter<Config, Shared, State> extends FilterBase<Config, Shared> {
  /** Makes what this filter keeps for one connection. Runs before its first hook. */
  begin?(shared: Shared): State;
  /** A socket was accepted; nothing was read, TLS has not begun. */
  onAccept?(connection: AcceptView, scope: Scope<Shared, State>): MaybePromise<Continue | Close>;
  /** The connection is ready; no endpoint was chosen. */
  onOpen?(
    connection: ConnectionView,
    scope: Scope<Shared, State>,
  ): MaybePromise<Continue | Close | Choose>;
  /** The connection is over. Always runs, once. */
  onEnd?(record: EndRecord, scope: Scope<Shared, State>): void;
}

/** Defines a filter of connections. */
export function defineNetworkFilter<Config = undefined, Shared = undefined, State = undefined>(
  filter: NetworkFilter<Config, Shared, State>,
): NetworkFilter<Config, Shared, State> & Defined<'network'> {
  return Object.freeze({ ...filter, kind: 'network', apiVersion: API_VERSION });
}
