/**
 * Fields that filters cannot set: they frame a message or belong to one hop, and are the gateway's.
 *
 * Path: the host refuses edits of them; schemas of filters refuse names that are one of them.
 * Invariant: this is the only list of the kind in TypeScript.
 */

const OF_THE_GATEWAY = new Set([
  'connection',
  'content-length',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** True when filters cannot set the field. `name` is lower case. */
export function isGatewayField(name: string): boolean {
  return OF_THE_GATEWAY.has(name);
}
