/**
 * The routes of a configuration, as `holdfast validate` shows them.
 *
 * Path: verb-validate.ts prints the lines behind its verdict.
 * Invariant: routes stand in the order of the file, whatever the order in which they are looked at;
 * texts of the configuration are cut, and never control the terminal.
 */
import type { Config } from '../config/index.ts';

type HttpConfig = NonNullable<Config['listeners'][number]['http']>;
type HostConfig = HttpConfig['hosts'][number];
type RouteConfig = HostConfig['routes'][number];

/** Routes that are shown of one configuration; the rest is counted. */
const ROUTES_SHOWN_MAX = 200;

/** Characters of a path or a target that are shown. */
const TEXT_SHOWN_MAX = 48;

function plain(text: string): string {
  // oxlint-disable-next-line no-control-regex
  const safe = text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '?');
  return safe.length > TEXT_SHOWN_MAX ? `${safe.slice(0, TEXT_SHOWN_MAX - 3)}...` : safe;
}

/** `/api and below, GET or POST, 1 condition`. */
function describeMatch(route: RouteConfig): string {
  const { pathKind, path, methods } = route;
  const shown = plain(path);
  const where = {
    exact: shown,
    prefix: `${shown}*`,
    segments: shown.endsWith('/') ? `${shown}**` : `${shown}/**`,
    regex: `~ ${shown}`,
  }[pathKind];
  const conditions = route.headers.length + route.query.length;
  return [
    where,
    ...(methods.length === 0 ? [] : [methods.join(' or ')]),
    ...(conditions === 0 ? [] : [`${conditions} condition${conditions === 1 ? '' : 's'}`]),
  ].join(', ');
}

function describeAction(route: RouteConfig): string {
  const { action, status, text, splits, subset, webSocket } = route;
  if (action === 'redirect') return `${status} to ${plain(text)}`;
  if (action === 'respond') return `${status}`;
  const total = splits.reduce((sum, { weight }) => sum + weight, 0);
  const share = (weight: number): string =>
    splits.length > 1 ? ` ${((100 * weight) / total).toFixed(1).replace(/\.0$/, '')}%` : '';
  const names = splits.map(({ cluster, weight }) => `${cluster}${share(weight)}`).join(', ');
  const labels = Object.entries(subset ?? {}).map(([key, value]) => `${key}=${plain(value)}`);
  return [
    names,
    ...(labels.length === 0 ? [] : [`with ${labels.join(', ')}`]),
    ...(webSocket.isAllowed ? ['+ WebSocket'] : []),
  ].join(' ');
}

/** `, filters: holdfast/jwt, ./rooms.ts`, in the order of the file; empty without any. */
function describeFilters({ filters }: Pick<RouteConfig, 'filters'>): string {
  return filters.length === 0
    ? ''
    : `, filters: ${filters.map(({ use }) => plain(use)).join(', ')}`;
}

/** How many routes all listeners have; those that a listener has without saying so do not count. */
export function countRoutes(config: Config): number {
  return config.listeners.reduce(
    (sum, { http, cluster }) =>
      sum +
      (cluster === null ? (http?.hosts ?? []) : []).reduce(
        (all, host) => all + host.routes.length,
        0,
      ),
    0,
  );
}

/** A line for each listener with HTTP, each host, and each route. */
export function showRoutes(config: Config): string[] {
  const lines: string[] = [];
  let shown = 0;
  for (const { name, http, cluster, filters } of config.listeners) {
    if (http === null || cluster !== null) continue;
    lines.push(`listener ${name}${describeFilters({ filters })}`);
    for (const { names, order, routes } of http.hosts) {
      const part = routes.slice(0, Math.max(0, ROUTES_SHOWN_MAX - shown));
      if (part.length === 0) continue;
      const note = order === 'listed' ? ' (in this order)' : '';
      lines.push(`  ${plain(names.join(', '))}${note}`);
      const rows = part.map((route) => [plain(route.name), describeMatch(route)] as const);
      const widths = [0, 1].map((at) => Math.max(...rows.map((row) => (row[at] ?? '').length)));
      for (const [i, route] of part.entries()) {
        const [label = '', match = ''] = rows[i] ?? [];
        const start = `${label.padEnd(widths[0] ?? 0)}  ${match.padEnd(widths[1] ?? 0)}`;
        lines.push(`    ${start}  -> ${describeAction(route)}${describeFilters(route)}`);
      }
      shown += part.length;
    }
  }
  const hidden = countRoutes(config) - shown;
  return hidden > 0 ? [...lines, `... and ${hidden} more routes`] : lines;
}
