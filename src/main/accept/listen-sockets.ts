/**
 * The listening sockets of the process: which are open, and how one set becomes another.
 *
 * Path: config listeners -> here -> the native acceptor, which accepts and hands over to the
 * shards. Runs on the main thread.
 * Invariant: a change is checked first and made as a whole later, or not at all. A socket that both
 * sets have stays open throughout, also when it moves to another listener, so its queue of waiting
 * clients is not lost.
 *
 * The check opens every new socket and closes it again before the loop can accept from it: what the
 * kernel would refuse is known before anything changes, and no client is accepted before the shards
 * know its listener.
 */
import { chmodSync } from 'node:fs';
import type { Acceptor, SocketAddress } from '../../../native/epoll/index.ts';
import type { BindAddress, ListenerConfig } from '../config/index.ts';
import { formatAddress } from '../model/index.ts';
import type { Log } from '../observe/index.ts';
import { explainListenFailure } from './explain.ts';
import type { NetnsTable } from './netns.ts';
import {
  clearStaleSocketFile,
  identifySocketFile,
  removeSocketFile,
  type SocketFile,
} from './socket-file.ts';

/** The shortest that the kernel can wait for a client's first bytes. */
const DEFER_SECONDS = 1;

/** What a socket is opened from. */
interface Wanted {
  readonly key: string;
  readonly bind: BindAddress;
  readonly listener: ListenerConfig;
}

interface OpenSocket {
  readonly wanted: Wanted;
  readonly handle: number;
  /** Where it is bound, with the port that the kernel chose. */
  readonly bound: SocketAddress;
  readonly file: SocketFile | null;
}

/** A change of the set that was checked. */
export interface ListenPlan {
  /**
   * Closes what is not wanted any more and opens what is missing.
   *
   * @throws ListenError when an address was taken meanwhile; the former sockets are open again.
   */
  commit(): void;
}

/** What the set needs from the world. */
export interface ListenSocketsOptions {
  readonly acceptor: Acceptor;
  readonly netns: NetnsTable;
  readonly listenerId: (name: string) => number;
  readonly log: Log;
}

/** All listening sockets, by listener, address and namespace. */
export class ListenSockets {
  readonly #options: ListenSocketsOptions;
  readonly #open = new Map<string, OpenSocket>();

  constructor(options: ListenSocketsOptions) {
    this.#options = options;
  }

  /** Each open socket's listener and address. */
  view(): { readonly name: string; readonly address: string }[] {
    return Array.from(this.#open.values(), ({ wanted, bound }) => ({
      name: wanted.listener.name,
      address: formatAddress(bound),
    }));
  }

  /**
   * Checks that what `listeners` need beyond what is open can be opened.
   *
   * @throws ListenError; nothing is changed, then or otherwise.
   */
  async prepare(listeners: readonly ListenerConfig[]): Promise<ListenPlan> {
    const wanted = listeners.flatMap((listener) =>
      listWanted(listener, this.#options.netns.open(listener.netns, ownerOf(listener))),
    );
    const wantedKeys = new Set(wanted.map(({ key }) => key));
    const leaving = [...this.#open.values()].filter((open) => !wantedKeys.has(open.wanted.key));
    const missing = wanted.filter(({ key }) => !this.#open.has(key));
    // What a leaving socket still holds cannot be tried; it is opened when that one is closed.
    const tried = missing.filter((each) => !leaving.some((open) => isSamePlace(open, each)));
    for (const each of tried) {
      await clearPath(each);
    }
    this.#closeSockets(this.#openAll(tried));
    return { commit: () => this.#commit(wanted, leaving, missing) };
  }

  /** Closes all of them; established connections stay. */
  closeAll(): void {
    this.#closeSockets([...this.#open.values()]);
    this.#open.clear();
  }

  #commit(
    wanted: readonly Wanted[],
    leaving: readonly OpenSocket[],
    missing: readonly Wanted[],
  ): void {
    this.#closeSockets(leaving);
    for (const { wanted: gone } of leaving) {
      this.#open.delete(gone.key);
    }
    try {
      for (const socket of this.#openAll(missing)) {
        this.#open.set(socket.wanted.key, socket);
      }
    } catch (error) {
      this.#reopen(leaving);
      throw error;
    }
    for (const each of wanted) {
      const { key, listener } = each;
      const socket = this.#open.get(key);
      if (socket !== undefined) {
        this.#options.acceptor.update(socket.handle, {
          listener: this.#options.listenerId(listener.name),
          backlog: listener.backlog,
          deferSeconds: deferSecondsOf(listener),
          socket: listener.socket,
        });
        this.#open.set(key, { ...socket, wanted: each });
      }
    }
  }

  /** Opens all of them, or none. @throws ListenError */
  #openAll(wanted: readonly Wanted[]): OpenSocket[] {
    const opened: OpenSocket[] = [];
    try {
      for (const each of wanted) {
        opened.push(this.#openNow(each));
      }
      return opened;
    } catch (error) {
      this.#closeSockets(opened);
      throw error;
    }
  }

  #openNow(wanted: Wanted): OpenSocket {
    const { acceptor, netns, listenerId } = this.#options;
    const { bind, listener } = wanted;
    const netnsFd = netns.open(listener.netns, ownerOf(listener));
    const address = 'path' in bind ? { path: bind.path } : bind;
    try {
      const { handle, address: bound } = withFileMode(bind, () =>
        acceptor.listen({
          listener: listenerId(listener.name),
          address,
          netnsFd,
          backlog: listener.backlog,
          deferSeconds: deferSecondsOf(listener),
          socket: listener.socket,
        }),
      );
      const file = 'path' in bind ? identifySocketFile(bind.path) : null;
      return { wanted, handle, bound, file };
    } catch (error) {
      throw explainListenFailure(error, targetOf(wanted));
    }
  }

  /** Takes back addresses that were just given up; one that somebody else took meanwhile is lost. */
  #reopen(sockets: readonly OpenSocket[]): void {
    for (const { wanted } of sockets) {
      try {
        this.#open.set(wanted.key, this.#openNow(wanted));
      } catch (error) {
        this.#options.log.error({ err: error }, 'a listening socket was lost');
      }
    }
  }

  #closeSockets(sockets: readonly OpenSocket[]): void {
    for (const { handle, file } of sockets) {
      this.#options.acceptor.unlisten(handle);
      if (file !== null) {
        removeSocketFile(file);
      }
    }
  }
}

