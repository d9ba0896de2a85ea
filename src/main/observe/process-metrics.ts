/**
 * What the process as a whole counts, as Prometheus families.
 *
 * Path: gateway-metrics.ts connects the sources -> here -> metrics.ts.
 * Invariant: nothing here asks a shard; the figures are there even when every shard stalls.
 */
import type { Native } from '../../../native/epoll/index.ts';
import { type Family, many, one } from './exposition.ts';

/** Where the figures come from. */
export interface ProcessSources {
  readonly native: Pick<Native, 'processInfo'>;
  readonly version: string;
  readonly startedSeconds: number;
  readonly mainStalls: () => number;
  readonly generation: () => number;
  readonly snapshotSerial: () => number;
  readonly reloads: () => {
    readonly byResult: Readonly<Record<string, number>>;
    readonly lastSuccessSeconds: number;
  };
  /** By errno name; `backoffs` counts pauses. */
  readonly acceptErrors: () => Readonly<Record<string, number>>;
  /** Bytes; null when there is no access log. */
  readonly accessLog: () => { readonly written: number; readonly dropped: number } | null;
  readonly logDropped: () => number;
  readonly isDraining: () => boolean;
  readonly connectionsMax: () => number;
}

/** All families of the process. */
export function processFamilies(sources: ProcessSources): Family[] {
  return [
    ...machineFamilies(sources),
    ...configFamilies(sources),
    ...acceptFamilies(sources),
    ...logFamilies(sources),
  ];
}

function machineFamilies(sources: ProcessSources): Family[] {
  const { residentBytes, openFds, fdsMax, threads } = sources.native.processInfo();
  const gauge = (name: string, help: string, value: number): Family =>
    one({ kind: 'gauge', name, help }, value);
  return [
    one(
      { kind: 'gauge', name: 'holdfast_build_info', help: 'Always 1; the labels say what runs.' },
      1,
      { version: sources.version, node: process.version },
    ),
    gauge(
      'holdfast_start_time_seconds',
      'When the process started, in seconds since 1970.',
      sources.startedSeconds,
    ),
    gauge('holdfast_open_fds', 'Open descriptors of the process.', openFds),
    gauge('holdfast_max_fds', 'Descriptors that the process may open.', fdsMax),
    gauge('holdfast_resident_memory_bytes', 'Resident memory of the process.', residentBytes),
    gauge('holdfast_threads', 'Threads of the process.', threads),
    gauge(
      'holdfast_connections_max',
      'Connections that the process may hold.',
      sources.connectionsMax(),
    ),
    gauge(
      'holdfast_draining',
      '1 while the gateway drains or has drained.',
      sources.isDraining() ? 1 : 0,
    ),
    one(
      {
        kind: 'counter',
        name: 'holdfast_main_stalls_total',
        help: 'Times the main thread was late by more than 100 ms.',
      },
      sources.mainStalls(),
    ),
  ];
}

function configFamilies(sources: ProcessSources): Family[] {
  const { byResult, lastSuccessSeconds } = sources.reloads();
  return [
    one(
      {
        kind: 'gauge',
        name: 'holdfast_config_generation',
        help: 'Generation of the running configuration.',
      },
      sources.generation(),
    ),
    one(
      {
        kind: 'gauge',
        name: 'holdfast_snapshot_serial',
        help: 'Serial number of the running snapshot; changed endpoints count too.',
      },
      sources.snapshotSerial(),
    ),
    many(
      {
        kind: 'counter',
        name: 'holdfast_config_reloads_total',
        help: 'Reloads, by what came of them.',
      },
      'result',
      Object.entries(byResult),
    ),
    one(
      {
        kind: 'gauge',
        name: 'holdfast_config_last_reload_success_timestamp_seconds',
        help: 'When a configuration was last loaded with success.',
      },
      lastSuccessSeconds,
    ),
  ];
}

function acceptFamilies(sources: ProcessSources): Family[] {
  const { backoffs = 0, ...errors } = sources.acceptErrors();
  return [
    many(
      {
        kind: 'counter',
        name: 'holdfast_accept_errors_total',
        help: 'Accepts that failed, by error.',
      },
      'error',
      Object.entries(errors),
    ),
    one(
      {
        kind: 'counter',
        name: 'holdfast_accept_backoffs_total',
        help: 'Times accepting paused because the kernel had no descriptors or memory.',
      },
      backoffs,
    ),
  ];
}

function logFamilies(sources: ProcessSources): Family[] {
  const accessLog = sources.accessLog();
  const counter = (name: string, help: string, value: number): Family =>
    one({ kind: 'counter', name, help }, value);
  return [
    counter(
      'holdfast_log_dropped_total',
      'Log records dropped because the reader was too slow.',
      sources.logDropped(),
    ),
    counter(
      'holdfast_access_log_bytes_total',
      'Bytes of access records written.',
      accessLog?.written ?? 0,
    ),
    counter(
      'holdfast_access_log_failed_bytes_total',
      'Bytes of access records that could not be written.',
      accessLog?.dropped ?? 0,
    ),
  ];
}
