/**
 * Native filters as the configuration writes them: what comes out, and what is said about mistakes.
 *
 * The core is asked as well, so the addon must be built.
 * Invariant: whatever passes here compiles in the core.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { loadNative, type PolicyInput } from '../../../native/epoll/index.ts';
import {
  checkNativeFilter,
  type FilterPlace,
  findingOfFault,
  isNativeFilter,
  listNativeFilters,
} from '../../../src/main/filters/builtin/index.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-native-filters-'));
after(() => rmSync(directory, { recursive: true }));
const BASE = pathToFileURL(join(directory, 'holdfast.yaml')).href;
const native = loadNative();

function policyOf(use: string, config: unknown, place: FilterPlace = 'listener'): PolicyInput {
  const { input, findings } = checkNativeFilter(use, config, place, BASE);
  assert.deepEqual(findings, []);
  assert.ok(input !== null);
  assert.deepEqual(native.checkPolicies([input]), []);
  return input;
}

function findingsOf(use: string, config: unknown, place: FilterPlace = 'listener'): string[] {
  const { input, findings } = checkNativeFilter(use, config, place, BASE);
  assert.equal(input, null);
  return findings.map(({ path, message }) => `${path.join('.')}: ${message}`);
}

test('native filters have names under holdfast/', () => {
  assert.ok(isNativeFilter('holdfast/rbac'));
  assert.ok(
    !isNativeFilter('holdfast/jwt') && !isNativeFilter('rbac') && !isNativeFilter('./x.ts'),
  );
  assert.ok(listNativeFilters().includes('holdfast/rate-limit'));
});

test('rbac: rules become conditions of the core', () => {
  const policy = policyOf('holdfast/rbac', {
    rules: [
      {
        name: 'office',
        when: {
          address: '10.0.0.0/8',
          methods: ['GET', 'HEAD'],
          path: '/api',
          hosts: ['a.example', '*.b.example'],
          headers: [{ name: 'X-Team', exact: ['red', 'blue'] }],
          not: { cookies: [{ name: 'beta', present: true }] },
        },
      },
      { action: 'deny', shadow: true, when: { san: { prefix: 'URI:spiffe://' } } },
    ],
  });
  assert.ok(policy.kind === 'rbac');
  assert.equal(policy.phase, 'request');
  assert.equal(policy.fallback, 'deny');
  assert.equal(policy.name, 'rbac');
  const [office, shadow] = policy.rules;
  assert.ok(office?.when.kind === 'all');
  assert.deepEqual(office.when.parts, [
    { kind: 'address', networks: ['10.0.0.0/8'] },
    { kind: 'method', methods: ['GET', 'HEAD'] },
    {
      kind: 'any',
      parts: [
        { kind: 'text', source: 'host', name: '', match: 'exact', values: ['a.example'] },
        { kind: 'text', source: 'host', name: '', match: 'suffix', values: ['.b.example'] },
      ],
    },
    { kind: 'text', source: 'path', name: '', match: 'segments', values: ['/api'] },
    { kind: 'text', source: 'header', name: 'X-Team', match: 'exact', values: ['red', 'blue'] },
    {
      kind: 'not',
      parts: [{ kind: 'text', source: 'cookie', name: 'beta', match: 'present', values: [] }],
    },
  ]);
  assert.equal(shadow?.name, 'rule-2');
  assert.equal(shadow.isShadow, true);
});

test('rbac: a listener without HTTP asks as early as it can', () => {
  const byAddress = { rules: [{ when: { address: ['10.0.0.0/8'] } }] };
  const byPeer = { rules: [{ when: { subject: 'CN=a' } }] };
  const byPath = { rules: [{ when: { path: '/' } }] };
  assert.equal(policyOf('holdfast/rbac', byAddress, 'tcp-listener').phase, 'accept');
  assert.equal(policyOf('holdfast/rbac', byPeer, 'tcp-listener').phase, 'open');
  assert.deepEqual(findingsOf('holdfast/rbac', byPath, 'tcp-listener'), [
    'rules.0.when: a listener without HTTP knows no methods, hosts, paths and headers',
  ]);
});

test('rbac: mistakes are told with their place', () => {
  assert.deepEqual(findingsOf('holdfast/rbac', { rule: [] }), [
    'rule: unknown key "rule": did you mean "rules"?',
  ]);
  const [wrong] = findingsOf('holdfast/rbac', { rules: [{ when: { address: '10.0.0.0/33' } }] });
  assert.match(wrong ?? '', /^rules\.0\.when\.address\.0: "10\.0\.0\.0\/33" is not a network/);
  assert.match(findingsOf('holdfast/rbac', { rules: [{ action: 'maybe' }] })[0] ?? '', /^rules\.0/);
  assert.match(
    findingsOf('holdfast/rbac', { rules: [{ when: { headers: [{ name: 'a b' }] } }] })[0] ?? '',
    /^rules\.0\.when\.headers\.0\.name: "a b" is not the name of a header/,
  );
});

test('rbac: what only the core can judge has a place too', () => {
  const config = { rules: [{}, { when: { path: { regex: '/(' } } }] };
  const { input } = checkNativeFilter('holdfast/rbac', config, 'route', BASE);
  assert.ok(input !== null);
  const [fault, ...rest] = native.checkPolicies([input]);
  assert.ok(fault !== undefined && rest.length === 0);
  const message = '"/(": a ( that is not closed at position 2';
  assert.deepEqual(findingOfFault(fault, config), {
    path: ['rules', 1, 'when', 'path', 'regex'],
    message,
  });
  // Text that stands there twice may be meant at either place.
  const twice = { rules: [{}, { name: '/(', when: { path: { regex: '/(' } } }] };
  assert.deepEqual(findingOfFault(fault, twice).path, ['rules', 1]);
});

test('what cannot be meant is told, with what to write', () => {
  const cases: readonly (readonly [string, object, string])[] = [
    ['rbac', {}, ': there are no rules: write "rules", or "default: deny" to refuse everybody'],
    [
      'rbac',
      { rules: [{ when: { header: [] } }] },
      'rules.0.when.header: unknown key "header": did you mean "headers"?',
    ],
    ['rbac', { rules: [{ when: { headers: {} } }] }, 'rules.0.when.headers: must be a list'],
    ['rbac', { rules: [{ action: 'denny' }] }, 'rules.0.action: must be one of "allow", "deny"'],
    [
      'fault',
      { delay: { percent: '1%' } },
      'delay.time: is needed: write a number and a unit: "250ms", "30s", "10m", "1h30m", "7d"',
    ],
    [
      'mirror',
      { cluster: 'a', contentMax: '2MiB' },
      'contentMax: "2MiB" is out of range: write 0B to 1MiB',
    ],
    [
      'headers',
      {},
      ': there is no change: write "request" or "response" with "set", "add" or "remove"',
    ],
    [
      'headers',
      {
        request: { set: Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`x-${i}`, ''])) },
      },
      ': 21 changes are more than 20: write a second use',
    ],
    [
      'concurrency',
      { initial: 5, min: 10 },
      'initial: "initial" is not from "min" to "max": write 10 to 1000',
    ],
    [
      'basic-auth',
      { users: [{ name: 'ann', password: '' }] },
      'users.0.password: the password is empty: anybody could guess it',
    ],
    [
      'basic-auth',
      { users: [{ name: 'ann', password: 'x' }], userHeader: 'Authorization' },
      'userHeader: "authorization" has the password: write another field',
    ],
    [
      'cors',
      { origins: ['https://a.example:443'] },
      'origins.0: browsers leave out the port that the scheme has: leave it out here',
    ],
    [
      'cors',
      { origins: ['*', 'https://a.example'] },
      'origins: "*" allows all origins: leave out the others, or "*"',
    ],
    [
      'cors',
      { origins: 'https://a.example', credentials: true, methods: '*' },
      'methods: with credentials browsers take "*" for a name: write a list',
    ],
    [
      'cors',
      { origins: 'https://a.example', methods: ['put'] },
      'methods.0: methods are compared with their case: write "PUT"',
    ],
  ];
  for (const [name, config, finding] of cases) {
    assert.equal(findingsOf(`holdfast/${name}`, config)[0], finding);
  }
});

test('rate-limit: rates, bursts and keys', () => {
  const policy = policyOf('holdfast/rate-limit', {
    rate: '10/m',
    by: ['address', { header: 'X-Key' }],
    fields: true,
    shadow: true,
  });
  assert.ok(policy.kind === 'rate-limit');
  assert.deepEqual(
    [policy.count, policy.periodMs, policy.burst, policy.status, policy.isShadow],
    [10, 60_000, 10, 429, true],
  );
  assert.deepEqual(policy.by, [
    { kind: 'address', name: '', prefixBits: 64 },
    { kind: 'header', name: 'X-Key', prefixBits: 64 },
  ]);
  const talk = policyOf('holdfast/rate-limit', { count: 'messages', rate: '1k/s', burst: '4k' });
  assert.ok(talk.kind === 'rate-limit');
  assert.deepEqual([talk.count, talk.burst, talk.phase], [1_000, 4_000, 'none']);
  const early = policyOf('holdfast/rate-limit', { count: 'connections', rate: '5/30s' });
  assert.ok(early.kind === 'rate-limit');
  assert.deepEqual([early.count, early.periodMs, early.phase], [5, 30_000, 'accept']);
});

test('rate-limit: what makes no sense is refused', () => {
  assert.match(
    findingsOf('holdfast/rate-limit', {})[0] ?? '',
    /^rate: is needed: write a count and a period/,
  );
  assert.match(
    findingsOf('holdfast/rate-limit', { rate: '0/s' })[0] ?? '',
    /^rate: .*out of range/,
  );
  assert.deepEqual(findingsOf('holdfast/rate-limit', { rate: '1/s' }, 'tcp-listener'), [
    'count: a listener without HTTP cannot limit requests',
  ]);
  assert.deepEqual(
    findingsOf('holdfast/rate-limit', { rate: '1/s', count: 'connections' }, 'route'),
    ['count: a route cannot limit connections'],
  );
  assert.deepEqual(
    findingsOf('holdfast/rate-limit', { rate: '1/s', count: 'connections', by: ['path'] }),
    ['by.0: connections are told apart by address only'],
  );
});

test('rate-limit: bytes have sizes, directions and a smooth burst', () => {
  const bytes = (more: object) => policyOf('holdfast/rate-limit', { count: 'bytes', ...more });
  const policy = bytes({ rate: '60MiB/m', burst: '64KiB', direction: 'toClient' });
  assert.ok(policy.kind === 'rate-limit');
  assert.deepEqual(
    [policy.counted, policy.count, policy.periodMs, policy.burst, policy.directions, policy.phase],
    ['bytes', 60 << 20, 60_000, 65_536, 2, 'none'],
  );
  for (const [more, burst] of [
    [{ rate: '60MiB/m' }, 1 << 20],
    [{ rate: '100MiB/s', burst: '1KiB' }, 2 << 20],
    [{ rate: '2048/s', burst: 1 }, 1024],
  ] as const) {
    const smooth = bytes(more);
    assert.ok(smooth.kind === 'rate-limit' && smooth.directions === 3);
    assert.equal(smooth.burst, burst);
  }
});

test('rate-limit: what bytes have is not for the rest, and the other way round', () => {
  assert.deepEqual(
    findingsOf('holdfast/rate-limit', { rate: '1KiB/s', burst: '2KiB', direction: 'both' }),
    [
      'rate: requests have no size: write a number, or "count: bytes"',
      'burst: requests have no size: write a number, or "count: bytes"',
      'direction: only bytes have a direction: write "count: bytes"',
    ],
  );
  assert.deepEqual(
    findingsOf('holdfast/rate-limit', { count: 'bytes', rate: '1/s', status: 503, fields: true }),
    [
      'rate: bytes are not slowed down below "1KiB/s"',
      'status: bytes are slowed down, and nothing is refused: leave it out',
      'fields: bytes are slowed down, and nothing is refused: leave it out',
    ],
  );
  assert.deepEqual(
    findingsOf(
      'holdfast/rate-limit',
      { count: 'bytes', rate: '1KiB/s', by: 'path' },
      'tcp-listener',
    ),
    ['by.0: connections are told apart by address and subject only'],
  );
});

test('fault: a throttle has a share, a rate and a direction', () => {
  const policy = policyOf('holdfast/fault', { throttle: { percent: '5%', rate: '64KiB/s' } });
  assert.ok(policy.kind === 'fault');
  assert.deepEqual(
    [policy.throttleMillionths, policy.throttleBytes, policy.throttleDirections],
    [50_000, 65_536, 2],
  );
  assert.deepEqual(findingsOf('holdfast/fault', { throttle: { percent: '5%', rate: '1/s' } }), [
    'throttle.rate: "1/s" is too slow: at least "1KiB/s"',
  ]);
});

test('ip-access: lists come from the configuration and from files', () => {
  writeFileSync(join(directory, 'blocked.txt'), '# blocked\n192.0.2.0/24\n2001:db8::/32 ; all\n\n');
  const { input, files } = checkNativeFilter(
    'holdfast/ip-access',
    { deny: '198.51.100.7', denyFile: 'blocked.txt' },
    'tcp-listener',
    BASE,
  );
  assert.ok(input?.kind === 'ip-access');
  assert.deepEqual(files, [join(directory, 'blocked.txt')]);
  assert.equal(input.fallback, 'allow');
  assert.equal(input.phase, 'accept');
  assert.deepEqual(input.rules, [
    {
      name: 'deny',
      action: 'deny',
      isShadow: false,
      when: {
        kind: 'address',
        networks: ['198.51.100.7', '192.0.2.0/24', '2001:db8::/32'],
      },
    },
  ]);
  const both = policyOf('holdfast/ip-access', { allow: '10.0.0.0/8', deny: '10.1.0.0/16' });
  assert.ok(both.kind === 'ip-access');
  assert.deepEqual(
    both.rules.map(({ action }) => action),
    ['deny', 'allow'],
  );
  assert.equal(both.fallback, 'deny');
});

test('ip-access: wrong files are told by line', () => {
  writeFileSync(join(directory, 'wrong.txt'), '10.0.0.0/8\nexample.com\n');
  assert.deepEqual(findingsOf('holdfast/ip-access', { denyFile: 'wrong.txt' }), [
    'denyFile: line 2 of wrong.txt is not a network: example.com',
  ]);
  assert.match(
    findingsOf('holdfast/ip-access', { denyFile: 'missing.txt' })[0] ?? '',
    /^denyFile: missing\.txt cannot be read: ENOENT/,
  );
  assert.match(findingsOf('holdfast/ip-access', {})[0] ?? '', /there is no list/);
  assert.match(
    findingsOf('holdfast/ip-access', { deny: '::1', at: 'accept' }, 'route')[0] ?? '',
    /^at: a route is known only/,
  );
});
