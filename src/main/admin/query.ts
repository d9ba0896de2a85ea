/**
 * Query parameters and body fields, read with their human forms.
 *
 * Path: handlers read everything a client says through here.
 * Invariant: what cannot be read is refused with what to write instead; nothing falls back in
 * silence.
 */
import { parseDuration } from '../config/index.ts';
import { badRequest } from './http.ts';

/** Refuses parameters that the endpoint does not have. @throws AdminError 400 */
export function checkParameters(query: URLSearchParams, known: readonly string[]): void {
  for (const name of query.keys()) {
    if (!known.includes(name)) {
      throw badRequest(`there is no parameter "${name}"`, `there are ${known.join(', ')}`);
    }
  }
}

/** `1h30m`, or milliseconds as a bare number; `fallback` when absent. @throws AdminError 400 */
export function readDurationMs(query: URLSearchParams, name: string, fallback: number): number {
  const text = query.get(name);
  return text === null ? fallback : toDurationMs(text, name);
}

/** The same for a body's field. @throws AdminError 400 */
export function toDurationMs(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) {
    return value;
  }
  if (typeof value === 'string') {
    if (/^\d{1,15}$/.test(value)) {
      return Number(value);
    }
    const parsed = parseDuration(value);
    if (parsed.ok) {
      return parsed.value;
    }
  }
  throw badRequest(
    `"${name}" is no duration`,
    'write "1h30m", or a number of milliseconds without a unit',
  );
}

/** A whole number within a range; `fallback` when absent. @throws AdminError 400 */
export function readCount(
  query: URLSearchParams,
  name: string,
  range: { readonly fallback: number; readonly min: number; readonly max: number },
): number {
  const text = query.get(name);
  if (text === null) {
    return range.fallback;
  }
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= range.min && value <= range.max)) {
    throw badRequest(`"${name}" is a whole number from ${range.min} to ${range.max}`);
  }
  return value;
}

/** The fields of a JSON object. @throws AdminError 400 */
export function readFields(body: unknown, known: readonly string[]): Record<string, unknown> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw badRequest('the body is a JSON object', `its fields are ${known.join(', ')}`);
  }
  for (const name of Object.keys(body)) {
    if (!known.includes(name)) {
      throw badRequest(`the body has no field "${name}"`, `its fields are ${known.join(', ')}`);
    }
  }
  return { ...body };
}
