/**
 * What all TLS scenarios check: that every candidate did the same.
 *
 * Path: called with each result of a TLS load. A handshake that negotiated something else than the
 * one version and suite that were offered, or a load that could not shake hands at all, makes the
 * figures void.
 */
import {
  describeOpenssl,
  type LoadResult,
  negotiatedName,
  RunFailure,
  type TlsVersion,
} from '../rig/index.ts';
import type { Tally } from './scenario.ts';

/** Marks the figures void unless version and suite are what was offered. */
export function voidUnlessNegotiated(
  tally: Tally,
  result: LoadResult,
  keys: readonly string[],
  negotiated: string,
): void {
  const { tls } = result;
  if (tls === undefined) throw new RunFailure('the load says nothing of TLS');
  tally.parameter('openssl', describeOpenssl());
  if (tls.negotiated !== negotiated || tls.others > 0) {
    tally.void(keys, `it negotiated ${tls.negotiated || 'nothing'} instead of ${negotiated}`);
  }
}

/** The same for a version with the suite of the scenarios. */
export function checkVersion(
  tally: Tally,
  result: LoadResult,
  version: TlsVersion,
  keys: readonly string[],
): void {
  voidUnlessNegotiated(tally, result, keys, negotiatedName(version));
}
