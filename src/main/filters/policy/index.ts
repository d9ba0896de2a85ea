/**
 * Balancers and discoveries of users, in a thread of their own.
 *
 * Path: gateway-steering.ts.
 */
export { type PolicyEvents, type PolicyPatience, PolicyThread } from './policy-thread.ts';
export type { PolicyUse, SteeringKind, WeightsByAddress } from './protocol.ts';
export { Steering, type SteeringOptions } from './steering.ts';
export type { SteeringView } from './steering-run.ts';
