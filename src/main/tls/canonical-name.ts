/**
 * Server names in the one form that they are compared in.
 *
 * Path: the configuration language and the names inside certificates both go through here; the core
 * does the same with what clients ask for (RFC 6066 3).
 * Invariant: lower case, no trailing dot, labels of 1 to 63 letters, digits, `-` and `_`, at most
 * 255 characters; a wildcard is a whole first label.
 */

const NAME_LENGTH_MAX = 255;
const LABEL = /^[a-z0-9_-]{1,63}$/;

/** The canonical form of a name or wildcard, or null when no host can have it. */
export function canonicalServerName(name: string): string | null {
  const lower = name.toLowerCase().replace(/\.$/, '');
  const isWildcard = lower.startsWith('*.');
  const host = isWildcard ? lower.slice(2) : lower;
  const isName =
    host.length > 0 &&
    host.length <= NAME_LENGTH_MAX &&
    host.split('.').every((label) => LABEL.test(label));
  return isName ? `${isWildcard ? '*.' : ''}${host}` : null;
}
