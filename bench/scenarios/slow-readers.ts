/**
 * Clients that read far less than is sent to them, beside clients that work normally.
 *
 * Path: 200 slow readers ask for an endless download and take 1 KiB a second each; 500 others carry
 * 5,000 messages a second. What the gateway holds for a slow reader is read before and after its
 * buffers filled.
 */
import { Rig, readSettledMemory } from '../rig/index.ts';
import {
  type Bench,
  countLosses,
  declareLatency,
  latencyKeys,
  type Scenario,
  type Tally,
  tallyLatency,
} from './scenario.ts';

const ESTABLISHED = 500;
const SLOW = 200;
const SLOW_BYTES_PER_SECOND = 1024;
const RATE = 5_000;
const FILL_MS = 2_000;

async function measure({ parts, candidate, scale }: Bench, tally: Tally): Promise<void> {
  await using rig = await Rig.start(parts, candidate);
  const slow = Math.ceil(SLOW / scale.divisor);
  tally.parameter('slow', slow);
  tally.parameter('established', ESTABLISHED);
  tally.parameter('ratePerSecond', RATE);
  const run = rig.load('slow', {
    connections: ESTABLISHED,
    rate: RATE,
    slow,
    'slow-rate': SLOW_BYTES_PER_SECOND,
    'stall-ms': FILL_MS / scale.divisor + 200,
    'duration-ms': scale.seconds * 1000,
  });
  await run.event('ready');
  const before = await readSettledMemory(rig.pids());
  run.step();
  await run.event('stalled');
  const after = await readSettledMemory(rig.pids());
  run.step();
  const result = await run.result();
  tallyLatency(tally, 'latency', result.response);
  tally.voidIfLimited(result, latencyKeys('latency'));
  if (candidate.role !== 'floor') {
    tally.figure('held', (after.userBytes - before.userBytes) / slow);
  }
  tally.figure('losses', countLosses(result) + (result.slowEnded ?? 0));
}

/** See the header. */
export const slowReaders: Scenario = {
  name: 'slow-readers',
  question: 'What does a client that hardly reads cost the gateway, and what do the others feel?',
  groups: [],
  figures: [
    { key: 'held', title: 'user memory per slow reader', unit: 'bytes', better: 'lower' },
    ...declareLatency('latency', 'the others'),
    { key: 'losses', title: 'losses', unit: 'count', better: 'lower' },
  ],
  plots: [
    { kind: 'bars', figure: 'held', title: 'Memory held for a slow reader' },
    { kind: 'percentiles', histogram: 'latency', title: 'The others, beside 200 slow readers' },
  ],
  claims: [
    { sentence: 'at most 128 KiB for a slow reader', figure: 'held', atMost: 128 * 1024 },
    { sentence: 'nothing is lost', figure: 'losses', atMost: 0 },
  ],
  measure,
};
