/**
 * Many TLS connections that say nothing: what each of them costs while it waits.
 *
 * Path: see idle-mass.ts; once with TLS 1.3 and once with TLS 1.2, each with a fresh candidate.
 * Every connection has finished its handshake and made one round trip. They open few at a time:
 * what a burst of handshakes leaves in an allocator is not what idle connections hold. Does not say
 * what a busy connection costs.
 */
import { TLS_VERSIONS, tlsFlags } from '../rig/index.ts';
import { declareIdle, measureIdleMass } from './idle-mass.ts';
import { hasVersion, type Scenario } from './scenario.ts';

const BYTES_MAX = 512;
const OPENING = 16;

const KINDS = TLS_VERSIONS.map((version) => ({
  version,
  suffix: version.replace('.', ''),
  title: `TLS ${version} connection`,
  flags: { ...tlsFlags(version), opening: OPENING },
}));

/** See the header. */
export const tlsIdleMass: Scenario = {
  name: 'tls-idle-mass',
  question: 'How much memory does an idle TLS connection hold, between 1,000 and 9,000 of them?',
  groups: ['tls'],
  tlsVersions: TLS_VERSIONS,
  figures: [
    ...KINDS.flatMap((kind) => declareIdle(kind)),
    { key: 'losses', title: 'losses', unit: 'count', better: 'lower' },
  ],
  plots: KINDS.flatMap(({ suffix, title }) => [
    {
      kind: 'lines' as const,
      series: `user${suffix}`,
      title: `User memory against ${title}s`,
      x: 'connections',
      y: 'MiB',
    },
    { kind: 'bars' as const, figure: `user${suffix}`, title: `User memory per idle ${title}` },
  ]),
  claims: [
    ...KINDS.map(({ suffix, title }) => ({
      sentence: `at most ${BYTES_MAX} B of user memory for each ${title}`,
      figure: `user${suffix}`,
      atMost: BYTES_MAX,
    })),
    { sentence: 'nothing is lost', figure: 'losses', atMost: 0 },
  ],
  measure: async (bench, tally) => {
    let lost = 0;
    for (const kind of KINDS) {
      if (hasVersion(bench.candidate, kind.version))
        lost += await measureIdleMass(bench, tally, kind);
    }
    tally.figure('losses', lost);
  },
};
