/**
 * http-proxy-3: the HTTP proxy one takes in Node; from the private bench package.
 *
 * Path: runs http-proxy-program.ts under the same Node as Holdfast. HTTP scenarios only.
 * Beyond the defaults: a keep-alive agent towards the origin, without which every request would
 * open a connection.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type Candidate,
  type Presence,
  ROOT,
  type Running,
  type StartOptions,
} from '../rig/index.ts';
import { startPeer } from './start.ts';

const PROGRAM = fileURLToPath(new URL('./http-proxy-program.ts', import.meta.url));
const PACKAGE = join(ROOT, 'bench', 'node_modules', 'http-proxy-3', 'package.json');

async function find(): Promise<Presence> {
  if (!existsSync(PACKAGE)) return { missing: 'npm run bench -- setup origins' };
  return { version: (JSON.parse(readFileSync(PACKAGE, 'utf8')) as { version: string }).version };
}

function start(options: StartOptions): Promise<Running> {
  const { frontPort, originPort, http } = options;
  const xForwarded = http?.isBare === true ? [] : ['x-forwarded'];
  return startPeer(options, {
    argv: [process.execPath, PROGRAM, `${frontPort}`, `${originPort}`, ...xForwarded],
  });
}

/** http-proxy-3. */
export const httpProxy: Candidate = {
  name: 'http-proxy-3',
  title: 'http-proxy-3',
  role: 'peer',
  carries: ['http', 'websocket'],
  find,
  start,
};