/**
 * Clients of TLS speak first, so that they are accepted with their ClientHello. Whoever takes
 * longer is accepted then; the handshake's own deadline follows.
 */
function deferSecondsOf({ tls }: ListenerConfig): number {
  return tls === null ? 0 : DEFER_SECONDS;
}

function listWanted(listener: ListenerConfig, netnsFd: number): Wanted[] {
  return listener.bind.map((bind) => ({
    key: keyOf(listener.name, netnsFd, bind),
    bind,
    listener,
  }));
}

/** Names the place and not its listener, so that an address moves between listeners as it is. */
function keyOf(name: string, netnsFd: number, bind: BindAddress): string {
  if ('path' in bind) {
    return JSON.stringify([netnsFd, bind.path]);
  }
  // Port 0 is another place for everybody who asks for it.
  return JSON.stringify([netnsFd, bind.ip, bind.port, bind.port === 0 ? name : null]);
}

/** Removes a stale socket file. @throws ListenError */
async function clearPath(wanted: Wanted): Promise<void> {
  if ('path' in wanted.bind) {
    try {
      await clearStaleSocketFile(wanted.bind.path);
    } catch (error) {
      throw explainListenFailure(error, targetOf(wanted));
    }
  }
}

/** True when both cannot be open at once: the same path, or the same port on overlapping addresses. */
function isSamePlace(open: OpenSocket, wanted: Wanted): boolean {
  const held = open.bound;
  const { bind } = wanted;
  if ('path' in held || 'path' in bind) {
    return 'path' in held && 'path' in bind && held.path === bind.path;
  }
  const isSameNetns = open.wanted.listener.netns === wanted.listener.netns;
  if (held.port !== bind.port || bind.port === 0 || !isSameNetns) {
    return false;
  }
  return held.ip === bind.ip || isWildcard(held.ip) || isWildcard(bind.ip);
}

function ownerOf({ name }: ListenerConfig): string {
  return `listener "${name}"`;
}

function isWildcard(ip: string): boolean {
  return ip === '0.0.0.0' || ip === '::';
}

function targetOf({ listener, bind }: Wanted): {
  readonly owner: string;
  readonly address: string;
  readonly netns: string | null;
} {
  return {
    owner: ownerOf(listener),
    address: formatAddress(bind),
    netns: listener.netns,
  };
}

/** Runs `bind` so that a socket file is never, not even for an instant, wider open than `mode`. */
function withFileMode<Result>(address: BindAddress, bind: () => Result): Result {
  if (!('path' in address) || address.mode === undefined) {
    return bind();
  }
  const former = process.umask(0o777 & ~address.mode);
  try {
    const result = bind();
    chmodSync(address.path, address.mode);
    return result;
  } finally {
    process.umask(former);
  }
}
