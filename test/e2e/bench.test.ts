/**
 * `npm run bench` as a person uses it: a short run, an interrupt, and wrong requests.
 *
 * Path: bench/main.ts as a process, against candidates that every machine has (Holdfast, Node's own
 * pipe, no gateway). Asserts files, exit codes and that no process stays; judges no figure.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type RawReport, readReport } from '../../bench/report/index.ts';
import { Ports, ROOT } from '../../bench/rig/index.ts';

const MAIN = join(ROOT, 'bench', 'main.ts');
const FEW = ['--quick', '--seconds', '0.2', '--candidates', 'node-pipe,direct'];

let folder = '';

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'bench-'));
});

after(() => rmSync(folder, { recursive: true, force: true }));

interface Outcome {
  readonly code: number | null;
  readonly stderr: string;
}

/** Marks all descendants, so that leftovers are found by their environment. */
function start(args: readonly string[], mark: string): ChildProcess {
  return spawn(process.execPath, [MAIN, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, HF_BENCH_MARK: mark },
  });
}

async function finish(child: ChildProcess): Promise<Outcome> {
  let stderr = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    stderr += bytes.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stderr };
}

function listMarked(mark: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`HF_BENCH_MARK=${mark}`);
      } catch {
        return false;
      }
    });
}

describe('npm run bench', () => {
  it('measures, interleaves, and writes a report that can be traced to raw.json', async () => {
    const out = join(folder, 'report');
    const args = ['tcp-echo', 'tcp-idle-mass', ...FEW, '--repeats', '2', '--out', out];
    const { code, stderr } = await finish(start(args, 'whole'));
    assert.equal(code, 0, stderr);
    const report: RawReport = readReport(out);
    assert.equal(report.isPartial, false);
    const [echo] = report.scenarios;
    const order = echo?.runs.map(({ candidate }) => candidate);
    assert.deepEqual(order, ['node-pipe', 'direct', 'direct', 'node-pipe']);
    for (const { runs } of report.scenarios) {
      for (const run of runs) assert.equal(run.failure, undefined);
    }
    const text = readFileSync(join(out, 'report.md'), 'utf8');
    assert.match(text, /A quick look/);
    assert.match(text, /user memory per connection/);
    assert.deepEqual(listMarked('whole'), []);
  });

  it('measures TLS where its clients can be built, and says so where they cannot', async () => {
    const out = join(folder, 'tls');
    const args = ['tls-handshake', '--quick', '--seconds', '0.3', '--candidates', 'node-pipe'];
    const { code, stderr } = await finish(start([...args, '--out', out], 'tls'));
    assert.deepEqual(listMarked('tls'), []);
    if (code === 2) {
      assert.match(stderr, /TLS clients want OpenSSL and its headers/);
      return;
    }
    assert.equal(code, 0, stderr);
    const [run] = readReport(out).scenarios[0]?.runs ?? [];
    assert.equal(run?.failure, undefined);
    assert.ok((run?.figures['resumed13Cpu'] ?? 0) > 0);
    assert.equal(run?.figures['failures'], 0);
  });

  it('measures HTTP, and reloads Holdfast under WebSockets without closing one', async () => {
    const out = join(folder, 'web');
    const args = ['http-churn', 'ws-reload', '--quick', '--seconds', '0.2', '--out', out];
    const { code, stderr } = await finish(start([...args, '--candidates', 'holdfast'], 'web'));
    assert.equal(code, 0, stderr);
    assert.deepEqual(listMarked('web'), []);
    const [churn, reload] = readReport(out).scenarios.map(({ runs: [run] }) => run);
    assert.equal(churn?.failure, undefined);
    assert.ok((churn?.figures['cpu'] ?? 0) > 0);
    assert.equal(churn?.figures['failed'], 0);
    assert.equal(reload?.failure, undefined);
    assert.equal(reload?.figures['reloads'], 100);
    assert.equal(reload?.figures['closed'], 0);
  });

  it('leaves a partial report and no process when it is interrupted', async () => {
    const out = join(folder, 'partial');
    const args = ['tcp-echo', '--seconds', '0.2', '--candidates', 'node-pipe,direct', '--out', out];
    const child = start(args, 'interrupted');
    const outcome = finish(child);
    const { promise, resolve } = Promise.withResolvers<void>();
    child.stderr?.on('data', (bytes: Buffer) => {
      if (/tcp-echo +node-pipe/.test(bytes.toString())) resolve();
    });
    await promise;
    child.kill('SIGINT');
    const { code } = await outcome;
    assert.equal(code, 130);
    assert.equal(readReport(out).isPartial, true);
    assert.match(readFileSync(join(out, 'report.md'), 'utf8'), /This run was interrupted/);
    assert.deepEqual(listMarked('interrupted'), []);
  });

  it('refuses an unknown scenario with one sentence and starts nothing', async () => {
    const { code, stderr } = await finish(start(['tcp-ecko'], 'unknown'));
    assert.equal(code, 2);
    assert.match(stderr, /^bench: there is no scenario "tcp-ecko"\. Did you mean tcp-echo\?/);
    assert.equal(stderr.trim().split('\n').length, 1);
  });

  it('refuses a port that is in use and leaves nothing running', async () => {
    const [port = 0] = await new Ports().take(1);
    const holder = createServer().listen(port, '127.0.0.1');
    await once(holder, 'listening');
    const out = join(folder, 'port');
    const args = ['tcp-echo', ...FEW, '--port', `${port}`, '--out', out];
    const { code, stderr } = await finish(start(args, 'port'));
    holder.close();
    assert.equal(code, 2);
    assert.match(stderr, new RegExp(`port ${port} on 127\\.0\\.0\\.1 is in use`));
    assert.ok(!existsSync(join(out, 'report.md')));
    assert.deepEqual(listMarked('port'), []);
  });
});
