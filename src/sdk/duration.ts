/**
 * Durations as filters write them.
 *
 * Path: timeouts, cool-downs and intervals of define*; definition/read-duration.ts reads them.
 * Invariant: only the form is typed here; the range is checked when a definition is loaded.
 */

/** `250ms`, `2s`, `5m`, `1h`; at most a day. */
export type Duration = `${number}${'ms' | 's' | 'm' | 'h'}`;
