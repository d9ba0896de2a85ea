/**
 * Slow, stalled and wrong PROXY headers in numbers, beside traffic that must not notice.
 *
 * Path: clients of a trusted network that dribble a header, stop inside it, or send something else.
 * Invariant under test: every stage has a deadline that bytes do not extend; each end is counted
 * under its reason; whoever is done with the header is an ordinary connection (A1, A2).
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { createFileOwner } from '../peers/file-owner.ts';
import { Flow, FlowOrigin } from '../tcp/flow.ts';
import { Scene } from '../tcp/scene.ts';

const HEADER = 'PROXY TCP4 192.0.2.1 198.51.100.1 1001 443\r\n';
const DRIBBLERS = 100;
const STALLERS = 100;
/** As long as a v1 header may be, so that it would take far longer than the deadline. */
const DRIBBLE = `PROXY TCP4 ${' '.repeat(200)}`;

const file = createFileOwner();
let scene: Scene;
let origin: FlowOrigin;

before(async () => {
  origin = await FlowOrigin.start(file);
  scene = await Scene.start(file, {
    listeners: [
      {
        name: 'hasty',
        bind: '127.0.0.1:0',
        cluster: 'plain',
        proxyProtocol: { accept: ['127.0.0.0/8'], timeout: '500ms' },
        timeouts: { idle: '1s' },
      },
    ],
    clusters: [{ name: 'plain', endpoints: [origin.address] }],
  });
});

test('bytes do not extend the deadline of a header', async (t) => {
  const connects = origin.accepted;
  const flows = await Promise.all(
    Array.from({ length: DRIBBLERS }, () => Flow.connect(t, { port: scene.port('hasty') })),
  );
  let at = 0;
  // A byte each 50 ms: the whole would take twenty times the deadline.
  const dribble = setInterval(() => {
    for (const flow of flows) {
      flow.socket.write(DRIBBLE[at] ?? ' ');
    }
    at++;
  }, 50);
  t.after(() => clearInterval(dribble));
  for (const flow of flows) {
    assert.match(await flow.ended(), /ECONNRESET|EPIPE/);
    const record = await scene.closed(flow);
    assert.deepEqual([record['reason'], record['endpoint']], ['proxy-header-timeout', null]);
  }
  clearInterval(dribble);
  assert.ok(at < DRIBBLE.length, 'they were closed before they were done');
  assert.equal(origin.accepted, connects);
  await scene.canary.beat();
});

test('a header that stops anywhere is cut at its deadline', async (t) => {
  const before = await scene.closedFor('hasty', 'proxy-header-timeout');
  const flows = await Promise.all(
    Array.from({ length: STALLERS }, async (_, index) => {
      const flow = await Flow.connect(t, { port: scene.port('hasty') });
      const cut = HEADER.slice(0, index % HEADER.length);
      if (cut !== '') {
        await flow.send(cut);
      }
      return flow;
    }),
  );
  await scene.canary.beat();
  for (const flow of flows) {
    assert.equal(await flow.ended(), 'ECONNRESET');
  }
  assert.equal(await scene.closedFor('hasty', 'proxy-header-timeout'), before + STALLERS);
});

test('silence after the header is ordinary silence', async (t) => {
  const client = await Flow.connect(t, { port: scene.port('hasty') });
  await client.send(HEADER, 'bytes');
  const endpoint = await origin.next();
  assert.deepEqual([await client.ended(), await endpoint.ended()], ['fin', 'fin']);
  const named = { address: '192.0.2.1:1001', calledPort: client.calledPort, since: client.since };
  assert.equal(await scene.reasonOf(named), 'idle-timeout');
});

test('garbage in numbers is closed at once and counted', async (t) => {
  const before = await scene.closedFor('hasty', 'proxy-header-invalid');
  const garbage = [
    'GET / HTTP/1.1\r\nHost: example\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01\x00',
    '\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff',
    '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0',
    `PROXY TCP4 ${'1'.repeat(200)}\r\n`,
    'PROXY TCP4 256.0.0.1 198.51.100.1 1001 443\r\n',
  ];
  for (let round = 0; round < 20; round++) {
    for (const bytes of garbage) {
      const flow = await Flow.connect(t, { port: scene.port('hasty') });
      flow.socket.write(Buffer.from(bytes, 'latin1'));
      assert.equal(await flow.ended(), 'ECONNRESET');
      assert.equal(flow.received, 0);
    }
  }
  const count = 20 * garbage.length;
  assert.equal(await scene.closedFor('hasty', 'proxy-header-invalid'), before + count);
});

test('nothing is left, and the canary lost nothing', () => scene.expectNothingLeft());
