/**
 * The metrics page, read as a strict scraper reads it.
 *
 * Path: a gateway with listeners, clusters and endpoints of every kind, with traffic.
 * Invariant under test: the page is valid to the letter whatever names are in it; counters only
 * grow, also through reloads; gauges follow what is there.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { GatewayProcess, makeDirectory } from '../harness.ts';
import { type MetricFamily, parseMetrics } from '../peers/metrics-page.ts';
import { Origin } from '../peers/origin.ts';
import { Wire } from '../peers/wire.ts';

type Page = Map<string, MetricFamily>;

async function scrape(gateway: GatewayProcess): Promise<Page> {
  const { text, headers } = await gateway.counted('/metrics');
  assert.match(String(headers['content-type']), /^text\/plain; version=0\.0\.4; charset=utf-8$/);
  return parseMetrics(text);
}

function value(page: Page, series: string): number | undefined {
  return page.get(series.replace(/\{.*/, ''))?.samples.get(series);
}

test('names that need escaping stay one label', async (t) => {
  // What a path may hold and a label or a JSON text must not.
  const path = join(makeDirectory(t), 'a"b\\c d.sock');
  const origin = await Origin.start(t, { path, isEcho: true });
  const gateway = await GatewayProcess.start(t, {
    yaml: `
shards: 1
listeners: [{ name: Front-1.x_y, bind: 127.0.0.1:0, cluster: c }]
clusters: [{ name: c, endpoints: ['${origin.address}'] }]
`,
  });
  const wire = await Wire.connect(t, await gateway.port('Front-1.x_y'));
  await wire.echo('hello');
  const page = await scrape(gateway);
  const labels = page.get('holdfast_upstream_connections_active')?.labels;
  assert.deepEqual(labels, [{ cluster: 'c', endpoint: origin.address }]);
  const { json } = await gateway.admin('GET', '/v1/connections');
  assert.equal(json.connections[0].endpoint, origin.address);
  const filter = `/v1/connections?endpoint=${encodeURIComponent(origin.address)}`;
  assert.equal((await gateway.admin('GET', filter)).json.connections.length, 1);
  wire.finish();
  const record = await gateway.accessed(({ event }) => event === 'close');
  assert.equal(record['endpoint'], origin.address);
});

test('counters only grow, through traffic and reloads; gauges follow', async (t) => {
  const origin = await Origin.start(t, { isEcho: true });
  const yaml = (extra: string): string => `
shards: 2
listeners:
  - { name: front, bind: 127.0.0.1:0, limits: { connections: 5 }, cluster: c }
${extra}
clusters:
  - name: c
    endpoints: [${origin.address}, "127.0.0.1:1", "localhost:1"]
    dns: { family: ipv4 }
    healthCheck: { interval: 100ms }
`;
  const gateway = await GatewayProcess.start(t, { yaml: yaml('') });
  let former = await scrape(gateway);
  const port = await gateway.port('front');
  for (const extra of ['', '  - { name: more, bind: 127.0.0.1:0, cluster: c }', '']) {
    gateway.write(yaml(extra));
    await gateway.admin('POST', '/v1/reload');
    const wires = Array.from({ length: 7 }, () => Wire.open(t, port));
    await Promise.allSettled(wires.map((wire) => wire.echo('hello')));
    const held = await scrape(gateway);
    assert.equal(value(held, 'holdfast_connections_active{listener="front"}'), 5);
    for (const wire of wires) {
      wire.finish();
    }
    await gateway.adminUntil('/v1/status', ({ json }) => json.connections === 0);
    const now = await scrape(gateway);
    assert.equal(value(now, 'holdfast_connections_active{listener="front"}'), 0);
    assertGrown(former, now);
    former = now;
  }
  assert.equal(
    value(former, 'holdfast_connections_refused_total{listener="front",reason="listener-limit"}'),
    6,
  );
  assert.equal(value(former, 'holdfast_connections_opened_total{listener="front"}'), 15);
  const closed = former.get('holdfast_connections_closed_total')?.samples ?? new Map();
  const ended = [...closed].filter(([series]) => series.includes('listener="front"'));
  assert.equal(
    ended.reduce((sum, [, count]) => sum + count, 0),
    15,
  );
  assert.equal(value(former, 'holdfast_config_reloads_total{result="applied"}'), 2);
  assert.equal(value(former, 'holdfast_config_reloads_total{result="unchanged"}'), 1);
});

test('every family tells what it is', async (t) => {
  const origin = await Origin.start(t);
  const gateway = await GatewayProcess.start(t, {
    yaml: `
shards: 2
listeners: [{ name: front, bind: 127.0.0.1:0, cluster: c }]
clusters: [{ name: c, endpoints: [${origin.address}] }]
`,
  });
  const page = await scrape(gateway);
  const http = parseMetrics((await gateway.counted('/metrics?scope=http')).text);
  for (const { name, help, samples } of page.values()) {
    assert.match(name, /^holdfast_[a-z0-9_]+$/);
    assert.match(help, /^[0-9A-Z].*\.$/, name);
    if (http.has(name)) {
      // No listener has HTTP.
      assert.equal(samples.size, 0, name);
      continue;
    }
    assert.ok(
      samples.size > 0 ||
        name.startsWith('holdfast_dns') ||
        name.startsWith('holdfast_policy_') ||
        name.startsWith('holdfast_compression_') ||
        /^holdfast_tls_(?:cert|ticket_key)_/.test(name) ||
        name.includes('accept_errors') ||
        name.includes('health_checks'),
      name,
    );
  }
  for (const scope of ['process', 'listener', 'endpoint', 'shard', 'tls', 'http']) {
    const part = parseMetrics((await gateway.counted(`/metrics?scope=${scope}`)).text);
    assert.ok(part.size > 0 && part.size < page.size, scope);
    assert.ok(
      [...part.keys()].every((name) => page.has(name)),
      scope,
    );
  }
});

/** No series that was there has a smaller value or is gone, unless its listener is. */
function assertGrown(former: Page, now: Page): void {
  for (const [name, family] of former) {
    for (const [series, before] of family.type === 'counter' ? family.samples : []) {
      const after = now.get(name)?.samples.get(series);
      if (after === undefined) {
        assert.match(series, /listener="more"/);
      } else {
        assert.ok(after >= before, `${series}: ${before}, then ${after}`);
      }
    }
  }
}
