/**
 * What this machine is and what it allows: cores, clock governor, descriptors, ports, kernel
 * settings.
 *
 * Path: read once at the start of a run; stored as machine.json beside the report.
 * Invariant: only facts that matter for the figures; nothing that names the person or a directory.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';

/** The machine as a report stores it. Sizes in bytes. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly node: string;
  readonly isVirtual: boolean;
  /** `performance`, `schedutil`, ..., or `none` where the kernel shows no governor. */
  readonly governor: string;
  /** Descriptors one process may have, by the hard limit. */
  readonly descriptorsMax: number;
  readonly portRange: readonly [number, number];
  readonly somaxconn: number;
  readonly congestionControl: string;
  readonly transparentHugePages: string;
  /** Load average over one minute when the run began. */
  readonly loadAverage: number;
  /** What makes figures from this machine weaker, in sentences. */
  readonly warnings: readonly string[];
}

/** The text of a file under /proc or /sys, trimmed; the fallback where the kernel does not have it. */
export function readSetting(path: string, fallback: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return fallback;
  }
}

function descriptorsMax(): number {
  const match = /^Max open files\s+\S+\s+(\S+)/m.exec(readSetting('/proc/self/limits', ''));
  const limit = Number(match?.[1] ?? 1024);
  return Number.isFinite(limit) ? limit : 1_000_000;
}

function portRange(): readonly [number, number] {
  const [low, high] = readSetting('/proc/sys/net/ipv4/ip_local_port_range', '32768 60999')
    .split(/\s+/)
    .map(Number);
  return [low ?? 32_768, high ?? 60_999];
}

const LOAD_QUIET_MAX = 0.5;
const CORES_MIN = 2;

function findWarnings(machine: Omit<Machine, 'warnings'>): string[] {
  const warnings: string[] = [];
  if (machine.cores < CORES_MIN) {
    warnings.push('There is one core: gateway and load generator share it, so no figure is sound.');
  }
  if (machine.governor !== 'performance' && machine.governor !== 'none') {
    warnings.push(`The clock governor is ${machine.governor}: the clock changes with the load.`);
  }
  if (machine.isVirtual) {
    warnings.push('This is a virtual machine: neighbours and wake-ups add noise to every time.');
  }
  if (machine.loadAverage > LOAD_QUIET_MAX) {
    const load = machine.loadAverage.toFixed(2);
    warnings.push(`The machine was not quiet: load average ${load} when the run began.`);
  }
  return warnings;
}

/** Reads the machine; costs a few small files. */
export function readMachine(): Machine {
  const cpuinfo = readSetting('/proc/cpuinfo', '');
  const hugePages = readSetting('/sys/kernel/mm/transparent_hugepage/enabled', 'unknown');
  const facts = {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
    isVirtual: /^flags\s*:.*\bhypervisor\b/m.test(cpuinfo),
    governor: readSetting('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor', 'none'),
    descriptorsMax: descriptorsMax(),
    portRange: portRange(),
    somaxconn: Number(readSetting('/proc/sys/net/core/somaxconn', '4096')),
    congestionControl: readSetting('/proc/sys/net/ipv4/tcp_congestion_control', 'unknown'),
    transparentHugePages: /\[(\w+)\]/.exec(hugePages)?.[1] ?? hugePages,
    loadAverage: loadavg()[0] ?? 0,
  };
  return { ...facts, warnings: findWarnings(facts) };
}

/** Descriptors a gateway needs for itself, beside those of its connections. */
const GATEWAY_SPARE_DESCRIPTORS = 500;
const LOADGEN_SPARE_DESCRIPTORS = 100;

/**
 * How many proxied connections one gateway process can hold under the descriptor limit, when each
 * takes so many descriptors.
 */
export function proxiedConnectionsMax(machine: Machine, each: number): number {
  return Math.floor((machine.descriptorsMax - GATEWAY_SPARE_DESCRIPTORS) / each);
}

/** How many connections one load generator process can hold. */
export function clientConnectionsMax(machine: Machine): number {
  return machine.descriptorsMax - LOADGEN_SPARE_DESCRIPTORS;
}

/** Which cores the gateway has, and which the load generator and the origin share. */
export interface Placement {
  readonly gateway: string;
  readonly load: string;
  /** True when some core serves both, which weakens the figures. */
  readonly isShared: boolean;
}

/** Gives the gateway so many cores and the load the others. */
export function placeOn(machine: Machine, cores: number): Placement {
  const wanted = Math.min(cores, machine.cores);
  const gateway = wanted > 1 ? `0-${wanted - 1}` : '0';
  const last = machine.cores - 1;
  if (wanted <= last) {
    return { gateway, load: wanted < last ? `${wanted}-${last}` : `${last}`, isShared: false };
  }
  return { gateway, load: `${last}`, isShared: true };
}
