/**
 * Network namespaces for tests, and peers inside of them.
 *
 * Path: netns/*.test.ts makes namespaces here; netns_peer.py connects and listens in them.
 * Invariant: a namespace's name carries the process id of its test and goes away with it; what a
 * killed run left behind goes away with the next one.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Owner } from '../harness.ts';

const PEER = fileURLToPath(new URL('netns_peer.py', import.meta.url));
const NAME = /^hf(\d+)-\d+$/;

function ip(...args: string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Why namespaces cannot be made here, or false: the form that node:test takes. */
export function whyNoNamespaces(): string | false {
  const name = `hf${process.pid}-0`;
  try {
    ip('netns', 'add', name);
    ip('netns', 'del', name);
    return false;
  } catch {
    return 'network namespaces need root and the "ip" command';
  }
}

/** Makes a namespace with its loopback up. Returns its name. */
export function addNamespace(owner: Owner, name = nextName()): string {
  sweep();
  ip('netns', 'add', name);
  owner.after(() => {
    deleteNamespace(name);
  });
  ip('-n', name, 'link', 'set', 'lo', 'up');
  return name;
}

/** Takes the name away; who holds the namespace keeps it. */
export function deleteNamespace(name: string): void {
  if (listNamespaces().includes(name)) {
    ip('netns', 'del', name);
  }
}

let serial = 0;

function nextName(): string {
  serial++;
  return `hf${process.pid}-${serial}`;
}

function listNamespaces(): string[] {
  return ip('netns', 'list')
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '');
}

/** Removes what a run that was killed has left. */
function sweep(): void {
  for (const name of listNamespaces()) {
    const pid = Number(NAME.exec(name)?.[1] ?? process.pid);
    if (pid !== process.pid && !isAlive(pid)) {
      deleteNamespace(name);
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** What the peer answers. */
interface Answer {
  readonly id: number;
  readonly wire?: number;
  readonly port?: number;
  readonly text?: string;
  readonly error?: string;
}

/** Clients and origins in namespaces; null stands for the own one. */
export class NetnsPeer {
  readonly #child: ChildProcess;
  readonly #open = new Map<number, (answer: Answer) => void>();
  #next = 1;

  constructor(owner: Owner) {
    const child = spawn('python3', [PEER], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child = child;
    createInterface({ input: child.stdout }).on('line', (line) => {
      const answer = JSON.parse(line) as Answer;
      this.#open.get(answer.id)?.(answer);
      this.#open.delete(answer.id);
    });
    owner.after(() => {
      child.kill('SIGKILL');
    });
  }

  /** Starts an echo origin that says `name` first. Resolves with its port. */
  async listen(netns: string | null, name: string, port = 0): Promise<number> {
    return (await this.#ask({ do: 'listen', netns, name, port })).port ?? -1;
  }

  /** Connects to a port of 127.0.0.1 there. Resolves with the number of the connection. */
  async connect(netns: string | null, port: number): Promise<number> {
    return (await this.#ask({ do: 'connect', netns, port })).wire ?? -1;
  }

  /** The next line of a connection. */
  async line(wire: number): Promise<string> {
    return (await this.#ask({ do: 'line', wire })).text ?? '';
  }

  /** Says a line, and gives the line that comes back. */
  async say(wire: number, text: string): Promise<string> {
    return (await this.#ask({ do: 'say', wire, text })).text ?? '';
  }

  /** Looks the name up again when it is used next. */
  async forget(netns: string): Promise<void> {
    await this.#ask({ do: 'forget', netns });
  }

  async close(wire: number): Promise<void> {
    await this.#ask({ do: 'close', wire });
  }

  async #ask(request: Readonly<Record<string, unknown>>): Promise<Answer> {
    const id = this.#next++;
    const answered = Promise.withResolvers<Answer>();
    this.#open.set(id, answered.resolve);
    this.#child.stdin?.write(`${JSON.stringify({ ...request, id })}\n`);
    const answer = await answered.promise;
    if (answer.error !== undefined) {
      throw new Error(answer.error);
    }
    return answer;
  }
}
