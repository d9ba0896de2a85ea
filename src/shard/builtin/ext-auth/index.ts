/**
 * Parts of `holdfast/ext-auth`.
 *
 * Path: ext-auth.ts puts them together.
 */
export { type Decision, decisionOf, questionOf } from './exchange.ts';
export { EXT_AUTH_CONFIG, type ExtAuthConfig } from './schema.ts';
export { Service, ServiceFailure, UnaskableError } from './service.ts';
