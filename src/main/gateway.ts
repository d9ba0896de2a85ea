/**
 * The control plane, composed: the one file that makes every part and connects them.
 *
 * Path: the command line calls {@link startGateway}; everything else hangs off what is made here.
 * Invariant: start-up is all or nothing.
 */
import type { Gateway, GatewayOptions } from './gateway-options.ts';

export {
  type ConfigOutcome,
  type Gateway,
  type GatewayListener,
  type GatewayOptions,
  GatewayStartError,
} from './gateway-options.ts';

/** Starts a gateway. @throws GatewayStartError */
export async function startGateway(_options: GatewayOptions): Promise<Gateway> {
  await Promise.resolve();
  throw new Error('not composed yet');
}
