/**
 * Sends inputs through the gateway to several origins and compares what they saw (threats row C1).
 *
 * Path: `npm run interop -- smuggling` runs all of it, test/e2e/http/smuggling.test.ts a short
 * form.
 * Invariant: behind each batch sentinels go over the same pooled connections and have to come back
 * as themselves. An input is fine when no origin saw what another one did not, or when who saw less
 * refused it with a status; a difference without a refusal is a finding.
 */
import { GatewayProcess, type Owner } from '../../e2e/harness.ts';
import { ByteStream } from '../../e2e/http/byte-stream.ts';
import type { Smuggled } from './corpus.ts';
import type { ForeignOrigin } from './origins.ts';
import { SENTINEL } from './sink.ts';

/** What came of one input at one origin. */
interface Reading {
  readonly origin: string;
  readonly statuses: readonly number[];
  readonly seen: readonly string[];
}

/** What came of all of them. */
export interface Judgement {
  readonly inputs: number;
  /** Answered with an error, and seen by nobody. */
  readonly refused: number;
  /** Seen by all in the same way. */
  readonly same: number;
  /** Refused by some origins, seen in the same way by the others. */
  readonly refusedBySome: number;
  readonly findings: readonly string[];
}

const FINAL_STATUS = /^HTTP\/1\.1 ([2-5]\d\d)/gm;
const HIDDEN = / \/h\d+/;
const NUMBER = / \/[ih](\d+)/;
/** Inputs that are under way to each origin at once. */
const BATCH = 64;
/** Pooled connections may each have to show that they are clean. */
const SENTINELS = 8;
/** An input that is not whole ends at the gateway's deadlines, so these are short. */
const DEADLINE = '400ms';

/** What came of a batch at one origin. */
interface BatchReading {
  readonly readings: ReadonlyMap<number, Reading>;
  /** Requests without a number of any input. */
  readonly others: readonly string[];
  /** Answers to sentinels that were not their own. */
  readonly foreign: readonly string[];
}

/** A gateway with a listener for each origin. */
export class SmugglingRig {
  readonly #owner: Owner;
  readonly #origins: readonly ForeignOrigin[];
  readonly #ports: ReadonlyMap<string, number>;
  #sentinels = 0;

  private constructor(
    owner: Owner,
    origins: readonly ForeignOrigin[],
    ports: ReadonlyMap<string, number>,
  ) {
    this.#owner = owner;
    this.#origins = origins;
    this.#ports = ports;
  }

  /** Starts it. */
  static async start(owner: Owner, origins: readonly ForeignOrigin[]): Promise<SmugglingRig> {
    const config = {
      shards: 1,
      listeners: origins.map(({ name }) => ({
        name,
        bind: '127.0.0.1:0',
        protocol: 'http',
        http: {
          timeouts: { head: DEADLINE, keepAlive: DEADLINE, body: DEADLINE },
          hosts: [{ routes: [{ match: { path: '/' }, cluster: name, retry: 'off' }] }],
        },
      })),
      clusters: origins.map(({ name, port }) => ({
        name,
        endpoints: [`127.0.0.1:${port}`],
        ejection: { afterFailures: 'off', afterErrors: 'off' },
      })),
    };
    const yaml = Object.entries(config)
      .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
      .join('');
    const gateway = await GatewayProcess.start(owner, { yaml });
    const ports = new Map<string, number>();
    for (const { name } of origins) {
      ports.set(name, await gateway.port(name));
    }
    return new SmugglingRig(owner, origins, ports);
  }

