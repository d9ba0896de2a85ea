/**
 * Many connections that say nothing: what each of them costs while it waits.
 *
 * Path: connections open in steps; at each step memory is read when it has settled. The figure is
 * the slope by least squares over the steps, so that what the process costs by itself is not in it.
 * Each connection has made one round trip, so the tunnel behind the gateway stands. Kernel memory
 * is the machine's and includes the generator's and the origin's sockets: the candidate `direct`
 * shows that part.
 */
import { slopeOf } from '../report/statistics.ts';
import { proxiedConnectionsMax, Rig, readKernelMemory, readSettledMemory } from '../rig/index.ts';
import type { Bench, Scenario, Tally } from './scenario.ts';

const STEPS = [1_000, 3_000, 5_000, 7_000, 9_000];

async function measure({ parts, candidate, scale }: Bench, tally: Tally): Promise<void> {
  await using rig = await Rig.start(parts, candidate);
  const most = proxiedConnectionsMax(parts.machine);
  const steps = STEPS.map((step) => Math.ceil(step / scale.divisor)).filter((step) => step <= most);
  if (steps.length < STEPS.length) tally.note(`At most ${most} connections: the descriptor limit.`);
  const user: [number, number][] = [];
  const kernel: [number, number][] = [];
  const run = rig.load('idle', { steps: steps.join(',') });
  for (const step of steps) {
    await run.event('step');
    const memory = await readSettledMemory(rig.pids());
    user.push([step, memory.userBytes]);
    kernel.push([step, readKernelMemory()]);
    if (candidate.role !== 'floor') {
      tally.point('user', step, memory.userBytes / 2 ** 20);
      tally.point('rss', step, memory.rssBytes / 2 ** 20);
    }
    run.step();
  }
  const result = await run.result();
  if (candidate.role !== 'floor') {
    tally.figure('user', slopeOf(user));
    tally.figure('total', user.at(-1)?.[1]);
  }
  tally.figure('kernel', slopeOf(kernel));
  tally.figure('losses', result.connections?.lost);
}

/** See the header. */
export const tcpIdleMass: Scenario = {
  name: 'tcp-idle-mass',
  question:
    'How much memory does an idle proxied connection hold, between 1,000 and 9,000 of them?',
  groups: ['tcp'],
  figures: [
    { key: 'user', title: 'user memory per connection', unit: 'bytes', better: 'lower' },
    { key: 'kernel', title: 'kernel memory per connection', unit: 'bytes', better: 'lower' },
    { key: 'total', title: 'user memory at the last step', unit: 'bytes', better: 'lower' },
    { key: 'losses', title: 'losses', unit: 'count', better: 'lower' },
  ],
  plots: [
    {
      kind: 'lines',
      series: 'user',
      title: 'User memory against connections',
      x: 'connections',
      y: 'MiB',
    },
    { kind: 'bars', figure: 'user', title: 'User memory per idle connection' },
  ],
  claims: [
    { sentence: 'at most 256 B of user memory for each', figure: 'user', atMost: 256 },
    { sentence: 'nothing is lost', figure: 'losses', atMost: 0 },
  ],
  measure,
};
