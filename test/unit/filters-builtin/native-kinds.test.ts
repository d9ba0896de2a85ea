/**
 * The native filters besides rules and rate limits: cors, basic-auth, size-limit, headers, fault,
 * concurrency, access-log, mirror, compression.
 *
 * The core is asked as well, so the addon must be built.
 */
import assert from 'node:assert/strict';
import { pbkdf2Sync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { loadNative, type PolicyInput } from '../../../native/epoll/index.ts';
import { checkNativeFilter, type FilterPlace } from '../../../src/main/filters/builtin/index.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-native-kinds-'));
after(() => rmSync(directory, { recursive: true }));
const BASE = pathToFileURL(join(directory, 'holdfast.yaml')).href;
const native = loadNative();

function policyOf<Kind extends PolicyInput['kind']>(
  kind: Kind,
  config: unknown,
): Extract<PolicyInput, { kind: Kind }> {
  const { input, findings } = checkNativeFilter(`holdfast/${kind}`, config, 'route', BASE);
  assert.deepEqual(findings, []);
  assert.ok(input !== null && input.kind === kind);
  assert.deepEqual(native.checkPolicies([input]), []);
  return input as Extract<PolicyInput, { kind: Kind }>;
}

function findingsOf(kind: string, config: unknown, place: FilterPlace = 'route'): string[] {
  const { input, findings } = checkNativeFilter(`holdfast/${kind}`, config, place, BASE);
  assert.equal(input, null);
  return findings.map(({ path, message }) => `${path.join('.')}: ${message}`);
}

test('cors: origins by name, by wildcard and by pattern', () => {
  const policy = policyOf('cors', {
    origins: [
      'https://a.example',
      'https://*.b.example:8443',
      { regex: 'https://c[0-9]+\\.example' },
    ],
    methods: ['GET', 'PUT'],
    headers: 'x-token',
    exposed: ['x-count', 'etag'],
    credentials: true,
    maxAge: '10m',
  });
  assert.deepEqual(policy.origins, {
    kind: 'any',
    parts: [
      {
        kind: 'text',
        source: 'header',
        name: 'origin',
        match: 'exact',
        values: ['https://a.example'],
      },
      {
        kind: 'text',
        source: 'header',
        name: 'origin',
        match: 'regex',
        values: ['https://[a-z0-9._-]+\\.b\\.example:8443', 'https://c[0-9]+\\.example'],
      },
    ],
  });
  assert.deepEqual(
    [policy.status, policy.methods, policy.headers, policy.exposed, policy.maxAgeSeconds],
    [204, 'GET, PUT', 'x-token', 'x-count, etag', 600],
  );
  const open = policyOf('cors', { origins: '*' });
  assert.deepEqual([open.isAnyOrigin, open.methods, open.headers], [true, 'GET, HEAD, POST', '']);
});

test('cors: what browsers refuse is refused here', () => {
  assert.deepEqual(findingsOf('cors', { origins: '*', credentials: true }), [
    'credentials: browsers refuse credentials where "*" is allowed',
  ]);
  for (const origin of ['a.example', 'https://a.example/', 'https://*', 'HTTPS://a.example']) {
    assert.match(
      findingsOf('cors', { origins: [origin] })[0] ?? '',
      /^origins\.0: .* is no origin/,
    );
  }
  assert.equal(findingsOf('cors', { origins: '*' }, 'tcp-listener').length, 1);
});

test('basic-auth: passwords become digests, and digests are taken as they are', () => {
  const digest = pbkdf2Sync('secret', Buffer.from('00ff', 'hex'), 10, 32, 'sha256').toString('hex');
  writeFileSync(join(directory, 'users'), `# people\nzoe:pbkdf2-sha256$10$00ff$${digest}\n`);
  const policy = policyOf('basic-auth', {
    users: [{ name: 'ann', password: 'secret' }],
    usersFile: 'users',
    userHeader: 'x-user',
    hide: true,
  });
  assert.deepEqual(policy.users[0], { name: 'zoe', salt: '00ff', digest, rounds: 10 });
  const ann = policy.users[1];
  assert.ok(ann !== undefined);
  const salt = Buffer.from(ann.salt, 'hex');
  assert.equal(pbkdf2Sync('secret', salt, ann.rounds, 32, 'sha256').toString('hex'), ann.digest);
  assert.deepEqual([policy.status, policy.userHeader, policy.isHidden], [401, 'x-user', true]);
});

