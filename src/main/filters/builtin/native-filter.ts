/**
 * What one native filter consists of on the main thread: a schema, and how its value becomes a
 * policy of the core.
 *
 * Path: registry.ts runs it for each use; one file here for each filter.
 * Invariant: `toPolicy` is only given what the schema passed, and finds the rest of what is wrong.
 */
import type { z } from 'zod';
import type { PolicyBase, PolicyInput } from '../../../../native/epoll/index.ts';
import type { Condition } from './condition.ts';
import { ALWAYS, needsOf, type TestNeeds, toTest } from './condition.ts';

/** Where a filter is used. */
export type FilterPlace = 'listener' | 'route' | 'tcp-listener';

/** Something wrong with a use; the path leads from its `with`. */
export interface NativeFinding {
  readonly path: readonly (string | number)[];
  /** One sentence without a full stop. */
  readonly message: string;
}

/** What a filter may ask while it is checked. */
export interface CheckTools {
  readonly place: FilterPlace;
  readonly report: (path: readonly (string | number)[], message: string) => void;
  /**
   * The text of a file; relative paths start at the configuration. Null when it cannot be read:
   * that is reported. Its path is remembered, because a change of it changes the policy.
   */
  readonly readText: (path: string, at: readonly (string | number)[]) => string | null;
}

/** A native filter. */
export interface NativeFilter<Schema extends z.ZodType = z.ZodType> {
  readonly schema: Schema;
  readonly places: readonly FilterPlace[];
  /** Null after a report. */
  readonly toPolicy: (config: z.output<Schema>, tools: CheckTools) => PolicyInput | null;
}

/** Keeps the type of the schema together with what is made of it. */
export function nativeFilter<Schema extends z.ZodType>(filter: NativeFilter<Schema>): NativeFilter {
  return filter;
}

/** What every use may say. */
export interface UseFields {
  readonly name?: string | undefined;
  readonly shadow?: boolean | undefined;
  readonly status?: number | undefined;
  readonly when?: Condition | undefined;
}

/** When a policy that knows so much is asked, on this place. */
export function phaseFor(place: FilterPlace, needs: TestNeeds): PolicyBase['phase'] {
  if (place !== 'tcp-listener') return 'request';
  return needs.tls ? 'open' : 'accept';
}

/** Reports what a listener without HTTP cannot know. */
export function checkNeeds(
  needs: TestNeeds,
  tools: CheckTools,
  at: readonly (string | number)[],
): boolean {
  if (tools.place !== 'tcp-listener' || !needs.request) return true;
  tools.report(at, 'a listener without HTTP knows no methods, hosts, paths and headers');
  return false;
}

/** The fields that all policies have; the id is given later, by the place. */
export function baseOf(
  kind: string,
  given: UseFields,
  tools: CheckTools,
  status = 403,
): PolicyBase {
  const when = given.when === undefined ? ALWAYS : toTest(given.when);
  checkNeeds(needsOf(when), tools, ['when']);
  return {
    name: given.name ?? kind,
    id: 0,
    phase: phaseFor(tools.place, needsOf(when)),
    isShadow: given.shadow ?? false,
    status: given.status ?? status,
    when,
  };
}
