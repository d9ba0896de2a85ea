/**
 * The face of the command line: its reference page. Everything else is reached by running it.
 *
 * Path: generate.ts of the configuration writes docs/cli.md with it.
 */
export { createCliPage } from './reference.ts';
