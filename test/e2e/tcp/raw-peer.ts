/**
 * Drives raw_peer.py: sockets with SO_LINGER, MSG_OOB, small buffers and full backlogs, as a test
 * scripts them.
 *
 * Path: a test is the client, the endpoint or both through it; it can live in a network namespace.
 * Invariant: the process and all its sockets end with the test. A call answers once and rejects
 * with an {@link RawPeerError} that carries the errno name.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Owner } from '../harness.ts';
import type { Caller } from './flow.ts';

const SCRIPT = fileURLToPath(new URL('raw_peer.py', import.meta.url));

/** What a socket call of the peer failed with. */
export class RawPeerError extends Error {
  readonly code: string;
  constructor(op: string, code: string) {
    super(`${op}: ${code}`);
    this.code = code;
  }
}

/** Bytes to send: text, or what {@link makeBytes} makes of a seed. */
export type Payload = { readonly text: string } | { readonly seed: string; readonly bytes: number };

/** Where to connect or listen; 127.0.0.1 by default. */
export type Place =
  | { readonly host?: string; readonly port?: number; readonly receiveBuffer?: number }
  | { readonly path: string };

/** What was read. */
export interface Heard {
  readonly bytes: number;
  readonly checksum: string;
  /** The first 4096 bytes. */
  readonly text: string;
  /** `fin`, an errno name, or null when the wanted bytes came first. */
  readonly end: string | null;
}

interface Pending {
  readonly op: string;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A scripted peer in a process of its own. */
export class RawPeer {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #pending = new Map<number, Pending>();
  #calls = 0;

  private constructor(owner: Owner, under: readonly string[]) {
    const command = [...under, 'python3', SCRIPT];
    this.#child = spawn(command[0] ?? '', command.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] });
    const exited = once(this.#child, 'exit').then(() => this.#fail('ended'));
    this.#child.stdin.on('error', () => {});
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#settle(line));
    owner.after(async () => {
      this.#child.kill('SIGKILL');
      await exited;
    });
  }

  /** Starts one; `under` is a command that runs it, such as `ip netns exec NAME`. */
  static start(owner: Owner, under: readonly string[] = []): RawPeer {
    return new RawPeer(owner, under);
  }

  /** Ends the process at once: the kernel closes all its sockets in one go. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async connect(socket: string, place: Place): Promise<Caller> {
    const since = Date.now();
    const called = { socket, ...place };
    const { address } = await this.#call<{ address: string }>('connect', called);
    return { address, calledPort: 'port' in place ? (place.port ?? 0) : 0, since };
  }

  listen(
    socket: string,
    place: Place & { readonly backlog?: number } = {},
  ): Promise<{ port: number }> {
    return this.#call('listen', { socket, ...place });
  }

  /** Listens, and echoes on every connection. */
  echo(socket: string, place: Place = {}): Promise<{ port: number }> {
    return this.#call('echo', { socket, ...place });
  }

  /** Fills the accept queue of a listening socket; says how many connections that took. */
  fillBacklog(socket: string): Promise<{ count: number }> {
    return this.#call('fill_backlog', { socket });
  }

  accept(socket: string, as: string): Promise<void> {
    return this.#call('accept', { socket, as });
  }

  /** Sends; resolves when the kernel has it all. `step` bytes for each write. */
  send(socket: string, payload: Payload & { readonly step?: number }): Promise<void> {
    return this.#call('send', { socket, ...payload });
  }

  /** Sends text of which the last byte is urgent. */
  sendUrgent(socket: string, text: string): Promise<void> {
    return this.#call('send', { socket, text, urgent: true });
  }

  /** Sends text with a descriptor attached; Unix sockets only. */
  sendDescriptor(socket: string, text: string): Promise<void> {
    return this.#call('send_descriptor', { socket, text });
  }

  /** Reads `bytes`, or to the end without it. */
  recv(
    socket: string,
    options: { readonly bytes?: number; readonly step?: number } = {},
  ): Promise<Heard> {
    return this.#call('recv', { socket, ...options });
  }

  /** Waits for an error, neither reading nor writing; resolves with its errno name. */
  async awaitError(socket: string): Promise<string> {
    return (await this.#call<{ error: string }>('await_error', { socket })).error;
  }

  /** FIN. */
  finish(socket: string): Promise<void> {
    return this.#call('finish', { socket });
  }

  close(socket: string): Promise<void> {
    return this.#call('close', { socket });
  }

  /** RST. */
  reset(socket: string): Promise<void> {
    return this.#call('reset', { socket });
  }

  /** Bytes, FIN and RST with nothing between them. */
  lastWords(socket: string, text: string, how: { finish?: true; reset?: true }): Promise<void> {
    return this.#call('last_words', { socket, text, ...how });
  }

  /** Accepts one connection of a listening socket and says its last words. */
  answerOnce(socket: string, text: string, how: { finish?: true; reset?: true }): Promise<void> {
    return this.#call('answer_once', { socket, text, ...how });
  }

  /** Opens `count` connections and echoes a number over each; says how many answers were wrong. */
  connectFleet(
    fleet: string,
    place: Place & { readonly count: number },
  ): Promise<{ wrong: number }> {
    return this.#call('connect_fleet', { fleet, ...place });
  }

  closeFleet(fleet: string, how: { readonly reset?: boolean } = {}): Promise<void> {
    return this.#call('close_fleet', { fleet, ...how });
  }

  /** Changes the soft limit of open files of a process; resolves with the former one. */
  async limitDescriptors(pid: number, soft: number): Promise<number> {
    const { soft: before } = await this.#call<{ soft: number }>('limit_descriptors', { pid, soft });
    return before;
  }

  #call<Result>(op: string, args: object): Promise<Result> {
    const id = ++this.#calls;
    this.#child.stdin.write(`${JSON.stringify({ ...args, id, op })}\n`);
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { op, resolve: (result) => resolve(result as Result), reject });
    });
  }

  #settle(line: string): void {
    const { id, result, error } = JSON.parse(line) as {
      id: number;
      result: unknown;
      error?: string;
    };
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (error === undefined) {
      pending?.resolve(result);
    } else {
      pending?.reject(new RawPeerError(pending.op, error));
    }
  }

  #fail(code: string): void {
    for (const { op, reject } of this.#pending.values()) {
      reject(new RawPeerError(op, code));
    }
    this.#pending.clear();
  }
}
