/**
 * HTTP on the metrics page: routes, classes, flags, rules, histograms.
 *
 * Path: src/main/observe/http-metrics.ts with fake numbers.
 * Invariant under test: a gateway without HTTP is asked nothing, and histograms are cumulative in
 * seconds.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ids } from '../../../src/main/model/index.ts';
import { writeFamily } from '../../../src/main/observe/exposition.ts';
import { httpFamilies } from '../../../src/main/observe/http-metrics.ts';
import { FAKE_ABI, FakeBoard } from '../fake-native.ts';

function page(board: FakeBoard, ids: Ids): string {
  return httpFamilies({ abi: FAKE_ABI, board, ids, shards: 1 })
    .map((family) => [...writeFamily(family)].join(''))
    .join('');
}

test('requests by route and class, ends by flag, violations by rule', () => {
  const board = new FakeBoard();
  const ids = new Ids(board, FAKE_ABI);
  ids.cluster('app');
  const id = ids.route({ listener: 'web', name: 'rooms' });
  board.routeValues.set(id, [6, 4, 1, 1, 2]);
  const text = page(board, ids);
  const route = '{listener="web",route="rooms"';
  for (const line of [
    `holdfast_requests_total${route},code_class="2xx"} 4`,
    `holdfast_requests_total${route},code_class="5xx"} 1`,
    `holdfast_requests_total${route},code_class="none"} 1`,
    `holdfast_route_websockets_active${route}} 2`,
    'holdfast_http_requests_total{listener="web"} 9',
    'holdfast_http_responses_total{listener="web",code_class="2xx"} 8',
    'holdfast_websocket_messages_total{listener="web",direction="from_client"} 7',
    'holdfast_http_ends_total{listener="web",flag="-"} 8',
    'holdfast_http_ends_total{listener="web",flag="no-route"} 1',
    'holdfast_http_violations_total{listener="web",from="client",rule="method"} 3',
    'holdfast_http_violations_total{listener="web",from="endpoint",rule="line-end"} 1',
    'holdfast_websocket_violations_total{listener="web",from="client",rule="unmasked"} 2',
    'holdfast_cluster_connections_reused_total{cluster="app"} 5',
    'holdfast_cluster_requests_active{cluster="app"} 1',
    'holdfast_cluster_refused_total{cluster="app",limit="requests"} 2',
  ]) {
    assert.ok(text.includes(`\n${line}\n`), `${line} in ${text}`);
  }
  assert.doesNotMatch(text, /rule="none"/);
});

test('histograms are cumulative, in seconds, and end with +Inf', () => {
  const board = new FakeBoard();
  const ids = new Ids(board, FAKE_ABI);
  board.routeValues.set(ids.route({ listener: 'web', name: 'r' }), [4, 4, 0, 0, 0]);
  const lines = page(board, ids)
    .split('\n')
    .filter((line) => line.includes('holdfast_request_duration_seconds'));
  const labels = 'listener="web",route="r"';
  assert.deepEqual(lines, [
    '# HELP holdfast_request_duration_seconds Time from the head of a request to the head of its response.',
    '# TYPE holdfast_request_duration_seconds histogram',
    `holdfast_request_duration_seconds_bucket{${labels},le="0.001"} 2`,
    `holdfast_request_duration_seconds_bucket{${labels},le="0.0025"} 3`,
    `holdfast_request_duration_seconds_bucket{${labels},le="+Inf"} 4`,
    `holdfast_request_duration_seconds_sum{${labels}} 0.005`,
    `holdfast_request_duration_seconds_count{${labels}} 4`,
  ]);
});

test('without HTTP every family is there and empty', () => {
  const board = new FakeBoard();
  const ids = new Ids(board, FAKE_ABI);
  ids.listener('mqtt');
  ids.cluster('brokers');
  const lines = page(board, ids).trimEnd().split('\n');
  assert.ok(lines.length > 10);
  assert.deepEqual(
    lines.filter((line) => !line.startsWith('# ')),
    [],
  );
  assert.equal(board.httpListeners.size, 0);
});
