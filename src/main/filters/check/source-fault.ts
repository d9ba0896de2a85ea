/**
 * Finds where in a file a load failed.
 *
 * Path: the check thread hands every error of a load to this.
 * Invariant: never throws, and always has a sentence; file and line are those of the user's source,
 * which type stripping keeps in place.
 */
import { stripTypeScriptTypes } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { SourceFault } from './protocol.ts';

const LOCATED = /^(file:\/\/[^\n]+?)(?:\?holdfast-program=\w+)?:(\d+)\n/;
/** The line of carets under the place. */
const CARETS = /^(\s*)\^+\s*$/m;
const FRAME = /(file:\/\/[^\s()]+?)\?holdfast-program=\w+:(\d+):(\d+)/;
const NOT_FOUND = /^Cannot find (?:module|package) '(.+?)' imported from (.+)$/;
const NO_EXPORT = /does not provide an export named '(.+)'/;

/** What a load read, by URL. */
export type Texts = Readonly<Record<string, string>>;

function toPath(url: string): string {
  return url.startsWith('file:') ? fileURLToPath(url) : url;
}

/** The first line of a text that has a word, counted from 1; 0 when none has. */
export function lineOf(text: string | undefined, pattern: RegExp): number {
  if (text === undefined) return 0;
  return text.split('\n').findIndex((line) => pattern.test(line)) + 1;
}

function escape(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}

/** A JavaScript file that does not parse: V8 does not say where, the type stripper does. */
function findUnparsable(texts: Texts): Omit<SourceFault, 'message' | 'field'> | null {
  for (const [url, text] of Object.entries(texts)) {
    if (!/\.m?js$/.test(url)) continue;
    try {
      stripTypeScriptTypes(text, { sourceUrl: url });
    } catch (error) {
      const place = /:(\d+)\n/.exec(`${(error as Error).stack}`);
      const column = (CARETS.exec(`${(error as Error).stack}`)?.[1]?.length ?? -1) + 1;
      return { file: toPath(url), line: Number(place?.[1] ?? 0), column };
    }
  }
  return null;
}

function placeOf(error: Error, texts: Texts): Omit<SourceFault, 'message' | 'field'> | null {
  const stack = `${error.stack}`;
  const located = LOCATED.exec(stack);
  if (located !== null) {
    const column = (CARETS.exec(stack)?.[1]?.length ?? -1) + 1;
    return { file: toPath(`${located[1]}`), line: Number(located[2]), column };
  }
  const notFound = NOT_FOUND.exec(error.message);
  if (notFound !== null) {
    const [, wanted, file] = notFound;
    const url = Object.keys(texts).find((key) => toPath(key) === file);
    const tail = `${wanted}`.split('/').at(-1) ?? '';
    const line = url === undefined ? 0 : lineOf(texts[url], new RegExp(escape(tail)));
    return url === undefined ? null : { file: `${file}`, line, column: 1 };
  }
  const frame = FRAME.exec(stack);
  if (frame !== null) {
    return { file: toPath(`${frame[1]}`), line: Number(frame[2]), column: Number(frame[3]) };
  }
  return error instanceof SyntaxError ? findUnparsable(texts) : null;
}

function sentenceOf(error: Error): string {
  const notFound = NOT_FOUND.exec(error.message);
  if (notFound !== null) {
    const isFile = /^(?:[./]|file:)/.test(`${notFound[1]}`);
    const what = isFile ? '' : 'package ';
    const hint = isFile ? '' : ': install it, or begin the path of a file with "./"';
    return `there is no ${what}"${notFound[1]}"${hint}`;
  }
  const noExport = NO_EXPORT.exec(error.message);
  if (noExport !== null) return error.message.replace('The requested', 'the requested');
  const isSyntax = error instanceof SyntaxError;
  return isSyntax ? `syntax error: ${error.message}` : `${error.name}: ${error.message}`;
}

/** Where and why a module could not be loaded. */
export function toSourceFault(thrown: unknown, texts: Texts, entry: string): SourceFault {
  if (!(thrown instanceof Error)) {
    const message = `it throws ${typeof thrown === 'string' ? thrown : typeof thrown}`;
    return { file: entry, line: 0, column: 0, field: '', message };
  }
  const place = placeOf(thrown, texts) ?? { file: entry, line: 0, column: 0 };
  return { ...place, field: '', message: sentenceOf(thrown) };
}
