/**
 * The files of one load: each read once, whole, and remembered whether it was there or not.
 *
 * Path: material.ts asks for what the configuration names; the paths go on to the file watch.
 * Invariant: reading is bounded, never blocks on what is no file, and never throws; two askers of
 * one path get the same bytes.
 */
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/** What the core takes of one text. */
export const FILE_BYTES_MAX = 8 * 1024 * 1024;

/** A file as it was read. */
export type FileRead =
  | {
      readonly ok: true;
      readonly bytes: Buffer;
      /** Permission bits. */
      readonly mode: number;
    }
  | { readonly ok: false; readonly reason: string };

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'does not exist',
  EACCES: 'cannot be read: permission denied',
  ELOOP: 'cannot be read: its links go in a circle',
};

/** Reads files, each once. */
export class FileSet {
  readonly #known = new Map<string, FileRead>();

  /** `path` is absolute. */
  read(path: string): FileRead {
    const known = this.#known.get(path);
    if (known !== undefined) return known;
    const read = readWhole(path);
    this.#known.set(path, read);
    return read;
  }

  /** Every path that was asked for, with the SHA-256 of its content, or null. */
  hashes(): ReadonlyMap<string, string | null> {
    return new Map(
      [...this.#known].map(([path, read]) => [
        path,
        read.ok ? createHash('sha256').update(read.bytes).digest('hex') : null,
      ]),
    );
  }
}

function readWhole(path: string): FileRead {
  let fd = -1;
  try {
    // A pipe would wait for its writer.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = fstatSync(fd);
    if (stat.isDirectory()) return { ok: false, reason: 'is a directory' };
    if (!stat.isFile()) return { ok: false, reason: 'is not a file' };
    const bytes = readBounded(fd, stat.size);
    if (bytes.length > FILE_BYTES_MAX) return { ok: false, reason: 'is larger than 8 MiB' };
    return { ok: true, bytes, mode: stat.mode & 0o777 };
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const reason = REASONS[code ?? ''] ?? `cannot be read (${code ?? String(cause)})`;
    return { ok: false, reason };
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

/** Reads to the end, and no more than one byte beyond the limit. */
function readBounded(fd: number, size: number): Buffer {
  const bytes = Buffer.alloc(Math.min(size, FILE_BYTES_MAX) + 1);
  let length = 0;
  while (length < bytes.length) {
    const count = readSync(fd, bytes, length, bytes.length - length, null);
    if (count === 0) break;
    length += count;
  }
  return bytes.subarray(0, length);
}
