/**
 * Lets a process import `holdfast/sdk` and `holdfast/testing` wherever its files are.
 *
 * Path: `holdfast filter test` preloads it with `--import`.
 * Invariant: only adds names; every other import resolves as it would without.
 */
import { ModuleLoader } from '../../../shard/filters/index.ts';

/** Kept so that the hooks stay. */
export const LOADER = new ModuleLoader();
