/**
 * Checks that the parts of a configuration go together: names, addresses, references, limits.
 *
 * Path: load.ts runs it on the plain value beside the schema, so that a typing error elsewhere does
 * not hide what is found here.
 * Invariant: takes any value whatsoever; what has the wrong shape is left to the schema and skipped
 * here. Does not look at the machine, except at its limit of open files.
 */
import { checkAdmin, checkCluster, checkListener, checkProcessLimits } from './check-amounts.ts';
import { checkBinds, checkLoops } from './check-binds.ts';
import { checkListenerHttp, listRouteClusters, listSubsetPlaces } from './check-http.ts';
import { checkLog } from './check-log.ts';
import { checkClusterTls, checkListenerTls } from './check-tls.ts';
import type { ValuePath } from './findings.ts';
import * as limit from './limits.ts';
import {
  asList,
  asMap,
  type CheckInput,
  type Item,
  items,
  type Report,
  type Reporter,
} from './plain.ts';
import { suggest } from './suggest.ts';
import { quote } from './units.ts';
import { checkFilterLists, listWrittenMirrors } from './written-filters.ts';

/** Runs all checks. */
export function checkMeaning(input: CheckInput): void {
  const { source, resolved, findings } = input;
  const root = asMap(resolved.value);
  const report: Report = (name, path, message, hint) => {
    findings.add({
      name,
      path,
      place: source.place(path),
      message,
      ...(hint === undefined ? {} : { hint }),
    });
  };
  const listeners = items(root, 'listeners');
  const isEmptyList = Array.isArray(root['listeners']) && listeners.length === 0;
  if (isEmptyList)
    report('noListeners', ['listeners'], 'there is no listener: nothing is accepted');
  const clusters = items(root, 'clusters');
  checkCounts(listeners, clusters, report);
  checkNames(listeners, 'listener', { source, report });
  checkNames(clusters, 'cluster', { source, report });
  const binds = checkBinds(listeners, { source, report });
  checkClusterNames(listeners, clusters, report);
  const byName = new Map(clusters.map(({ name, map }) => [name ?? '', map]));
  for (const listener of listeners) {
    checkListener(listener, report);
    checkListenerTls(listener, { source, report });
    checkListenerHttp(listener, { ...input, report, clusters: byName });
  }
  for (const cluster of clusters) {
    checkCluster(cluster, report);
    checkClusterTls(cluster, { source, report });
  }
  checkFilterLists(listeners, report);
  checkLoops({ listeners, clusters, binds }, report);
  checkAdmin(asMap(root['admin']), input, report);
  checkLog(root, input);
  checkProcessLimits(asMap(root['limits']), input.world, report);
}

function checkCounts(listeners: Item[], clusters: Item[], report: Report): void {
  if (listeners.length > limit.LISTENERS_MAX) {
    report(
      'tooMany',
      ['listeners', limit.LISTENERS_MAX],
      `there are ${listeners.length} listeners, the limit is ${limit.LISTENERS_MAX}`,
    );
  }
  const subsets = listSubsetPlaces(listeners);
  if (clusters.length + subsets.length > limit.CLUSTERS_MAX) {
    const parts = subsets.length === 0 ? '' : ` and ${subsets.length} subsets of clusters`;
    // The first one beyond the limit.
    const path = subsets[limit.CLUSTERS_MAX - clusters.length];
    report(
      'tooMany',
      path ?? ['clusters', limit.CLUSTERS_MAX],
      `there are ${clusters.length} clusters${parts}, the limit is ${limit.CLUSTERS_MAX}`,
      subsets.length === 0 ? undefined : 'each subset that a route asks for counts as a cluster',
    );
  }
  let endpoints = 0;
  for (const cluster of clusters) {
    const before = endpoints;
    endpoints += asList(cluster.map['endpoints']).length;
    if (before <= limit.ENDPOINTS_MAX && endpoints > limit.ENDPOINTS_MAX) {
      const path = [...cluster.path, 'endpoints', limit.ENDPOINTS_MAX - before];
      report(
        'tooMany',
        path,
        `there are more than ${limit.ENDPOINTS_MAX} endpoints in all`,
        'a DNS name stands for all its addresses',
      );
    }
  }
}

function checkNames(list: Item[], word: string, { source, report }: Reporter): void {
  const first = new Map<string, Item>();
  for (const item of list) {
    if (item.name === null) continue;
    const other = first.get(item.name);
    if (other === undefined) {
      first.set(item.name, item);
      continue;
    }
    const { line } = source.place([...other.path, 'name']);
    report(
      'duplicateName',
      [...item.path, 'name'],
      `there are two ${word}s named ${quote(item.name)}`,
      `the first one is on line ${line}`,
    );
  }
}

/** The clusters that a listener names, and where. */
function listWanted(item: Item): { readonly name: unknown; readonly path: ValuePath }[] {
  const { map, path } = item;
  const routes = asList(map['routes']).map((route, i) => ({
    name: asMap(route)['cluster'],
    path: [...path, 'routes', i, 'cluster'],
  }));
  const own = { name: map['cluster'], path: [...path, 'cluster'] };
  const mirrors = listWrittenMirrors(item).map(({ map: told, path: at }) => ({
    name: told['cluster'],
    path: [...at, 'cluster'],
  }));
  return [own, ...routes, ...listRouteClusters(item), ...mirrors];
}

function checkClusterNames(listeners: Item[], clusters: Item[], report: Report): void {
  const names = clusters.flatMap((cluster) => cluster.name ?? []);
  const wanted = listeners.flatMap(listWanted);
  const used = new Set<unknown>(wanted.map(({ name }) => name));
  const known = new Set(names);
  for (const { name, path } of wanted) {
    if (typeof name !== 'string' || known.has(name)) continue;
    const guess = suggest(name, names);
    if (guess !== null) used.add(guess);
    const list =
      names.length === 0
        ? 'there are no clusters'
        : `there is ${names.slice(0, 8).map(quote).join(', ')}`;
    report(
      'unknownCluster',
      path,
      `there is no cluster ${quote(name)}`,
      guess === null ? list : `did you mean "${guess}"?`,
    );
  }
  for (const cluster of clusters) {
    if (cluster.name !== null && !used.has(cluster.name)) {
      report(
        'unusedCluster',
        [...cluster.path, 'name'],
        `no listener leads to cluster ${quote(cluster.name)}`,
      );
    }
  }
}
