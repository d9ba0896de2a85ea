/**
 * Wraps comment lines that are too long, the one thing the formatter leaves alone.
 *
 * Path: `npm run format` runs it after the formatter, over all TypeScript and C++ sources.
 * Invariant: only whole-line comments change, and in them only where lines break; lists, diagrams,
 * tags and code keep their lines. Running it twice changes nothing.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { files, isGenerated, lines, ROOT } from './tree.ts';

const COLUMNS_MAX = 100;
const COMMENT = /^(\s*(?:\/\/|\*) )(.*)$/;
/** What starts a line of its own: lists, tags, quotes, tables, fences, indented text. */
const OWN_LINE = /^(\s|[-*+>|#@]|\d+[.)]|```|[A-Z][\w ]{0,15}:(\s|$))/;

interface Comment {
  readonly prefix: string;
  readonly text: string;
}

function parseComment(line: string | undefined): Comment | undefined {
  const match = COMMENT.exec(line ?? '');
  return match === null ? undefined : { prefix: `${match[1]}`, text: `${match[2]}` };
}

/** Where to break a line: the last space that leaves it short enough, or -1. */
function breakPoint({ prefix, text }: Comment): number {
  return text.lastIndexOf(' ', COLUMNS_MAX - prefix.length);
}

function isDrawing(text: string): boolean {
  return /\S {2,}\S/.test(text) || /-->|[|+]-{2,}/.test(text);
}

/** The lines of a file with overlong comments wrapped. */
function wrap(source: readonly string[]): string[] {
  const rest = [...source];
  const done: string[] = [];
  while (rest.length > 0) {
    const line = `${rest.shift()}`;
    const comment = parseComment(line);
    const cut = comment === undefined ? -1 : breakPoint(comment);
    if (
      comment === undefined ||
      line.length <= COLUMNS_MAX ||
      cut <= 0 ||
      isDrawing(comment.text)
    ) {
      done.push(line);
      continue;
    }
    const { prefix, text } = comment;
    const hanging =
      /^(?:[-*+]|\d+[.)]) /.exec(text)?.[0].length ?? /^ */.exec(text)?.[0].length ?? 0;
    const moved = text.slice(cut + 1);
    done.push(prefix + text.slice(0, cut));
    const next = parseComment(rest[0]);
    const isContinued =
      hanging === 0 && next?.prefix === prefix && next.text !== '' && !OWN_LINE.test(next.text);
    if (isContinued) rest[0] = `${prefix}${moved} ${next.text}`;
    else rest.unshift(`${prefix}${' '.repeat(hanging)}${moved}`);
  }
  return done;
}

const chosen = process.argv.slice(2);
for (const file of files(/^(src|test|bench|native|examples)\/.*\.(ts|mjs|cc|h)$/)) {
  if (isGenerated(file) || (chosen.length > 0 && !chosen.some((path) => file.startsWith(path)))) {
    continue;
  }
  const before = lines(file);
  const after = wrap(before);
  if (after.join('\n') !== before.join('\n')) {
    writeFileSync(join(ROOT, file), after.join('\n'));
    process.stdout.write(`wrapped comments in ${file}\n`);
  }
}
