/**
 * `holdfast/sdk`: what filters, balancers, discoveries and codecs are written with.
 *
 * Path: filters import this; the gateway checks and runs what they export by default.
 */
export {
  defineLoadBalancer,
  type LoadBalancer,
  WEIGHT_MAX,
  type WeighedEndpoint,
} from './balancer.ts';
export { type Codec, type CodecField, type CodecVariant, defineCodec } from './codec.ts';
export type { ConfigSchema, SchemaIssue, SchemaOutcome } from './config-schema.ts';
export type { DiscoveryEnv } from './discovery.ts';
export { type Discovery, defineDiscovery, type FoundEndpoint } from './discovery.ts';
export type { Duration } from './duration.ts';
export type {
  BreakerRule,
  Defined,
  FilterBase,
  FilterEnv,
  FilterLog,
  MaybePromise,
  Scope,
} from './filter.ts';
export { API_VERSION, OffloadError, type OffloadFailure } from './filter.ts';
export { isGatewayField } from './gateway-field.ts';
export { defineMessageFilter, type MessageFilter, type MessageOutcome } from './message-filter.ts';
export type { MessageNeeds, StreamNeeds } from './needs.ts';
export { defineNetworkFilter, type NetworkFilter } from './network-filter.ts';
export { defineStreamFilter, type StreamFilter } from './stream-filter.ts';
export type { Continue, Respond, ResponseHeaders, Verdict } from './verdict.ts';
export { choose, close, drop, rechoose, rematch, replace, respond, retry } from './verdict.ts';
export type {
  AcceptView,
  ClientView,
  ConnectionView,
  EndpointView,
  EndRecord,
  HeadersView,
  MessageView,
  RequestView,
  ResponseView,
  RoutedView,
} from './views.ts';
