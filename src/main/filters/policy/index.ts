/**
 * Balancers and discoveries of users, in a thread of their own.
 *
 * Path: gateway.ts.
 */
export { type PolicyEvents, type PolicyPatience, PolicyThread } from './policy-thread.ts';
export type { PolicyUse } from './protocol.ts';
