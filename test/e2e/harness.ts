/**
 * Tools of the end-to-end tests: a gateway in a process of its own, an origin, clients, the admin
 * API.
 *
 * Path: every test of this directory starts here.
 * Invariant: what a test starts ends with it, whether it passes or not; nothing waits for a time
 * where it can wait for an event.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The part of a node:test context that is used here. */
export interface Owner {
  after(clean: () => void | Promise<void>): void;
}

const GATEWAY_PROCESS = fileURLToPath(new URL('gateway-process.ts', import.meta.url));
/** Where `holdfast` itself keeps what Node compiled; the tests' gateways do so in every thread. */
const COMPILE_CACHE = fileURLToPath(new URL('../../build/compile-cache', import.meta.url));
/** Far beyond what anything here takes; only so that a hang has a name. */
const HANG_MS = 60_000;

/** A log record of a gateway. */
export type LogRecord = Readonly<Record<string, unknown>> & { readonly msg: string };

/** An answer of the admin API. */
export interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- answers of many shapes are looked into
  readonly json: any;
}

/** A directory that goes away with the test. */
export function makeDirectory(owner: Owner): string {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-'));
  owner.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** How to start a gateway. */
export interface GatewaySetup {
  /** The configuration, without `admin` and `log`, which the harness adds. */
  readonly yaml: string;
  readonly watch?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly directory?: string;
  /** Changes the lines that the harness puts first. */
  readonly header?: (lines: string) => string;
  /** A file that runs in place of gateway-process.ts, with the same arguments. */
  readonly program?: string;
}

/** A gateway that runs in a process of its own. */
export class GatewayProcess {
  readonly directory: string;
  readonly file: string;
  readonly socket: string;
  /** Resolves when the process has ended. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  readonly #changeHeader: (lines: string) => string;
  readonly #child: ChildProcess;
  readonly #records: LogRecord[] = [];
  readonly #access: Readonly<Record<string, unknown>>[] = [];
  readonly #waiters = new Set<() => void>();
  #stderr = '';
  #isKilled = false;

  private constructor(owner: Owner, setup: GatewaySetup) {
    this.directory = setup.directory ?? makeDirectory(owner);
    this.file = join(this.directory, 'gateway.yaml');
    this.socket = join(this.directory, 'admin.sock');
    this.#changeHeader = setup.header ?? ((lines) => lines);
    this.write(setup.yaml);
    const child = spawn(
      process.execPath,
      [setup.program ?? GATEWAY_PROCESS, this.file, setup.watch === true ? 'watch' : 'no-watch'],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { NODE_COMPILE_CACHE: COMPILE_CACHE, ...process.env, ...setup.env },
      },
    );
    this.#child = child;
    this.exited = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        resolve({ code, signal });
        this.#wake();
      });
    });
    this.#follow(child);
    owner.after(async () => {
      this.signal('SIGKILL');
      await this.exited;
    });
  }

  /** Starts a gateway and waits until it is ready. */
  static async start(owner: Owner, setup: GatewaySetup): Promise<GatewayProcess> {
    const gateway = new GatewayProcess(owner, setup);
    await gateway.logged(({ msg }) => msg === 'ready');
    return gateway;
  }

  /** Starts a gateway that is expected to end at once. */
  static launch(owner: Owner, setup: GatewaySetup): GatewayProcess {
    return new GatewayProcess(owner, setup);
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get stderr(): string {
    return this.#stderr;
  }

  get records(): readonly LogRecord[] {
    return this.#records;
  }

  /** Writes the configuration file; does not make the gateway read it. */
  write(yaml: string): void {
    writeFileSync(this.file, `${this.header()}${yaml}`);
  }

  /** What every configuration of these tests begins with. */
  header(): string {
    const lines = [
      'version: 1',
      `admin: { socket: ${this.socket} }`,
      'log: { level: debug, access: stdout, format: json }',
      '',
    ].join('\n');
    return this.#changeHeader(lines);
  }

  signal(name: NodeJS.Signals): void {
    this.#isKilled ||= name === 'SIGKILL';
    this.#child.kill(name);
  }

  /** Leaves what the gateway writes in its pipes from now on. */
  stopReading(): void {
    this.#child.stdout?.pause();
    this.#child.stderr?.pause();
  }

  /** The first log record, past or to come, that is as wanted. */
  logged(isWanted: (record: LogRecord) => boolean, from = 0): Promise<LogRecord> {
    return this.#find(() => this.#records.slice(from).find(isWanted));
  }

  /** The first access record, past or to come, that is as wanted. */
  accessed(
    isWanted: (record: Readonly<Record<string, unknown>>) => boolean,
  ): Promise<Readonly<Record<string, unknown>>> {
    return this.#find(() => this.#access.find(isWanted));
  }

  /** The port that a listener got. */
  async port(listener: string): Promise<number> {
    const { json } = await this.admin('GET', '/v1/status');
    const found = json.listeners.find((each: { name: string }) => each.name === listener);
    return Number(/:(\d+)$/.exec(found?.address ?? '')?.[1] ?? Number.NaN);
  }

  /** Asks the admin API over its Unix socket. */
  admin(method: string, path: string, body?: unknown): Promise<Answer> {
    return ask({ socketPath: this.socket }, { method, path, body });
  }

  /**
   * Asks for counts, once each shard has ended the turn that it was in: a peer hears of what
   * happens in a turn before the shard has booked it. What takes further turns needs
   * {@link adminUntil}.
   */
  async counted(path: string): Promise<Answer> {
    // On one connection, so that descriptors are counted as for a single request.
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const to = { socketPath: this.socket, agent };
    try {
      // A look through all connections for one that nobody has is answered between two turns.
      const nobody = '/v1/connections?sort=bytes&limit=1&client=192.0.2.1';
      await ask(to, { method: 'GET', path: nobody });
      return await ask(to, { method: 'GET', path });
    } finally {
      agent.destroy();
    }
  }

  /** Asks again until the answer is as wanted. */
  async adminUntil(path: string, isWanted: (answer: Answer) => boolean): Promise<Answer> {
    const deadline = performance.now() + HANG_MS;
    for (;;) {
      const answer = await this.admin('GET', path);
      if (isWanted(answer)) {
        return answer;
      }
      if (performance.now() > deadline) {
        throw new Error(`${path} never was as wanted; last: ${answer.text}`);
      }
      await new Promise((resolve) => {
        setTimeout(resolve, 10);
      });
    }
  }

  #follow(child: ChildProcess): void {
    const { stdout, stderr } = child;
    if (stdout === null || stderr === null) {
      throw new Error('the gateway has no pipes');
    }
    createInterface({ input: stdout }).on('line', (line) => {
      this.#access.push(...(this.#parse(line) as Record<string, unknown>[]));
      this.#wake();
    });
    createInterface({ input: stderr }).on('line', (line) => {
      this.#stderr += `${line}\n`;
      if (line.startsWith('{')) {
        this.#records.push(...(this.#parse(line) as LogRecord[]));
      }
      this.#wake();
    });
  }

  /** The record of a line; none for the torn last line of a process that was killed. */
  #parse(line: string): unknown[] {
    try {
      return [JSON.parse(line)];
    } catch (error) {
      if (this.#isKilled) {
        return [];
      }
      throw error;
    }
  }

  async #find<Item>(find: () => Item | undefined): Promise<Item> {
    let hasEnded = false;
    void this.exited.then(() => {
      hasEnded = true;
    });
    const deadline = performance.now() + HANG_MS;
    for (;;) {
      const item = find();
      if (item !== undefined) {
        return item;
      }
      if (hasEnded || performance.now() > deadline) {
        throw new Error(`the gateway never said it; it said:\n${this.#stderr}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(wake, 1_000);
        const waiters = this.#waiters;
        function wake(): void {
          clearTimeout(timer);
          waiters.delete(wake);
          resolve();
        }
        waiters.add(wake);
      });
    }
  }

  #wake(): void {
    for (const wake of this.#waiters) {
      wake();
    }
  }
}

/** Sends one HTTP request and reads the whole answer. */
export function ask(
  to: ({ readonly socketPath: string } | { readonly host: string; readonly port: number }) & {
    readonly agent?: Agent;
  },
  wanted: {
    readonly method: string;
    readonly path: string;
    readonly body?: unknown;
    readonly headers?: Readonly<Record<string, string>>;
  },
): Promise<Answer> {
  const { method, path, headers } = wanted;
  return new Promise((resolve, reject) => {
    const options = { agent: false as const, ...to, method, path, headers: { ...headers } };
    const asked = request(options, (got) => {
      const chunks: Buffer[] = [];
      got.on('data', (chunk: Buffer) => chunks.push(chunk));
      got.once('error', reject);
      got.once('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        const isJson = got.headers['content-type'] === 'application/json' && text !== '';
        resolve({
          status: got.statusCode ?? 0,
          headers: got.headers,
          text,
          json: isJson ? JSON.parse(text) : null,
        });
      });
    });
    asked.once('error', reject);
    const { body } = wanted;
    asked.end(body === undefined || typeof body === 'string' ? body : JSON.stringify(body));
  });
}

/** An origin that sends back what it gets, each piece after the origin's name. */
export interface EchoOrigin {
  readonly port: number;
  /** Connections it has now, the health checks' included. */
  readonly sockets: ReadonlySet<Socket>;
  close(): Promise<void>;
}

/** Starts an echo origin; `mark` stands before each answer. */
export async function startEcho(owner: Owner, mark = '', port = 0): Promise<EchoOrigin> {
  const sockets = new Set<Socket>();
  const listening = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('data', (bytes: Buffer) => socket.write(Buffer.concat([Buffer.from(mark), bytes])));
    socket.on('end', () => socket.end());
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  listening.listen(port, '127.0.0.1');
  await once(listening, 'listening');
  const address = listening.address();
  const close = async (): Promise<void> => {
    for (const socket of sockets) {
      socket.destroy();
    }
    if (listening.listening) {
      listening.close();
      await once(listening, 'close');
    }
  };
  owner.after(close);
  return {
    port: typeof address === 'object' && address !== null ? address.port : -1,
    sockets,
    close,
  };
}

/** A client that talks to an echo. */
export class EchoClient {
  readonly socket: Socket;
  /** Resolves with how the connection ended: `fin` or an errno name. */
  readonly ended: Promise<string>;
  #received = '';
  readonly #waiters = new Set<() => void>();
  #hasEnded = false;

  private constructor(owner: Owner, socket: Socket) {
    this.socket = socket;
    const ended = Promise.withResolvers<string>();
    this.ended = ended.promise;
    const end = (how: string): void => {
      this.#hasEnded = true;
      ended.resolve(how);
      this.#wake();
    };
    socket.on('data', (bytes: Buffer) => {
      this.#received += bytes.toString('latin1');
      this.#wake();
    });
    socket.on('end', () => end('fin'));
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? 'error'));
    socket.on('close', () => end('closed'));
    owner.after(() => {
      socket.destroy();
    });
  }

  /** Connects. Rejects when the connect fails. */
  static async connect(owner: Owner, to: number | string): Promise<EchoClient> {
    const socket =
      typeof to === 'number' ? createConnection(to, '127.0.0.1') : createConnection(to);
    const client = new EchoClient(owner, socket);
    await once(socket, 'connect');
    return client;
  }

  /** Sends text and waits for an answer of `expected`, which is the text itself by default. */
  async echo(text: string, expected = text): Promise<void> {
    const from = this.#received.length;
    this.socket.write(text);
    while (this.#received.length < from + expected.length) {
      if (this.#hasEnded) {
        throw new Error(`the connection ended after "${this.#received.slice(from)}"`);
      }
      await new Promise<void>((resolve) => {
        this.#waiters.add(resolve);
      });
    }
    const answer = this.#received.slice(from);
    if (answer !== expected) {
      throw new Error(`expected "${expected}", got "${answer}"`);
    }
  }

  get received(): string {
    return this.#received;
  }

  /** Waits until something comes, or the connection ends. */
  heard(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiters.add(resolve);
    });
  }

  #wake(): void {
    for (const wake of this.#waiters) {
      wake();
    }
    this.#waiters.clear();
  }
}
