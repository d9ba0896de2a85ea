/**
 * Runs scenarios: interleaved, repeated, saved after every measurement.
 *
 * Path: main.ts gives it the request; it builds rigs, calls scenarios, and fills the raw report.
 * Invariant: candidates go forwards in even repeats and backwards in odd ones (A B B A), each
 * measurement with a fresh origin and a fresh candidate. A measurement that fails is recorded with
 * its reason and the run goes on; an interrupt ends it with what there is.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CANDIDATES } from '../peers/index.ts';
import {
  encode,
  fromPrinted,
  type RawCandidate,
  type RawReport,
  type RawRun,
  type RawScenario,
  saveRaw,
} from '../report/index.ts';
import {
  buildLoadgen,
  buildTlsLoadgen,
  type Candidate,
  explain,
  Ports,
  type RigParts,
  ROOT,
  readMachine,
  UsageFailure,
} from '../rig/index.ts';
import { type Measurement, type Scenario, Tally, whyLeftOut } from '../scenarios/index.ts';
import type { RunRequest } from './arguments.ts';
import { Progress } from './progress.ts';

const DESCRIPTORS_MIN = 4096;
/** A signal to the whole process group may end the load before this process hears of it. */
const SIGNAL_MS = 50;

function git(...args: string[]): string {
  try {
    return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return '';
  }
}

/** `2026-11-21-1405-tcp-echo`, with a number where that exists already. */
function chooseFolder(request: RunRequest, startedAt: string): string {
  if (request.out !== undefined) return request.out;
  const names = request.scenarios.map(({ name }) => name);
  const what = names.length > 2 ? `${names.length}-scenarios` : names.join('-');
  const stamp = startedAt.slice(0, 16).replace('T', '-').replace(':', '');
  const base = join(ROOT, 'perf-reports', `${stamp}-${what}`);
  let folder = base;
  for (let number = 2; existsSync(folder); number += 1) folder = `${base}-${number}`;
  return folder;
}

interface Found {
  readonly installed: readonly Candidate[];
  readonly listed: readonly RawCandidate[];
}

async function findCandidates(names: readonly string[]): Promise<Found> {
  const installed: Candidate[] = [];
  const listed: RawCandidate[] = [];
  for (const candidate of CANDIDATES) {
    if (names.length > 0 && !names.includes(candidate.name)) continue;
    const { name, title } = candidate;
    const presence = await candidate.find();
    if ('version' in presence) installed.push(candidate);
    listed.push({ name, title, ...presence });
  }
  if (installed.length === 0) {
    const [first] = listed;
    throw new UsageFailure(`none of the candidates is installed; try ${first?.missing}`);
  }
  return { installed, listed };
}

function toRun(run: {
  readonly candidate: string;
  readonly repeat: number;
  readonly order: number;
  readonly startedAt: string;
  readonly outcome: Measurement | string;
}): RawRun {
  const { outcome, ...about } = run;
  const seconds = (Date.now() - Date.parse(run.startedAt)) / 1000;
  if (typeof outcome === 'string') {
    const nothing = { figures: {}, voids: {}, parameters: {}, notes: [], series: {} };
    return { ...about, seconds, ...nothing, histograms: {}, failure: outcome };
  }
  const histograms = Object.fromEntries(
    Object.entries(outcome.histograms).map(([name, printed]) => [
      name,
      encode(fromPrinted(printed)),
    ]),
  );
  return { ...about, seconds, ...outcome, histograms };
}

/** A B B A: forwards in even repeats, backwards in odd ones. */
function interleave(candidates: readonly Candidate[], repeats: number): [Candidate, number][] {
  return Array.from({ length: repeats }, (_, repeat) =>
    (repeat % 2 === 0 ? candidates : candidates.toReversed()).map(
      (candidate): [Candidate, number] => [candidate, repeat],
    ),
  ).flat();
}

/** One run of scenarios; `report` is what it has so far. */
export class Runner {
  readonly #request: RunRequest;
  readonly #signal: AbortSignal;
  readonly folder: string;
  #report: RawReport | undefined;
  #withoutTls: string | undefined;

  constructor(request: RunRequest, signal: AbortSignal) {
    this.#request = request;
    this.#signal = signal;
    this.folder = chooseFolder(request, new Date().toISOString());
  }

  /** What has been measured, or undefined when nothing has. */
  get report(): RawReport | undefined {
    return this.#report;
  }

