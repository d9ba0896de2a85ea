/**
 * Changes of endpoints made at run time, kept beside the configuration until it is loaded again.
 *
 * Path: `PATCH /v1/clusters/{name}/endpoints` -> here -> resolve.ts lays them over the configured
 * endpoints -> a new snapshot.
 * Invariant: an overlay is a value; a change makes a new one, so a refused snapshot leaves no
 * trace.
 */
import type { SocketAddress } from '../../../native/epoll/index.ts';
import { parseAddress } from '../model/index.ts';

/** Endpoints that one cluster may get at run time. */
export const ADDED_ENDPOINTS_MAX = 1024;
/** The largest weight of an endpoint. */
const WEIGHT_MAX = 256;

/** What was changed about one endpoint. */
export interface EndpointChange {
  readonly weight?: number;
  readonly connections?: number;
  /** True: no new connections; those it has stay. */
  readonly isDraining?: boolean;
}

/** An endpoint that the configuration does not name. */
export interface AddedEndpoint {
  readonly address: SocketAddress;
  readonly weight: number;
  readonly connections: number;
}

/** Run-time changes of one cluster, by address as people write it. */
export interface Overlay {
  readonly added: ReadonlyMap<string, AddedEndpoint>;
  readonly removed: ReadonlySet<string>;
  readonly changed: ReadonlyMap<string, EndpointChange>;
}

export const EMPTY_OVERLAY: Overlay = { added: new Map(), removed: new Set(), changed: new Map() };

/** What a patch gives: a new overlay and what it does in words, or why it is refused. */
export type PatchOutcome =
  | { readonly overlay: Overlay; readonly changes: readonly string[] }
  | { readonly problem: string };

/** Thrown inside this file only; {@link patchOverlay} turns it into a `problem`. */
class PatchProblem extends Error {}

/**
 * Reads a patch and lays it over `overlay`. `addresses` are those that the cluster has now.
 *
 * A patch is `{ add?, remove?, set? }`; see docs/operating.md.
 */
export function patchOverlay(
  overlay: Overlay,
  addresses: ReadonlySet<string>,
  patch: unknown,
): PatchOutcome {
  const next = {
    added: new Map(overlay.added),
    removed: new Set(overlay.removed),
    changed: new Map(overlay.changed),
  };
  const present = new Set(addresses);
  try {
    const { add, remove, set } = readPatch(patch);
    const changes = [
      ...remove.map((item) => removeEndpoint(next, present, item)),
      ...add.map((item) => addEndpoint(next, present, item)),
      ...set.map((item) => setEndpoint(next, present, item)),
    ];
    return { overlay: next, changes };
  } catch (error) {
    if (error instanceof PatchProblem) {
      return { problem: error.message };
    }
    throw error;
  }
}

interface MutableOverlay {
  readonly added: Map<string, AddedEndpoint>;
  readonly removed: Set<string>;
  readonly changed: Map<string, EndpointChange>;
}

function addEndpoint(next: MutableOverlay, present: Set<string>, item: unknown): string {
  const fields = readObject(item, 'add', ['address', 'weight', 'connections']);
  const text = readAddressText(fields, 'add');
  const address = parseAddress(text);
  if (address === null) {
    throw new PatchProblem(
      `"${text}" is no address; write an IP literal with a port, or unix:PATH`,
    );
  }
  if (present.has(text)) {
    throw new PatchProblem(`${text} is there already; change it with "set"`);
  }
  if (next.added.size >= ADDED_ENDPOINTS_MAX) {
    throw new PatchProblem(`at most ${ADDED_ENDPOINTS_MAX} endpoints can be added at run time`);
  }
  const weight = readCount(fields['weight'] ?? 1, 'weight', { min: 1, max: WEIGHT_MAX });
  const connections = readCount(fields['connections'] ?? 0, 'connections', { min: 0, max: 1e9 });
  if (next.removed.delete(text)) {
    // A configured endpoint comes back; it keeps its place and gets these limits.
    next.changed.set(text, { weight, connections });
  } else {
    next.added.set(text, { address, weight, connections });
  }
  present.add(text);
  return `endpoint ${text} added`;
}

function removeEndpoint(next: MutableOverlay, present: Set<string>, item: unknown): string {
  if (typeof item !== 'string' || !present.has(item)) {
    throw new PatchProblem(`"remove" names ${JSON.stringify(item)}, which is not there`);
  }
  if (!next.added.delete(item)) {
    next.removed.add(item);
  }
  next.changed.delete(item);
  present.delete(item);
  return `endpoint ${item} removed`;
}

function setEndpoint(next: MutableOverlay, present: Set<string>, item: unknown): string {
  const fields = readObject(item, 'set', ['address', 'weight', 'connections', 'drain']);
  const text = readAddressText(fields, 'set');
  if (!present.has(text)) {
    throw new PatchProblem(`"set" names ${text}, which is not there`);
  }
  const { weight, connections, drain } = fields;
  if (drain !== undefined && typeof drain !== 'boolean') {
    throw new PatchProblem('"drain" is true or false');
  }
  const change: EndpointChange = {
    ...next.changed.get(text),
    ...(weight === undefined
      ? {}
      : { weight: readCount(weight, 'weight', { min: 1, max: WEIGHT_MAX }) }),
    ...(connections === undefined
      ? {}
      : { connections: readCount(connections, 'connections', { min: 0, max: 1e9 }) }),
    ...(drain === undefined ? {} : { isDraining: drain }),
  };
  next.changed.set(text, change);
  const said = Object.entries(fields)
    .filter(([key]) => key !== 'address')
    .map(([key, value]) => `${key} ${JSON.stringify(value)}`);
  return `endpoint ${text} set: ${said.join(', ')}`;
}

function readPatch(patch: unknown): { add: unknown[]; remove: unknown[]; set: unknown[] } {
  const fields = readObject(patch, 'the body', ['add', 'remove', 'set']);
  const lists = { add: fields['add'], remove: fields['remove'], set: fields['set'] };
  const read = (value: unknown): unknown[] => {
    if (value === undefined) {
      return [];
    }
    if (!Array.isArray(value)) {
      throw new PatchProblem('"add", "remove" and "set" are lists');
    }
    return value as unknown[];
  };
  return { add: read(lists.add), remove: read(lists.remove), set: read(lists.set) };
}

function readObject(
  value: unknown,
  where: string,
  keys: readonly string[],
): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new PatchProblem(`${where} holds objects with ${keys.join(', ')}`);
  }
  for (const key of Object.keys(value)) {
    if (!keys.includes(key)) {
      throw new PatchProblem(`${where} has no field "${key}"; it has ${keys.join(', ')}`);
    }
  }
  return { ...value };
}

function readAddressText(fields: Record<string, unknown>, where: string): string {
  const text = fields['address'];
  if (typeof text !== 'string') {
    throw new PatchProblem(`each item of "${where}" has an "address"`);
  }
  return text;
}

function readCount(value: unknown, name: string, range: { min: number; max: number }): number {
  const isRight =
    typeof value === 'number' &&
    Number.isInteger(value) &&
    value >= range.min &&
    value <= range.max;
  if (!isRight) {
    throw new PatchProblem(`"${name}" is a whole number from ${range.min} to ${range.max}`);
  }
  return value;
}
