/**
 * The life of a Unix socket's file: is it free, is it stale, is it still ours.
 *
 * Path: listening sockets and the admin socket both go through here before they bind and after they
 * close.
 * Invariant: a file is removed only when nobody answers behind it, or when it is the very file that
 * this process made.
 */
import { lstatSync, unlinkSync } from 'node:fs';
import { lstat, unlink } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { errnoOf } from './explain.ts';

/** How long a process behind a socket file may take to accept. */
const CONNECT_TIMEOUT_MS = 1_000;

/** Identifies one file, whatever happens to its name. */
export interface SocketFile {
  readonly path: string;
  readonly device: number;
  readonly inode: number;
}

/**
 * Makes way for a socket at `path`: removes a stale socket file.
 *
 * @throws an error with code EADDRINUSE (somebody answers), ENOTSOCK (another kind of file), or
 * what the file system says.
 */
export async function clearStaleSocketFile(path: string): Promise<void> {
  let isSocket: boolean;
  try {
    isSocket = (await lstat(path)).isSocket();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') {
      return;
    }
    throw error;
  }
  if (!isSocket) {
    throw withCode('ENOTSOCK', `${path} is not a socket`);
  }
  if (await isAnswered(path)) {
    throw withCode('EADDRINUSE', `a process answers at ${path}`);
  }
  await unlink(path);
}

/** Remembers which file a socket was just bound to. */
export function identifySocketFile(path: string): SocketFile {
  const { dev, ino } = lstatSync(path);
  return { path, device: dev, inode: ino };
}

/** Removes the file, unless another one has taken its name. */
export function removeSocketFile(file: SocketFile): void {
  try {
    const { dev, ino } = lstatSync(file.path);
    if (dev === file.device && ino === file.inode) {
      unlinkSync(file.path);
    }
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') {
      throw error;
    }
  }
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = createConnection({ path });
    const done = (answer: boolean): void => {
      probe.destroy();
      resolve(answer);
    };
    probe.setTimeout(CONNECT_TIMEOUT_MS, () => done(true));
    probe.once('connect', () => done(true));
    probe.once('error', (error) => {
      const code = errnoOf(error);
      if (code === 'ECONNREFUSED' || code === 'ENOENT') {
        done(false);
      } else if (code === 'EAGAIN') {
        done(true);
      } else {
        probe.destroy();
        reject(error);
      }
    });
  });
}

function withCode(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
