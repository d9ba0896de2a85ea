/**
 * The terminal as an argument: where a verb writes, what it may read of its environment, and its
 * colours.
 *
 * Path: main.ts makes one from the process; tests make one that collects text.
 * Invariant: results go to `out`, everything else to `note`, so that `holdfast conns --json | jq`
 * works.
 */
import { createPaint, type Paint, wantsColor } from '../config/index.ts';

/** Where a verb writes. */
export interface Terminal {
  /** Writes a result to stdout. */
  readonly out: (text: string) => void;
  /** Writes a remark to stderr. */
  readonly note: (text: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Columns of stdout; 0 when it is not a terminal. */
  readonly columns: number;
  /** Colours of stdout and of stderr. */
  readonly paint: Paint;
  readonly notePaint: Paint;
  readonly hasNoteColor: boolean;
  /** Sets the exit code of the process. */
  readonly exit: (code: number) => void;
}

/** The terminal of this process. */
export function createTerminal(process: NodeJS.Process): Terminal {
  const { stdout, stderr, env } = process;
  const hasNoteColor = wantsColor(stderr, env);
  return {
    out: (text) => {
      stdout.write(text);
    },
    note: (text) => {
      stderr.write(text);
    },
    env,
    columns: stdout.isTTY ? stdout.columns : 0,
    paint: createPaint({ color: wantsColor(stdout, env) }),
    notePaint: createPaint({ color: hasNoteColor }),
    hasNoteColor,
    exit: (code) => {
      process.exitCode = code;
    },
  };
}
