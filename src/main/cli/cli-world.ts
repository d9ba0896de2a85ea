/**
 * What the verbs need of the world: the terminal, and the gateway when one is to be started.
 *
 * Path: main.ts makes the real one; tests bring a terminal that collects text and a gateway that
 * only remembers what it was given.
 * Invariant: the gateway is loaded only by verbs that start one; the native core by these, and to
 * check a configuration with TLS.
 */
import type { Gateway, GatewayOptions } from '../gateway-options.ts';
import type { Terminal } from './terminal.ts';

/** Starts a gateway. @throws GatewayStartError with one sentence */
export type StartGateway = (options: GatewayOptions) => Promise<Gateway>;

/** What the verbs need. */
export interface CliWorld {
  readonly terminal: Terminal;
  readonly loadGateway: () => Promise<StartGateway>;
}
