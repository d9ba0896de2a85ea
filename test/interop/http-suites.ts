/**
 * Foreign programs that HTTP and WebSocket are tried with.
 *
 * Path: main.ts runs those that are wanted; `--write` makes docs/http-interop.md of the rows.
 * Invariant: each suite says what it did in rows; what is not on this machine is skipped by name.
 */
import type { Owner } from '../e2e/harness.ts';
import { runAutobahn } from './autobahn.ts';
import type { Row } from './page.ts';
import { runSlowClients } from './slow-clients.ts';
import { makeCorpus } from './smuggling/corpus.ts';
import { startOrigins } from './smuggling/origins.ts';
import { SmugglingRig } from './smuggling/smuggling.ts';

/** What the command line said. */
export interface Choice {
  /** Without what takes hours. */
  readonly isShort: boolean;
  /** Whether what a suite does against this target is wanted. */
  readonly isTarget: (target: string) => boolean;
}

/** One suite. */
export interface HttpSuite {
  readonly name: string;
  readonly run: (owner: Owner, tell: (row: Row) => void, choice: Choice) => Promise<void>;
}

/** Besides what is written down. */
const MUTATIONS = 3_000;
const FINDINGS_SHOWN_MAX = 5;

/** All inputs, with the mutations of two seeds, to every origin that is here. */
async function runSmuggling(
  owner: Owner,
  tell: (row: Row) => void,
  { isTarget }: Choice,
): Promise<void> {
  const name = 'smuggling';
  const seeds = [1, Date.now() % 1_000_000].filter((seed) => isTarget(`seed ${seed}`));
  if (seeds.length === 0) {
    return;
  }
  const { origins, left } = await startOrigins(owner);
  const rig = await SmugglingRig.start(owner, origins);
  const version = origins.map((origin) => `${origin.name} ${origin.version}`).join(', ');
  for (const seed of seeds) {
    const judged = await rig.judge(makeCorpus(MUTATIONS, seed));
    const { inputs, refused, same, refusedBySome, findings } = judged;
    tell({
      name,
      version,
      target: `${origins.length} origins, seed ${seed}`,
      result: findings.length === 0 ? 'passed' : 'FAILED',
      says:
        `${inputs} inputs: ${refused} refused, ${same} read the same by all, ${refusedBySome} ` +
        `refused by some origins and read the same by the others; ${findings.length} findings` +
        findings
          .slice(0, FINDINGS_SHOWN_MAX)
          .map((finding) => `\n${finding}`)
          .join(''),
    });
  }
  for (const missing of left) {
    tell({ name, version: '', target: missing, result: 'skipped', says: 'not found' });
  }
}

/** All of them. */
export const HTTP_SUITES: readonly HttpSuite[] = [
  { name: 'smuggling', run: runSmuggling },
  { name: 'slowhttptest', run: runSlowClients },
  { name: 'autobahn', run: runAutobahn },
];
