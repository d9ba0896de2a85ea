/**
 * What happens with time: ticket keys turn, certificates end.
 *
 * Path: src/main/tls/ticket-keys.ts, rotation.ts and expiry.ts, with a clock that the test sets.
 * Invariant under test: every key is known to readers one period before and one after it makes
 * tickets; each warning comes once.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { pino } from 'pino';
import {
  ExpiryWatch,
  type OwnCertificate,
  TICKET_KEY_BYTES,
  TicketKeys,
  TicketRotation,
} from '../../../src/main/tls/index.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

function countingKeys(nowMs: () => number): TicketKeys {
  let made = 0;
  return new TicketKeys({ random: (bytes) => Buffer.alloc(bytes, ++made), nowMs });
}

function names(keys: TicketKeys): (number | undefined)[] {
  return keys.keys().map((key) => key[0]);
}

test('a key is read one period before it makes tickets and one after', () => {
  const keys = countingKeys(() => 0);
  const seen = [names(keys)];
  for (let turn = 0; turn < 3; turn++) {
    keys.rotate();
    seen.push(names(keys));
  }
  assert.deepEqual(seen, [
    [1, 2],
    [2, 1, 3],
    [3, 2, 4],
    [4, 3, 5],
  ]);
  assert.ok(keys.keys().every((key) => key.length === TICKET_KEY_BYTES));
});

function startRotation(t: TestContext): {
  readonly keys: TicketKeys;
  readonly rotation: TicketRotation;
  readonly published: () => number;
} {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const keys = countingKeys(Date.now);
  let published = 0;
  const rotation = new TicketRotation({ keys, publish: () => published++ });
  t.after(() => rotation.close());
  return { keys, rotation, published: () => published };
}

test('keys turn at each interval and are published', (t) => {
  const { keys, rotation, published } = startRotation(t);
  rotation.configure(8 * HOUR);
  t.mock.timers.tick(7 * HOUR);
  assert.deepEqual([names(keys)[0], published()], [1, 0]);
  t.mock.timers.tick(HOUR);
  assert.deepEqual([names(keys)[0], published()], [2, 1]);
  assert.equal(keys.ageMs(), 0);
  t.mock.timers.tick(8 * HOUR);
  assert.deepEqual([names(keys)[0], published()], [3, 2]);
});

test('a reload does not start the time anew; a shorter interval makes the key overdue', (t) => {
  const { keys, rotation } = startRotation(t);
  rotation.configure(8 * HOUR);
  t.mock.timers.tick(5 * HOUR);
  rotation.configure(8 * HOUR);
  t.mock.timers.tick(3 * HOUR);
  assert.equal(names(keys)[0], 2);
  t.mock.timers.tick(5 * HOUR);
  rotation.configure(2 * HOUR);
  t.mock.timers.tick(0);
  assert.equal(names(keys)[0], 3);
  rotation.configure(null);
  t.mock.timers.tick(100 * HOUR);
  assert.equal(names(keys)[0], 3);
});

function certificate(fingerprint: string, endsInDays: number): OwnCertificate {
  return {
    kind: 'listener',
    owner: 'web',
    names: ['a.example'],
    file: '/etc/holdfast/a.pem',
    subject: 'CN=a.example',
    fingerprint,
    keyKind: 'EC',
    notBefore: 0,
    notAfter: (Date.now() + endsInDays * DAY) / 1000,
    isStapled: false,
  };
}

function startExpiry(t: TestContext): { expiry: ExpiryWatch; said: string[] } {
  t.mock.timers.enable({ apis: ['setInterval', 'Date'], now: 1000 * DAY });
  const said: string[] = [];
  const log = pino(
    { base: null, timestamp: false },
    {
      write: (line: string) => {
        const { level, daysLeft, fingerprint } = JSON.parse(line) as Record<string, unknown>;
        said.push(`${level === 50 ? 'error' : 'warn'} ${String(fingerprint)} ${String(daysLeft)}`);
      },
    },
  );
  const expiry = new ExpiryWatch({ log, nowMs: Date.now });
  t.after(() => expiry.close());
  return { expiry, said };
}

function passDays(t: TestContext, days: number): void {
  for (let hour = 0; hour < 24 * days; hour++) t.mock.timers.tick(HOUR);
}

test('a certificate is warned of at 30, 14, 7 and 1 days and when it has ended, once each', (t) => {
  const { expiry, said } = startExpiry(t);
  expiry.configure([certificate('one', 31.5)]);
  assert.deepEqual(said, []);
  passDays(t, 40);
  assert.deepEqual(
    said,
    ['warn one 30', 'warn one 14', 'warn one 7', 'warn one 1', 'error one 0'].map((text) =>
      text.replace(/(30|14|7|1)$/, (days) => String(Number(days) - 0)),
    ),
  );
});

test('after a start only the warning that is due comes; a new certificate starts anew', (t) => {
  const { expiry, said } = startExpiry(t);
  const near = certificate('near', 5.5);
  expiry.configure([near, certificate('far', 100)]);
  expiry.configure([near]);
  assert.deepEqual(said, ['warn near 5']);
  expiry.configure([certificate('next', 90)]);
  passDays(t, 10);
  assert.deepEqual(said, ['warn near 5']);
});
