/**
 * The command line of `npm run bench`.
 *
 * Path: main.ts parses it first; nothing has been started then.
 * Invariant: every wrong word is refused with one sentence (UsageFailure, exit code 2), never
 * ignored.
 */
import { parseArgs } from 'node:util';
import type { SaturationOptions } from '../../src/main/saturate/index.ts';
import { CANDIDATES } from '../peers/index.ts';
import { explain, UsageFailure } from '../rig/index.ts';
import { type Scenario, selectScenarios, suggest } from '../scenarios/index.ts';

/** What to do. */
export type Request =
  | { readonly kind: 'help' | 'list' }
  | { readonly kind: 'setup'; readonly names: readonly string[] }
  | { readonly kind: 'compare'; readonly left: string; readonly right: string }
  | { readonly kind: 'render'; readonly folder: string }
  | { readonly kind: 'http'; readonly words: readonly string[] }
  | RunRequest;

/** A run of scenarios. */
export interface RunRequest {
  readonly kind: 'run';
  readonly scenarios: readonly Scenario[];
  /** Names, or empty for all. */
  readonly candidates: readonly string[];
  readonly repeats: number;
  readonly seconds: number;
  readonly divisor: number;
  readonly port?: number;
  readonly out?: string;
}

const REPEATS = 5;
const SECONDS = 3;
const QUICK_SECONDS = 0.5;
const QUICK_DIVISOR = 10;
const PORT_HIGHEST = 32_767;

export const USAGE = `usage: npm run bench [-- SCENARIO|GROUP|all ...] [OPTION ...]
       npm run bench -- setup [PEER ...]     install the peers that can be had
       npm run bench -- compare A B          two report folders side by side
       npm run bench -- render DIR           write a report again from its raw.json
       npm run bench -- http URL             saturate one HTTP/1.1 address (see docs/benchmarks.md)

options
  --candidates A,B    only these: ${CANDIDATES.map(({ name }) => name).join(', ')}
  --repeats N         interleaved repeats of each candidate (default ${REPEATS})
  --seconds S         length of a measured window (default ${SECONDS})
  --quick             one short repeat at a tenth of the size: a smoke test, never a result
  --port P            listen on P and P + 1 instead of free ports
  --out DIR           the report's folder (default perf-reports/DATE-SCENARIOS)
  --list              the scenarios and their questions
  --help              this text
`;

const OPTIONS = {
  candidates: { type: 'string' },
  repeats: { type: 'string' },
  seconds: { type: 'string' },
  quick: { type: 'boolean' },
  port: { type: 'string' },
  out: { type: 'string' },
  list: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

function readNumber(value: string | undefined, fallback: number, name: string): number {
  if (value === undefined) return fallback;
  const number = Number(value);
  if (Number.isFinite(number) && number > 0) return number;
  throw new UsageFailure(`--${name} wants a number above 0, not "${value}"`);
}

function readCandidates(list: string | undefined): string[] {
  const names = list === undefined ? [] : list.split(',');
  const known = CANDIDATES.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown === undefined) return names;
  throw new UsageFailure(
    `there is no candidate "${unknown}".${suggest(unknown, known)} There are ${known.join(', ')}.`,
  );
}

const HTTP_OPTIONS = {
  connections: { type: 'string' },
  seconds: { type: 'string' },
  processes: { type: 'string' },
  pipelining: { type: 'string' },
} as const;

/** What `http` is asked to do. @throws UsageFailure */
export function parseHttp(words: readonly string[]): SaturationOptions {
  const { values, positionals } = parseWords(words, HTTP_OPTIONS);
  const [url, more] = positionals;
  if (url === undefined || more !== undefined || !URL.canParse(url) || !url.startsWith('http:')) {
    throw new UsageFailure('http wants one address such as http://127.0.0.1:8080/');
  }
  const numbers = Object.entries(values).map(([name, value]) => [
    name,
    readNumber(typeof value === 'string' ? value : undefined, 0, name),
  ]);
  return { url, ...(Object.fromEntries(numbers) as Record<string, number>) };
}

function readRun(words: readonly string[], values: Record<string, string | boolean>): RunRequest {
  const option = (name: string): string | undefined => {
    const value = values[name];
    return typeof value === 'string' ? value : undefined;
  };
  const isQuick = values['quick'] === true;
  const port = option('port') && readNumber(option('port'), 0, 'port');
  if (typeof port === 'number' && (port >= PORT_HIGHEST || !Number.isInteger(port))) {
    throw new UsageFailure(`--port wants a port below ${PORT_HIGHEST}, not ${port}`);
  }
  const out = option('out');
  return {
    kind: 'run',
    scenarios: selectScenarios(words),
    candidates: readCandidates(option('candidates')),
    repeats: Math.ceil(readNumber(option('repeats'), isQuick ? 1 : REPEATS, 'repeats')),
    seconds: readNumber(option('seconds'), isQuick ? QUICK_SECONDS : SECONDS, 'seconds'),
    divisor: isQuick ? QUICK_DIVISOR : 1,
    ...(typeof port === 'number' ? { port } : {}),
    ...(out === undefined ? {} : { out }),
  };
}

interface Words {
  readonly values: Record<string, string | boolean>;
  readonly positionals: readonly string[];
}

function parseWords(
  words: readonly string[],
  options: Record<string, { type: 'string' | 'boolean' }>,
): Words {
  try {
    const { values, positionals } = parseArgs({
      args: [...words],
      options,
      allowPositionals: true,
    });
    return { values: { ...values } as Record<string, string | boolean>, positionals };
  } catch (cause) {
    throw new UsageFailure(`${explain(cause).split('. ')[0]}. See --help.`, { cause });
  }
}

/** @throws UsageFailure */
export function parseRequest(argv: readonly string[]): Request {
  const [first, ...rest] = argv;
  if (first === 'http') return { kind: 'http', words: rest };
  const { values, positionals } = parseWords(argv, OPTIONS);
  if (values['help'] === true) return { kind: 'help' };
  if (values['list'] === true) return { kind: 'list' };
  const [verb, ...words] = positionals;
  if (verb === 'setup') return { kind: 'setup', names: words };
  if (verb === 'compare') {
    const [left, right, more] = words;
    if (left === undefined || right === undefined || more !== undefined) {
      throw new UsageFailure('compare wants two report folders');
    }
    return { kind: 'compare', left, right };
  }
  if (verb === 'render') {
    const [folder, more] = words;
    if (folder === undefined || more !== undefined) {
      throw new UsageFailure('render wants one report folder');
    }
    return { kind: 'render', folder };
  }
  return readRun(positionals, values);
}
