/**
 * What crosses for a chain: the needs of its filters, at the moments that the chain is used for.
 *
 * Path: planner.ts computes a mask for each chain.
 * Invariant: a listener's chain serves accept, open and request, a route's chain everything after
 * the match; a filter sets only bits of moments that its chain is used for.
 */
import { joinNeeds, NEED, type NeedsPlan } from '../../sdk/definition/index.ts';

/** A filter in a chain. */
export interface MaskMember {
  readonly kind: string;
  readonly needs: NeedsPlan;
  readonly place: 'listener' | 'route';
}

/** What a chain is used for: a listener of HTTP, one of TCP, or a route. */
export type ChainUse = 'listener' | 'tcp-listener' | 'route';

const BEFORE_ROUTE = NEED.accept | NEED.request;
const HEADERS = NEED.allRequestHeaders | NEED.allResponseHeaders;
const DIRECTIONS = NEED.fromClient | NEED.fromEndpoint;
const MESSAGES = NEED.message | DIRECTIONS | NEED.text | NEED.binary | NEED.serial;

function maskOf(member: MaskMember, use: ChainUse): number {
  const { kind, place } = member;
  const { mask } = member.needs;
  if (use !== 'route') {
    if (kind === 'message') return use === 'listener' ? 0 : mask & (MESSAGES | NEED.end);
    const moments = kind === 'network' ? NEED.accept | NEED.open : NEED.request;
    // Also a chain that only ends has something to tell.
    return mask & (moments | NEED.end | (kind === 'stream' ? HEADERS : 0));
  }
  if (kind === 'network') return 0;
  const late = place === 'route' && (mask & NEED.request) !== 0 ? NEED.routed : 0;
  return (mask & ~BEFORE_ROUTE) | late;
}

/** The needs of a chain. */
export function chainNeeds(members: readonly MaskMember[], use: ChainUse): NeedsPlan {
  return joinNeeds(
    members.map((member) => {
      const mask = maskOf(member, use);
      const isUsed = mask !== 0;
      const { requestHeaders, responseHeaders, messageBytesMax, oversize } = member.needs;
      return {
        mask,
        requestHeaders: isUsed ? requestHeaders : [],
        responseHeaders: isUsed && use === 'route' ? responseHeaders : [],
        messageBytesMax: isUsed ? messageBytesMax : 0,
        oversize,
      };
    }),
  );
}
