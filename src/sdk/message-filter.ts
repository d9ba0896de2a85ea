/**
 * Message filters: what WebSocket messages, or chunks and frames of TCP, may contain.
 *
 * Path: listeners and routes name them; only messages that `needs` asks for cross, in batches.
 * Invariant: messages of one tunnel and direction keep their order. A hook that returns a Promise
 * must say so with `order: 'serial'`; the tunnel then waits for each message, with back-pressure.
 */
import {
  API_VERSION,
  type Defined,
  type FilterBase,
  type MaybePromise,
  type Scope,
} from './filter.ts';
import type { MessageNeeds } from './needs.ts';
import type { Close, Continue, Drop, Replace } from './verdict.ts';
import type { EndRecord, MessageView, RequestView } from './views.ts';

/** What a message hook returns: with `serial` also as a Promise. */
export type MessageOutcome<Order extends 'sync' | 'serial'> = Order extends 'serial'
  ? MaybePromise<Continue | Drop | Replace | Close>
  : Continue | Drop | Replace | Close;

/** A filter of messages. */
export interface MessageFilter<Config, Shared, State, Order extends 'sync' | 'serial'>
  extends FilterBase<Config, Shared> {
  readonly needs: MessageNeeds;
  /** `sync` without it. */
  readonly order?: Order;
  /** Makes what this filter keeps for one tunnel. Runs before its first hook. */
  begin?(shared: Shared): State;
  /** The WebSocket was opened by this request; no message has passed. Not on TCP listeners. */
  onOpen?(request: RequestView, scope: Scope<Shared, State>): MaybePromise<Continue | Close>;
  /** A whole message; of TCP what one read brought, or with a codec a whole frame. */
  onMessage?(message: MessageView, scope: Scope<Shared, State>): MessageOutcome<Order>;
  /** The tunnel is over. Always runs, once. */
  onEnd?(record: EndRecord, scope: Scope<Shared, State>): void;
}

/** Defines a filter of WebSocket messages. */
export function defineMessageFilter<
  Config = undefined,
  Shared = undefined,
  State = undefined,
  Order extends 'sync' | 'serial' = 'sync',
>(
  filter: MessageFilter<Config, Shared, State, Order>,
): MessageFilter<Config, Shared, State, Order> & Defined<'message'> {
  return Object.freeze({ ...filter, kind: 'message', apiVersion: API_VERSION });
}
