/**
 * The corpus of request smuggling against Node's origin and those programs that are here.
 *
 * Path: a short form of `npm run interop -- smuggling`, which wants five origins and more inputs.
 * Invariant under test: each input is refused, or read the same way by every origin; the next
 * client on the same pooled connections gets its own response (threats row C1).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeCorpus } from '../../interop/smuggling/corpus.ts';
import { startOrigins } from '../../interop/smuggling/origins.ts';
import { SmugglingRig } from '../../interop/smuggling/smuggling.ts';

const MUTATIONS = 250;
const FINDINGS_SHOWN_MAX = 10;

test('what is passed on is read the same by every origin', async (t) => {
  const { origins } = await startOrigins(t, ['node', 'nginx', 'haproxy']);
  const rig = await SmugglingRig.start(t, origins);
  const { inputs, refused, same, findings } = await rig.judge(makeCorpus(MUTATIONS));
  const shown = findings.slice(0, FINDINGS_SHOWN_MAX).join('\n');
  assert.equal(findings.length, 0, `${findings.length} findings:\n${shown}`);
  // Neither everything nor nothing is refused.
  assert.ok(refused > inputs / 4 && same > inputs / 20, `${refused} and ${same} of ${inputs}`);
});
