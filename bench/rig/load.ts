/**
 * One run of the native load generator: events while it runs, one result at its end.
 *
 * Path: scenarios start it through the rig, step it from event to event, and read its result.
 * Invariant: the generator ends when this side closes its stdin; a run that printed no result is a
 * RunFailure that carries the generator's own sentence.
 */
import type { ChildProcess } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { RunFailure } from './failure.ts';

/** A histogram as the generator prints it: values in nanoseconds. */
export interface PrintedHistogram {
  readonly unit: 'ns';
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  /** Value, count, value, count, ... */
  readonly pairs: readonly number[];
}

/** CPU of the measured window, in nanoseconds. */
export interface PrintedUsage {
  readonly wallNs: number;
  readonly ownNs: number;
  readonly ownShare: number;
  readonly watched: Readonly<Record<string, number>>;
}

/** What a mode measured. Fields a mode does not have are absent. */
export interface LoadResult {
  readonly mode: string;
  readonly connections?: {
    readonly open: number;
    readonly failed: number;
    readonly lost: number;
    readonly corrupt: number;
    /** The beginning of what was not understood first, or nothing. */
    readonly firstCorrupt: string;
    readonly errors: Readonly<Record<string, number>>;
  };
  readonly sent?: number;
  readonly answered?: number;
  readonly answeredInWindow?: number;
  readonly missed?: number;
  readonly unanswered?: number;
  readonly late?: number;
  readonly outOfOrder?: number;
  readonly completed?: number;
  readonly complete?: boolean;
  readonly publications?: number;
  readonly stormNs?: number;
  readonly stormEnded?: boolean;
  readonly slowEnded?: number;
  readonly limited: boolean;
  readonly limitedReason?: string;
  readonly usage: PrintedUsage;
  readonly response?: PrintedHistogram;
  readonly service?: PrintedHistogram;
  readonly lateness?: PrintedHistogram;
  readonly duringStorm?: PrintedHistogram;
  readonly afterStorm?: PrintedHistogram;
  readonly secondPhase?: PrintedHistogram;
  readonly reconnects?: PrintedHistogram;
  readonly completion?: PrintedHistogram;
  readonly tls?: PrintedTls;
  readonly handshake?: PrintedHistogram;
  readonly stormHandshakes?: PrintedHistogram;
  readonly stormAnswered?: number;
  readonly stormFailed?: number;
  readonly stormUsage?: PrintedUsage;
}

/** What the channels of a TLS load negotiated and counted. */
export interface PrintedTls {
  /** Version, suite and group of the first full handshake. */
  readonly negotiated: string;
  /** Handshakes that negotiated something else. */
  readonly others: number;
  readonly full: number;
  readonly resumed: number;
  readonly failed: number;
  /** Connections that ended without close_notify. */
  readonly truncated: number;
  /** OpenSSL's words for the first failure. */
  readonly failure: string;
}

interface Line {
  readonly event: string;
}

/** Flags of a mode; false leaves one out. */
export type LoadFlags = Readonly<Record<string, string | number | false>>;

/** Turns flags into the command line of the generator. */
export function listArguments(mode: string, flags: LoadFlags): string[] {
  const args = [mode];
  for (const [name, value] of Object.entries(flags)) {
    if (value !== false) args.push(`--${name}`, `${value}`);
  }
  return args;
}

/** A generator that has been started. */
export class LoadRun {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;
  #complaint = '';

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stderr?.on('data', (bytes: Buffer) => {
      this.#complaint += bytes.toString();
    });
    this.#reader = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async #next(): Promise<Line> {
    const { value, done } = await this.#lines.next();
    if (done === true) {
      const sentence = this.#complaint.trim().split('\n').at(-1);
      throw new RunFailure(
        sentence === undefined || sentence === '' ? 'the load ended early' : sentence,
      );
    }
    return JSON.parse(value) as Line;
  }

  /**
   * Waits for an event that is not the result.
   *
   * @throws RunFailure when the generator ends before it.
   */
  async event(name: string): Promise<void> {
    const line = await this.#next();
    if (line.event !== name) throw new RunFailure(`the load sent ${line.event}, not ${name}`);
  }

  /** Lets the generator go on after an event. */
  step(): void {
    this.#child.stdin?.write('\n');
  }

  /** Waits for the next event and goes on at once. */
  async pass(name: string): Promise<void> {
    await this.event(name);
    this.step();
  }

  /** Waits for the result; the generator has ended then. */
  async result(): Promise<LoadResult> {
    const line = await this.#next();
    if (line.event !== 'result')
      throw new RunFailure(`the load sent ${line.event}, not its result`);
    this.#child.stdin?.end();
    this.#reader.close();
    return line as unknown as LoadResult;
  }
}
