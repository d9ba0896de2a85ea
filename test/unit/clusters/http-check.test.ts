/**
 * What health checks over HTTP say, and how their answers are judged.
 *
 * Path: src/main/clusters/http-check.ts and health-checks.ts with a prober that the test sets.
 * Invariant under test: an endpoint is well when its status is one of those that were asked for,
 * and nothing else makes it so.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeStatus } from '../../../src/main/clusters/http-check.ts';
import {
  EMPTY_OVERLAY,
  HealthChecks,
  type HttpTarget,
  resolveEndpoints,
  writeHttpCheck,
  writePrelude,
} from '../../../src/main/clusters/index.ts';
import type { ClusterConfig } from '../../../src/main/config/index.ts';
import { makeConfig } from '../fake-config.ts';
import { FakeBoard, FakeProber, SILENT } from '../fake-native.ts';

function makeCluster(fields: string): ClusterConfig {
  const [cluster] = makeConfig(`
listeners: [{ name: l, bind: 127.0.0.1:0, cluster: app }]
clusters: [{ name: app, ${fields} }]
`).clusters;
  assert.ok(cluster !== undefined);
  return cluster;
}

function requestOf(cluster: ClusterConfig): string {
  const { endpoints } = resolveEndpoints(cluster, EMPTY_OVERLAY, () => ['192.0.2.7']);
  const check = cluster.healthCheck?.http;
  const [endpoint] = endpoints;
  assert.ok(check !== null && check !== undefined && endpoint !== undefined);
  const serverName = cluster.tls?.serverName ?? '';
  return Buffer.from(writeHttpCheck(check, { serverName, endpoint })).toString();
}

test('a request names the endpoint as clients would', () => {
  const defaults = 'healthCheck: { type: http }';
  const hostOf = (fields: string): string | undefined =>
    /^Host: (.*)\r$/m.exec(requestOf(makeCluster(fields)))?.[1];
  assert.equal(hostOf(`endpoints: [10.0.0.1:80], ${defaults}`), '10.0.0.1:80');
  assert.equal(hostOf(`endpoints: ["[::1]:80"], ${defaults}`), '[::1]:80');
  assert.equal(hostOf(`endpoints: [app.example:81], ${defaults}`), 'app.example:81');
  assert.equal(hostOf(`endpoints: ["unix:/run/x"], ${defaults}`), 'localhost');
  const tls = 'tls: { serverName: b.example }';
  assert.equal(hostOf(`endpoints: [10.0.0.1:80], ${tls}, ${defaults}`), 'b.example');
  const host = 'healthCheck: { type: http, host: c.example }';
  assert.equal(hostOf(`endpoints: [10.0.0.1:80], ${tls}, ${host}`), 'c.example');
});

test('a request has the method, the path and the headers of the configuration', () => {
  const check = 'type: http, method: HEAD, path: "/z?a=1", headers: { x-a: b, user-agent: me }';
  const text = requestOf(makeCluster(`endpoints: [10.0.0.1:80], healthCheck: { ${check} }`));
  assert.equal(
    text,
    'HEAD /z?a=1 HTTP/1.1\r\nHost: 10.0.0.1:80\r\nx-a: b\r\nuser-agent: me\r\nConnection: close\r\n\r\n',
  );
});

test('endpoints that wait for a PROXY header get one without a client', () => {
  const preludeOf = (version: string): Buffer =>
    Buffer.from(writePrelude(makeCluster(`endpoints: [10.0.0.1:80], proxyProtocol: ${version}`)));
  assert.equal(preludeOf('off').length, 0);
  assert.equal(preludeOf('v1').toString(), 'PROXY UNKNOWN\r\n');
  assert.equal(preludeOf('v2').toString('hex'), '0d0a0d0a000d0a515549540a20000000');
});

test('statuses are single ones, ranges and classes', () => {
  const check = 'healthCheck: { type: http, status: [2xx, 401, "300-310"] }';
  const statuses = makeCluster(`endpoints: [10.0.0.1:80], ${check}`).healthCheck?.http?.statuses;
  assert.ok(statuses !== undefined);
  for (const status of [200, 299, 401, 300, 310]) {
    assert.equal(judgeStatus(status, statuses), null);
  }
  for (const status of [311, 400, 402, 503]) {
    assert.equal(judgeStatus(status, statuses), `status ${status}`);
  }
  assert.equal(judgeStatus(-1, statuses), 'EPROTO');
});

test('an endpoint turns by the status of its answers', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const cluster = makeCluster(
    'endpoints: [10.0.0.1:80], healthCheck: { type: http, interval: 1s, timeout: 1s, jitter: 0% }',
  );
  const board = new FakeBoard();
  const prober = new FakeProber();
  const checks = new HealthChecks({ board, prober, log: SILENT, random: () => 0.5 });
  assert.ok(cluster.healthCheck !== null);
  const http: HttpTarget = {
    request: Buffer.from('GET /'),
    statuses: cluster.healthCheck.http?.statuses ?? [],
  };
  const target = {
    id: 3,
    cluster: 'app',
    text: '10.0.0.1:80',
    address: { ip: '10.0.0.1', port: 80 },
    netnsFd: -1,
    check: cluster.healthCheck,
    prelude: Buffer.from('P'),
    tls: null,
    http,
  };
  checks.configure([target]);
  const round = (error: string | null, status: number): boolean | undefined => {
    t.mock.timers.tick(1_000);
    prober.finish(error, status);
    return checks.view(3)?.isHealthy;
  };
  assert.deepEqual(
    [round(null, 200), round(null, 503), round(null, 404), round(null, 500)],
    [true, true, true, false],
  );
  assert.equal(checks.view(3)?.lastError, 'status 500');
  assert.deepEqual([round(null, 204), round('EPROTO', 0), round(null, 204)], [false, false, false]);
  assert.equal(round(null, 299), true);
  assert.equal(Buffer.from(prober.specs[0]?.request ?? []).toString(), 'PGET /');
});
