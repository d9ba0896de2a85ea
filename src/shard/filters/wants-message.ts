/**
 * Which messages a filter sees: the chain's mask is the union of all its filters, so each is held
 * to its own needs here.
 *
 * Path: run-chain.ts asks before each message hook.
 * Invariant: a message larger than a filter's limit is never shown to it, and passes unseen only
 * where the filter says so.
 */
import { NEED } from '../../sdk/definition/index.ts';
import type { Call } from './call.ts';
import type { FilterInstance } from './instance.ts';

/** Whether a filter wants a message; `too-big` closes the tunnel. */
export function wantsMessage(instance: FilterInstance, call: Call): 'yes' | 'no' | 'too-big' {
  const { mask, messageBytesMax, oversize } = instance.needs;
  const direction = call.origin.isFromEndpoint ? NEED.fromEndpoint : NEED.fromClient;
  const kind = call.isText ? NEED.text : NEED.binary;
  if ((mask & direction) === 0 || (mask & kind) === 0 || call.message === null) return 'no';
  if (call.message.end - call.message.start <= messageBytesMax) return 'yes';
  return oversize === 'close' ? 'too-big' : 'no';
}
