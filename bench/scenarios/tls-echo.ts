/**
 * Small messages on long-lived TLS connections: what one round trip costs, in CPU and in time.
 *
 * Path: the two loads of echo.ts over TLS 1.3 with AES-128-GCM, then the saturating one again with
 * AES-256-GCM and with TLS 1.2. A round trip is two records opened or sealed by the candidate.
 */
import { negotiatedName, Rig, tlsFlags } from '../rig/index.ts';
import { ACTIVE, declareEcho, measureBusy, measureEcho } from './echo.ts';
import {
  type Bench,
  countLosses,
  latencyKeys,
  type Scenario,
  type Tally,
  windowOf,
} from './scenario.ts';
import { checkVersion, voidUnlessNegotiated } from './tls.ts';

const RATE = 5_000;
const SHARE_OF_PEERS = 0.95;
const OTHERS = [
  {
    key: 'cpu256',
    title: 'the same, AES-256-GCM',
    version: '1.3',
    suite: 'TLS_AES_256_GCM_SHA384',
  },
  {
    key: 'cpu12',
    title: 'the same, TLS 1.2',
    version: '1.2',
    suite: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  },
] as const;

async function measure(bench: Bench, tally: Tally): Promise<void> {
  const { parts, candidate, scale } = bench;
  await using rig = await Rig.start(parts, candidate, { isTls: true });
  const results = await measureEcho(bench, rig, tally, { rate: RATE, flags: tlsFlags('1.3') });
  let losses = 0;
  for (const result of results) {
    checkVersion(tally, result, '1.3', [
      'cpu',
      'throughput',
      'cpuAtRate',
      ...latencyKeys('latency'),
    ]);
    losses += countLosses(result);
  }
  for (const { key, version, suite } of OTHERS) {
    const flags = { connections: ACTIVE, ...windowOf(scale), ...tlsFlags(version, suite) };
    const result = await measureBusy(rig, tally, key, flags);
    voidUnlessNegotiated(tally, result, [key], negotiatedName(version, suite));
    losses += countLosses(result);
  }
  tally.figure('losses', losses);
}

/** See the header. */
export const tlsEcho: Scenario = {
  name: 'tls-echo',
  question: 'What does a 64-byte round trip over TLS cost with 100 active among 1,000 connections?',
  groups: ['tls'],
  tlsVersions: ['1.3'],
  figures: declareEcho(
    RATE,
    OTHERS.map(({ key, title }) => ({ key, title, unit: 'ns', better: 'lower' })),
  ),
  plots: [
    { kind: 'percentiles', histogram: 'latency', title: 'Latency over TLS at 5,000 a second' },
    { kind: 'bars', figure: 'cpu', title: 'CPU per round trip over TLS' },
  ],
  claims: [
    ...['nginx', 'haproxy'].map((over) => ({
      sentence: `CPU per round trip at most ${SHARE_OF_PEERS} of ${over}`,
      figure: 'cpu',
      over,
      atMost: SHARE_OF_PEERS,
    })),
    { sentence: 'nothing is lost', figure: 'losses', atMost: 0 },
  ],
  measure,
};
