/**
 * Parts of `holdfast/jwt`.
 *
 * Path: jwt.ts puts them together.
 */

export type { TokenRules } from './check-token.ts';
export { type ClaimField, fieldsOf } from './claims.ts';
export { parseKeySet } from './key-set.ts';
export { KeySource } from './key-source.ts';
export { createKeyReader } from './read-keys.ts';
export { JWT_CONFIG, type JwtConfig, type Location } from './schema.ts';
export { findToken, removeToken } from './tokens.ts';
export { digestOf, VerifiedTokens } from './verified-tokens.ts';
export { Verifier } from './verify.ts';
