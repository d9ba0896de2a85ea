/**
 * One connection and one GiB: the part that tcp-bulk and tls-bulk share.
 *
 * Path: every byte passes the candidate once (down, up) or twice (both). Memory is sampled while
 * bytes flow: what the candidate holds for one connection must have a bound.
 */
import { Rig, RunFailure, readMemory, type TlsVersion, tlsFlags } from '../rig/index.ts';
import { type Bench, type Claim, type Figure, gatewayNs, type Tally } from './scenario.ts';
import { checkVersion } from './tls.ts';

const BYTES = 2 ** 30;
const SAMPLE_MS = 20;
const DIRECTIONS = ['down', 'up', 'both'] as const;

/** Figures of both scenarios. */
export const BULK_FIGURES: readonly Figure[] = [
  { key: 'down', title: 'down', unit: 'bytesPerSecond', better: 'higher' },
  { key: 'up', title: 'up', unit: 'bytesPerSecond', better: 'higher' },
  { key: 'both', title: 'both at once', unit: 'bytesPerSecond', better: 'higher' },
  { key: 'downCpu', title: 'CPU per MiB down', unit: 'ns', better: 'lower' },
  { key: 'upCpu', title: 'CPU per MiB up', unit: 'ns', better: 'lower' },
  { key: 'bothCpu', title: 'CPU per MiB both', unit: 'ns', better: 'lower' },
  { key: 'growth', title: 'user memory added', unit: 'bytes', better: 'lower' },
];

/** Claims of both scenarios. */
export const BULK_CLAIMS: readonly Claim[] = [
  { sentence: 'down at least as fast as nginx', figure: 'down', over: 'nginx', atLeast: 1 },
  { sentence: 'up at least as fast as nginx', figure: 'up', over: 'nginx', atLeast: 1 },
  { sentence: 'memory stays within 4 MiB', figure: 'growth', atMost: 4 * 2 ** 20 },
];

/** Measures all directions, plain or over a version of TLS. */
export async function measureBulk(bench: Bench, tally: Tally, tls?: TlsVersion): Promise<void> {
  const { parts, candidate, scale } = bench;
  await using rig = await Rig.start(parts, candidate, { isTls: tls !== undefined });
  const flags = tls === undefined ? {} : tlsFlags(tls);
  const size = Math.ceil(BYTES / scale.divisor);
  tally.parameter('bytes', size);
  const before = readMemory(rig.pids()).userBytes;
  let most = before;
  for (const direction of DIRECTIONS) {
    const bytes = direction === 'both' ? Math.ceil(size / 2) : size;
    const run = rig.load('bulk', { size: bytes, direction, ...flags });
    await run.pass('ready');
    const pids = rig.pids();
    const sampler = setInterval(() => {
      most = Math.max(most, readMemory(pids).userBytes);
    }, SAMPLE_MS);
    const result = await run.result().finally(() => clearInterval(sampler));
    if (result.complete !== true) throw new RunFailure(`the ${direction} transfer broke off`);
    if (tls !== undefined) checkVersion(tally, result, tls, [direction, `${direction}Cpu`]);
    const moved = direction === 'both' ? bytes * 2 : bytes;
    tally.figure(direction, (moved / result.usage.wallNs) * 1e9);
    const cpu = gatewayNs(result);
    if (cpu !== undefined) tally.figure(`${direction}Cpu`, cpu / (moved / 2 ** 20));
  }
  if (candidate.role !== 'floor') tally.figure('growth', most - before);
}