  /** @throws UsageFailure before anything is measured; nothing afterwards. */
  async run(): Promise<void> {
    const { scenarios, candidates, repeats, seconds, divisor, port } = this.#request;
    const machine = readMachine();
    if (machine.descriptorsMax < DESCRIPTORS_MIN) {
      throw new UsageFailure(
        `a process may have ${machine.descriptorsMax} descriptors here; ${DESCRIPTORS_MIN} are needed: ` +
          `ulimit -n ${DESCRIPTORS_MIN}`,
      );
    }
    const found = await findCandidates(candidates);
    const parts: RigParts = {
      loadgen: await buildLoadgen(),
      ...(await this.#buildTls()),
      machine,
      ports: new Ports(port),
      signal: this.#signal,
    };
    const commit = git('rev-parse', 'HEAD');
    this.#report = {
      format: 1,
      startedAt: new Date().toISOString(),
      finishedAt: '',
      isPartial: true,
      command: `npm run bench -- ${process.argv.slice(2).join(' ')}`.trim(),
      commit: commit === '' ? 'unknown' : commit,
      isCommitClean: git('status', '--porcelain', '--untracked-files=no') === '',
      machine,
      repeats,
      seconds,
      divisor,
      candidates: found.listed,
      scenarios: [],
    };
    await this.#runAll(scenarios, found.installed, parts);
  }

  /** The load with TLS clients; where it cannot be built, its scenarios are left out. */
  async #buildTls(): Promise<{ readonly loadgenTls?: string }> {
    const { scenarios } = this.#request;
    if (!scenarios.some(({ tlsVersions }) => tlsVersions)) return {};
    try {
      return { loadgenTls: await buildTlsLoadgen() };
    } catch (cause) {
      if (scenarios.every(({ tlsVersions }) => tlsVersions)) throw cause;
      this.#withoutTls = explain(cause);
      return {};
    }
  }

  /** Why a scenario leaves a candidate out, or undefined. */
  #whyLeftOut(scenario: Scenario, candidate: Candidate): string | undefined {
    return whyLeftOut(scenario, candidate) ?? (scenario.tlsVersions && this.#withoutTls);
  }

  async #runAll(
    scenarios: readonly Scenario[],
    installed: readonly Candidate[],
    parts: RigParts,
  ): Promise<void> {
    const { repeats } = this.#request;
    const report = this.#report as RawReport;
    const isIn = (scenario: Scenario, candidate: Candidate): boolean =>
      this.#whyLeftOut(scenario, candidate) === undefined;
    const total = scenarios.reduce(
      (sum, scenario) => sum + installed.filter((each) => isIn(scenario, each)).length * repeats,
      0,
    );
    const progress = new Progress(total);
    for (const { missing, title } of report.candidates) {
      if (missing !== undefined) progress.say(`without ${title}: not installed (${missing})`);
    }
    for (const warning of report.machine.warnings) progress.say(`note: ${warning}`);
    for (const scenario of scenarios) {
      const { name, question } = scenario;
      const leftOut = installed.flatMap((candidate) => {
        const reason = this.#whyLeftOut(scenario, candidate);
        return reason === undefined ? [] : [{ candidate: candidate.name, reason }];
      });
      const raw: RawScenario = { name, question, runs: [], leftOut };
      report.scenarios.push(raw);
      const candidates = installed.filter((each) => isIn(scenario, each));
      for (const [candidate, repeat] of interleave(candidates, repeats)) {
        await this.#measure({ scenario, candidate, repeat, raw, parts, progress });
        if (this.#signal.aborted) return;
      }
    }
    report.isPartial = false;
    report.finishedAt = new Date().toISOString();
  }

  async #measure(run: {
    readonly scenario: Scenario;
    readonly candidate: Candidate;
    readonly repeat: number;
    readonly raw: RawScenario;
    readonly parts: RigParts;
    readonly progress: Progress;
  }): Promise<void> {
    const { scenario, candidate, repeat, raw, parts, progress } = run;
    const { seconds, divisor } = this.#request;
    const startedAt = new Date().toISOString();
    progress.begin(scenario, candidate.name, repeat);
    const tally = new Tally();
    let outcome: Measurement | string;
    try {
      await scenario.measure({ parts, candidate, scale: { seconds, divisor } }, tally);
      outcome = tally.done();
    } catch (cause) {
      if (cause instanceof UsageFailure) throw cause;
      outcome = explain(cause);
      await delay(SIGNAL_MS);
    }
    // What an interrupt cut short is not a failure of the candidate.
    if (this.#signal.aborted) return;
    const { name } = candidate;
    raw.runs.push(toRun({ candidate: name, repeat, order: raw.runs.length, startedAt, outcome }));
    progress.end({ scenario, candidate: name, repeat, outcome });
    saveRaw(this.folder, this.#report as RawReport);
  }
}
