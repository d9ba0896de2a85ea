/**
 * Certificates that change under a running gateway: by every way that files change, and never by
 * halves.
 *
 * Path: real files, a gateway that watches them, clients before and after.
 * Invariant under test: a new client meets the new certificate as soon as its pair is whole, an
 * established one notices nothing, and what is wrong leaves the running pair alone.
 */
import assert from 'node:assert/strict';
import { mkdirSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, type TestContext, test } from 'node:test';
import { type EchoOrigin, GatewayProcess, makeDirectory, startEcho } from '../harness.ts';
import { runCommand } from '../peers/cli.ts';
import { createFileOwner } from '../peers/file-owner.ts';
import { parseMetrics } from '../peers/metrics-page.ts';
import { Authority, type Issued, writePair } from '../tls/authority.ts';
import { fingerprintAt, SecureClient } from './secure-client.ts';

const file = createFileOwner();
const root = Authority.root('Root');
let origin: EchoOrigin;

before(async () => {
  origin = await startEcho(file);
});

function issue(name = 'a.example'): Issued {
  return root.issue({ name });
}

/** A listener with one pair, in files of the gateway's directory. */
function yaml(pair = 'a', more = ''): string {
  return `
shards: 2
listeners:
  - name: web
    bind: 127.0.0.1:0
    cluster: c
    tls: { certificates: [{ cert: ${pair}.pem, key: ${pair}.key }] ${more} }
clusters: [{ name: c, endpoints: ["127.0.0.1:${origin.port}"] }]
`;
}

interface Scene {
  readonly gateway: GatewayProcess;
  readonly directory: string;
  readonly port: number;
  readonly first: Issued;
  /** Whom a new client meets. */
  readonly met: () => Promise<string>;
}

async function startScene(
  t: TestContext,
  setup: { readonly watch?: boolean; readonly text?: string; readonly directory?: string } = {},
): Promise<Scene> {
  const directory = setup.directory ?? makeDirectory(t);
  const first = issue();
  if (setup.directory === undefined) writePair(directory, 'a', first);
  const text = setup.text ?? yaml();
  const gateway = await GatewayProcess.start(t, {
    yaml: text,
    watch: setup.watch ?? true,
    directory,
  });
  const port = await gateway.port('web');
  return { gateway, directory, port, first, met: () => fingerprintAt(t, port, 'a.example') };
}

/** Waits for the outcome number `count` of loads of certificates. */
async function loaded(gateway: GatewayProcess, msg: string, count = 1): Promise<void> {
  let seen = 0;
  await gateway.logged((record) => record.msg.startsWith(msg) && ++seen === count);
}

/** Renames over a file, as tools that are careful do. */
function renameOver(path: string, text: string): void {
  writeFileSync(`${path}.next`, text, { mode: 0o600 });
  renameSync(`${path}.next`, path);
}

async function tlsReloads(gateway: GatewayProcess): Promise<Record<string, number>> {
  const { text } = await gateway.counted('/metrics?scope=tls');
  const samples = parseMetrics(text).get('holdfast_tls_reloads_total')?.samples ?? new Map();
  return Object.fromEntries(
    [...samples].map(([series, value]) => [/result="(\w+)"/.exec(series)?.[1] ?? '', value]),
  );
}

test('renamed over: new clients meet the new certificate, an old one stays connected', async (t) => {
  const { gateway, directory, port, first, met } = await startScene(t);
  const old = await SecureClient.connect(t, port, 'a.example');
  assert.equal(old.fingerprint, first.fingerprint);
  assert.equal(await old.echo('before'), 'before');
  const next = issue();
  renameOver(join(directory, 'a.pem'), next.chain);
  renameOver(join(directory, 'a.key'), next.key);
  await loaded(gateway, 'certificates loaded');
  assert.equal(await met(), next.fingerprint);
  assert.equal(await old.echo('after'), 'after');
  const { json } = await gateway.admin('GET', '/v1/config');
  assert.equal(json.generation, 1);
});

test('half a pair waits for its other half', async (t) => {
  const { gateway, directory, first, met } = await startScene(t);
  const next = issue();
  renameOver(join(directory, 'a.pem'), next.chain);
  await loaded(gateway, 'certificates refused');
  const refused = gateway.records.find(({ msg }) => msg.startsWith('certificates refused'));
  assert.match(String(refused?.['reason']), /the key does not belong to the certificate/);
  assert.equal(await met(), first.fingerprint);
  renameOver(join(directory, 'a.key'), next.key);
  await loaded(gateway, 'certificates loaded');
  assert.equal(await met(), next.fingerprint);
  assert.deepEqual(await tlsReloads(gateway), { applied: 1, unchanged: 0, refused: 1 });
});

test('swapped as a mounted volume is: one link, whole directories', async (t) => {
  const directory = makeDirectory(t);
  const versions = [issue(), issue()] as const;
  for (const [i, version] of versions.entries()) {
    mkdirSync(join(directory, `..v${i}`));
    writePair(join(directory, `..v${i}`), 'tls', version);
  }
  symlinkSync('..v0', join(directory, '..data'));
  for (const name of ['tls.pem', 'tls.key']) {
    symlinkSync(join('..data', name), join(directory, name));
  }
  const { gateway, met } = await startScene(t, { directory, text: yaml('tls') });
  assert.equal(await met(), versions[0].fingerprint);
  symlinkSync('..v1', join(directory, '..data_tmp'));
  renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
  await loaded(gateway, 'certificates loaded');
  assert.equal(await met(), versions[1].fingerprint);
  assert.deepEqual(await tlsReloads(gateway), { applied: 1, unchanged: 0, refused: 0 });
});

