/**
 * A report says what was measured: medians, intervals, merged percentiles, voids, partial runs.
 *
 * Path: raw runs made by hand go through summary, writers and comparison.
 * Does not measure anything.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { CANDIDATES } from '../../bench/peers/index.ts';
import {
  compareReports,
  createHistogram,
  encode,
  estimate,
  formatValue,
  medianOf,
  merge,
  pairRatios,
  type RawReport,
  type RawRun,
  readReport,
  writeReport,
} from '../../bench/report/index.ts';
import {
  type LoadResult,
  negotiatedName,
  RunFailure,
  readMachine,
  UsageFailure,
} from '../../bench/rig/index.ts';
import { parseRequest } from '../../bench/run/index.ts';
import { selectScenarios, Tally, whyLeftOut } from '../../bench/scenarios/index.ts';
import { gatewayNsPer } from '../../bench/scenarios/scenario.ts';
import { checkVersion } from '../../bench/scenarios/tls.ts';

let folder = '';

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'report-'));
});

after(() => rmSync(folder, { recursive: true, force: true }));

function histogramOf(values: readonly number[]): string {
  const histogram = createHistogram();
  for (const value of values) histogram.recordValue(value);
  return encode(histogram);
}

function makeRun(candidate: string, repeat: number, cpu: number, latencies: number[]): RawRun {
  return {
    candidate,
    repeat,
    order: repeat,
    startedAt: '2026-11-21T10:00:00.000Z',
    seconds: 2,
    figures: { cpu, throughput: 1e9 / cpu, losses: 0 },
    voids: repeat === 0 && candidate === 'nginx' ? { throughput: 'the origin was the limit' } : {},
    parameters: { connections: 1000 },
    notes: [],
    series: {},
    histograms: { latency: histogramOf(latencies) },
  };
}

function makeReport(change: Partial<RawReport> = {}): RawReport {
  const runs = [0, 1, 2].flatMap((repeat) => [
    makeRun('holdfast', repeat, 9000 + repeat * 10, [10_000, 20_000]),
    makeRun('nginx', repeat, 10_000 + repeat * 10, [30_000, 40_000 + repeat]),
  ]);
  return {
    format: 1,
    startedAt: '2026-11-21T10:00:00.000Z',
    finishedAt: '2026-11-21T10:05:00.000Z',
    isPartial: false,
    command: 'npm run bench -- tcp-echo',
    commit: '0123456789abcdef',
    isCommitClean: true,
    machine: { ...readMachine(), warnings: [] },
    repeats: 3,
    seconds: 2,
    divisor: 1,
    candidates: [
      { name: 'holdfast', title: 'Holdfast', version: '0.1.0' },
      { name: 'nginx', title: 'nginx stream', version: '1.22.1' },
      { name: 'mosn', title: 'MOSN tcp_proxy', missing: 'npm run bench -- setup mosn' },
    ],
    scenarios: [{ name: 'tcp-echo', question: 'What?', runs, leftOut: [] }],
    ...change,
  };
}

describe('statistics', () => {
  it('takes the middle, and an interval that holds it', () => {
    assert.equal(medianOf([3, 1, 2]), 2);
    assert.equal(medianOf([4, 1, 2, 3]), 2.5);
    const { median, low, high, count } = estimate([10, 11, 12, 13, 14]);
    assert.equal(median, 12);
    assert.equal(count, 5);
    assert.ok(low >= 10 && low <= 12 && high >= 12 && high <= 14);
  });

  it('gives the same interval for the same values', () => {
    assert.deepEqual(estimate([5, 3, 9, 4]), estimate([5, 3, 9, 4]));
  });

  it('pairs only what both have', () => {
    assert.deepEqual(pairRatios([2, undefined, 6], [1, 5, undefined]), [2]);
  });

  it('merges histograms instead of averaging percentiles', () => {
    const calm = Array.from({ length: 99 }, () => 10_000);
    const sum = merge([histogramOf(calm), histogramOf([...calm, 9_000_000])]);
    assert.equal(sum.totalCount, 199);
    assert.ok(Math.abs(sum.getValueAtPercentile(99) - 10_000) < 20);
    assert.ok(Math.abs(sum.getValueAtPercentile(100) - 9_000_000) < 9000);
  });

  it('writes values with three digits and a unit of their size', () => {
    assert.equal(formatValue(9400, 'ns'), '9.40 µs');
    assert.equal(formatValue(256, 'bytes'), '256 B');
    assert.equal(formatValue(3_400_000, 'bytes'), '3,320 KiB');
    assert.equal(formatValue(12_500, 'us'), '12.5 ms');
    assert.equal(formatValue(0.95, 'ratio'), '0.950');
  });
});

describe('a measurement', () => {
  const counts = { full: 5, resumed: 0, failed: 0, truncated: 0, failure: '' };
  const usage = { wallNs: 1e9, ownNs: 1e8, ownShare: 0.1 };
  const resultOf = (negotiated: string, others: number, gateway: number): LoadResult => ({
    mode: 'churn',
    limited: false,
    usage: { ...usage, watched: { gateway } },
    tls: { ...counts, negotiated, others },
  });

  it('is void where something else was negotiated than was offered', () => {
    const right = negotiatedName('1.3');
    for (const [negotiated, others, isVoid] of [
      [right, 0, false],
      [right, 1, true],
      [negotiatedName('1.2'), 0, true],
      ['', 0, true],
    ] as const) {
      const tally = new Tally();
      checkVersion(tally, resultOf(negotiated, others, 1), '1.3', ['cpu']);
      assert.equal(tally.done().voids['cpu'] !== undefined, isVoid, `${negotiated} ${others}`);
    }
  });

  it('is none where the processes that were watched did nothing', () => {
    assert.equal(gatewayNsPer(resultOf('', 0, 500), 5), 100);
    assert.throws(() => gatewayNsPer(resultOf('', 0, 0), 5), RunFailure);
  });
});

describe('a report folder', () => {
  it('holds every file and is written again from raw.json alone', async () => {
    const first = join(folder, 'first');
    const second = join(folder, 'second');
    await writeReport(first, makeReport());
    await writeReport(second, readReport(first));
    for (const name of ['report.md', 'report.html', 'raw.json', 'machine.json']) {
      const [a, b] = [first, second].map((each) => readFileSync(join(each, name), 'utf8'));
      assert.equal(a, b, name);
    }
    assert.ok(readdirSync(join(first, 'plots')).length > 0);
    const histograms = readdirSync(join(first, 'histograms')).sort();
    assert.deepEqual(histograms, [
      'tcp-echo.hlog',
      'tcp-echo.latency.holdfast.hgrm',
      'tcp-echo.latency.nginx.hgrm',
    ]);
    const hgrm = readFileSync(join(first, 'histograms', 'tcp-echo.latency.nginx.hgrm'), 'utf8');
    assert.match(hgrm, /#\[Max {5}= +40\.0/);
  });

  it('shows medians, ratios, verdicts, voids and what is not installed', async () => {
    const path = join(folder, 'content');
    await writeReport(path, makeReport());
    const text = readFileSync(join(path, 'report.md'), 'utf8');
    assert.match(text, /\| CPU per round trip \| 9\.01 µs \(9\.00 µs to 9\.02 µs\)/);
    assert.match(
      text,
      /CPU per round trip at most that of nginx \| ≤ 1\.00 × nginx \| 0\.900 \| holds/,
    );
    assert.match(text, /at most 0\.95 of HAProxy .* not measured/);
    assert.match(text, /MOSN tcp_proxy is not installed; `npm run bench -- setup mosn`/);
    const html = readFileSync(join(path, 'report.html'), 'utf8');
    assert.match(html, /<svg /);
    assert.doesNotMatch(html, /<script|src=|href=/);
  });

  it('does not use void figures', async () => {
    const path = join(folder, 'void');
    const report = makeReport();
    const runs = report.scenarios[0]?.runs.map((run) =>
      run.candidate === 'nginx'
        ? { ...run, voids: { throughput: 'the origin was the limit' } }
        : run,
    );
    const scenarios = [{ name: 'tcp-echo', question: 'What?', runs: runs ?? [], leftOut: [] }];
    await writeReport(path, { ...report, scenarios });
    const text = readFileSync(join(path, 'report.md'), 'utf8');
    assert.match(text, /\| round trips at saturation \| 110,\d+\/s .*\| void \|/);
    assert.match(text, /Void for nginx stream: the origin was the limit/);
  });

  it('names the candidates that a remark is about, where it is not about all', async () => {
    const path = join(folder, 'notes');
    const report = makeReport();
    const runs = report.scenarios[0]?.runs.map((run) => ({
      ...run,
      notes: ['Counts only.', ...(run.candidate === 'nginx' ? ['3,250 of 9,000.'] : [])],
    }));
    const scenarios = [{ name: 'tcp-echo', question: 'What?', runs: runs ?? [], leftOut: [] }];
    await writeReport(path, { ...report, scenarios });
    const text = readFileSync(join(path, 'report.md'), 'utf8');
    assert.match(text, /^- Counts only\.$/m);
    assert.match(text, /^- nginx stream: 3,250 of 9,000\.$/m);
  });

  it('says when it is partial', async () => {
    const path = join(folder, 'partial');
    await writeReport(path, makeReport({ isPartial: true }));
    assert.match(readFileSync(join(path, 'report.md'), 'utf8'), /This run was interrupted/);
  });

  it('is compared with another, with a warning where the conditions differ', async () => {
    const [left, right] = [join(folder, 'left'), join(folder, 'right')];
    await writeReport(left, makeReport());
    await writeReport(right, makeReport({ seconds: 9 }));
    const text = compareReports(left, right);
    assert.match(text, /The window differs: 2 and 9/);
    assert.match(text, /holdfast: CPU per round trip \| 9\.01 µs \| 9\.01 µs \| 1\.000/);
    assert.throws(() => compareReports(left, join(folder, 'nowhere')), UsageFailure);
  });
});

describe('the command line of the benchmark', () => {
  it('turns names and groups into scenarios', () => {
    assert.deepEqual(
      selectScenarios(['tcp-bulk', 'skew']).map(({ name }) => name),
      ['tcp-bulk', 'skew'],
    );
    const group = selectScenarios(['tcp']).map(({ name }) => name);
    assert.ok(group.includes('tcp-echo') && group.includes('tcp-idle-mass'));
  });

  it('asks those who can terminate TLS for it, and nobody else', () => {
    const group = selectScenarios(['tls']);
    assert.ok(group.length >= 5);
    for (const scenario of group) {
      const taking = CANDIDATES.filter((each) => whyLeftOut(scenario, each) === undefined);
      const names = taking.map(({ name }) => name);
      assert.ok(names.includes('holdfast') && names.includes('nginx') && names.includes('haproxy'));
      assert.ok(!names.includes('direct') && !names.includes('http-proxy-3'));
      assert.equal(names.includes('mosn'), scenario.tlsVersions?.includes('1.2') === true);
    }
  });

  it('refuses wrong words with one sentence', () => {
    for (const [argv, pattern] of [
      [['tcp-ecko'], /no scenario "tcp-ecko"\. Did you mean tcp-echo\?/],
      [['--candidates', 'ngnix'], /no candidate "ngnix"\. Did you mean nginx\?/],
      [['--repeats', 'many'], /--repeats wants a number/],
      [['--port', '40000'], /--port wants a port below/],
      [['--speed'], /Unknown option '--speed'/],
      [['compare', 'one'], /compare wants two report folders/],
    ] as const) {
      assert.throws(() => parseRequest(argv), { name: 'UsageFailure', message: pattern });
    }
  });
});
