/**
 * What an idle connection costs: the part that the scenarios with idle-mass in their name share.
 *
 * Path: connections open in steps; at each step memory is read when it has settled. The figure is
 * the slope by least squares over the steps, so that what the process costs by itself is not in it.
 * Each connection has made one round trip, so the tunnel behind the gateway stands. Kernel memory
 * is the machine's and includes the generator's and the origin's sockets: the candidate `direct`
 * shows that part.
 */
import { slopeOf } from '../report/statistics.ts';
import {
  type HttpOptions,
  type LoadFlags,
  Rig,
  readKernelMemory,
  readSettledMemory,
  type TlsVersion,
} from '../rig/index.ts';
import type { Bench, Figure, Tally } from './scenario.ts';
import { checkVersion } from './tls.ts';

const STEPS = [1_000, 3_000, 5_000, 7_000, 9_000];
const STEPS_MIN = 2;

/** Which connections. `suffix` marks the keys of figures and series. */
export interface IdleKind {
  readonly suffix: string;
  readonly title: string;
  /** Absent: plain TCP. */
  readonly version?: TlsVersion;
  /** Absent: bytes are carried as they are. */
  readonly http?: HttpOptions;
  /** What the load is told beside its steps. */
  readonly flags?: LoadFlags;
}

/** Measures one kind; returns how many connections were lost meanwhile. */
export async function measureIdleMass(bench: Bench, tally: Tally, kind: IdleKind): Promise<number> {
  const { parts, candidate, scale } = bench;
  const { suffix, version, http } = kind;
  const options = { isTls: version !== undefined, ...(http === undefined ? {} : { http }) };
  await using rig = await Rig.start(parts, candidate, options);
  const most = rig.connectionsMax;
  const steps = STEPS.map((step) => Math.ceil(step / scale.divisor)).filter((step) => step <= most);
  if (steps.length < STEPS.length) tally.note(`At most ${most} connections: the descriptor limit.`);
  const user: [number, number][] = [];
  const kernel: [number, number][] = [];
  const run = rig.load('idle', { steps: steps.join(','), ...kind.flags });
  for (const step of steps) {
    await run.event('step');
    const memory = await readSettledMemory(rig.pids());
    user.push([step, memory.userBytes]);
    kernel.push([step, readKernelMemory()]);
    if (candidate.role !== 'floor') {
      tally.point(`user${suffix}`, step, memory.userBytes / 2 ** 20);
      tally.point(`rss${suffix}`, step, memory.rssBytes / 2 ** 20);
    }
    run.step();
  }
  const result = await run.result();
  if (version !== undefined) {
    checkVersion(tally, result, version, [`user${suffix}`, `total${suffix}`]);
  }
  if (steps.length >= STEPS_MIN) {
    if (candidate.role !== 'floor') tally.figure(`user${suffix}`, slopeOf(user));
    tally.figure(`kernel${suffix}`, slopeOf(kernel));
  }
  if (candidate.role !== 'floor') tally.figure(`total${suffix}`, user.at(-1)?.[1]);
  return result.connections?.lost ?? 0;
}

/** The figures of one kind. */
export function declareIdle({ suffix, title }: IdleKind): Figure[] {
  return [
    { key: `user${suffix}`, title: `user memory per ${title}`, unit: 'bytes', better: 'lower' },
    { key: `kernel${suffix}`, title: `kernel memory per ${title}`, unit: 'bytes', better: 'lower' },
    {
      key: `total${suffix}`,
      title: suffix === '' ? 'user memory at the last step' : `the process with all, ${title}`,
      unit: 'bytes',
      better: 'lower',
    },
  ];
}
