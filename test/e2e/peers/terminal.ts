/**
 * Runs a program in a terminal of its own, as a person at a keyboard does.
 *
 * Path: tests of what is shown to people, of Ctrl-C, and of terminals that close.
 * Invariant: the program is ended with the test, also when it outlives its terminal.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Owner } from '../harness.ts';

/** Says the program's process id first, then copies both ways; ends as the program ends. */
const PTY = `
import os, pty, select, sys
pid, master = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
os.write(1, b"%d\\n" % pid)
inputs = [0, master]
while True:
    ready, _, _ = select.select(inputs, [], [])
    try:
        if master in ready:
            os.write(1, os.read(master, 65536))
        if 0 in ready:
            typed = os.read(0, 4096)
            if typed == b"":
                inputs.remove(0)
            os.write(master, typed)
    except OSError:
        break
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;
const POLL_MS = 10;

export const CTRL_C = '\u0003';

/** A program in a terminal. */
export class Terminal {
  /** Of the program, not of what holds the terminal. */
  readonly pid: number;
  readonly #holder: ChildProcess;
  readonly #outcome: Promise<number | null>;
  #shown: string;
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();

  private constructor(owner: Owner, holder: ChildProcess, pid: number, shown: string) {
    this.#holder = holder;
    this.pid = pid;
    this.#shown = shown;
    this.#outcome = once(holder, 'close').then(([code]: unknown[]) => {
      this.#stir();
      return typeof code === 'number' ? code : null;
    });
    holder.stdout?.on('data', (bytes: Buffer) => {
      this.#shown += bytes.toString();
      this.#stir();
    });
    owner.after(() => {
      if (isRunning(pid)) {
        process.kill(pid, 'SIGKILL');
      }
      holder.kill('SIGKILL');
    });
  }

  static async start(
    owner: Owner,
    command: readonly string[],
    directory: string,
  ): Promise<Terminal> {
    const holder = spawn('python3', ['-c', PTY, ...command], {
      cwd: directory,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    holder.stdin.on('error', () => {});
    let text = '';
    while (!text.includes('\n')) {
      const [bytes] = (await once(holder.stdout, 'data')) as [Buffer];
      text += bytes.toString();
    }
    const [pid = ''] = text.split('\n');
    return new Terminal(owner, holder, Number(pid), text.slice(pid.length + 1));
  }

  /** All that was shown so far. */
  get shown(): string {
    return this.#shown;
  }

  /** Exit code of the program, once it has ended and the terminal is still open. */
  get outcome(): Promise<number | null> {
    return this.#outcome;
  }

  type(keys: string): void {
    this.#holder.stdin?.write(keys);
  }

  /** Closes the terminal under the program. */
  async close(): Promise<void> {
    this.#holder.kill('SIGKILL');
    await this.#outcome;
  }

  /** Waits until something was shown. */
  async whenShown(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.#shown);
      if (found !== null) {
        return found;
      }
      await this.#wake.promise;
    }
  }

  /** Waits until the program has ended, although nobody tells. */
  async whenGone(): Promise<void> {
    while (isRunning(this.pid)) {
      await new Promise((resolve) => {
        setTimeout(resolve, POLL_MS);
      });
    }
  }

  #stir(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers();
    resolve();
  }
}

/** False for a process that is gone, or ended and not yet buried. */
function isRunning(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
