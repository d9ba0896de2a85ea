/**
 * One vocabulary: names that say nothing are not used for anything of ours.
 *
 * Path: a house rule, run by `npm run check`. The words and their meanings are in docs/glossary.md.
 * Invariant: a word that a foreign interface imposes is free where it is only used: after a dot, an
 * arrow or `::`, or imported from a package. What we declare carries our words.
 */
import { test } from 'node:test';
import { codeOf, expectNone, type Finding, files, isGenerated, read } from './tree.ts';

const BANNED = new Set(
  'backend server session context manager helper util misc common data'
    .split(' ')
    .flatMap((word) => [word, `${word}s`]),
);
/** Names that the kernel, Node-API or the C++ library chose, and that we must spell. */
const FOREIGN =
  /^((SSL|BIO|EVP|X509|PEM|ERR|CRYPTO|OPENSSL|OSSL|ASN1|TLS|uv|napi|node_api|epoll|sockaddr)_\w+|workerData)$/;

/** Terms of RFC 6066, 8446 and 5077 that hold a banned word and mean nothing else. */
const RFC_TERMS = /(server|session)_?(name|hello|ticket|id)/gi;

function wordsOf(name: string): string[] {
  return name
    .replace(RFC_TERMS, '')
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z]+/);
}

function bannedIn(name: string): string | undefined {
  return wordsOf(name).find((word) => BANNED.has(word));
}

/** Names that a file imports from Node or a package; those words are not ours. */
function importedNames(file: string): Set<string> {
  const names = new Set<string>();
  const pattern = /import\s+(?:type\s+)?([^;]*?)\s+from\s+['"](?!\.)[^'"]+['"]/g;
  for (const match of read(file).matchAll(pattern)) {
    for (const name of `${match[1]}`.matchAll(/[\w$]+/g)) names.add(name[0]);
  }
  return names;
}

/** Identifiers that stand by themselves: not members of something else. */
function ownNames(file: string): { name: string; line: number }[] {
  const found: { name: string; line: number }[] = [];
  const code = codeOf(file).replace(/^\s*#\s*include.*$/gm, '');
  code.split('\n').forEach((text, index) => {
    for (const match of text.matchAll(/(?<![\w$.]|->|::|\?\.)[A-Za-z_$][\w$]*/g)) {
      found.push({ name: match[0], line: index + 1 });
    }
  });
  return found;
}

test('file names use the vocabulary', () => {
  const findings: Finding[] = [];
  for (const file of files(/^(src|native|test|bench|docs|examples|deploy)\//)) {
    const word = bannedIn(file);
    if (word !== undefined) findings.push({ file, line: 1, says: `"${word}" is not a name` });
  }
  expectNone(findings);
});

test('identifiers of the sources use the vocabulary', () => {
  const findings: Finding[] = [];
  for (const file of files(/^(src|native)\/.*\.(ts|mjs|cc|h)$/)) {
    if (isGenerated(file)) continue;
    const imported = importedNames(file);
    const told = new Set<string>();
    for (const { name, line } of ownNames(file)) {
      const word = bannedIn(name);
      if (word === undefined || imported.has(name) || FOREIGN.test(name) || told.has(name))
        continue;
      told.add(name);
      findings.push({ file, line, says: `"${name}": "${word}" is not a name` });
    }
  }
  expectNone(findings);
});

test('TypeScript files are kebab-case and C++ files snake_case', () => {
  const findings: Finding[] = [];
  for (const file of files(/^(src|test|bench|native)\/.*\.(ts|mjs)$/)) {
    if (!/\/[a-z0-9]+(-[a-z0-9]+)*(\.(test|gen|d))?\.(ts|mjs)$/.test(file)) {
      findings.push({ file, line: 1, says: 'name it in kebab-case' });
    }
  }
  for (const file of files(/^(native|test)\/.*\.(cc|h)$/)) {
    if (!/\/[a-z0-9]+(_[a-z0-9]+)*(\.gen)?\.(cc|h)$/.test(file)) {
      findings.push({ file, line: 1, says: 'name it in snake_case' });
    }
  }
  expectNone(findings);
});
