/**
 * The outcomes of an interop run as lines and as a page.
 *
 * Path: main.ts prints each row as it comes and writes the page at the end.
 * Invariant: the page holds what one run found, with its date and versions, and nothing else.
 */

/** One outcome. */
export interface Row {
  readonly name: string;
  readonly version: string;
  /** What it was run against. */
  readonly target: string;
  readonly result: 'passed' | 'FAILED' | 'skipped';
  readonly says: string;
}

export function describeRow({ name, target, result, says }: Row): string {
  return `${result.padEnd(8)} ${name.padEnd(10)} ${target.padEnd(20)} ${says}`;
}

function cell(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/[|<>]/g, (mark) => `\\${mark}`)
    .trim();
}

function table(rows: readonly Row[]): string[] {
  return [
    '| Peer | Against | Result | What it did |',
    '|---|---|---|---|',
    ...rows.map(
      ({ name, target, result, says }) =>
        `| ${name} | ${cell(target)} | ${result} | ${cell(says)} |`,
    ),
    '',
  ];
}

/** The page for HTTP and WebSocket, for a run that ended now. */
export function writeHttpPage(rows: readonly Row[]): string {
  const failed = rows.filter(({ result }) => result === 'FAILED').length;
  const skipped = rows.filter(({ result }) => result === 'skipped').length;
  const versions = new Map(
    rows.filter(({ version }) => version !== '').map(({ name, version }) => [name, version]),
  );
  return [
    '# HTTP and WebSocket with foreign programs',
    '',
    'Written by `npm run interop -- smuggling slowhttptest autobahn --write`. `test/interop` holds',
    'the inputs and what is done with them: requests that could be read in two ways go through the',
    'gateway to several origins, which have to see the same; slowhttptest attacks with 4,000 clients;',
    'Autobahn plays the peer that breaks rules on either side of a WebSocket.',
    '',
    `Run on ${new Date().toISOString().slice(0, 10)} with Node ${process.version}:`,
    `**${rows.length - failed - skipped} passed, ${failed} failed, ${skipped} skipped.**`,
    '',
    '| Suite | Versions |',
    '|---|---|',
    ...[...versions].map(([name, version]) => `| ${name} | ${cell(version)} |`),
    '',
    ...table(rows),
  ].join('\n');
}

/** The page for a run that ended now. */
export function writePage(rows: readonly Row[]): string {
  const versions = new Map(
    rows.filter(({ version }) => version !== '').map(({ name, version }) => [name, version]),
  );
  const failed = rows.filter(({ result }) => result === 'FAILED').length;
  const skipped = rows.filter(({ result }) => result === 'skipped').length;
  const scripts = rows.filter(({ name }) => name === 'tlsfuzzer');
  return [
    '# TLS with foreign peers',
    '',
    'Written by `npm run interop -- --write`. Each peer meets listeners with detached records and',
    'listeners that keep the records of OpenSSL. `test/interop` holds the clients, the list of',
    'tlsfuzzer scripts with what is left out and why, and the findings of scanners that are accepted.',
    '',
    `Run on ${new Date().toISOString().slice(0, 10)} with Node ${process.version} and OpenSSL`,
    `${process.versions.openssl}:`,
    `**${rows.length - failed - skipped} passed, ${failed} failed, ${skipped} skipped.**`,
    '',
    '| Peer | Version |',
    '|---|---|',
    ...[...versions].map(([name, version]) => `| ${name} | ${cell(version)} |`),
    '',
    '## Clients and scanners',
    '',
    ...table(rows.filter(({ name }) => name !== 'tlsfuzzer')),
    ...(scripts.length === 0 ? [] : ['## tlsfuzzer', '', ...table(scripts)]),
  ].join('\n');
}
