/**
 * Makes uses of balancers and discoveries from those that a configuration names.
 *
 * Path: src/main/gateway-steering.ts plans with it what policy/ runs.
 * Invariant: the same code with the same configuration for the same cluster has the same id, so
 * that a reload leaves alone what did not change. Nothing lives by planning.
 */
import { createHash } from 'node:crypto';
import { checkUses, type UseChecks } from './check-uses.ts';
import type { PolicyUse } from './policy/index.ts';
import type { FilterFinding, FilterSite } from './sites.ts';

const ID_LENGTH = 16;

/** What was planned; no uses where there are findings. */
export interface PlannedSteering {
  readonly uses: readonly PolicyUse[];
  readonly findings: readonly FilterFinding[];
}

function idOf(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, ID_LENGTH);
}

/** Checks and plans; `base` is the URL of the configuration file. */
export async function planSteering(
  sites: readonly FilterSite[],
  base: string,
  checks: UseChecks,
): Promise<PlannedSteering> {
  const { checked, findings } = await checkUses(sites, base, checks);
  if (findings.length > 0) return { uses: [], findings };
  const uses = sites.flatMap(({ key: cluster, listener, steers: kind }) =>
    listener.flatMap((use): PolicyUse[] => {
      const found = checked.get(use);
      if (found === undefined || kind === undefined) return [];
      const { program, summary } = found;
      const { config, specifier } = use;
      const id = idOf([cluster, kind, program.hash, config, base]);
      return [{ id, cluster, kind, name: summary.name, specifier, program, config, base }];
    }),
  );
  return { uses, findings };
}
