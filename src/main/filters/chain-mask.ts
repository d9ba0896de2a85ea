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

const BEFORE_ROUTE = NEED.accept | NEED.request;
const HEADERS = NEED.allRequestHeaders | NEED.allResponseHeaders;

function maskOf(member: MaskMember, isRoute: boolean): number {
  const { kind, place } = member;
  const { mask } = member.needs;
  if (!isRoute) {
    if (kind === 'message') return 0;
    const moments = kind === 'network' ? NEED.accept | NEED.open : NEED.request;
    // Also a chain that only ends has something to tell.
    return mask & (moments | NEED.end | (kind === 'stream' ? HEADERS : 0));
  }
  if (kind === 'network') return 0;
  const late = place === 'route' && (mask & NEED.request) !== 0 ? NEED.routed : 0;
  return (mask & ~BEFORE_ROUTE) | late;
}

/** The needs of a chain. */
export function chainNeeds(members: readonly MaskMember[], isRoute: boolean): NeedsPlan {
  return joinNeeds(
    members.map((member) => {
      const mask = maskOf(member, isRoute);
      const isUsed = mask !== 0;
      const { requestHeaders, responseHeaders, messageBytesMax, oversize } = member.needs;
      return {
        mask,
        requestHeaders: isUsed ? requestHeaders : [],
        responseHeaders: isUsed && isRoute ? responseHeaders : [],
        messageBytesMax: isUsed ? messageBytesMax : 0,
        oversize,
      };
    }),
  );
}
