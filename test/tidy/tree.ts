/**
 * The project's own files, and what the house rules need to know about their text.
 *
 * Path: every test in this directory asks here which files there are; nothing else does.
 * Invariant: what a build, an install or a run leaves behind is never among the files. Text without
 * comments or strings keeps its line numbers, so that a finding names the right line.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** A rule that a line breaks, as the reader of a failed test sees it. */
export interface Finding {
  readonly file: string;
  readonly line: number;
  readonly says: string;
}

/** Where our own files are; the files of the top directory come in addition. */
const DIRECTORIES = [
  '.ci',
  'bench',
  'deploy',
  'docs',
  'examples',
  'native',
  'perf-reports',
  'src',
  'test',
];
const FINDINGS_SHOWN_MAX = 40;
const NOT_OURS = /^(node_modules|build.*|dist|out|tmp|\.tmp.*|__pycache__)$/;
const BINARY = /\.(bin|png|gz|node|o|a|so|hgrm|hlog|seed)$/;

function walk(directory: string, found: string[]): void {
  for (const entry of readdirSync(join(ROOT, directory), { withFileTypes: true })) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory()) {
      if (!NOT_OURS.test(entry.name)) walk(path, found);
    } else if (entry.isFile() && !BINARY.test(entry.name)) {
      found.push(path);
    }
  }
}

function listAll(): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(ROOT, { withFileTypes: true })) {
    if (entry.isFile() && !BINARY.test(entry.name)) found.push(entry.name);
    if (entry.isDirectory() && DIRECTORIES.includes(entry.name)) walk(entry.name, found);
  }
  return found.sort();
}

const ALL = listAll();
const texts = new Map<string, string>();

/** The files whose paths match, relative to the top directory, in order. */
export function files(pattern: RegExp): string[] {
  return ALL.filter((file) => pattern.test(file));
}

/** True when the project has this file. */
export function hasFile(file: string): boolean {
  return ALL.includes(file);
}

export function read(file: string): string {
  const known = texts.get(file);
  if (known !== undefined) return known;
  const text = readFileSync(join(ROOT, file), 'utf8');
  texts.set(file, text);
  return text;
}

export function lines(file: string): string[] {
  return read(file).split('\n');
}

/** Lines of a file that somebody else's generator wrote are not judged by style. */
export function isGenerated(file: string): boolean {
  return /\.gen\.\w+$/.test(basename(file));
}

const COMMENT_OR_STRING =
  /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\[\s\S])*`/g;

/** The text of a TypeScript or C++ file with comments and strings blanked out. */
export function codeOf(file: string): string {
  return read(file).replace(COMMENT_OR_STRING, (found) => found.replace(/[^\n]/g, ' '));
}

/** Findings for every line that a pattern matches. */
export function findLines(file: string, pattern: RegExp, says: string): Finding[] {
  return lines(file).flatMap((text, index) =>
    pattern.test(text) ? [{ file, line: index + 1, says }] : [],
  );
}

/** Fails with the findings, as many as one can read at once, each as `file:line: rule`. */
export function expectNone(findings: readonly Finding[]): void {
  const shown = findings
    .slice(0, FINDINGS_SHOWN_MAX)
    .map(({ file, line, says }) => `${file}:${line}: ${says}`);
  const rest = findings.length - shown.length;
  if (rest > 0) shown.push(`and ${rest} more`);
  if (shown.length > 0) assert.fail(shown.join('\n'));
}
