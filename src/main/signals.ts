/**
 * What the process's signals mean, and what becomes of an error that nobody caught.
 *
 * Path: gateway.ts connects this when the gateway owns the process.
 * Invariant: no signal that an operator may send by habit does harm: SIGPIPE and SIGXFSZ are
 * ignored, SIGUSR1 reopens logs instead of starting Node's debugger. An error that nobody caught on
 * the main thread is logged and survived: shards go on forwarding, which is worth more than a clean
 * exit.
 */
import type { EventEmitter } from 'node:events';
import type { Log } from './observe/index.ts';

/** Uncaught errors that are logged in full; further ones are only counted. */
const FAULTS_LOGGED_MAX = 20;

/** What signals ask for. */
export interface SignalActions {
  /** First SIGTERM or SIGINT. */
  readonly drain: (signal: string) => void;
  /** The second one: end now, with this exit code. */
  readonly end: (exitCode: number) => void;
  /** SIGHUP. */
  readonly reload: () => void;
  /** SIGHUP and SIGUSR1. */
  readonly reopenLogs: () => void;
  readonly log: Log;
}

/** Exit codes by signal: 128 plus its number. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** Takes over the process's signals. Returns how to let go of them. */
export function takeSignals(actions: SignalActions): () => void {
  const { log } = actions;
  let endings = 0;
  let faults = 0;
  const end = (signal: 'SIGINT' | 'SIGTERM'): void => {
    endings++;
    if (endings === 1) {
      actions.drain(signal);
    } else if (endings === 2) {
      log.warn({ signal }, 'second signal: ending at once');
      actions.end(EXIT_CODES[signal]);
    } else {
      process.exit(EXIT_CODES[signal]);
    }
  };
  const noteFault = (error: unknown): void => {
    faults++;
    if (faults <= FAULTS_LOGGED_MAX) {
      log.fatal({ err: error }, 'an error that nobody caught; shards go on, please report it');
    }
  };
  const ignore = (): void => {};
  const listeners: readonly (readonly [string, (error: unknown) => void])[] = [
    ['SIGTERM', () => end('SIGTERM')],
    ['SIGINT', () => end('SIGINT')],
    [
      'SIGHUP',
      () => {
        actions.reopenLogs();
        actions.reload();
      },
    ],
    ['SIGUSR1', () => actions.reopenLogs()],
    ['SIGPIPE', ignore],
    ['SIGXFSZ', ignore],
    ['uncaughtException', noteFault],
    ['unhandledRejection', noteFault],
  ];
  const emitter: EventEmitter = process;
  for (const [event, listener] of listeners) {
    emitter.on(event, listener);
  }
  return () => {
    for (const [event, listener] of listeners) {
      emitter.off(event, listener);
    }
  };
}
