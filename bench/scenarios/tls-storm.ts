/**
 * Everybody shakes hands at once while some work goes on.
 *
 * Path: 200 established TLS connections carry 2,000 messages a second; meanwhile 128 places
 * connect, send a ClientHello and are cut when the server's signed flight arrives, as fast as that
 * comes. The server has done the work of a full handshake by then and the client next to none: one
 * generator saturates the candidate. Then the same beside 1,000 complete handshakes a second, which
 * is what a generator can do without being the limit.
 * Invariant: latencies of a storm that left the candidate time to spare are void.
 */
import { Rig, tlsFlags } from '../rig/index.ts';
import {
  type Bench,
  countLosses,
  declareLatency,
  latencyKeys,
  runLoad,
  type Scenario,
  type Tally,
  tallyLatency,
} from './scenario.ts';
import { checkVersion } from './tls.ts';

const ESTABLISHED = 200;
const RATE = 2_000;
const PLACES = 128;
const FULL_PER_SECOND = 1_000;
const SATURATED_SHARE = 0.85;
const TIMES_CALM = 2;
const KINDS = ['hello', 'full'] as const;

async function measure({ parts, candidate, scale }: Bench, tally: Tally): Promise<void> {
  await using rig = await Rig.start(parts, candidate, { isTls: true });
  tally.parameter('established', ESTABLISHED);
  tally.parameter('ratePerSecond', RATE);
  tally.parameter('places', PLACES);
  let losses = 0;
  for (const kind of KINDS) {
    const result = await runLoad(rig, 'handshakes', {
      kind,
      connections: ESTABLISHED,
      rate: RATE,
      places: PLACES,
      'storm-per-second': kind === 'full' ? FULL_PER_SECOND : false,
      'storm-after-ms': scale.seconds * 1000,
      'storm-ms': scale.seconds * 1000,
      'duration-ms': scale.seconds * 2500,
      'drain-ms': 3000,
      ...tlsFlags('1.3'),
    });
    const [calm, storm] = [`${kind}Calm`, `${kind}Storm`];
    tallyLatency(tally, calm, result.response);
    tallyLatency(tally, storm, result.duringStorm);
    const keys = [...latencyKeys(storm), `${kind}Times`];
    if (result.response !== undefined && result.duringStorm !== undefined) {
      tally.figure(`${kind}Times`, result.duringStorm.p99 / result.response.p99);
    }
    const { wallNs = 0, watched = {} } = result.stormUsage ?? {};
    const share = (watched['gateway'] ?? 0) / Math.max(1, wallNs);
    tally.figure(`${kind}Rate`, ((result.stormAnswered ?? 0) / Math.max(1, wallNs)) * 1e9);
    tally.figure(`${kind}Share`, share);
    tally.voidIfLimited(result, [...latencyKeys(calm), ...keys]);
    if (kind === 'hello' && share < SATURATED_SHARE) {
      tally.void(keys, `the storm filled only ${Math.round(share * 100)} % of its core`);
    }
    checkVersion(tally, result, '1.3', [...latencyKeys(calm), ...keys]);
    losses += countLosses(result);
  }
  tally.figure('losses', losses);
}

/** See the header. */
export const tlsStorm: Scenario = {
  name: 'tls-storm',
  question: 'What do established TLS connections feel while handshakes saturate the gateway?',
  groups: ['tls'],
  tlsVersions: ['1.3'],
  figures: [
    ...declareLatency('helloCalm', 'established, calm'),
    ...declareLatency('helloStorm', 'established, in the storm'),
    { key: 'helloTimes', title: 'p99 in the storm over calm', unit: 'ratio', better: 'lower' },
    { key: 'helloRate', title: 'handshakes answered', unit: 'perSecond', better: 'neither' },
    { key: 'helloShare', title: 'core used in the storm', unit: 'ratio', better: 'neither' },
    ...declareLatency('fullStorm', 'beside complete handshakes'),
    { key: 'fullTimes', title: 'p99 beside them over calm', unit: 'ratio', better: 'lower' },
    { key: 'fullRate', title: 'complete handshakes', unit: 'perSecond', better: 'neither' },
    { key: 'fullShare', title: 'core used beside them', unit: 'ratio', better: 'neither' },
    { key: 'losses', title: 'losses', unit: 'count', better: 'lower' },
  ],
  plots: [
    { kind: 'percentiles', histogram: 'helloStorm', title: 'Established connections in the storm' },
    { kind: 'bars', figure: 'helloTimes', title: 'p99 in the storm, as a multiple of calm' },
  ],
  claims: [
    {
      sentence: 'p99 of the established at most twice that of calm',
      figure: 'helloTimes',
      atMost: TIMES_CALM,
    },
    ...['nginx', 'haproxy'].map((over) => ({
      sentence: `p99 in the storm at most that of ${over}`,
      figure: 'helloStorm.p99',
      over,
      atMost: 1,
    })),
    { sentence: 'nothing established is lost', figure: 'losses', atMost: 0 },
  ],
  measure,
};
