/**
 * Memory and CPU time of processes, and memory of the kernel's sockets, from /proc.
 *
 * Path: scenarios read it while a load generator holds connections.
 * Invariant: user memory is what the process caused and nobody else pays for: its proportional
 * share of anonymous and shared memory, without file pages (program text comes and goes with the
 * page cache).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** Bytes. */
export interface ProcessMemory {
  /** Anonymous and shared memory, proportional: the figure that scenarios use. */
  readonly userBytes: number;
  readonly pssBytes: number;
  readonly rssBytes: number;
}

const BYTES_PER_KIB = 1024;

function readField(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0) * BYTES_PER_KIB;
}

/** The sum over processes; one that has just ended counts as nothing. */
export function readMemory(pids: readonly number[]): ProcessMemory {
  let userBytes = 0;
  let pssBytes = 0;
  let rssBytes = 0;
  for (const pid of pids) {
    let text: string;
    try {
      text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    } catch {
      continue;
    }
    const pss = readField(text, 'Pss');
    pssBytes += pss;
    userBytes += pss - readField(text, 'Pss_File');
    rssBytes += readField(text, 'Rss');
  }
  return { userBytes, pssBytes, rssBytes };
}

/** CPU time of all threads of the processes so far, in nanoseconds; what has ended is left out. */
export function readCpuNs(pids: readonly number[]): number {
  let total = 0;
  for (const pid of pids) {
    try {
      for (const thread of readdirSync(`/proc/${pid}/task`)) {
        const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8');
        total += Number(text.split(' ')[0]);
      }
    } catch {
      // It has just ended.
    }
  }
  return total;
}

/** Kernel memory of the whole machine that grows with sockets: slab and socket buffers. Bytes. */
export function readKernelMemory(): number {
  const slab = readField(readFileSync('/proc/meminfo', 'utf8'), 'Slab');
  const sockets = /^TCP:.* mem (\d+)$/m.exec(readFileSync('/proc/net/sockstat', 'utf8'))?.[1];
  const PAGE_BYTES = 4096;
  return slab + Number(sockets ?? 0) * PAGE_BYTES;
}

const SETTLE_STEP_MS = 250;
const SETTLE_MS_MAX = 4_000;
const SETTLED_SHARE = 0.001;

/** Reads memory until two readings in a row agree within 0.1 %, for at most four seconds. */
export async function readSettledMemory(pids: readonly number[]): Promise<ProcessMemory> {
  let before = readMemory(pids);
  for (let waitedMs = 0; waitedMs < SETTLE_MS_MAX; waitedMs += SETTLE_STEP_MS) {
    await delay(SETTLE_STEP_MS);
    const now = readMemory(pids);
    if (Math.abs(now.userBytes - before.userBytes) <= before.userBytes * SETTLED_SHARE) return now;
    before = now;
  }
  return before;
}
