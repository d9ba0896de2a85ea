/**
 * The process log: pino, pretty on a terminal and JSON elsewhere.
 *
 * Path: everything in the control plane logs through the {@link Log} that gateway.ts makes here.
 * The data plane never does; its access records are formatted natively.
 * Invariant: logging never blocks the main thread and never holds more than {@link LOG_BYTES_MAX};
 * what a slow reader does not take is dropped and counted. Text from outside enters only as a
 * field, never as the message, and control characters are escaped, so that nobody can forge a line.
 */
import { createRequire } from 'node:module';
import { type Logger, pino } from 'pino';

/** What loads pino-pretty, which has many files, where somebody reads along. */
const load = createRequire(import.meta.url);

/** The process log. */
export type Log = Logger;

/** Levels that may be set at run time. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;

export type LogLevelName = (typeof LOG_LEVELS)[number];

/** Bytes of log that may wait for a slow reader; further records are dropped and counted. */
export const LOG_BYTES_MAX = 1024 * 1024;

/** How the log is written. */
export interface LogOptions {
  readonly level: LogLevelName;
  readonly format: 'auto' | 'json' | 'pretty';
  /** A descriptor (1 or 2) or a file path. */
  readonly target: number | string;
  readonly isTerminal: boolean;
}

/** The log and the end of it. */
export interface OpenLog {
  readonly log: Log;
  /** Records dropped because the reader was too slow. */
  dropped(): number;
  /** Opens the file again under its name, after rotation; nothing for a descriptor. */
  reopen(): void;
  /** Writes what is left, for at most `timeoutMs`. */
  close(timeoutMs: number): Promise<void>;
}

/** Makes the process log. */
export function openLog({ level, format, target, isTerminal }: LogOptions): OpenLog {
  const isPretty = format === 'pretty' || (format === 'auto' && isTerminal);
  const destination = pino.destination({ dest: target, sync: false, maxLength: LOG_BYTES_MAX });
  // Pino flushes at each fatal record and at the exit. Waiting for a reader there would stop the
  // main thread, for ever when the terminal is gone; only close() waits, and only for so long.
  destination.flushSync = () => {
    destination.flush();
  };
  let dropped = 0;
  destination.on('drop', () => {
    dropped++;
  });
  // A reader that went away (EPIPE) must not end the process.
  destination.on('error', () => {
    dropped++;
  });
  const log = isPretty
    ? pino({ level, base: null }, createPrettyStream(destination, isTerminal))
    : pino(
        {
          level,
          base: null,
          timestamp: pino.stdTimeFunctions.isoTime,
          formatters: { level: (label) => ({ level: label }) },
        },
        destination,
      );
  return {
    log,
    dropped: () => dropped,
    reopen: () => {
      if (typeof target === 'string') {
        destination.reopen();
      }
    },
    close: async (timeoutMs) => {
      const flushed = Promise.withResolvers<void>();
      const timer = setTimeout(flushed.resolve, timeoutMs);
      destination.flush(() => flushed.resolve());
      await flushed.promise;
      clearTimeout(timer);
    },
  };
}

/** True when `level` is one of {@link LOG_LEVELS}. */
export function isLogLevel(level: unknown): level is LogLevelName {
  return LOG_LEVELS.some((known) => known === level);
}

function createPrettyStream(
  destination: { write(text: string): boolean },
  isTerminal: boolean,
): { write(line: string): void } {
  const { prettyFactory } = load('pino-pretty') as typeof import('pino-pretty');
  const pretty = prettyFactory({
    colorize: isTerminal,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
  });
  return {
    write: (line) => {
      destination.write(pretty(escapeControls(line)) ?? '');
    },
  };
}

/** Makes control characters visible in a JSON line, so that they stay visible when it is decoded. */
export function escapeControls(line: string): string {
  return line
    .replaceAll(/\\(u00[01][0-9a-f]|[bfr])/g, String.raw`\\$1`)
    .replaceAll(/[\u007f-\u009f]/g, (char) => String.raw`\\u00` + char.charCodeAt(0).toString(16));
}
