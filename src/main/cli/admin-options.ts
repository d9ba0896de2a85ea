/**
 * The options that every verb for a running gateway has.
 *
 * Path: the verbs add them to their commands; find-admin.ts reads them.
 * Invariant: every verb that talks to a gateway has these two, under these names.
 */
import type { Command } from 'commander';

/** Adds --admin and --config. */
export function addAdminOptions(command: Command): Command {
  return command
    .option(
      '--admin <address>',
      'admin socket, or IP and port; default: HOLDFAST_ADMIN, then ./holdfast.sock',
    )
    .option('-c, --config <file>', 'take the admin socket from this configuration');
}
