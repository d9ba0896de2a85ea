/**
 * Compiles what filters ask to see into what the core tests: a mask and lists of names.
 *
 * Path: src/main/filters compiles each filter; a chain's plan is the union of its filters' plans.
 * Invariant: a hook that a filter does not have sets no bit, so nothing crosses for it. The bits
 * are those of src/shard/filters/README.md.
 */
import type { MessageNeeds, StreamNeeds } from '../index.ts';

export const NEED = {
  accept: 1 << 0,
  open: 1 << 1,
  request: 1 << 2,
  routed: 1 << 3,
  endpoint: 1 << 4,
  response: 1 << 5,
  message: 1 << 6,
  end: 1 << 7,
  fromClient: 1 << 8,
  fromEndpoint: 1 << 9,
  text: 1 << 10,
  binary: 1 << 11,
  serial: 1 << 12,
  allRequestHeaders: 1 << 13,
  allResponseHeaders: 1 << 14,
} as const;

export const MESSAGE_BYTES_LIMIT = 256 << 10;
const MESSAGE_BYTES_DEFAULT = 64 << 10;
/** Names one filter may list. */
export const NEEDED_HEADERS_MAX = 64;

/** What the core must know of a filter or a chain. */
export interface NeedsPlan {
  readonly mask: number;
  /** Lower case, sorted, each once. */
  readonly requestHeaders: readonly string[];
  readonly responseHeaders: readonly string[];
  /** 0 when no messages are asked for. */
  readonly messageBytesMax: number;
  readonly oversize: 'close' | 'pass';
}

/** A filter as far as its needs go. */
export interface NeedsSource {
  readonly kind: string;
  readonly needs?: Partial<StreamNeeds> & Partial<MessageNeeds>;
  readonly order?: unknown;
  readonly [hook: string]: unknown;
}

const HOOK_BITS = {
  network: { onAccept: NEED.accept, onOpen: NEED.open, onEnd: NEED.end },
  stream: {
    onRequest: NEED.request,
    onRouted: NEED.routed,
    onEndpoint: NEED.endpoint,
    onResponse: NEED.response,
    onEnd: NEED.end,
  },
  message: { onOpen: NEED.open, onMessage: NEED.message, onEnd: NEED.end },
} as const;

/** The hooks each kind of filter may have, with their bits. */
export const HOOKS_OF: Readonly<Record<string, Readonly<Record<string, number>>>> = HOOK_BITS;

function sortNames(names: true | readonly string[] | undefined): readonly string[] {
  if (names === undefined || names === true) return [];
  return [...new Set(names.map((name) => name.toLowerCase()))].sort();
}

function messageBits(filter: NeedsSource): number {
  const messages = filter.needs?.messages;
  if (messages === undefined || filter['onMessage'] === undefined) return 0;
  const kinds = messages.kinds ?? ['text'];
  return (
    (messages.from === 'endpoint' ? 0 : NEED.fromClient) |
    (messages.from === 'client' ? 0 : NEED.fromEndpoint) |
    (kinds.includes('text') ? NEED.text : 0) |
    (kinds.includes('binary') ? NEED.binary : 0) |
    (filter.order === 'serial' ? NEED.serial : 0)
  );
}

/** Compiles what a filter asks for. The filter's shape is taken for granted. */
export function compileNeeds(filter: NeedsSource): NeedsPlan {
  const { requestHeaders, responseHeaders, messages } = filter.needs ?? {};
  let mask = messageBits(filter);
  for (const [hook, bit] of Object.entries(HOOKS_OF[filter.kind] ?? {})) {
    if (filter[hook] !== undefined) mask |= bit;
  }
  // What a filter keeps for each holder is let go at the end.
  if (filter['begin'] !== undefined && mask !== 0) mask |= NEED.end;
  if (requestHeaders === true) mask |= NEED.allRequestHeaders;
  if (responseHeaders === true) mask |= NEED.allResponseHeaders;
  return {
    mask,
    requestHeaders: sortNames(requestHeaders),
    responseHeaders: sortNames(responseHeaders),
    messageBytesMax: messages === undefined ? 0 : (messages.bytesMax ?? MESSAGE_BYTES_DEFAULT),
    oversize: messages?.larger ?? 'close',
  };
}

/**
 * The needs of several filters together. A message crosses when one of them asks for it, up to the
 * largest limit; the host then holds each filter to its own kinds, direction and limit. Beyond the
 * largest limit the strictest rule of all holds.
 */
export function joinNeeds(plans: readonly NeedsPlan[]): NeedsPlan {
  const join = (lists: readonly (readonly string[])[]): string[] =>
    [...new Set(lists.flat())].sort();
  return {
    mask: plans.reduce((mask, plan) => mask | plan.mask, 0),
    requestHeaders: join(plans.map((plan) => plan.requestHeaders)),
    responseHeaders: join(plans.map((plan) => plan.responseHeaders)),
    messageBytesMax: Math.max(0, ...plans.map((plan) => plan.messageBytesMax)),
    oversize: plans.some((plan) => plan.messageBytesMax > 0 && plan.oversize === 'close')
      ? 'close'
      : 'pass',
  };
}
