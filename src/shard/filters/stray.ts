/**
 * What filters throw when nobody called them: in a timer, an event, a Promise that nobody awaits.
 *
 * Path: src/shard/filter-calls.ts follows it in the shard's thread, once there are filters.
 * Invariant: a stray error of a filter is a line of the log and costs no connection. One of the
 * gateway's own ends the shard as it always does: nothing is known about its state then.
 */
import { describeThrown } from './failure.ts';
import type { WriteLine } from './instance.ts';
import { RateLimit } from './rate-limit.ts';

const LINES_PER_SECOND = 10;
/** The sources of the gateway; built-in filters are filters all the same. */
const OWN = import.meta.url.replace(/shard\/filters\/\w+\.[jt]s$/, '');
const BUILT_IN = new URL('../builtin/', import.meta.url).href;
/** Frames name modules of programs with their digest; see module-loader.ts. */
const FRAME = /\(?((?:file|node):[^\s()?]+)(?:\?holdfast-program=(\w+))?[^\s()]*\)?$/;

/** A filter that runs in this shard. */
export interface StrayOwner {
  readonly filter: string;
  readonly generation: number;
}

/** What following needs. */
export interface StrayOptions {
  readonly write: WriteLine;
  /** Whose program has this digest; null when nobody's is known. */
  readonly ownerOf: (program: string) => StrayOwner | null;
}

interface Origin {
  readonly isOwn: boolean;
  readonly program: string | null;
}

/** Who threw: the code nearest to the throw that is not Node's. */
export function originOf(thrown: unknown): Origin {
  const stack = thrown instanceof Error ? `${thrown.stack}` : '';
  const frames = stack.split('\n').flatMap((line) => {
    const match = /^\s+at /.test(line) ? FRAME.exec(line.trim()) : null;
    return match === null ? [] : [{ url: `${match[1]}`, program: match[2] ?? null }];
  });
  const program = frames.find((frame) => frame.program !== null)?.program ?? null;
  const nearest = frames.find(({ url }) => !url.startsWith('node:'));
  const isOwn =
    nearest !== undefined &&
    nearest.program === null &&
    nearest.url.startsWith(OWN) &&
    !nearest.url.startsWith(BUILT_IN) &&
    !nearest.url.includes('/node_modules/');
  return { isOwn, program };
}

/** Takes stray errors of this thread from now on. */
export function followStrays({ write, ownerOf }: StrayOptions): void {
  const limit = new RateLimit(LINES_PER_SECOND);
  const take = (thrown: unknown, how: string): void => {
    const { isOwn, program } = originOf(thrown);
    if (isOwn) {
      process.removeAllListeners('uncaughtException');
      process.removeAllListeners('unhandledRejection');
      throw thrown;
    }
    if (!limit.take(performance.now())) return;
    const owner = (program === null ? null : ownerOf(program)) ?? { filter: '', generation: 0 };
    const named = owner.filter === '' ? 'a filter' : `filter "${owner.filter}"`;
    const where = owner.generation === 0 ? '' : ` (generation ${owner.generation})`;
    const message = `${named}${where}, outside of its hooks: ${how} ${describeThrown(thrown)}`;
    const stack = thrown instanceof Error ? { stack: thrown.stack } : {};
    write({ level: 'error', ...owner, message, fields: stack });
  };
  process.on('uncaughtException', (error) => take(error, 'it threw'));
  process.on('unhandledRejection', (reason) => take(reason, 'nobody awaited'));
}
