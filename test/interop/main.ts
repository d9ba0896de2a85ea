/**
 * `npm run interop [-- NAME...]`: foreign TLS peers, tlsfuzzer, testssl.sh and sslyze against a
 * gateway; foreign origins, Autobahn and slowhttptest against HTTP and WebSocket.
 *
 * Path: rig.ts is what TLS peers meet; peers.ts, tlsfuzzer.ts and scanners.ts start them.
 * http-suites.ts has the others. With `--write` the outcomes become docs/tls-interop.md and
 * docs/http-interop.md; with `--short` the longest runs are left out by name, and `--only TEXT` runs
 * what has TEXT among the targets of the suites for HTTP.
 * Invariant: what is not on this machine is skipped by its name; the exit code is 0 only when
 * nothing failed.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Owner } from '../e2e/harness.ts';
import { HTTP_SUITES } from './http-suites.ts';
import {
  describeRow,
  mergeRows,
  type Row,
  readHttpPage,
  writeHttpPage,
  writePage,
} from './page.ts';
import { type Outcome, PEERS, type Peer, VERSIONS } from './peers.ts';
import { RECORDS, type Rig, startRig } from './rig.ts';
import { SCANNERS } from './scanners.ts';
import { runTlsfuzzer } from './tlsfuzzer.ts';

const PAGE = fileURLToPath(new URL('../../docs/tls-interop.md', import.meta.url));
const HTTP_PAGE = fileURLToPath(new URL('../../docs/http-interop.md', import.meta.url));
const FUZZER = 'tlsfuzzer';
const TLS_NAMES = [...PEERS, ...SCANNERS].map(({ name }) => name).concat(FUZZER);
const HTTP_NAMES = HTTP_SUITES.map(({ name }) => name);

const { values, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: { write: { type: 'boolean' }, short: { type: 'boolean' }, only: { type: 'string' } },
});
const isShort = values.short === true;

function isWanted(name: string): boolean {
  return wanted.length === 0 || wanted.includes(name);
}

function isTarget(target: string): boolean {
  return target.includes(values.only ?? '');
}

function summarize(outcome: Outcome): string {
  const parts = [outcome.handshake, 'echo of 1 MiB'];
  if (outcome.update !== null) {
    parts.push(`key updates ${outcome.update}`);
  }
  if (outcome.halfClose !== null) {
    parts.push('half-close');
  }
  return parts.join('; ');
}

async function runPeer(peer: Peer, rig: Rig, version: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [records, tls] of RECORDS.flatMap((each) => VERSIONS.map((v) => [each, v] as const))) {
    const row = { name: peer.name, version, target: `${records}, ${tls}` };
    try {
      const outcome = await peer.run(rig, records, tls);
      const isGood = outcome.echo && outcome.halfClose !== false;
      rows.push({ ...row, result: isGood ? 'passed' : 'FAILED', says: summarize(outcome) });
    } catch (error) {
      rows.push({ ...row, result: 'FAILED', says: (error as Error).message });
    }
  }
  return rows;
}

async function runPeers(rig: Rig, tell: (row: Row) => void): Promise<void> {
  for (const peer of PEERS.filter(({ name }) => isWanted(name))) {
    const version = peer.version();
    if (version === null) {
      tell({ name: peer.name, version: '', target: '', result: 'skipped', says: 'not found' });
      continue;
    }
    for (const row of await runPeer(peer, rig, version)) {
      tell(row);
    }
  }
}

async function runTls(owner: Owner, tell: (row: Row) => void): Promise<void> {
  const rig = await startRig(owner);
  await runPeers(rig, tell);
  for (const scanner of SCANNERS.filter(({ name }) => isWanted(name))) {
    await scanner.run(rig, tell);
  }
  if (isWanted(FUZZER)) {
    await runTlsfuzzer(rig, tell);
  }
}

async function main(): Promise<number> {
  const cleaners: (() => void | Promise<void>)[] = [];
  const owner: Owner = { after: (clean) => cleaners.unshift(clean) };
  const rows: Row[] = [];
  const tell = (row: Row): void => {
    rows.push(row);
    process.stdout.write(`${describeRow(row)}\n`);
  };
  const known = [...TLS_NAMES, ...HTTP_NAMES];
  const unknown = wanted.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    process.stderr.write(`there is no ${unknown.join(', ')}; there are ${known.join(', ')}\n`);
    return 2;
  }
  try {
    if (TLS_NAMES.some(isWanted)) {
      await runTls(owner, tell);
    }
    for (const suite of HTTP_SUITES.filter(({ name }) => isWanted(name))) {
      await suite.run(owner, tell, { isShort, isTarget });
    }
  } finally {
    for (const clean of cleaners) {
      await clean();
    }
  }
  const failed = rows.filter(({ result }) => result === 'FAILED').length;
  const skipped = rows.filter(({ result }) => result === 'skipped').length;
  const passed = rows.length - failed - skipped;
  process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`);
  if (values.write === true) {
    writePages(rows);
  }
  return failed === 0 ? 0 : 1;
}

/** Each page only where there are rows for it; rows for HTTP that were not run again stay. */
function writePages(rows: readonly Row[]): void {
  const http = rows.filter(({ name }) => HTTP_NAMES.includes(name));
  const tls = rows.filter(({ name }) => TLS_NAMES.includes(name));
  if (tls.length > 0) {
    writeFileSync(PAGE, writePage(tls));
  }
  if (http.length > 0) {
    const date = new Date().toISOString().slice(0, 10);
    const merged = mergeRows(
      readHttpPage(readFileSync(HTTP_PAGE, 'utf8')),
      http.map((row) => ({ ...row, date })),
      ({ name, target }) => isWanted(name) && isTarget(target),
    );
    writeFileSync(
      HTTP_PAGE,
      writeHttpPage(HTTP_NAMES.flatMap((name) => merged.filter((row) => row.name === name))),
    );
  }
}

process.exitCode = await main();