  /** Sends every input to every origin. */
  async judge(inputs: readonly Smuggled[]): Promise<Judgement> {
    const counts = { refused: 0, same: 0, refusedBySome: 0 };
    const findings: string[] = [];
    for (let at = 0; at < inputs.length; at += BATCH) {
      const batch = inputs.slice(at, at + BATCH);
      const read = await Promise.all(this.#origins.map((origin) => this.#readBatch(origin, batch)));
      findings.push(...findBatchFaults(batch, read));
      for (const input of batch) {
        const readings = read.map((each) => each.readings.get(input.id)).filter((each) => !!each);
        const finding = findFault(input, readings);
        if (finding !== null) {
          const shown = readings.map((each) => JSON.stringify(each)).join('\n  ');
          const bytes = JSON.stringify(input.bytes.slice(0, 400));
          findings.push(`${finding}: ${input.name}: ${bytes}\n  ${shown}`);
        } else if (readings.every(({ seen }) => seen.length === 0)) {
          counts.refused++;
        } else if (readings.every(({ seen }) => seen.join() === readings[0]?.seen.join())) {
          counts.same++;
        } else {
          counts.refusedBySome++;
        }
      }
    }
    return { inputs: inputs.length, ...counts, findings };
  }

  async #readBatch(origin: ForeignOrigin, batch: readonly Smuggled[]): Promise<BatchReading> {
    const texts = await Promise.all(batch.map(({ bytes }) => this.#talk(origin, bytes)));
    const foreign: string[] = [];
    for (let i = 0; i < SENTINELS; i++) {
      const target = `${SENTINEL}${this.#sentinels++}`;
      const request = `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
      const own = await this.#talk(origin, request);
      if (!own.startsWith('HTTP/1.1 200') || !own.includes(`${target}\n`)) {
        foreign.push(own);
      }
    }
    const lines = [...origin.take()].sort();
    const numberOf = (line: string): number => Number(NUMBER.exec(line)?.[1] ?? 0);
    const readings = batch.map(({ id }, index): readonly [number, Reading] => {
      const statuses = Array.from((texts[index] ?? '').matchAll(FINAL_STATUS), ([, status]) =>
        Number(status),
      );
      const seen = lines.filter((line) => numberOf(line) === id);
      return [id, { origin: origin.name, statuses, seen }];
    });
    const own = new Set(batch.map(({ id }) => id));
    const others = lines.filter((line) => !own.has(numberOf(line)));
    return { readings: new Map(readings), others, foreign };
  }

  /** Everything that comes back for some bytes until the gateway ends the connection. */
  async #talk(origin: ForeignOrigin, bytes: string): Promise<string> {
    const client = await ByteStream.connect(this.#owner, this.#ports.get(origin.name) ?? 0);
    client.send(bytes);
    await client.ended();
    const text = await client.take(client.held);
    client.socket.destroy();
    return text.toString('latin1');
  }
}

/** What is wrong with a batch as a whole. */
function findBatchFaults(
  batch: readonly Smuggled[],
  read: readonly BatchReading[],
): readonly string[] {
  const range = `inputs ${batch[0]?.id} to ${batch.at(-1)?.id}`;
  const faults = read
    .flatMap(({ foreign }) => foreign)
    .map((answer) => `${range}: the next client got ${JSON.stringify(answer.slice(0, 300))}`);
  const [first] = read;
  if (!read.every(({ others }) => others.join() === first?.others.join())) {
    const shown = read.map(({ others }) => JSON.stringify(others)).join('\n  ');
    faults.push(`${range}: origins saw different requests without a number\n  ${shown}`);
  }
  return faults;
}

/** What is wrong with how an input was read; null for nothing. */
function findFault(input: Smuggled, readings: readonly Reading[]): string | null {
  const most = readings.reduce((a, b) => (b.seen.length > a.seen.length ? b : a));
  for (const { origin, seen, statuses } of readings) {
    const isSame = seen.join() === most.seen.join();
    const isLess = seen.every((line) => most.seen.includes(line));
    const hasRefused = statuses.some((status) => status >= 400);
    if (!isSame && !(isLess && hasRefused)) {
      return `${origin} and ${most.origin} saw different requests`;
    }
  }
  if (most.seen.length === 0) {
    const isAnswered = readings.every(({ statuses }) => statuses.every((status) => status >= 400));
    return isAnswered ? null : 'answered, but seen by nobody';
  }
  if (input.isRefused && readings.some(({ seen }) => seen.some((line) => HIDDEN.test(line)))) {
    return 'the hidden request was run';
  }
  const hasRefusal = readings.every(({ statuses }) => (statuses.at(-1) ?? 400) >= 400);
  return input.isRefused && !hasRefusal ? 'taken, where it has to be refused' : null;
}
