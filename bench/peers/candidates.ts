/**
 * The candidates of every comparison, in the order in which reports show them.
 *
 * Path: main.ts chooses from this list by name; scenarios say which of them they are for.
 * Does not look whether they are installed: each candidate answers that itself.
 */
import type { Candidate } from '../rig/index.ts';
import { direct } from './direct.ts';
import { envoy } from './envoy.ts';
import { goProxy } from './go-proxy.ts';
import { haproxy } from './haproxy.ts';
import { holdfast } from './holdfast.ts';
import { httpProxy } from './http-proxy.ts';
import { mosn } from './mosn.ts';
import { nginx } from './nginx.ts';
import { nodePipe } from './node-pipe.ts';

/** Holdfast first, then peers, then the floor. */
export const CANDIDATES: readonly Candidate[] = [
  holdfast,
  nginx,
  haproxy,
  envoy,
  mosn,
  goProxy,
  nodePipe,
  httpProxy,
  direct,
];
