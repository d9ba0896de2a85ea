/**
 * The token of the admin API over TCP.
 *
 * Path: gateway.ts reads it at start and after each reload.
 * Invariant: there is no API over TCP without a token, and no message contains it.
 */
import { dirname, resolve } from 'node:path';
import { type Config, readSecretFile } from '../config/index.ts';
import { GatewayStartError } from '../gateway-options.ts';

/** Reads the token; relative files start at the configuration file. @throws GatewayStartError */
export function readAdminToken(tcp: NonNullable<Config['admin']['tcp']>, source: string): string {
  if (tcp.tokenFile === null) {
    return requireToken(tcp.token ?? '', 'admin.tcp.token');
  }
  const read = readSecretFile(resolve(dirname(source), tcp.tokenFile));
  if (!read.ok) {
    throw new GatewayStartError(`admin.tcp.tokenFile: ${read.reason}; create it with a long token`);
  }
  return requireToken(read.value.trim(), 'admin.tcp.tokenFile');
}

function requireToken(token: string, field: string): string {
  if (token === '') {
    throw new GatewayStartError(
      `${field} is empty; the admin API answers over TCP only with a token: ` +
        'set one, or remove admin.tcp',
    );
  }
  return token;
}
