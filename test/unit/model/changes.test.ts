/**
 * What a reload changes is said in words, once, and without secrets.
 *
 * Path: src/main/model/changes.ts, changes-http.ts; the reloader logs and answers with it.
 * Invariant under test: nothing that changed is left out, and no value of a header appears.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeChanges } from '../../../src/main/model/changes.ts';
import { makeConfig } from '../fake-config.ts';

const yaml = (http: string, top = ''): string => `
${top}
listeners:
  - { name: web, bind: 127.0.0.1:0, protocol: http, http: ${http} }
clusters:
  - { name: a, endpoints: [127.0.0.1:1] }
  - { name: b, endpoints: [127.0.0.1:2] }
`;

const changes = (before: string, after: string): string[] =>
  describeChanges(makeConfig(before), makeConfig(after));

const hosts = (...routes: readonly string[]): string =>
  `{ hosts: [{ routes: [${routes.join(', ')}] }] }`;

const ONE = '{ name: one, match: /1, cluster: a }';
const TWO = '{ name: two, match: /2, cluster: b }';

test('routes that come, go and change are named', () => {
  const before = yaml(hosts(ONE, TWO));
  assert.deepEqual(changes(before, before), []);
  assert.deepEqual(changes(before, yaml(hosts(ONE))), [
    'listener "web" changed: route "two" removed',
  ]);
  assert.deepEqual(changes(before, yaml(hosts(ONE, TWO, '{ name: three, respond: 404 }'))), [
    'listener "web" changed: route "three" added',
  ]);
  const changed = yaml(hosts('{ name: one, match: /1, cluster: b }', TWO.replace('/2', '/22')));
  assert.deepEqual(changes(before, changed), [
    'listener "web" changed: routes "one", "two" changed',
  ]);
  assert.deepEqual(changes(before, yaml(hosts(TWO, ONE))), [
    'listener "web" changed: order of routes',
  ]);
});

test('a route that belongs to another host has changed', () => {
  const other = `{ hosts: [{ names: x.example, routes: [${ONE}] }, { routes: [${TWO}] }] }`;
  assert.deepEqual(changes(yaml(hosts(ONE, TWO)), yaml(other)), [
    'listener "web" changed: route "one" changed',
  ]);
});

test('settings of HTTP, and a listener that begins or ceases to speak it', () => {
  const before = yaml(hosts(ONE, TWO));
  const settings = before.replace('{ hosts', '{ via: edge, hosts');
  assert.deepEqual(changes(before, settings), ['listener "web" changed: http']);
  const tcp = before.replace(/protocol: http, http: .*/, 'cluster: a }');
  assert.deepEqual(changes(before, tcp), ['listener "web" changed: protocol, cluster, http']);
});

test('a value that a route sets is not shown', () => {
  const route = (token: string): string =>
    `{ name: one, cluster: a, requestHeaders: { set: { authorization: "Bearer ${token}" } } }`;
  const said = changes(yaml(hosts(route('aaaaaaaa'), TWO)), yaml(hosts(route('bbbbbbbb'), TWO)));
  assert.deepEqual(said, ['listener "web" changed: route "one" changed']);
});

test('many routes are counted', () => {
  const list = Array.from({ length: 20 }, (_, i) => `{ name: r${i}, match: /r${i}, cluster: a }`);
  const said = changes(yaml(hosts(ONE, TWO)), yaml(hosts(ONE, TWO, ...list)));
  assert.match(said[0] ?? '', /^listener "web" changed: routes "r0", .*"r7", 12 more added$/);
});

test('the form of access records', () => {
  const before = yaml(hosts(ONE, TWO));
  const after = yaml(hosts(ONE, TWO), 'log: { accessFormat: common }');
  assert.deepEqual(changes(before, after), ['log.accessFormat changed']);
});
