/**
 * Writes claims as header fields.
 *
 * Path: jwt.ts, once for each token that was verified.
 * Invariant: two different claims never make the same field: what a field cannot hold or would
 * change, and what separates the items of a list, is percent-encoded, and so is `%` itself.
 */

/** A field and its value. */
export type ClaimField = readonly [name: string, value: string];

/** Longest value of one field, and of all fields together. */
export const CLAIM_LENGTH_MAX = 4096;
export const CLAIMS_LENGTH_MAX = 16_384;

/** All but visible ASCII and space; `%`, and the comma that separates items. */
const UNSAFE = /[^\x20-\x24\x26-\x2b\x2d-\x7e]|^ | $/gu;

function encode(text: string): string {
  return text.toWellFormed().replaceAll(UNSAFE, (one) => {
    const code = one.codePointAt(0) ?? 0;
    // encodeURIComponent leaves no unsafe character as it is.
    return code < 0x80
      ? `%${code.toString(16).toUpperCase().padStart(2, '0')}`
      : encodeURIComponent(one);
  });
}

function toText(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  return encode(typeof value === 'string' ? value : JSON.stringify(value));
}

/** The claim at a path such as `realm_access.roles`; a claim with dots in its name comes first. */
function claimAt(claims: Readonly<Record<string, unknown>>, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  let value: unknown = claims;
  for (const key of path.split('.')) {
    const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (!isMap || !Object.hasOwn(value as object, key)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[key];
  }
  return value;
}

/**
 * The fields for the claims that a token has; the others get none.
 *
 * @returns the name of the claim that is too long, or the fields.
 */
export function fieldsOf(
  claims: Readonly<Record<string, unknown>>,
  wanted: ReadonlyMap<string, string>,
): readonly ClaimField[] | string {
  const fields: ClaimField[] = [];
  let length = 0;
  for (const [name, path] of wanted) {
    const value = claimAt(claims, path);
    const items = Array.isArray(value) ? value.map(toText) : [toText(value)];
    const text = items.filter((item) => item !== null).join(',');
    if (text === '') continue;
    length += text.length;
    if (text.length > CLAIM_LENGTH_MAX || length > CLAIMS_LENGTH_MAX) return path;
    fields.push([name, text]);
  }
  return fields;
}
