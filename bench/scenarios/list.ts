/**
 * All scenarios, and how a name on the command line becomes some of them.
 *
 * Path: main.ts asks `selectScenarios` before anything is started.
 * Invariant: a name is a scenario, a group, or `all`; anything else is refused with the names there
 * are.
 */
import { UsageFailure } from '../rig/index.ts';
import { fanOut } from './fan-out.ts';
import { filterHeap } from './filter-heap.ts';
import { filterOffload } from './filter-offload.ts';
import { httpFilters, wsFilters } from './filters.ts';
import { generator } from './generator.ts';
import { httpReload, httpSaturation } from './http.ts';
import { httpCalls } from './http-calls.ts';
import { httpChurn } from './http-churn.ts';
import { httpGet } from './http-get.ts';
import { httpIdleMass } from './http-idle-mass.ts';
import { httpLatency } from './http-latency.ts';
import { reconnectStorm } from './reconnect-storm.ts';
import { reloadUnderLoad } from './reload-under-load.ts';
import { scaling } from './scaling.ts';
import type { Scenario } from './scenario.ts';
import { skew } from './skew.ts';
import { slowReaders } from './slow-readers.ts';
import { tcpBulk } from './tcp-bulk.ts';
import { tcpCalls } from './tcp-calls.ts';
import { tcpChurn } from './tcp-churn.ts';
import { tcpEcho } from './tcp-echo.ts';
import { tcpIdleMass } from './tcp-idle-mass.ts';
import { tcpLatency } from './tcp-latency.ts';
import { tlsBulk } from './tls-bulk.ts';
import { tlsEcho } from './tls-echo.ts';
import { tlsHandshake } from './tls-handshake.ts';
import { tlsIdleMass } from './tls-idle-mass.ts';
import { tlsStorm } from './tls-storm.ts';
import { wsEcho } from './ws-echo.ts';
import { wsIdleMass } from './ws-idle-mass.ts';
import { wsFilterReload, wsReload } from './ws-reload.ts';

/** In the order in which a full run goes through them. */
export const SCENARIOS: readonly Scenario[] = [
  tcpEcho,
  tcpIdleMass,
  tcpChurn,
  tcpBulk,
  skew,
  tcpCalls,
  tcpLatency,
  tlsEcho,
  tlsIdleMass,
  tlsHandshake,
  tlsBulk,
  tlsStorm,
  httpGet,
  httpLatency,
  httpIdleMass,
  httpChurn,
  httpCalls,
  wsEcho,
  wsIdleMass,
  wsReload,
  reconnectStorm,
  slowReaders,
  fanOut,
  reloadUnderLoad,
  scaling,
  httpSaturation,
  httpReload,
  httpFilters,
  wsFilters,
  wsFilterReload,
  filterOffload,
  filterHeap,
  generator,
];

/** Edit distance, for "did you mean". */
function distance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let at = 1; at <= left.length; at += 1) {
    const next = [at];
    for (let to = 1; to <= right.length; to += 1) {
      const change = left[at - 1] === right[to - 1] ? 0 : 1;
      const above = row[to] ?? 0;
      next.push(Math.min(above + 1, (next[to - 1] ?? 0) + 1, (row[to - 1] ?? 0) + change));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

const NEAR = 3;

/** The known name nearest to a wrong one, as a question, or nothing. */
export function suggest(wrong: string, known: readonly string[]): string {
  const [nearest] = [...known].sort((a, b) => distance(wrong, a) - distance(wrong, b));
  const isNear = nearest !== undefined && distance(wrong, nearest) <= NEAR;
  return isNear ? ` Did you mean ${nearest}?` : '';
}

/** @throws UsageFailure for a name that is neither scenario nor group. */
export function selectScenarios(names: readonly string[]): Scenario[] {
  const known = [...SCENARIOS.flatMap(({ name, groups }) => [name, ...groups]), 'all'];
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new UsageFailure(
      `there is no scenario "${unknown}".${suggest(unknown, known)} See them with --list.`,
    );
  }
  if (names.length === 0 || names.includes('all')) return [...SCENARIOS];
  return SCENARIOS.filter(({ name, groups }) =>
    names.some((wanted) => wanted === name || groups.includes(wanted)),
  );
}
