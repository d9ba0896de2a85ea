/**
 * Documents have one title each and no link that leads nowhere.
 *
 * Path: a house rule, run by `npm run check`, over all Markdown files.
 * Invariant: relative links resolve to a file, and their anchors to a heading in it. Links to the
 * outside are not followed: a test must not depend on somebody else's machine.
 */
import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { expectNone, type Finding, files, lines, ROOT } from './tree.ts';

const DOCUMENTS = files(/\.md$/);

interface Line {
  readonly text: string;
  readonly line: number;
}

/** The lines of a document that are not inside a code block. */
function prose(file: string): Line[] {
  let isSteering = false;
  return lines(file).flatMap((text, index) => {
    const isFence = /^\s*(```|~~~)/.test(text);
    if (isFence) isSteering = !isSteering;
    return isSteering || isFence ? [] : [{ text, line: index + 1 }];
  });
}

/** The anchor that a heading gets on the usual forges. */
function anchorOf(heading: string): string {
  return heading
    .replace(/[`*]|\[([^\]]*)\]\([^)]*\)/g, '$1')
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-');
}

function anchorsOf(file: string): Set<string> {
  const anchors = new Set<string>();
  for (const { text } of prose(file)) {
    const heading = /^#{1,6}\s+(.*?)\s*#*$/.exec(text)?.[1];
    if (heading !== undefined) anchors.add(anchorOf(heading));
    for (const [, id] of text.matchAll(/<a (?:id|name)="([^"]+)"/g)) anchors.add(`${id}`);
  }
  return anchors;
}

test('every document has exactly one title', () => {
  const findings: Finding[] = [];
  for (const file of DOCUMENTS) {
    const titles = prose(file).filter(({ text }) => /^#\s/.test(text));
    if (titles.length === 1) continue;
    findings.push({ file, line: titles[1]?.line ?? 1, says: `${titles.length} titles` });
  }
  expectNone(findings);
});

/** What is wrong with a link, or undefined. */
function faultOf(file: string, link: string): string | undefined {
  if (/^[a-z]+:/i.test(link)) return undefined;
  const [path, anchor] = link.split('#');
  const target = path ? normalize(join(dirname(file), decodeURIComponent(path))) : file;
  if (!existsSync(join(ROOT, target))) return `there is no ${target}`;
  if (!anchor || !target.endsWith('.md')) return undefined;
  return anchorsOf(target).has(anchor) ? undefined : `${target} has no heading #${anchor}`;
}

/** The targets of the links of one line, code spans left out. */
function linksOf(text: string): string[] {
  const links = text.replace(/`[^`]*`/g, '').matchAll(/\]\(<?([^)\s>]+)>?[^)]*\)/g);
  return Array.from(links, (match) => `${match[1]}`);
}

test('relative links lead somewhere', () => {
  const findings: Finding[] = [];
  for (const file of DOCUMENTS) {
    for (const { text, line } of prose(file)) {
      const faults = linksOf(text).flatMap((link) => faultOf(file, link) ?? []);
      findings.push(...faults.map((says) => ({ file, line, says })));
    }
  }
  expectNone(findings);
});
