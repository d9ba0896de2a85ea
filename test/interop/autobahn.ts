/**
 * The Autobahn test suite for WebSocket, through the gateway in both directions.
 *
 * Path: http-suites.ts starts it. `wstest` plays the peer that breaks rules on one side and the
 * peer that is tested on the other; between them is a tunnel, validated or not.
 * Invariant: a case that goes through the gateway has to end as it does without it, or better; with
 * `validate: true` none may fail at all. The program is for Python 2.7 and is installed into the
 * ignored build directory, or found where HOLDFAST_WSTEST says.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GatewayProcess, makeDirectory, type Owner } from '../e2e/harness.ts';
import type { Choice } from './http-suites.ts';
import type { Row } from './page.ts';

interface Verdict {
  readonly behavior: string;
  readonly behaviorClose: string;
}

type Verdicts = ReadonlyMap<string, Verdict>;

/** How to start `wstest`. */
interface Tool {
  readonly program: string;
  readonly env: NodeJS.ProcessEnv;
  readonly version: string;
}

/** Who is tested: the side that is not the fuzzer. */
type Side = 'endpoint' | 'client';

const BASE = fileURLToPath(new URL('../../build/interop/autobahn', import.meta.url));
const PACKAGE = 'autobahntestsuite==25.10.1';
const PORT_MIN = 10_000;
const PORT_MAX = 32_000;
const START_MS = 60_000;
/** The longest run takes half an hour of a core, which it has to share. */
const RUN_MS = 4 * 60 * 60_000;
const FIRST_GROUP = 'groups 1 to 10';
/** The groups of the suite, and how many cases each has. */
const GROUPS: Readonly<
  Record<string, { readonly cases: readonly string[]; readonly count: number }>
> = {
  [FIRST_GROUP]: { cases: Array.from({ length: 10 }, (_, i) => `${i + 1}.*`), count: 301 },
  'compression, groups 12 and 13': { cases: ['12.*', '13.*'], count: 216 },
};
const GOOD = new Set(['OK', 'NON-STRICT', 'INFORMATIONAL']);
const SHOWN_MAX = 12;
const AGENT = 'tested';

/** A Python 2.7 that can install packages. */
function findPython(): string | null {
  const candidates = [process.env['HOLDFAST_PYTHON2'] ?? 'python2.7', 'python2', 'pypy'];
  const version = spawnSync('pyenv', ['whence', 'python2.7'], { encoding: 'utf8' }).stdout?.trim();
  if (version !== undefined && version !== '') {
    const prefix = spawnSync('pyenv', ['prefix', version.split('\n')[0] ?? ''], {
      encoding: 'utf8',
    });
    candidates.push(join(prefix.stdout.trim(), 'bin', 'python2.7'));
  }
  const isGood = (each: string): boolean =>
    spawnSync(each, ['-m', 'pip', '--version']).status === 0;
  return candidates.find(isGood) ?? null;
}

function findTool(): Tool | null {
  const told = process.env['HOLDFAST_WSTEST'];
  const env = told === undefined ? { ...process.env, PYTHONUSERBASE: BASE } : process.env;
  const program = told ?? join(BASE, 'bin', 'wstest');
  try {
    if (told === undefined && !existsSync(program)) {
      const python = findPython();
      if (python === null) {
        return null;
      }
      execFileSync(python, ['-m', 'pip', 'install', '--quiet', '--user', PACKAGE], {
        env,
        stdio: 'ignore',
      });
    }
    const said = execFileSync(program, ['--autobahnversion'], { env, encoding: 'utf8' });
    return { program, env, version: /TestSuite\s+(\S+)/i.exec(said)?.[1] ?? PACKAGE };
  } catch {
    return null;
  }
}

function launch(owner: Owner, tool: Tool, args: readonly string[]): ChildProcess {
  const child = spawn(tool.program, args, { env: tool.env, stdio: 'ignore' });
  owner.after(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
  });
  return child;
}

