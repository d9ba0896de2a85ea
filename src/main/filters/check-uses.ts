/**
 * Checks the uses of filters, balancers and discoveries of a configuration: that each loads, takes
 * what it is told, and stands where it can do something.
 *
 * Path: planner.ts makes programs, instances and policies of what is found; `holdfast validate`,
 * start and reload show the findings.
 * Invariant: nothing lives or changes by a check. Every use is looked at; nothing stops at the
 * first fault. Modules are loaded in processes of their own, native filters are not loaded at all.
 */
import type { PolicyFault, PolicyInput } from '../../../native/epoll/index.ts';
import { NEED } from '../../sdk/definition/index.ts';
import { BUILT_IN_MODULES, type Program } from '../../shard/filters/index.ts';
import { suggest } from '../config/index.ts';
import {
  checkNativeFilter,
  findingOfFault,
  isNativeFilter,
  listNativeFilters,
} from './builtin/index.ts';
import type { CheckReply, ModuleSummary } from './check/index.ts';
import { checkAmounts } from './check-amounts.ts';
import type { CheckedModules } from './checked-modules.ts';
import type { FilterFinding, FilterPlace, FilterSite, FilterUse } from './sites.ts';

/** A filter in TypeScript that was checked. */
export interface CheckedUse {
  readonly use: FilterUse;
  readonly summary: ModuleSummary;
  readonly program: Program;
  readonly offload: Program | null;
}

/** What a check found. */
export interface CheckedUses {
  readonly checked: ReadonlyMap<FilterUse, CheckedUse>;
  /** Of uses of native filters. */
  readonly policies: ReadonlyMap<FilterUse, PolicyInput>;
  /** Absolute paths of files that native filters read. */
  readonly files: readonly string[];
  readonly findings: readonly FilterFinding[];
}

/** What checking needs. */
export interface UseChecks {
  readonly modules: CheckedModules;
  /** Asks the core about policies; see {@link Native.checkPolicies}. */
  readonly checkPolicies: (policies: readonly PolicyInput[]) => readonly PolicyFault[];
}

/** A use, and what stands there can see. */
interface PlacedUse {
  readonly use: FilterUse;
  readonly place: FilterPlace;
}

/** Processes that check modules at the same time. */
const CHECKS_AT_ONCE = 4;

const KINDS = ['network', 'stream', 'message'];

function findingAt(path: FilterUse['path'], message: string): FilterFinding {
  return { path, file: '', line: 0, column: 0, message };
}

/** A built-in filter that is not there, with the one that was probably meant. */
function describeMissing(specifier: string): string {
  const guess = suggest(specifier, [...listNativeFilters(), ...Object.keys(BUILT_IN_MODULES)]);
  const hint = guess === null ? '' : `; did you mean "${guess}"?`;
  return `there is no built-in filter "${specifier}"${hint}`;
}

/** Every use once, although each route lists those of its listener again. */
function listUses(sites: readonly FilterSite[]): PlacedUse[] {
  const places = new Map<FilterUse, FilterPlace>();
  for (const { listener, route, isTcp, codec, steers } of sites) {
    if (codec !== undefined && codec !== null) places.set(codec, 'codec');
    const place = steers ?? (isTcp === true ? 'tcp-listener' : 'listener');
    for (const use of listener) places.set(use, place);
    for (const use of route ?? []) places.set(use, 'route');
  }
  return Array.from(places, ([use, place]) => ({ use, place }));
}

/** What stands alone, and which kind it must be. */
const ALONE = {
  balancer: 'defineLoadBalancer',
  discovery: 'defineDiscovery',
  codec: 'defineCodec',
} as const;

function isAlone(place: FilterPlace): place is keyof typeof ALONE {
  return place in ALONE;
}

function describeOther(what: string, place: keyof typeof ALONE): string {
  return `${what}; "${place}" takes what ${ALONE[place]} makes`;
}

/** A filter that stands where it can do nothing. */
function checkPlace(place: FilterPlace, { use, summary }: CheckedUse): FilterFinding[] {
  const at = [...use.path, 'use'];
  const { name, kind, needs } = summary;
  if (isAlone(place)) {
    if (kind === place) return [];
    const what = KINDS.includes(kind) ? `${kind} filter` : kind;
    return [findingAt(at, describeOther(`"${name}" is a ${what}`, place))];
  }
  if (!KINDS.includes(kind)) return [findingAt(at, `"${name}" is a ${kind}, not a filter`)];
  if (place === 'route' && kind === 'network') {
    return [findingAt(at, `"${name}" is a network filter; those stand on listeners`)];
  }
  if (place === 'tcp-listener' && kind === 'stream') {
    const message = `"${name}" is a stream filter; those need a listener with "protocol: http"`;
    return [findingAt(at, message)];
  }
  if (place === 'tcp-listener' && kind === 'message') {
    return checkMessages(needs.mask).map((what) => findingAt(at, `"${name}" ${what}`));
  }
  return [];
}

