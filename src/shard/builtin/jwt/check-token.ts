/**
 * Checks one token with one key: signature, times, issuer, audience.
 *
 * Path: verify.ts calls this on the shard, worker.ts in a thread of the pool.
 * Invariant: the algorithm is one that the caller allows; a fault is a sentence for the client and
 * never holds anything of the token but the names of its claims.
 */
import { errors, importJWK, type JWK, type JWTPayload, jwtVerify } from 'jose';

/** What a token must be like. Plain values, which can be sent to another thread. */
export interface TokenRules {
  readonly issuer: readonly string[] | undefined;
  readonly audience: readonly string[] | undefined;
  readonly require: readonly string[];
  readonly clockToleranceSeconds: number;
}

/** One check. */
export interface TokenCheck {
  readonly token: string;
  readonly key: JWK;
  readonly algorithm: string;
  readonly rules: TokenRules;
}

/** The claims, or what is wrong. */
export type TokenVerdict =
  | { readonly claims: JWTPayload }
  | { readonly fault: string; readonly isSignature: boolean };

const REASONS = { missing: 'is missing', invalid: 'is not valid' } as const;

function describe(error: unknown): TokenVerdict {
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return { fault: 'the signature is wrong', isSignature: true };
  }
  const isSignature = false;
  if (error instanceof errors.JWTExpired) return { fault: 'the token has expired', isSignature };
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'nbf' && error.reason === 'check_failed') {
      return { fault: 'the token is not valid yet', isSignature };
    }
    const reason = REASONS[error.reason as keyof typeof REASONS] ?? 'is wrong';
    return { fault: `the claim ${error.claim} ${reason}`, isSignature };
  }
  if (error instanceof errors.JOSEAlgNotAllowed) {
    return { fault: 'the algorithm is not taken', isSignature };
  }
  if (error instanceof errors.JOSENotSupported) {
    return { fault: 'the token has extensions that are not known', isSignature };
  }
  return { fault: 'it is not a token', isSignature };
}

type ImportedKey = Awaited<ReturnType<typeof importJWK>>;

/** Keys that were imported, by the object they came from and the algorithm they are for. */
const imported = new WeakMap<JWK, Map<string, ImportedKey>>();

async function importKey(key: JWK, algorithm: string): Promise<ImportedKey | null> {
  let byAlgorithm = imported.get(key);
  if (byAlgorithm === undefined) {
    byAlgorithm = new Map();
    imported.set(key, byAlgorithm);
  }
  const known = byAlgorithm.get(algorithm);
  if (known !== undefined) return known;
  try {
    const made = await importJWK(key, algorithm);
    byAlgorithm.set(algorithm, made);
    return made;
  } catch {
    return null;
  }
}

/** Checks a token. Never rejects. */
export async function checkToken(check: TokenCheck): Promise<TokenVerdict> {
  const { token, algorithm, rules } = check;
  const key = await importKey(check.key, algorithm);
  if (key === null) return { fault: 'its key cannot be used', isSignature: false };
  try {
    const { payload } = await jwtVerify(token, key, {
      algorithms: [algorithm],
      clockTolerance: rules.clockToleranceSeconds,
      requiredClaims: [...rules.require],
      ...(rules.issuer !== undefined && { issuer: [...rules.issuer] }),
      ...(rules.audience !== undefined && { audience: [...rules.audience] }),
    });
    return { claims: payload };
  } catch (error) {
    return describe(error);
  }
}
