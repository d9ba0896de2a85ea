/**
 * More workers and more connections: what changes.
 *
 * Path: saturation with 1, 2 and 4 workers as far as the machine has cores for them, and with 1,000
 * to as many connections as descriptors allow on one worker.
 * Does not compare across machines: where workers and load share cores, the note says so and the
 * throughput is void.
 */
import { Rig } from '../rig/index.ts';
import {
  type Bench,
  gatewayNsPer,
  perSecond,
  runLoad,
  type Scenario,
  type Tally,
  windowOf,
} from './scenario.ts';

const WORKERS = [1, 2, 4];
const CONNECTIONS = [1_000, 3_000, 9_000, 18_000];
const ACTIVE = 200;

async function measure(bench: Bench, tally: Tally): Promise<void> {
  const { parts, candidate, scale } = bench;
  const times = windowOf(scale);
  for (const workers of WORKERS) {
    if (workers > parts.machine.cores) {
      tally.note(`Not with ${workers} workers: the machine has ${parts.machine.cores} cores.`);
      continue;
    }
    await using rig = await Rig.start(parts, candidate, { workers });
    const result = await runLoad(rig, 'closed', { connections: 1_000, active: ACTIVE, ...times });
    const key = `workers${workers}`;
    tally.figure(key, perSecond(result, result.answeredInWindow));
    tally.figure(`${key}Cpu`, gatewayNsPer(result, result.answeredInWindow));
    if (rig.placement.isShared) tally.void([key], 'workers and load share a core');
  }
  await using rig = await Rig.start(parts, candidate);
  const most = rig.connectionsMax;
  for (const wanted of CONNECTIONS) {
    const connections = Math.ceil(wanted / scale.divisor);
    if (connections > most) {
      tally.note(`Not with ${connections} connections: descriptors allow ${most}.`);
      continue;
    }
    const result = await runLoad(rig, 'closed', { connections, active: ACTIVE, ...times });
    const cpu = gatewayNsPer(result, result.answeredInWindow);
    if (cpu !== undefined) tally.point('cpu', connections, cpu / 1000);
  }
}

/** See the header. */
export const scaling: Scenario = {
  name: 'scaling',
  question: 'What do more workers bring, and what do more connections cost?',
  groups: [],
  figures: WORKERS.flatMap((workers) => [
    {
      key: `workers${workers}`,
      title: `round trips, ${workers} worker${workers > 1 ? 's' : ''}`,
      unit: 'perSecond' as const,
      better: 'higher' as const,
    },
    {
      key: `workers${workers}Cpu`,
      title: `CPU per round trip, ${workers}`,
      unit: 'ns' as const,
      better: 'lower' as const,
    },
  ]),
  plots: [
    {
      kind: 'lines',
      series: 'cpu',
      title: 'CPU per round trip against open connections',
      x: 'connections',
      y: 'µs',
    },
  ],
  claims: [],
  measure,
};
