/**
 * What the pool's threads do for a report: bootstrap intervals and pictures.
 *
 * Path: pool.ts calls these by name, each in any thread of the pool.
 * Invariant: a call is pure and gets all it needs.
 */
import { estimate as computeEstimate, type Estimate } from './statistics.ts';
import { draw, type Picture } from './svg.ts';

/** The median of the values with its interval; about a millisecond for each ten values. */
export function estimate(values: readonly number[]): Estimate {
  return computeEstimate(values);
}

/** The SVG of a picture. */
export function picture(wanted: Picture): string {
  return draw(wanted);
}
