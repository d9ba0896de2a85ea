/**
 * What the process's signals mean, and what becomes of an error that nobody caught.
 *
 * Path: gateway.ts connects this when the gateway owns the process: signals before it makes
 * anything that a signal could leave behind, faults once it serves.
 * Invariant: no signal that an operator may send by habit does harm: SIGPIPE and SIGXFSZ are
 * ignored, SIGUSR1 reopens logs instead of starting Node's debugger. An error that nobody caught on
 * the main thread is logged and survived: shards go on forwarding, which is worth more than a clean
 * exit.
 */
import type { EventEmitter } from 'node:events';
import type { Log } from './observe/index.ts';

/** Uncaught errors that are logged in full; further ones are only counted. */
const FAULTS_LOGGED_MAX = 20;

/** What signals ask of a gateway that serves. */
export interface SignalActions {
  /** First SIGTERM or SIGINT. */
  readonly drain: (signal: string) => void;
  /** The second one: end now, with this exit code. */
  readonly end: (exitCode: number) => void;
  /** SIGHUP. */
  readonly reload: () => void;
  /** SIGHUP and SIGUSR1. */
  readonly reopenLogs: () => void;
}

type EndSignal = 'SIGINT' | 'SIGTERM';

/** Exit codes by signal: 128 plus its number. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * The process's signals, from before the gateway makes anything that they could leave behind.
 *
 *   starting --serve()--> serving          SIGHUP and SIGUSR1 wait for serve()
 *   starting --SIGTERM, SIGINT--> ending   throwIfEnded() throws, the start-up is undone
 */
export class ProcessSignals {
  readonly #log: Log;
  readonly #letGo: () => void;
  readonly #due = new Set<'reload' | 'reopenLogs'>();
  #actions: SignalActions | null = null;
  #first: EndSignal | null = null;
  #endings = 0;

  constructor(log: Log) {
    this.#log = log;
    const ignore = (): void => {};
    this.#letGo = listen([
      ['SIGTERM', () => this.#end('SIGTERM')],
      ['SIGINT', () => this.#end('SIGINT')],
      ['SIGHUP', () => this.#ask('reopenLogs', 'reload')],
      ['SIGUSR1', () => this.#ask('reopenLogs')],
      ['SIGPIPE', ignore],
      ['SIGXFSZ', ignore],
    ]);
  }

  /** Throws when a signal asked the gateway to end before it served. */
  throwIfEnded(): void {
    if (this.#first !== null) {
      throw new Error(`${this.#first} ended it while it started`);
    }
  }

  /** From now on the gateway serves; what was asked before and could wait is done. */
  serve(actions: SignalActions): void {
    this.#actions = actions;
    this.#ask(...this.#due);
    this.#due.clear();
  }

  /** Lets go of the signals. Ends the process where one of them ended the start-up. */
  letGo(): void {
    this.#letGo();
    if (this.#actions === null && this.#first !== null) {
      process.kill(process.pid, this.#first);
    }
  }

  #ask(...wanted: readonly ('reload' | 'reopenLogs')[]): void {
    for (const each of wanted) {
      if (this.#actions === null) {
        this.#due.add(each);
      } else {
        this.#actions[each]();
      }
    }
  }

  #end(signal: EndSignal): void {
    this.#endings++;
    if (this.#endings === 1) {
      this.#first = signal;
      this.#actions?.drain(signal);
    } else if (this.#endings === 2 && this.#actions !== null) {
      this.#log.warn({ signal }, 'second signal: ending at once');
      this.#actions.end(EXIT_CODES[signal]);
    } else {
      process.exit(EXIT_CODES[signal]);
    }
  }
}

/** Lets the process live on after an error that nobody caught. Returns how to let go. */
export function surviveFaults(log: Log): () => void {
  let faults = 0;
  const noteFault = (error: unknown): void => {
    faults++;
    if (faults <= FAULTS_LOGGED_MAX) {
      log.fatal({ err: error }, 'an error that nobody caught; shards go on, please report it');
    }
  };
  return listen([
    ['uncaughtException', noteFault],
    ['unhandledRejection', noteFault],
  ]);
}

function listen(listeners: readonly (readonly [string, (error: unknown) => void])[]): () => void {
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
