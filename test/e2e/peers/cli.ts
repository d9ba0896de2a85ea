/**
 * Runs the `holdfast` command in a process of its own and follows what it prints.
 *
 * Path: tests of the command line, and of what the process does at its ends, start here.
 * Invariant: what a test starts ends with it. Nothing of this environment reaches the command but
 * what a test gives it, so that a HOLDFAST_* variable of the developer does not count.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Owner } from '../harness.ts';

/** What the command needs to run at all: programs, and the core when it was built elsewhere. */
const PASSED_ENV = Object.fromEntries(
  ['PATH', 'HF_NATIVE_PATH', 'ASAN_OPTIONS', 'LD_PRELOAD'].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  }),
);
const COMMAND = fileURLToPath(new URL('../../../src/main/cli/holdfast.mjs', import.meta.url));

/** Where and how to run it. */
export interface CommandSetup {
  readonly directory: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A program that runs it with fewer rights, and its arguments. */
  readonly under?: readonly string[];
  /** Written to its standard input, which is empty otherwise. */
  readonly input?: string;
}

/** How it ended. */
export interface Outcome {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The command, running. */
export class Command {
  readonly #child: ChildProcess;
  readonly #outcome: Promise<Outcome>;
  #stdout = '';
  #stderr = '';
  #hasEnded = false;
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(owner: Owner, args: readonly string[], setup: CommandSetup) {
    const [program = process.execPath, ...before] = [
      ...(setup.under ?? []),
      process.execPath,
      COMMAND,
      ...args,
    ];
    const child = spawn(program, before, {
      cwd: setup.directory,
      env: { ...PASSED_ENV, HOME: setup.directory, ...setup.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child = child;
    child.stdin.on('error', () => {});
    child.stdin.end(setup.input ?? '');
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      this.#stir();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
      this.#stir();
    });
    this.#outcome = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => {
        this.#hasEnded = true;
        this.#stir();
        resolve({ code, signal, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
    owner.after(async () => {
      child.kill('SIGKILL');
      await this.#outcome;
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get outcome(): Promise<Outcome> {
    return this.#outcome;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Waits until what it has printed, to either stream, matches. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.#stdout) ?? pattern.exec(this.#stderr);
      if (found !== null) {
        return found;
      }
      if (this.#hasEnded) {
        throw new Error(`it never printed ${pattern}; it printed:\n${this.#stdout}${this.#stderr}`);
      }
      await this.#wake.promise;
    }
  }

  #stir(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers();
    resolve();
  }
}

/** Runs the command to its end. */
export function runCommand(
  owner: Owner,
  args: readonly string[],
  setup: CommandSetup,
): Promise<Outcome> {
  return new Command(owner, args, setup).outcome;
}
