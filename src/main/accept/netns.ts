/**
 * Descriptors of network namespaces, one for each name.
 *
 * Path: listening sockets, upstream connects and health probes are created in a namespace through
 * its descriptor; nothing here or there stays inside one.
 * Invariant: a name is opened once and closed when no configuration names it any more, a little
 * later than that, because connects under way may still use the number.
 */
import { fstatSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { explainNetnsFailure } from './explain.ts';

/** Where `ip netns` keeps its names. */
const NETNS_DIRECTORY = '/var/run/netns';

/** Longer than any connect with its retries. */
const CLOSE_DELAY_MS = 120_000;

/** Stands for the process's own namespace. */
export const OWN_NETNS = -1;

/** What the table needs of the core. */
export interface NetnsCalls {
  openNetns(name: string): number;
  closeFd(fd: number): void;
}

/** Open namespaces by name. */
export class NetnsTable {
  readonly #calls: NetnsCalls;
  readonly #fds = new Map<string, number>();
  readonly #closing = new Map<NodeJS.Timeout, number>();

  constructor(calls: NetnsCalls) {
    this.#calls = calls;
  }

  /**
   * Opens a namespace, or finds it open. A name that was given to another namespace meanwhile is
   * opened again. `owner` is who needs it, for the message.
   *
   * @throws ListenError
   */
  open(name: string | null, owner: string): number {
    if (name === null) {
      return OWN_NETNS;
    }
    const known = this.#fds.get(name);
    if (known !== undefined && isNamed(known, name)) {
      return known;
    }
    try {
      const fd = this.#calls.openNetns(name);
      this.#fds.set(name, fd);
      if (known !== undefined) {
        this.#closeLater(known);
      }
      return fd;
    } catch (error) {
      throw explainNetnsFailure(error, name, owner);
    }
  }

  /** The descriptor of an open namespace. */
  fdOf(name: string | null): number {
    return name === null ? OWN_NETNS : (this.#fds.get(name) ?? OWN_NETNS);
  }

  /** Closes every namespace that is not among `names`, after a delay. */
  retain(names: ReadonlySet<string>): void {
    for (const [name, fd] of this.#fds) {
      if (!names.has(name)) {
        this.#fds.delete(name);
        this.#closeLater(fd);
      }
    }
  }

  /** Closes all of them now. */
  close(): void {
    for (const [timer, fd] of this.#closing) {
      clearTimeout(timer);
      this.#calls.closeFd(fd);
    }
    this.#closing.clear();
    for (const fd of this.#fds.values()) {
      this.#calls.closeFd(fd);
    }
    this.#fds.clear();
  }
  #closeLater(fd: number): void {
    const timer = setTimeout(() => {
      this.#closing.delete(timer);
      this.#calls.closeFd(fd);
    }, CLOSE_DELAY_MS);
    timer.unref();
    this.#closing.set(timer, fd);
  }
}

/**
 * False when the name was given to another namespace since `fd` was opened. A name that is gone
 * means what it meant.
 */
function isNamed(fd: number, name: string): boolean {
  try {
    const opened = fstatSync(fd);
    const named = statSync(join(NETNS_DIRECTORY, name));
    return opened.dev === named.dev && opened.ino === named.ino;
  } catch {
    return true;
  }
}
