/**
 * Where filters stand in a configuration, and what is found wrong with them.
 *
 * Path: src/main/config names the sites; planner.ts turns them into chains.
 * Invariant: plain values. The path of a use is the path of its map in the configuration, so that a
 * finding can be shown with the line of the file it is in.
 */
import type { SteeringKind } from './policy/index.ts';

/** Keys and positions from the root of the configuration. */
export type SitePath = readonly (string | number)[];

/** Where a filter stands: what can be asked of it depends on that. */
export type FilterPlace = 'listener' | 'tcp-listener' | 'route' | 'codec' | SteeringKind;

/** One use of a filter: `{ use: ./auth.ts, with: {...} }`. */
export interface FilterUse {
  readonly path: SitePath;
  /** A path, relative to the configuration, the name of a package, or of a built-in filter. */
  readonly specifier: string;
  /** What stands under `with`; undefined without. */
  readonly config: unknown;
}

/** A listener, or a route of a listener, that has filters. */
export interface FilterSite {
  /** Unique, and the same over reloads: `web`, `web/rooms`. */
  readonly key: string;
  /** Filters of the listener, in order. */
  readonly listener: readonly FilterUse[];
  /** Of a route: its own filters, in order; null for the listener itself. */
  readonly route: readonly FilterUse[] | null;
  /** True where the listener relays bytes as they are. */
  readonly isTcp?: boolean;
  /** What tells the messages of a TCP listener apart. */
  readonly codec?: FilterUse | null;
  /** The only use is no filter but this, of a cluster that is named by the key. */
  readonly steers?: SteeringKind;
}

/** Something wrong with a filter. */
export interface FilterFinding {
  /** Where in the configuration: a use, or a field under its `with`. */
  readonly path: SitePath;
  /** The source file with the fault; empty when the fault is in the configuration. */
  readonly file: string;
  /** Of the source file, counted from 1; 0 when not known. */
  readonly line: number;
  readonly column: number;
  /** One sentence without a full stop. */
  readonly message: string;
}

/** A finding in one line: `/etc/holdfast/auth.ts:3:7: it has no default export`. */
export function describeFinding({ file, line, column, message }: FilterFinding): string {
  if (file === '') return message;
  const place = line === 0 ? '' : `:${line}:${Math.max(column, 1)}`;
  return `${file}${place}: ${message}`;
}
