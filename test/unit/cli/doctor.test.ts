/**
 * What the doctor finds, on machines that the test makes up.
 *
 * Path: src/main/cli/doctor.ts, doctor-facts.ts, verb-doctor.ts.
 * Invariant under test: each fault is found with a remedy, a good machine has none, and what is not
 * known is not counted as a fault.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge, type Verdict } from '../../../src/main/cli/doctor.ts';
import { type Facts, type RuntimeFacts, readFacts } from '../../../src/main/cli/doctor-facts.ts';
import { run } from './cli.ts';

const WANTED = { connections: 100_000, endpoints: 4 };
const RUNTIME: RuntimeFacts = {
  node: '26.10.0',
  openssl: '3.5.8',
  isBoringSsl: false,
  glibc: '2.36',
  nativeFault: null,
};

/** A machine that carries a hundred thousand connections. */
const GOOD: Facts = {
  ...RUNTIME,
  descriptorsSoft: 1_048_576,
  descriptorsHard: 1_048_576,
  descriptorsPossible: 1_048_576,
  fileMax: 2_000_000,
  fileUsed: 3000,
  somaxconn: 4096,
  synBacklog: 4096,
  portFirst: 1024,
  portLast: 65_535,
  conntrackMax: null,
  conntrackUsed: null,
  tcpMemPressurePages: 1_000_000,
  tcpMemMaxPages: 2_000_000,
  pageBytes: 4096,
  memoryAvailableBytes: 8 * 1024 ** 3,
  memoryLimitBytes: null,
  cores: 4,
  governor: 'performance',
  kernel: '6.1.0-18-amd64',
};

function find(facts: Partial<Facts>, name: string): Verdict {
  const verdict = judge({ ...GOOD, ...facts }, WANTED).find((each) => each.name === name);
  assert.ok(verdict !== undefined, name);
  return verdict;
}

test('a good machine has no faults', () => {
  for (const { name, state } of judge(GOOD, WANTED)) assert.equal(state, 'fine', name);
});

test('each fault is found, with a remedy', () => {
  const faults: readonly (readonly [string, Partial<Facts>, Verdict['state']])[] = [
    ['open files', { descriptorsSoft: 1024 }, 'bad'],
    [
      'open files',
      { descriptorsSoft: 1024, descriptorsHard: 4096, descriptorsPossible: 9999 },
      'bad',
    ],
    ['open files of the machine', { fileMax: 100_000 }, 'bad'],
    ['local ports', { portFirst: 32_768, portLast: 40_000 }, 'bad'],
    ['connection tracking', { conntrackMax: 65_536, conntrackUsed: 10 }, 'bad'],
    ['memory', { memoryAvailableBytes: 512 * 1024 ** 2 }, 'bad'],
    ['memory', { memoryLimitBytes: 256 * 1024 ** 2 }, 'bad'],
    ['memory for TCP', { tcpMemMaxPages: 10_000 }, 'weak'],
    ['accept queue', { somaxconn: 128 }, 'weak'],
    ['handshake queue', { synBacklog: 256 }, 'weak'],
    ['CPU governor', { governor: 'powersave' }, 'weak'],
    ['kernel', { kernel: '3.10.0-1160.el7' }, 'bad'],
    ['glibc', { glibc: '2.17' }, 'bad'],
    ['glibc', { glibc: null }, 'bad'],
    ['node', { node: '20.20.2' }, 'bad'],
    ['OpenSSL', { openssl: '1.1.1w' }, 'bad'],
    ['OpenSSL', { isBoringSsl: true }, 'bad'],
    ['native core', { nativeFault: 'it is not built' }, 'bad'],
  ];
  for (const [name, facts, state] of faults) {
    const verdict = find(facts, name);
    assert.equal(verdict.state, state, name);
    assert.notEqual(verdict.why, '', name);
    assert.ok(verdict.remedy.length > 0, name);
  }
});

test('the remedy of open files raises every limit on the way', () => {
  const { remedy } = find(
    { descriptorsSoft: 1024, descriptorsHard: 4096, descriptorsPossible: 9999 },
    'open files',
  );
  assert.match(remedy[0] ?? '', /^sysctl -w fs\.nr_open=200256$/);
  assert.match(remedy.join('\n'), /limits\.conf/);
  assert.match(remedy.join('\n'), /LimitNOFILE=200256/);
});

test('ports are counted for each endpoint', () => {
  const one = judge(GOOD, { connections: 100_000, endpoints: 1 }).find(
    ({ name }) => name === 'local ports',
  );
  assert.equal(one?.state, 'bad');
  assert.match(one.remedy.join(), /at least 2 endpoint addresses/);
});

test('a machine that says nothing has no faults', () => {
  const facts = readFacts(() => null, RUNTIME);
  for (const { name, state } of judge(facts, WANTED)) {
    if (name !== 'kernel') assert.ok(state === 'fine' || state === 'unknown', name);
  }
});

test('facts are read from where the kernel says them', () => {
  const files: Readonly<Record<string, string>> = {
    '/proc/self/limits':
      'Limit Soft Hard Units\nMax open files            1024                 524288               files\n',
    '/proc/sys/net/ipv4/ip_local_port_range': '32768\t60999',
    '/proc/sys/net/ipv4/tcp_mem': '100 200 300',
    '/proc/sys/fs/file-nr': '1234\t0\t9223372036854775807',
    '/proc/meminfo': 'MemTotal: 9 kB\nMemAvailable:    2048 kB\n',
    '/sys/fs/cgroup/memory.max': 'max',
    '/proc/sys/kernel/osrelease': '6.1.0',
  };
  const facts = readFacts((path) => files[path] ?? null, RUNTIME);
  assert.equal(facts.descriptorsSoft, 1024);
  assert.equal(facts.descriptorsHard, 524_288);
  assert.deepEqual([facts.portFirst, facts.portLast], [32_768, 60_999]);
  assert.deepEqual([facts.tcpMemPressurePages, facts.tcpMemMaxPages], [200, 300]);
  assert.equal(facts.fileUsed, 1234);
  assert.equal(facts.memoryAvailableBytes, 2_097_152);
  assert.equal(facts.memoryLimitBytes, null);
});

test('the verb looks at this machine, and its code says what it found', async () => {
  const { out, code } = await run(['doctor', '--connections', '100', '--json']);
  const { fine, verdicts } = JSON.parse(out) as { fine: boolean; verdicts: Verdict[] };
  assert.equal(code, fine ? 0 : 1);
  assert.equal(verdicts.length, 15);
  const huge = await run(['doctor', '--connections', '10M']);
  assert.equal(huge.code, 1);
  assert.match(huge.out, /would stop them/);
});
