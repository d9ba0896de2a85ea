/**
 * Descriptors of network namespaces, one for each name.
 *
 * Path: listening sockets, upstream connects and health probes are created in a namespace through
 * its descriptor; nothing here or there stays inside one.
 * Invariant: a name is opened once and closed when no configuration names it any more, a little
 * later than that, because connects under way may still use the number.
 */
import { explainNetnsFailure } from './explain.ts';

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
   * Opens a namespace, or finds it open. `owner` is who needs it, for the message.
   *
   * @throws ListenError
   */
  open(name: string | null, owner: string): number {
    if (name === null) {
      return OWN_NETNS;
    }
    const known = this.#fds.get(name);
    if (known !== undefined) {
      return known;
    }
    try {
      const fd = this.#calls.openNetns(name);
      this.#fds.set(name, fd);
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
        const timer = setTimeout(() => {
          this.#closing.delete(timer);
          this.#calls.closeFd(fd);
        }, CLOSE_DELAY_MS);
        timer.unref();
        this.#closing.set(timer, fd);
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
}
