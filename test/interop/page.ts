/**
 * The outcomes of an interop run as lines and as a page.
 *
 * Path: main.ts prints each row as it comes and writes the page at the end.
 * Invariant: a page holds what runs found, with dates and versions, and nothing else. The page for
 * HTTP is read back, so that rows of suites that take hours stay when others are run again.
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

/** An outcome of the page for HTTP. */
export interface DatedRow extends Row {
  /** The day of the run, as `2026-01-31`. */
  readonly date: string;
}

const MARKED = /^\| (?<name>\w+) \| (?<rest>.*) \|$/;

/** The cells of a line of a table, or null where it is none. */
function readCells(line: string): readonly string[] | null {
  const { name, rest } = MARKED.exec(line)?.groups ?? {};
  if (name === undefined || rest === undefined) {
    return null;
  }
  const cells = rest.split(/(?<!\\) \| /).map((each) => each.replace(/\\([|<>])/g, '$1'));
  return [name, ...cells];
}

/** The rows of a page that `writeHttpPage` wrote. */
export function readHttpPage(page: string): DatedRow[] {
  const versions = new Map<string, string>();
  const rows: DatedRow[] = [];
  for (const line of page.split('\n')) {
    const [name = '', ...cells] = readCells(line) ?? [];
    const [target = '', date = '', result = '', says = ''] = cells;
    if (cells.length === 1) {
      versions.set(name, target);
    }
    if (result === 'passed' || result === 'FAILED' || result === 'skipped') {
      rows.push({ name, version: versions.get(name) ?? '', target, date, result, says });
    }
  }
  return rows;
}

/** The rows of a page after a run: those that it did not run again stay. */
export function mergeRows(
  earlier: readonly DatedRow[],
  now: readonly DatedRow[],
  isWanted: (row: Row) => boolean,
): DatedRow[] {
  const isSame = (a: Row, b: Row): boolean => a.name === b.name && a.target === b.target;
  const merged = earlier.flatMap((row) => {
    const again = now.find((each) => isSame(each, row));
    if (again === undefined) return isWanted(row) ? [] : [row];
    return [again.result === 'skipped' ? row : again];
  });
  return [...merged, ...now.filter((row) => !earlier.some((each) => isSame(each, row)))];
}

/** The page for HTTP and WebSocket; rows of a suite stand together. */
export function writeHttpPage(rows: readonly DatedRow[]): string {
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
    'Autobahn plays the peer that breaks rules on either side of a WebSocket. A part is run again with',
    "its suite's name and `--only TEXT`, which takes the targets that contain the text; the other rows",
    'stay as they are.',
    '',
    `**${rows.length - failed - skipped} passed, ${failed} failed, ${skipped} skipped.**`,
    '',
    '| Suite | Versions |',
    '|---|---|',
    ...[...versions].map(([name, version]) => `| ${name} | ${cell(version)} |`),
    '',
    '| Peer | Against | Run on | Result | What it did |',
    '|---|---|---|---|---|',
    ...rows.map(
      ({ name, target, date, result, says }) =>
        `| ${name} | ${cell(target)} | ${date} | ${result} | ${cell(says)} |`,
    ),
    '',
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