test('a file that goes away, and noise in its place, leave the running pair', async (t) => {
  const { gateway, directory, first, met } = await startScene(t);
  unlinkSync(join(directory, 'a.key'));
  gateway.signal('SIGHUP');
  await gateway.logged(({ msg }) => msg.startsWith('configuration refused'));
  assert.equal(await met(), first.fingerprint);
  writeFileSync(join(directory, 'a.key'), 'noise');
  await loaded(gateway, 'certificates refused');
  assert.equal(await met(), first.fingerprint);
  const { json } = await gateway.admin('GET', '/v1/status');
  assert.equal(json.state, 'serving');
});

for (const [way, ask] of [
  ['SIGHUP', ({ gateway }: Scene) => Promise.resolve(gateway.signal('SIGHUP'))],
  [
    'holdfast reload',
    async ({ gateway }: Scene) => void (await gateway.admin('POST', '/v1/reload')),
  ],
] as const) {
  test(`without a watch, ${way} takes new certificates and refuses wrong ones`, async (t) => {
    const scene = await startScene(t, { watch: false });
    const { gateway, directory, met, first } = scene;
    const other = root.issue({ name: 'a.example', fromDays: -20, untilDays: -1 });
    writePair(directory, 'a', other);
    await ask(scene);
    const refused = await gateway.logged(({ msg }) => msg.startsWith('configuration refused'));
    assert.match(
      JSON.stringify(refused['findings']),
      /10:35 HF1091 cert: the certificate expired on/,
    );
    assert.equal(await met(), first.fingerprint);
    const next = issue();
    writePair(directory, 'a', next);
    await ask(scene);
    const applied = await gateway.logged(({ msg }) => msg === 'configuration loaded');
    assert.match(
      JSON.stringify(applied['changes']),
      /listener \\"web\\": certificate CN=a\.example/,
    );
    assert.equal(applied['result'], 'applied');
    assert.equal(await met(), next.fingerprint);
    assert.deepEqual(await tlsReloads(gateway), { applied: 1, unchanged: 0, refused: 1 });
  });
}

test('a reload brings certificates of other files, which are watched from then on', async (t) => {
  const { gateway, directory, met } = await startScene(t);
  const second = issue();
  writePair(directory, 'b', second);
  gateway.write(yaml('b'));
  await gateway.logged(({ msg }) => msg === 'configuration loaded');
  assert.equal(await met(), second.fingerprint);
  const third = issue();
  writePair(directory, 'b', third);
  await loaded(gateway, 'certificates loaded');
  assert.equal(await met(), third.fingerprint);
});

test('keys for tickets turn while clients come and go', async (t) => {
  const text = `tls: { ticketRotation: 1s }\n${yaml()}`;
  const { gateway, met, first } = await startScene(t, { text });
  await gateway.logged(({ msg }) => msg.startsWith('endpoints or ticket keys changed'));
  assert.equal(await met(), first.fingerprint);
  const { text: page } = await gateway.counted('/metrics?scope=tls');
  const age = parseMetrics(page).get('holdfast_tls_ticket_key_age_seconds')?.samples;
  assert.ok([...(age?.values() ?? [])].every((seconds) => seconds < 60));
});

test('certificates are listed with their ends, and warned of', async (t) => {
  const directory = makeDirectory(t);
  const ending = root.issue({ name: 'a.example', untilDays: 5.5 });
  writePair(directory, 'a', ending);
  const { gateway } = await startScene(t, { directory });
  const warned = await gateway.logged(({ msg }) => msg === 'a certificate ends soon; renew it');
  assert.deepEqual([warned['listener'], warned['daysLeft']], ['web', 5]);
  const { json } = await gateway.admin('GET', '/v1/certificates');
  const [listed] = json.certificates;
  assert.deepEqual(
    [listed.owner, listed.names, listed.fingerprint, listed.daysLeft, listed.keyKind],
    ['web', ['a.example'], ending.fingerprint, 5, 'EC'],
  );
  const { text } = await gateway.counted('/metrics');
  const family = parseMetrics(text).get('holdfast_tls_cert_not_after_timestamp_seconds');
  const { fingerprint } = ending;
  assert.deepEqual(family?.labels, [{ listener: 'web', subject: 'CN=a.example', fingerprint }]);
  const setup = { directory, env: { HOLDFAST_ADMIN: gateway.socket } };
  const certs = await runCommand(t, ['certs', '--within', '7'], setup);
  assert.equal(certs.code, 1, certs.stderr);
  assert.match(certs.stdout, /listener web +CN=a\.example +EC +\S+ +5 +[0-9a-f]{16} +a\.example/);
  const none = await runCommand(t, ['certs', '--within', '2'], setup);
  assert.deepEqual([none.code, none.stdout], [0, 'none ends within 2 days\n']);
});
