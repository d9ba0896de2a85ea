/**
 * Native filters beside filters in TypeScript, named in one list of a configuration.
 *
 * Path: client -> policies of the core -> filters of this file -> origin.
 * Invariant under test: native filters of a place decide before its filters in TypeScript, wherever
 * they stand in the list; files that they name are followed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteStream } from '../http/byte-stream.ts';
import { get } from '../http/http-scene.ts';
import { routesOf, startFilters, streamFilter, writeFilters } from './filter-scene.ts';

test('native filters and filters in TypeScript stand in one list', async (t) => {
  const text = streamFilter('late', "onRequest: () => respond(200, {}, 'typescript')");
  const when = { headers: [{ name: 'x-bad', present: true }] };
  const told = { default: 'allow', rules: [{ name: 'bad', action: 'deny', when }] };
  const deny = { use: 'holdfast/rbac', with: told };
  const scene = await startFilters(
    t,
    { 'late.ts': text },
    {
      isRouted: true,
      http: routesOf([{ path: '/both', filters: ['./late.ts', deny] }]),
    },
  );
  assert.equal((await scene.ask(t, get('/both'))).text, 'typescript');
  assert.equal((await scene.ask(t, get('/both', { 'X-Bad': '1' }))).status, 403);
});

test('a route that a filter leads to asks its own native filters', async (t) => {
  const lead = streamFilter(
    'lead',
    `onRouted(request) {
    if (request.route !== 'lead') return undefined;
    request.rewrite({ target: '/closed' });
    return rematch();
  }`,
  );
  const rbac = (told: string) => ({ use: 'holdfast/rbac', with: { default: told } });
  const scene = await startFilters(
    t,
    { 'lead.ts': lead },
    {
      isRouted: true,
      http: routesOf([
        { path: '/lead', filters: [rbac('allow'), './lead.ts'] },
        { path: '/closed', filters: [rbac('deny')] },
      ]),
    },
  );
  assert.equal((await scene.ask(t, get('/lead'))).status, 403);
});

test('a file of networks is followed, and what is wrong with it is told', async (t) => {
  const ip = { use: 'holdfast/ip-access', with: { denyFile: './deny.txt' } };
  const scene = await startFilters(
    t,
    { 'deny.txt': '192.0.2.0/24\n' },
    {
      watch: true,
      isRouted: true,
      http: routesOf([{ path: '/ip', filters: [ip] }]),
    },
  );
  const { gateway } = scene;
  const change = async (text: string, result: string): Promise<void> => {
    const from = gateway.records.length;
    writeFilters(gateway.directory, { 'deny.txt': text });
    await gateway.logged(
      (each) => each['cause'] === 'filter file' && each['result'] === result,
      from,
    );
  };
  assert.equal((await scene.ask(t, get('/ip'))).status, 200);
  await change('192.0.2.0/24\n127.0.0.0/8\n', 'applied');
  assert.equal((await scene.ask(t, get('/ip'))).status, 403);
  await change('not a network\n', 'invalid');
  assert.equal((await scene.ask(t, get('/ip'))).status, 403);
  await change('192.0.2.0/24\n', 'applied');
  assert.equal((await scene.ask(t, get('/ip'))).status, 200);
  const { text } = await gateway.counted('/metrics?scope=filter');
  assert.match(text, /holdfast_policy_denied_total\{filter="ip-access",site="web\/ip"\} 2\n/);
});

test('a listener without HTTP has native filters of connections', async (t) => {
  const deny = { use: 'holdfast/ip-access', with: { deny: ['127.0.0.0/8'] } };
  const scene = await startFilters(
    t,
    {},
    {
      listeners: [{ name: 'tcp', bind: '127.0.0.1:0', cluster: 'app', filters: [deny] }],
    },
  );
  const client = await ByteStream.connect(t, scene.port('tcp')).catch(() => null);
  if (client !== null) assert.match(await client.ended(), /ECONNRESET|fin/);
  assert.equal((await scene.ask(t, get('/'))).status, 200);
  assert.equal(scene.origin.seen.length, 1);
});

test('a pattern that the core refuses is told with its place', async (t) => {
  const scene = await startFilters(t, {}, { isRouted: true, http: routesOf([{ path: '/x' }]) });
  const rules = [{ name: 'r', action: 'deny', when: { path: { regex: '/(' } } }];
  const wrong = { use: 'holdfast/rbac', with: { default: 'allow', rules } };
  await assert.rejects(
    scene.reload({ http: routesOf([{ path: '/x', filters: [wrong] }]) }),
    /"result":"invalid".*"code":"HF1102"/,
  );
  assert.equal((await scene.ask(t, get('/x'))).status, 200);
});
