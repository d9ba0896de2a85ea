/**
 * The listening sockets of the process: which are open, and how one set becomes another.
 *
 * Path: config listeners -> here -> the native acceptor, which accepts and hands over to the
 * shards. Runs on the main thread.
 * Invariant: a change is prepared first and then committed or rolled back as a whole. A socket that
 * both sets have stays open throughout, so its queue of waiting clients is not lost.
 *
 * A new socket whose address a socket to be removed still holds cannot be opened beside it: it is
 * exchanged at the commit, and that alone leaves a gap of some microseconds.
 */
import { chmodSync } from 'node:fs';
import type { Acceptor } from '../../../native/epoll/index.ts';
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

/** What a socket is opened from. */
interface Wanted {
  readonly key: string;
  readonly listener: string;
  readonly bind: BindAddress;
  readonly netns: string | null;
  readonly backlog: number;
}

interface OpenSocket {
  readonly wanted: Wanted;
  readonly handle: number;
  /** As people write it, with the port that the kernel chose. */
  readonly address: string;
  readonly file: SocketFile | null;
}

/** A change of the set that is ready, and can still be undone. */
export interface ListenPlan {
  /**
   * Closes what is not wanted any more and opens what waited for that.
   *
   * @throws ListenError when an exchanged address cannot be opened; the former sockets are open
   * again.
   */
  commit(): void;
  /** Closes what was opened for this plan. */
  rollback(): void;
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
    return Array.from(this.#open.values(), ({ wanted, address }) => ({
      name: wanted.listener,
      address,
    }));
  }

  /**
   * Opens what `listeners` need beyond what is open.
   *
   * @throws ListenError; nothing is changed then.
   */
  async prepare(listeners: readonly ListenerConfig[]): Promise<ListenPlan> {
    const wanted = listeners.flatMap(listWanted);
    const wantedKeys = new Set(wanted.map(({ key }) => key));
    const leaving = [...this.#open.values()].filter((open) => !wantedKeys.has(open.wanted.key));
    const missing = wanted.filter(({ key }) => !this.#open.has(key));
    const opened: OpenSocket[] = [];
    const exchanged: Wanted[] = [];
    try {
      for (const each of missing) {
        if (leaving.some((open) => isSamePlace(open, each))) {
          exchanged.push(each);
        } else {
          opened.push(await this.#openFresh(each));
        }
      }
    } catch (error) {
      this.#closeSockets(opened);
      throw error;
    }
    return {
      commit: () => this.#commit(leaving, opened, exchanged),
      rollback: () => this.#closeSockets(opened),
    };
  }

  /** Closes all of them; established connections stay. */
  closeAll(): void {
    this.#closeSockets([...this.#open.values()]);
    this.#open.clear();
  }

  #commit(
    leaving: readonly OpenSocket[],
    opened: readonly OpenSocket[],
    exchanged: readonly Wanted[],
  ): void {
    this.#closeSockets(leaving);
    for (const { wanted } of leaving) {
      this.#open.delete(wanted.key);
    }
    const swapped: OpenSocket[] = [];
    try {
      for (const each of exchanged) {
        swapped.push(this.#openNow(each));
      }
    } catch (error) {
      this.#closeSockets(swapped);
      this.#reopen(leaving);
      throw error;
    }
    for (const socket of [...opened, ...swapped]) {
      this.#open.set(socket.wanted.key, socket);
    }
  }

  async #openFresh(wanted: Wanted): Promise<OpenSocket> {
    if ('path' in wanted.bind) {
      try {
        await clearStaleSocketFile(wanted.bind.path);
      } catch (error) {
        throw explainListenFailure(error, targetOf(wanted));
      }
    }
    return this.#openNow(wanted);
  }

  #openNow(wanted: Wanted): OpenSocket {
    const { acceptor, netns, listenerId } = this.#options;
    const { bind, listener, backlog } = wanted;
    const netnsFd = netns.open(wanted.netns, `listener "${listener}"`);
    const address = 'path' in bind ? { path: bind.path } : bind;
    try {
      const bound = withFileMode(bind, () =>
        acceptor.listen({ listener: listenerId(listener), address, netnsFd, backlog }),
      );
      const file = 'path' in bind ? identifySocketFile(bind.path) : null;
      return { wanted, handle: bound.handle, address: formatAddress(bound.address), file };
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

function listWanted(listener: ListenerConfig): Wanted[] {
  const { name, netns, backlog } = listener;
  return listener.bind.map((bind) => ({
    key: JSON.stringify([name, netns, 'path' in bind ? bind.path : [bind.ip, bind.port]]),
    listener: name,
    bind,
    netns,
    backlog,
  }));
}

/** True when both cannot be open at once: the same path, or the same port on overlapping addresses. */
function isSamePlace(open: OpenSocket, wanted: Wanted): boolean {
  const held = open.wanted.bind;
  const { bind } = wanted;
  if ('path' in held || 'path' in bind) {
    return 'path' in held && 'path' in bind && held.path === bind.path;
  }
  if (held.port !== bind.port || bind.port === 0 || open.wanted.netns !== wanted.netns) {
    return false;
  }
  return held.ip === bind.ip || isWildcard(held.ip) || isWildcard(bind.ip);
}

function isWildcard(ip: string): boolean {
  return ip === '0.0.0.0' || ip === '::';
}

function targetOf(wanted: Wanted): { owner: string; address: string; netns: string | null } {
  return {
    owner: `listener "${wanted.listener}"`,
    address: formatAddress(wanted.bind),
    netns: wanted.netns,
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
