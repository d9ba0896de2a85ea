/**
 * What `holdfast doctor` looks at: limits of the kernel, of the process and of the libraries.
 *
 * Path: verb-doctor.ts reads the facts here, doctor.ts judges them.
 * Invariant: reads /proc and /sys only, changes nothing, and never fails: what cannot be read is
 * null.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Facts of a machine. null: this machine does not say. */
export interface Facts {
  readonly descriptorsSoft: number | null;
  readonly descriptorsHard: number | null;
  /** Largest limit that a process may be given (fs.nr_open). */
  readonly descriptorsPossible: number | null;
  readonly fileMax: number | null;
  readonly fileUsed: number | null;
  readonly somaxconn: number | null;
  readonly synBacklog: number | null;
  readonly portFirst: number | null;
  readonly portLast: number | null;
  /** null when the module is not loaded. */
  readonly conntrackMax: number | null;
  readonly conntrackUsed: number | null;
  /** Pages at which the kernel begins to save, and the page size. */
  readonly tcpMemPressurePages: number | null;
  readonly tcpMemMaxPages: number | null;
  readonly pageBytes: number;
  readonly memoryAvailableBytes: number | null;
  /** Limit of the control group; null: none. */
  readonly memoryLimitBytes: number | null;
  readonly cores: number;
  readonly governor: string | null;
  readonly kernel: string;
  readonly glibc: string | null;
  readonly node: string;
  readonly openssl: string | null;
  readonly isBoringSsl: boolean;
  /** Why the native core does not load; null when it does. */
  readonly nativeFault: string | null;
}

/** Reads a file, or null. */
export type ReadText = (path: string) => string | null;

/** Reads a file of /proc or /sys. */
export function readProc(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return null;
  }
}

function toNumber(text: string | undefined | null): number | null {
  if (text === 'unlimited' || text === 'max') return Number.POSITIVE_INFINITY;
  if (text === undefined || text === null || !/^-?\d+$/.test(text)) return null;
  return Number(text);
}

function fields(text: string | null): (number | null)[] {
  return (text ?? '').split(/\s+/).map(toNumber);
}

const PAGE_BYTES = 4096;
/** Control groups without a limit say so with a number near 2^63. */
const LIMIT_MEANINGFUL_BELOW = 2 ** 60;

function memoryLimit(read: ReadText): number | null {
  const limit = toNumber(
    read('/sys/fs/cgroup/memory.max') ?? read('/sys/fs/cgroup/memory/memory.limit_in_bytes'),
  );
  return limit !== null && limit < LIMIT_MEANINGFUL_BELOW ? limit : null;
}

/** What Node itself was built with and runs on. */
export interface RuntimeFacts {
  readonly node: string;
  readonly openssl: string | null;
  readonly isBoringSsl: boolean;
  readonly glibc: string | null;
  readonly nativeFault: string | null;
}

/** Facts of the running Node. */
export function readRuntime(nativeFault: string | null): RuntimeFacts {
  const versions: Readonly<Record<string, string | undefined>> = process.versions;
  const report = process.report.getReport() as unknown as {
    header?: { glibcVersionRuntime?: string };
  };
  const openssl = versions['openssl'] ?? null;
  return {
    node: process.versions.node,
    openssl,
    isBoringSsl: openssl === '0.0.0' || versions['boringssl'] !== undefined,
    glibc: report.header?.glibcVersionRuntime ?? null,
    nativeFault,
  };
}

/** Reads all facts. */
export function readFacts(read: ReadText, runtime: RuntimeFacts): Facts {
  const limits = /^Max open files\s+(\S+)\s+(\S+)/m.exec(read('/proc/self/limits') ?? '');
  const [portFirst = null, portLast = null] = fields(
    read('/proc/sys/net/ipv4/ip_local_port_range'),
  );
  const [, tcpMemPressurePages = null, tcpMemMaxPages = null] = fields(
    read('/proc/sys/net/ipv4/tcp_mem'),
  );
  const [fileUsed = null] = fields(read('/proc/sys/fs/file-nr'));
  const available = /^MemAvailable:\s+(\d+) kB/m.exec(read('/proc/meminfo') ?? '');
  return {
    ...runtime,
    descriptorsSoft: toNumber(limits?.[1]),
    descriptorsHard: toNumber(limits?.[2]),
    descriptorsPossible: toNumber(read('/proc/sys/fs/nr_open')),
    fileMax: toNumber(read('/proc/sys/fs/file-max')),
    fileUsed,
    somaxconn: toNumber(read('/proc/sys/net/core/somaxconn')),
    synBacklog: toNumber(read('/proc/sys/net/ipv4/tcp_max_syn_backlog')),
    portFirst,
    portLast,
    conntrackMax: toNumber(read('/proc/sys/net/netfilter/nf_conntrack_max')),
    conntrackUsed: toNumber(read('/proc/sys/net/netfilter/nf_conntrack_count')),
    tcpMemPressurePages,
    tcpMemMaxPages,
    pageBytes: PAGE_BYTES,
    memoryAvailableBytes: available === null ? null : Number(available[1]) * 1024,
    memoryLimitBytes: memoryLimit(read),
    cores: availableParallelism(),
    governor: read('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor'),
    kernel: read('/proc/sys/kernel/osrelease') ?? 'unknown',
  };
}