test('basic-auth: mistakes', () => {
  assert.deepEqual(findingsOf('basic-auth', {}), ['users: there are no users']);
  assert.match(
    findingsOf('basic-auth', { users: [{ name: 'a' }] })[0] ?? '',
    /^users\.0: a user has either/,
  );
  assert.match(
    findingsOf('basic-auth', { users: [{ name: 'a', hash: '$2y$10$x' }] })[0] ?? '',
    /^users\.0\.hash: not a digest of a password/,
  );
  writeFileSync(join(directory, 'broken'), 'ann:secret\n');
  assert.match(
    findingsOf('basic-auth', { usersFile: 'broken' })[0] ?? '',
    /^usersFile: line 1 of broken/,
  );
  const { input } = checkNativeFilter(
    'holdfast/basic-auth',
    { users: [{ name: 'a:b', password: 'x' }] },
    'route',
    BASE,
  );
  assert.ok(input !== null);
  assert.match(native.checkPolicies([input])[0]?.text ?? '', /without a colon/);
});

test('size-limit: sizes', () => {
  const policy = policyOf('size-limit', { request: '1MiB', response: '8MiB' });
  assert.deepEqual(
    [policy.requestBytesMax, policy.responseBytesMax, policy.status],
    [1_048_576, 8_388_608, 413],
  );
  assert.match(findingsOf('size-limit', {})[0] ?? '', /there is no limit/);
});

test('headers: edits in their order, and no templates', () => {
  const policy = policyOf('headers', {
    request: { set: { 'x-env': 'live' }, remove: 'x-debug' },
    response: { add: { 'x-frame-options': 'DENY' } },
  });
  assert.deepEqual(policy.edits, [
    { isResponse: false, kind: 'remove', name: 'x-debug', value: '' },
    { isResponse: false, kind: 'set', name: 'x-env', value: 'live' },
    { isResponse: true, kind: 'add', name: 'x-frame-options', value: 'DENY' },
  ]);
  assert.deepEqual(findingsOf('headers', { request: { set: { 'x-id': '%{request.id}' } } }), [
    'request.set.x-id: a value here is no template: write it on the route',
  ]);
  const { input } = checkNativeFilter(
    'holdfast/headers',
    { request: { set: { host: 'a' } } },
    'listener',
    BASE,
  );
  assert.ok(input !== null);
  assert.match(native.checkPolicies([input])[0]?.text ?? '', /belongs to one hop/);
});

test('fault: shares, times and statuses', () => {
  const policy = policyOf('fault', {
    when: { headers: [{ name: 'x-fault', present: true }] },
    abort: { percent: '0.5%', status: 502 },
    delay: { percent: '10%', time: '250ms' },
  });
  assert.deepEqual(
    [policy.abortMillionths, policy.status, policy.delayMillionths, policy.delayMs],
    [5000, 502, 100_000, 250],
  );
  assert.match(findingsOf('fault', {})[0] ?? '', /there is no fault/);
  assert.match(
    findingsOf('fault', { delay: { percent: '1%', time: '1s' } }, 'tcp-listener')[0] ?? '',
    /^delay: a listener without HTTP/,
  );
});

