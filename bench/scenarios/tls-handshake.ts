/**
 * TLS connections that come and go: what a full handshake costs, and a resumed one.
 *
 * Path: connect, handshake, one 64-byte round trip, close_notify. First on 50 places that are
 * refilled at once, as in tcp-churn: the CPU of the candidate for each such connection. Then at a
 * fixed rate that fills nobody: how long handshakes take, and what a connection costs when nearly
 * each of them wakes the candidate. Resumed ones offer the newest ticket of the connections before.
 * Invariant: a figure is void when the handshakes were not of the kind asked for, or when the load
 * did not keep its rate. Does not say how many handshakes a candidate can do: a client's costs as
 * much as the server's, so the generator may be the limit.
 */
import {
  type LoadFlags,
  type LoadResult,
  Rig,
  TLS_VERSIONS,
  type TlsVersion,
  tlsFlags,
} from '../rig/index.ts';
import {
  type Bench,
  declareLatency,
  type Figure,
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

const BUSY_PLACES = 50;
const PER_SECOND = 500;
const PLACES = 200;
const KIND_SHARE_MIN = 0.99;
const RATE_SHARE_MIN = 0.95;
const KINDS = ['full', 'resumed'] as const;
type Kind = (typeof KINDS)[number];

/** One kind of handshake in one version. */
interface Case {
  readonly name: string;
  readonly title: string;
  readonly kind: Kind;
  readonly version: TlsVersion;
}

const CASES: readonly Case[] = TLS_VERSIONS.flatMap((version) =>
  KINDS.map((kind) => ({
    name: `${kind}${version.replace('.', '')}`,
    title: `TLS ${version} ${kind}`,
    kind,
    version,
  })),
);

function countHandshakes({ tls }: LoadResult): number {
  return (tls?.full ?? 0) + (tls?.resumed ?? 0);
}

/** Marks the figures void unless nearly all handshakes were of the kind asked for. */
function checkKind(tally: Tally, result: LoadResult, { kind, version }: Case, key: string): void {
  const right = (kind === 'full' ? result.tls?.full : result.tls?.resumed) ?? 0;
  const share = right / Math.max(1, countHandshakes(result));
  checkVersion(tally, result, version, [key]);
  if (share >= KIND_SHARE_MIN) return;
  tally.void([key], `only ${Math.round(share * 100)} % of the handshakes were ${kind}`);
}

/** The same for the paced load, whose rate must have been kept too. */
function checkRate(tally: Tally, result: LoadResult, keys: readonly string[]): void {
  const rate = ((result.completed ?? 0) / result.usage.wallNs) * 1e9;
  tally.voidIfLimited(result, keys);
  if (rate >= PER_SECOND * RATE_SHARE_MIN) return;
  tally.void(keys, `${Math.round(rate)} connections a second instead of ${PER_SECOND}`);
}

async function measureCase(bench: Bench, tally: Tally, each: Case): Promise<LoadResult[]> {
  await using rig = await Rig.start(bench.parts, bench.candidate, { isTls: true });
  const { name, kind, version } = each;
  const flags: LoadFlags = {
    ...(kind === 'resumed' ? { resume: 'yes' } : {}),
    ...windowOf(bench.scale),
    ...tlsFlags(version),
  };
  const busy = await runLoad(rig, 'churn', { connections: BUSY_PLACES, ...flags });
  tally.figure(`${name}Cpu`, gatewayNsPer(busy, busy.completed));
  checkKind(tally, busy, each, `${name}Cpu`);
  const pace = { connections: PLACES, 'opens-per-second': PER_SECOND };
  const paced = await runLoad(rig, 'churn', { ...pace, ...flags });
  tally.figure(`${name}CpuAtRate`, gatewayNsPer(paced, paced.completed));
  tallyLatency(tally, name, paced.handshake);
  const keys = [`${name}CpuAtRate`, ...latencyKeys(name)];
  for (const key of keys) checkKind(tally, paced, each, key);
  checkRate(tally, paced, keys);
  return [busy, paced];
}

async function measure(bench: Bench, tally: Tally): Promise<void> {
  tally.parameter('connectionsPerSecond', PER_SECOND);
  const results: LoadResult[] = [];
  for (const each of CASES) {
    if (!hasVersion(bench.candidate, each.version)) continue;
    results.push(...(await measureCase(bench, tally, each)));
  }
  const sum = (count: (result: LoadResult) => number | undefined): number =>
    results.reduce((total, result) => total + (count(result) ?? 0), 0);
  const failures = sum(({ tls }) => tls?.failed) + sum(({ connections }) => connections?.failed);
  const failure = results.map(({ tls }) => tls?.failure ?? '').find((text) => text !== '');
  if (failure !== undefined) tally.note(`A handshake failed: ${failure}.`);
  tally.figure('failures', failures);
  tally.figure('truncated', sum(({ tls }) => tls?.truncated) / Math.max(1, sum(countHandshakes)));
}

const declareCpu = ({ name, title }: Case, suffix: string, more: string): Figure => ({
  key: `${name}Cpu${suffix}`,
  title: `CPU per connection, ${title}${more}`,
  unit: 'ns',
  better: 'lower',
});

/** See the header. */
export const tlsHandshake: Scenario = {
  name: 'tls-handshake',
  question: 'What does a TLS connection cost with a full handshake (ECDSA P-256), and resumed?',
  groups: ['tls'],
  tlsVersions: TLS_VERSIONS,
  figures: [
    ...CASES.map((each) => declareCpu(each, '', '')),
    ...CASES.map((each) => declareCpu(each, 'AtRate', `, at ${PER_SECOND}/s`)),
    ...CASES.flatMap(({ name, title }) => declareLatency(name, `handshake, ${title}`)),
    { key: 'failures', title: 'failed', unit: 'count', better: 'lower' },
    { key: 'truncated', title: 'share without close_notify', unit: 'ratio', better: 'lower' },
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
        figure: `${kind}13Cpu`,
        over,
        atMost: 1,
      })),
    ),
    { sentence: 'no handshake fails', figure: 'failures', atMost: 0 },
  ],
  measure,
};
