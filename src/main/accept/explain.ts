/**
 * Says in one sentence why a socket could not be opened, and what to do about it.
 *
 * Path: sockets.ts and netns.ts throw {@link ListenError}; the command line and the admin API print
 * it.
 * Invariant: the sentence names the listener and the address, and ends with a remedy.
 */

/** Why a listening socket, or the namespace it belongs to, could not be had. */
export class ListenError extends Error {
  /** The errno name, like `EADDRINUSE`. */
  readonly code: string;

  constructor(code: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'ListenError';
    this.code = code;
  }
}

/** What was to be opened. */
export interface ListenTarget {
  /** `listener "mqtt"` or `the admin API`. */
  readonly owner: string;
  /** `0.0.0.0:1883` or `unix:/run/x.sock`. */
  readonly address: string;
  readonly netns: string | null;
}

/** Turns a failed system call into a {@link ListenError}. */
export function explainListenFailure(cause: unknown, target: ListenTarget): ListenError {
  const code = errnoOf(cause);
  const where = target.netns === null ? '' : ` in network namespace "${target.netns}"`;
  const what = `${target.owner} cannot listen on ${target.address}${where}`;
  return new ListenError(code, `${what}: ${remedy(code, cause, target)}`, cause);
}

/** Turns a failed openNetns into a {@link ListenError}. */
export function explainNetnsFailure(cause: unknown, netns: string, owner: string): ListenError {
  const code = errnoOf(cause);
  const what = `${owner} cannot use network namespace "${netns}"`;
  const reason =
    code === 'ENOENT'
      ? `there is no such namespace; create it with "ip netns add ${netns}"`
      : code === 'EPERM' || code === 'EACCES'
        ? 'the privilege is missing; run as root, or grant CAP_SYS_ADMIN'
        : messageOf(cause);
  return new ListenError(code, `${what}: ${reason}`, cause);
}

/** The errno name of an error, or `UNKNOWN`. */
export function errnoOf(error: unknown): string {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : 'UNKNOWN';
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function remedy(code: string, cause: unknown, target: ListenTarget): string {
  const port = /:(\d+)$/.exec(target.address)?.[1];
  switch (code) {
    case 'EADDRINUSE':
      return port === undefined
        ? 'another process answers there; stop it, or choose another path'
        : `the port is in use; find its owner with "ss -ltnp 'sport = :${port}'", or choose another`;
    case 'EACCES':
      return port === undefined
        ? 'the directory is not writable; change its owner, or choose another path'
        : 'ports below 1024 need a privilege; grant CAP_NET_BIND_SERVICE, or choose a higher port';
    case 'EADDRNOTAVAIL':
      return 'the address is not on this machine; see "ip address", or use 0.0.0.0';
    case 'EAFNOSUPPORT':
      return 'this machine has no IPv6; remove the address, or enable it';
    case 'ENOENT':
      return 'the directory does not exist; create it';
    case 'EPERM':
      return 'the privilege to enter the namespace is missing; run as root, or grant CAP_SYS_ADMIN';
    case 'EMFILE':
    case 'ENFILE':
      return 'there are no descriptors left; raise the limit with "ulimit -n"';
    case 'ENOTSOCK':
      return 'there is a file of another kind at this path; remove it, or choose another path';
    case 'ENAMETOOLONG':
      return 'the path is longer than 107 bytes; choose a shorter one';
    default:
      return messageOf(cause);
  }
}