test('mirror: a cluster or a part of it, a share, limits', () => {
  const policy = policyOf('mirror', { cluster: 'canary' });
  assert.deepEqual(
    [policy.target, policy.subset, policy.cluster, policy.millionths],
    ['canary', null, 0, 1_000_000],
  );
  assert.deepEqual(
    [policy.contentBytesMax, policy.timeoutMs, policy.phase],
    [65_536, 0, 'request'],
  );
  const part = policyOf('mirror', {
    cluster: 'app',
    subset: { version: 2 },
    percent: '0.5%',
    contentMax: '1MiB',
    timeout: '2s',
    when: { methods: 'GET' },
  });
  assert.deepEqual(
    [part.subset, part.millionths, part.contentBytesMax, part.timeoutMs],
    [{ version: '2' }, 5000, 1_048_576, 2000],
  );
  assert.match(findingsOf('mirror', {})[0] ?? '', /^cluster: /);
  assert.match(
    findingsOf('mirror', { cluster: 'a', contentMax: '2MiB' })[0] ?? '',
    /^contentMax: /,
  );
  assert.match(
    findingsOf('mirror', { cluster: 'a', shadow: true })[0] ?? '',
    /unknown key "shadow"/,
  );
  assert.match(findingsOf('mirror', { cluster: 'a' }, 'tcp-listener')[0] ?? '', /not for TCP/);
});

test('concurrency: bounds, windows and tolerance', () => {
  const policy = policyOf('concurrency', { min: 10, max: 40, tolerance: '20%' });
  assert.deepEqual(
    [policy.least, policy.most, policy.initial, policy.tolerancePermille, policy.status],
    [10, 40, 40, 1200, 503],
  );
  assert.deepEqual(findingsOf('concurrency', { min: 10, max: 5 }), ['min: "min" is above "max"']);
});

test('access-log: names and templates, each fault in words', () => {
  const fields = { tenant: '%{header.X-Tenant}', 'room.name': '%{query.room}', region: 'eu-1' };
  const policy = policyOf('access-log', { fields, when: { methods: 'GET' } });
  assert.deepEqual(
    policy.fields,
    Object.entries(fields).map(([name, value]) => ({ name, value })),
  );
  assert.match(findingsOf('access-log', { fields: {} })[0] ?? '', /^fields: there is no field/);
  assert.match(findingsOf('access-log', { fields }, 'tcp-listener')[0] ?? '', /is not for TCP/);
  assert.equal(findingsOf('access-log', { fields: { tenant: { header: 'x' } } }).length, 1);
  const wrong: readonly (readonly [
    name: string,
    value: string,
    fault: RegExp,
    position: number,
  ])[] = [
    ['Tenant', 'x', /not a name for a field of access records/, -1],
    ['a', 'x %{nothing}', /there is no such variable/, 2],
    ['a', '%{status}', /no value here/, 0],
    ['a', '%{cluster}', /no value here/, 0],
    ['a', '%{header.x', /without }/, 0],
  ];
  for (const [name, value, fault, position] of wrong) {
    const { input } = checkNativeFilter(
      'holdfast/access-log',
      { fields: { [name]: value } },
      'route',
      BASE,
    );
    assert.ok(input !== null);
    const [found, ...more] = native.checkPolicies([input]);
    assert.deepEqual(more, []);
    assert.match(found?.text ?? '', fault);
    assert.equal(found?.position, position);
  }
  const many = Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`f${i}`, 'x']));
  const { input } = checkNativeFilter('holdfast/access-log', { fields: many }, 'route', BASE);
  assert.ok(input !== null);
  assert.equal(native.checkPolicies([input])[0]?.text, 'too many');
});

test('compression: defaults, and what no response can be', () => {
  const policy = policyOf('compression', {});
  assert.deepEqual(
    [policy.algorithms, policy.level, policy.bytesMin, policy.isHidden],
    [['zstd', 'br', 'gzip'], 'fast', 1024, false],
  );
  assert.deepEqual(policyOf('compression', { algorithms: 'br' }).algorithms, ['br']);
  assert.deepEqual(findingsOf('compression', { algorithms: ['br', 'gzip', 'br'] }), [
    'algorithms.2: "br" stands in the list twice',
  ]);
  assert.match(findingsOf('compression', { algorithms: ['lzma'] })[0] ?? '', /^algorithms\.0: /);
  assert.match(findingsOf('compression', {}, 'tcp-listener')[0] ?? '', /is not for TCP$/);
  const faults = native.checkPolicies([{ ...policy, types: ['text/*', 'text', 'a/b c'] }]);
  assert.deepEqual(
    faults.map(({ value }) => value),
    ['text', 'a/b c'],
  );
});