/** What a message filter asks for that TCP does not have. */
function checkMessages(mask: number): string[] {
  const isRequest = (mask & (NEED.open | NEED.allRequestHeaders)) !== 0;
  return [
    ...(isRequest ? ['looks at the request of a WebSocket (onOpen); TCP has none'] : []),
    ...((mask & NEED.message) !== 0 && (mask & NEED.binary) === 0
      ? ['asks for text; messages of TCP are binary: needs.messages.kinds must name it']
      : []),
  ];
}

/** Codecs without anybody who looks at their messages. */
function checkCodecs(
  sites: readonly FilterSite[],
  checked: CheckedUses['checked'],
): FilterFinding[] {
  return sites.flatMap(({ listener, codec }) => {
    if (codec === undefined || codec === null) return [];
    const isKnown = listener.every((use) => checked.has(use) || isNativeFilter(use.specifier));
    if (!isKnown) return [];
    const kinds = listener.map((use) => checked.get(use)?.summary.kind);
    if (kinds.includes('message')) return [];
    return [findingAt(codec.path, 'a codec is for message filters, and this listener has none')];
  });
}

/** What a check of a module found, at the uses of the module. */
function findingsOf(reply: CheckReply, uses: readonly FilterUse[]): FilterFinding[] {
  const path = uses[0]?.path ?? [];
  const source = reply.sourceFaults.map(({ file, line, column, message }) => {
    return { path: [...path, 'use'], file, line, column, message };
  });
  const config = reply.configFaults.map((fault) =>
    findingAt([...(uses[fault.use]?.path ?? path), 'with', ...fault.path], fault.message),
  );
  return [...source, ...config];
}

/** Checks every module, several at a time; a built-in one that is not there has no reply. */
async function checkModules(
  groups: ReadonlyMap<string, readonly FilterUse[]>,
  base: string,
  modules: CheckedModules,
): Promise<Map<string, CheckReply>> {
  const replies = new Map<string, CheckReply>();
  const queue = [...groups].filter(
    ([specifier]) => !specifier.startsWith('holdfast/') || specifier in BUILT_IN_MODULES,
  );
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [specifier, uses] = next;
      const configs = uses.map((use) => use.config);
      replies.set(specifier, await modules.check(specifier, base, configs));
    }
  };
  await Promise.all(Array.from({ length: CHECKS_AT_ONCE }, work));
  return replies;
}

/** Checks the uses of all sites. `base` is the URL from which paths and packages lead. */
export async function checkUses(
  sites: readonly FilterSite[],
  base: string,
  { modules, checkPolicies }: UseChecks,
): Promise<CheckedUses> {
  const placed = listUses(sites);
  const places = new Map(placed.map(({ use, place }) => [use, place]));
  const checked = new Map<FilterUse, CheckedUse>();
  const policies = new Map<FilterUse, PolicyInput>();
  const files: string[] = [];
  const findings: FilterFinding[] = [];
  for (const { use, place } of placed) {
    if (!isNativeFilter(use.specifier)) continue;
    if (isAlone(place)) {
      const message = describeOther(`"${use.specifier}" is a filter`, place);
      findings.push(findingAt([...use.path, 'use'], message));
      continue;
    }
    const check = checkNativeFilter(use.specifier, use.config, place, base);
    const { input } = check;
    const faults =
      input === null
        ? []
        : checkPolicies([input]).map((fault) => findingOfFault(fault, use.config));
    if (input !== null) policies.set(use, input);
    files.push(...check.files);
    for (const { path, message } of [...check.findings, ...faults]) {
      findings.push(findingAt([...use.path, 'with', ...path], message));
    }
  }
  const others = placed.map(({ use }) => use).filter((use) => !isNativeFilter(use.specifier));
  const groups = Map.groupBy(others, (use) => use.specifier);
  const replies = await checkModules(groups, base, modules);
  for (const [specifier, group] of groups) {
    const reply = replies.get(specifier);
    if (reply === undefined) {
      const message = describeMissing(specifier);
      findings.push(...group.map(({ path }) => findingAt([...path, 'use'], message)));
      continue;
    }
    const native = `holdfast/${specifier}`;
    if (isNativeFilter(native) || native in BUILT_IN_MODULES) {
      // No package: a filter of the gateway was meant.
      if (reply.program === null) {
        const message = `there is no package "${specifier}"; did you mean "${native}"?`;
        findings.push(...group.map(({ path }) => findingAt([...path, 'use'], message)));
        continue;
      }
    }
    findings.push(...findingsOf(reply, group));
    const { summary, program, offload } = reply;
    if (summary === null || program === null) continue;
    for (const use of group) {
      const found = { use, summary, program, offload };
      checked.set(use, found);
      findings.push(...checkPlace(places.get(use) ?? 'listener', found));
    }
  }
  findings.push(...checkAmounts(policies), ...checkCodecs(sites, checked));
  return { checked, policies, files, findings };
}
