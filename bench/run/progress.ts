/**
 * What the person at the terminal sees while a run goes on.
 *
 * Path: the runner tells it of every measurement; it writes to stderr, so that stdout stays empty.
 * Invariant: one line for each finished measurement; the running one is shown on a terminal only.
 */
import { formatValue } from '../report/index.ts';
import type { Measurement, Scenario } from '../scenarios/index.ts';

const MINUTE_S = 60;
const KEYS_SHOWN = 3;

function formatDuration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < MINUTE_S) return `${whole} s`;
  return `${Math.floor(whole / MINUTE_S)} min ${whole % MINUTE_S} s`;
}

/** See the header. */
export class Progress {
  readonly #total: number;
  readonly #startedMs = performance.now();
  readonly #isTerminal = process.stderr.isTTY;
  #done = 0;

  constructor(total: number) {
    this.#total = total;
  }

  say(sentence: string): void {
    process.stderr.write(`${sentence}\n`);
  }

  #prefix(scenario: Scenario, candidate: string, repeat: number): string {
    const place = `${this.#done + 1}/${this.#total}`.padStart(2 * `${this.#total}`.length + 1);
    return `${place}  ${scenario.name.padEnd(17)} ${candidate.padEnd(10)} #${repeat + 1}`;
  }

  begin(scenario: Scenario, candidate: string, repeat: number): void {
    if (this.#isTerminal) process.stderr.write(`${this.#prefix(scenario, candidate, repeat)} ...`);
  }

  /** `outcome` is what was measured, or the sentence that says why nothing was. */
  end(run: {
    readonly scenario: Scenario;
    readonly candidate: string;
    readonly repeat: number;
    readonly outcome: Measurement | string;
  }): void {
    const { scenario, candidate, repeat, outcome } = run;
    const line = this.#prefix(scenario, candidate, repeat);
    this.#done += 1;
    const leftS =
      (((performance.now() - this.#startedMs) / this.#done) * (this.#total - this.#done)) / 1000;
    const shown = typeof outcome === 'string' ? outcome : describe(scenario, outcome);
    const start = this.#isTerminal ? '\r\x1b[K' : '';
    process.stderr.write(`${start}${line}  ${shown}  (${formatDuration(leftS)} left)\n`);
  }
}

function describe(scenario: Scenario, measurement: Measurement): string {
  return scenario.figures
    .filter(({ key }) => measurement.figures[key] !== undefined)
    .slice(0, KEYS_SHOWN)
    .map(({ key, title, unit }) => {
      const isVoid = measurement.voids[key] !== undefined;
      return `${title} ${isVoid ? 'void' : formatValue(measurement.figures[key] ?? 0, unit)}`;
    })
    .join(', ');
}