async function untilListening(port: number): Promise<void> {
  const deadline = performance.now() + START_MS;
  for (;;) {
    const socket = createConnection(port, '127.0.0.1');
    const isThere = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
    if (isThere === true) {
      return;
    }
    if (performance.now() > deadline) {
      throw new Error('wstest does not listen');
    }
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
}

async function untilEnd(child: ChildProcess): Promise<void> {
  const timer = setTimeout(() => child.kill('SIGKILL'), RUN_MS);
  if (child.exitCode === null) {
    await once(child, 'exit');
  }
  clearTimeout(timer);
}

function readVerdicts(directory: string): Verdicts {
  const index = JSON.parse(readFileSync(join(directory, 'index.json'), 'utf8')) as Record<
    string,
    Record<string, Verdict>
  >;
  return new Map(Object.entries(Object.values(index)[0] ?? {}));
}

/** What is run: all cases through a gateway, or some without one. */
interface Run {
  readonly side: Side;
  readonly cases: readonly string[];
  /** Null: without a gateway. */
  readonly validate: boolean | null;
}

async function startGateway(owner: Owner, port: number, validate: boolean): Promise<number> {
  // wstest refuses a Host with another port than its own.
  const host = `127.0.0.1:${port}`;
  const routes = [{ match: { path: '/' }, host, cluster: 'wstest', websocket: { validate } }];
  const web = { name: 'web', bind: '127.0.0.1:0', protocol: 'http', http: { hosts: [{ routes }] } };
  const config = {
    shards: 1,
    listeners: [web],
    clusters: [{ name: 'wstest', endpoints: [`127.0.0.1:${port}`] }],
  };
  const yaml = Object.entries(config)
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
    .join('');
  const gateway = await GatewayProcess.start(owner, { yaml });
  return gateway.port('web');
}

/** Runs cases with a pair of programs of its own. */
async function runCases(owner: Owner, tool: Tool, run: Run): Promise<Verdicts> {
  const port = randomInt(PORT_MIN, PORT_MAX);
  const directory = makeDirectory(owner);
  const spec = join(directory, 'spec.json');
  const outdir = join(directory, 'reports');
  const cases = { outdir, cases: run.cases, 'exclude-cases': [], 'exclude-agent-cases': {} };
  const listening = `ws://127.0.0.1:${port}`;
  if (run.side === 'client') {
    writeFileSync(spec, JSON.stringify({ url: listening, webport: 0, ...cases }));
  }
  const fuzzing = ['-m', 'fuzzingserver', '-s', spec, '-u', '0'];
  const tested = ['-m', 'testeeserver', '-w', listening, '-u', '0'];
  launch(owner, tool, run.side === 'client' ? fuzzing : tested);
  await untilListening(port);
  const through = run.validate === null ? port : await startGateway(owner, port, run.validate);
  const url = `ws://127.0.0.1:${through}`;
  if (run.side === 'client') {
    await untilEnd(launch(owner, tool, ['-m', 'testeeclient', '-w', url, '-i', AGENT]));
  } else {
    writeFileSync(spec, JSON.stringify({ ...cases, servers: [{ agent: AGENT, url }] }));
    await untilEnd(launch(owner, tool, ['-m', 'fuzzingclient', '-s', spec]));
  }
  return readVerdicts(outdir);
}

function isGood({ behavior, behaviorClose }: Verdict): boolean {
  return GOOD.has(behavior) && GOOD.has(behaviorClose);
}

/** One way through the gateway with the cases of one group. */
interface Way {
  readonly side: Side;
  readonly validate: boolean;
  readonly group: string;
  readonly target: string;
}

const WAYS: readonly Way[] = Object.keys(GROUPS).flatMap((group) =>
  (['endpoint', 'client'] as const).flatMap((side) =>
    [false, true].map((validate) => ({
      side,
      validate,
      group,
      target: `${side}, ${validate ? 'validated' : 'tunnel'}, ${group}`,
    })),
  ),
);

/** Runs all cases one way; those that are not good count where they are good without a gateway. */
async function judge(owner: Owner, tool: Tool, way: Way): Promise<Pick<Row, 'result' | 'says'>> {
  const { cases = [], count = 0 } = GROUPS[way.group] ?? {};
  const through = await runCases(owner, tool, { ...way, cases });
  const counts = new Map<string, number>();
  for (const { behavior } of through.values()) {
    counts.set(behavior, (counts.get(behavior) ?? 0) + 1);
  }
  const said = [...counts].map(([behavior, count]) => `${count} ${behavior}`).join(', ');
  let bad = [...through].filter(([, verdict]) => !isGood(verdict));
  if (bad.length > 0 && !way.validate) {
    const again = bad.map(([id]) => id);
    const direct = await runCases(owner, tool, { side: way.side, cases: again, validate: null });
    bad = bad.filter(([id, { behavior, behaviorClose }]) => {
      const alone = direct.get(id);
      return alone?.behavior !== behavior || alone.behaviorClose !== behaviorClose;
    });
  }
  const shown = bad
    .slice(0, SHOWN_MAX)
    .map(([id, { behavior, behaviorClose }]) => `${id} ${behavior}/${behaviorClose}`)
    .join('; ');
  const isWhole = through.size === count && bad.length === 0;
  return {
    result: isWhole ? 'passed' : 'FAILED',
    says: `${through.size} cases: ${said}${bad.length === 0 ? '' : `; worse than without: ${shown}`}`,
  };
}

/** Runs the cases through a tunnel and validated, on both sides. */
export async function runAutobahn(
  owner: Owner,
  tell: (row: Row) => void,
  { isShort, isTarget }: Choice,
): Promise<void> {
  const tool = findTool();
  const name = 'autobahn';
  if (tool === null) {
    tell({ name, version: '', target: '', result: 'skipped', says: 'wstest is not found' });
    return;
  }
  for (const way of WAYS.filter(({ target }) => isTarget(target))) {
    const outcome =
      isShort && way.group !== FIRST_GROUP
        ? ({ result: 'skipped', says: 'left out with --short' } as const)
        : await judge(owner, tool, way);
    tell({ name, version: tool.version, target: way.target, ...outcome });
  }
}
