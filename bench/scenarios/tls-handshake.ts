/**
 * TLS connections that come and go: what a full handshake costs, and a resumed one.
 *
 * Path: connect, handshake, one 64-byte round trip, close_notify, at a fixed rate that neither the
 * candidate nor the generator is filled by: a client's handshake costs as much as the server's, so
 * throughput at saturation would be the generator's. The CPU figure is for the whole connection.
 * Resumed ones offer the newest ticket of the connections before.
 * Invariant: a figure is void when the handshakes were not of the kind asked for, or when the load
 * did not keep its rate.
 */
import { type LoadResult, Rig, TLS_VERSIONS, type TlsVersion, tlsFlags } from '../rig/index.ts';
import {
  type Bench,
  declareLatency,
  gatewayNsPer,
  hasVersion,
  latencyKeys,
  runLoad,
  type Scenario,
  type Tally,
  tallyLatency,
  windowOf,
} from './scenario.ts';
import { checkVersion } from './tls.ts';

const PER_SECOND = 800;
const PLACES = 200;
const KIND_SHARE_MIN = 0.99;
const RATE_SHARE_MIN = 0.95;
const KINDS = ['full', 'resumed'] as const;
type Kind = (typeof KINDS)[number];

const nameOf = (kind: Kind, version: TlsVersion): string => `${kind}${version.replace('.', '')}`;

/** All pairs of kind and version. */
const CASES = TLS_VERSIONS.flatMap((version) => KINDS.map((kind) => ({ kind, version })));

function check(tally: Tally, result: LoadResult, kind: Kind, keys: readonly string[]): void {
  const { full = 0, resumed = 0, failed = 0, failure } = result.tls ?? {};
  const right = kind === 'full' ? full : resumed;
  const share = right / Math.max(1, full + resumed);
  const rate = ((result.completed ?? 0) / result.usage.wallNs) * 1e9;
  tally.voidIfLimited(result, keys);
  if (share < KIND_SHARE_MIN) {
    tally.void(keys, `only ${Math.round(share * 100)} % of the handshakes were ${kind}`);
  }
  if (rate < PER_SECOND * RATE_SHARE_MIN) {
    tally.void(keys, `${Math.round(rate)} connections a second instead of ${PER_SECOND}`);
  }
  if (failed > 0) tally.note(`${failed} handshakes failed: ${failure}.`);
}

async function measure({ parts, candidate, scale }: Bench, tally: Tally): Promise<void> {
  tally.parameter('connectionsPerSecond', PER_SECOND);
  let failures = 0;
  for (const { kind, version } of CASES) {
    if (!hasVersion(candidate, version)) continue;
    await using rig = await Rig.start(parts, candidate, { isTls: true });
    const name = nameOf(kind, version);
    const result = await runLoad(rig, 'churn', {
      connections: PLACES,
      'opens-per-second': PER_SECOND,
      ...(kind === 'resumed' ? { resume: 'yes' } : {}),
      ...windowOf(scale),
      ...tlsFlags(version),
    });
    tally.figure(`${name}Cpu`, gatewayNsPer(result, result.completed));
    tallyLatency(tally, name, result.handshake);
    const keys = [`${name}Cpu`, ...latencyKeys(name)];
    checkVersion(tally, result, version, keys);
    check(tally, result, kind, keys);
    failures += (result.tls?.failed ?? 0) + (result.connections?.failed ?? 0);
  }
  tally.figure('failures', failures);
}

/** See the header. */
export const tlsHandshake: Scenario = {
  name: 'tls-handshake',
  question: 'What does a TLS connection cost with a full handshake (ECDSA P-256), and resumed?',
  groups: ['tls'],
  tlsVersions: TLS_VERSIONS,
  figures: [
    ...CASES.map(({ kind, version }) => ({
      key: `${nameOf(kind, version)}Cpu`,
      title: `CPU per connection, TLS ${version} ${kind}`,
      unit: 'ns' as const,
      better: 'lower' as const,
    })),
    ...CASES.flatMap(({ kind, version }) =>
      declareLatency(nameOf(kind, version), `handshake, TLS ${version} ${kind}`),
    ),
    { key: 'failures', title: 'failed', unit: 'count', better: 'lower' },
  ],
  plots: [
    { kind: 'bars', figure: 'full13Cpu', title: 'CPU per connection, TLS 1.3, full handshake' },
    { kind: 'bars', figure: 'resumed13Cpu', title: 'CPU per connection, TLS 1.3, resumed' },
    { kind: 'percentiles', histogram: 'full13', title: 'Time of a full TLS 1.3 handshake' },
  ],
  claims: [
    ...KINDS.flatMap((kind) =>
      ['nginx', 'haproxy'].map((over) => ({
        sentence: `CPU per connection with a ${kind} handshake at most that of ${over}`,
        figure: `${nameOf(kind, '1.3')}Cpu`,
        over,
        atMost: 1,
      })),
    ),
    { sentence: 'no handshake fails', figure: 'failures', atMost: 0 },
  ],
  measure,
};
