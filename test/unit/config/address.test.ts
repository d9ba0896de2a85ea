/**
 * Addresses in their human forms: what is read, what is refused and with which advice.
 *
 * Path: src/main/config/address.ts, values.ts.
 * Invariant under test: what passes can be bound or connected to; no text makes a parser throw.
 */
import assert from 'node:assert/strict';
import { BlockList, isIPv4 } from 'node:net';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  formatAddress,
  ipBytes,
  isLoopback,
  isWildcard,
  parseBind,
  parseCidr,
  parseEndpoint,
} from '../../../src/main/config/address.ts';
import type { Parsed } from '../../../src/main/config/units.ts';
import {
  parseMode,
  parseName,
  parseResolver,
  parseToken,
} from '../../../src/main/config/values.ts';

function outcome(parsed: Parsed<unknown>): unknown {
  return parsed.ok ? parsed.value : parsed.fault.hint;
}

test('binds are IPs with a port, or Unix paths', () => {
  assert.deepEqual(outcome(parseBind('0.0.0.0:1883')), { kind: 'ip', ip: '0.0.0.0', port: 1883 });
  assert.deepEqual(outcome(parseBind('[::]:1883')), { kind: 'ip', ip: '::', port: 1883 });
  assert.deepEqual(outcome(parseBind('127.0.0.1:0')), { kind: 'ip', ip: '127.0.0.1', port: 0 });
  assert.deepEqual(outcome(parseBind('unix:/run/x.sock')), { kind: 'unix', path: '/run/x.sock' });
});

test('endpoints may also be names, in lower case', () => {
  const name = { kind: 'name', host: 'broker.internal', port: 1883 };
  assert.deepEqual(outcome(parseEndpoint('Broker.Internal:1883')), name);
  assert.equal(parseEndpoint('broker.internal:0').ok, false);
});

test('a wrong address gets what was probably meant', () => {
  const table: readonly (readonly [unknown, string])[] = [
    ['localhost:1883', 'write "127.0.0.1:1883"'],
    ['example.com:80', 'write "0.0.0.0:80"'],
    [1883, 'write "0.0.0.0:1883" or "127.0.0.1:1883"'],
    ['::1:1883', 'write "[::1]:1883", quoted'],
    ['::1', 'write "[::1]:PORT", quoted'],
    ['10.0.0.1', 'write "10.0.0.1:PORT"'],
    [':80', 'write "0.0.0.0:80", or "[::]:80" for IPv6'],
    ['/run/x.sock', 'write "unix:/run/x.sock"'],
    ['tcp://10.0.0.1:80', 'write the host and the port only, without a scheme'],
    ['10.0.0.1:65536', 'ports are 1 to 65535'],
    ['unix:', 'write "unix:/run/holdfast/app.sock"'],
    ['unix:@abstract', 'use a path in the file system'],
  ];
  for (const [text, hint] of table) assert.equal(outcome(parseBind(text)), hint, String(text));
});

test('a broken IPv4 literal is not taken for a name', () => {
  for (const text of ['1.2.3:80', '1.2.3.4.5:80', '256.0.0.1:80', '1.2.3.04.:80']) {
    assert.equal(parseEndpoint(text).ok, false, text);
  }
});

test('a Unix path is limited by its bytes, not its characters', () => {
  assert.equal(parseBind(`unix:/${'a'.repeat(106)}`).ok, true);
  assert.equal(parseBind(`unix:/${'a'.repeat(107)}`).ok, false);
  assert.equal(parseBind(`unix:/${'\u00e9'.repeat(54)}`).ok, false);
});

test('networks are normalized, and host bits get the masked network as advice', () => {
  assert.equal(outcome(parseCidr('10.0.0.0/8')), '10.0.0.0/8');
  assert.equal(outcome(parseCidr('192.0.2.7')), '192.0.2.7/32');
  assert.equal(outcome(parseCidr('::1')), '::1/128');
  assert.equal(outcome(parseCidr('10.1.2.3/8')), 'write "10.0.0.0/8"');
  assert.equal(outcome(parseCidr('2001:db8::1/32')), 'write "2001:db8::/32"');
  for (const text of ['10.0.0.0/33', '10.0.0/8', 'x/8', '10.0.0.0/8/8', '10.0.0.0/', 8, null]) {
    assert.equal(parseCidr(text).ok, false, String(text));
  }
});

test('masks agree with what Node makes of them', () => {
  fc.assert(
    fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), (ip, prefix) => {
      const parsed = parseCidr(`${ip}/${prefix}`);
      const network = parsed.ok ? ip : /"(.*)\//.exec(parsed.fault.hint)?.[1];
      assert.ok(network !== undefined && isIPv4(network));
      const list = new BlockList();
      list.addSubnet(network, prefix, 'ipv4');
      assert.ok(list.check(ip, 'ipv4'));
      assert.ok(parseCidr(`${network}/${prefix}`).ok);
    }),
  );
});

test('IPv6 texts become their sixteen bytes', () => {
  fc.assert(
    fc.property(fc.ipV6(), (ip) => {
      const bytes = ipBytes(ip);
      assert.equal(bytes.length, 16);
      const words = Array.from({ length: 8 }, (_, i) =>
        (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16),
      );
      const list = new BlockList();
      list.addAddress(words.join(':'), 'ipv6');
      assert.ok(list.check(ip, 'ipv6'));
    }),
  );
});

test('loopback and wildcard are recognized in every writing', () => {
  for (const ip of ['127.0.0.1', '127.9.9.9', '::1', '0:0:0:0:0:0:0:1']) assert.ok(isLoopback(ip));
  for (const ip of ['0.0.0.0', '::', '0:0::0']) assert.ok(isWildcard(ip));
  assert.ok(!isLoopback('::2') && !isLoopback('128.0.0.1') && !isWildcard('::1'));
});

test('no text makes a parser throw, and what passes survives formatting', () => {
  const text = fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.webAuthority(), fc.anything());
  fc.assert(
    fc.property(text, (value) => {
      parseCidr(value);
      parseResolver(value);
      const parsed = parseEndpoint(value);
      if (!parsed.ok) return;
      const { kind, ...address } = parsed.value;
      assert.ok(kind === 'ip' || kind === 'name' || kind === 'unix');
      assert.deepEqual(
        outcome(parseEndpoint(formatAddress(address as { path: string }))),
        parsed.value,
      );
    }),
  );
});

test('names are short and harmless', () => {
  for (const name of ['a', 'mqtt', 'chat-eu.1', 'A_b', 'x'.repeat(63)])
    assert.ok(parseName(name).ok);
  for (const name of ['', '-a', '.a', 'a b', 'a/b', 'a"b', '\u00e9', 'x'.repeat(64), 'a\n']) {
    assert.equal(parseName(name).ok, false, JSON.stringify(name));
  }
});

test('modes are octal', () => {
  assert.equal(outcome(parseMode('0660')), 0o660);
  assert.equal(outcome(parseMode('600')), 0o600);
  for (const mode of ['0o660', '888', '66', '1777', '']) assert.equal(parseMode(mode).ok, false);
});

test('a token is long, printable, and never in the message', () => {
  assert.ok(parseToken('x'.repeat(16)).ok);
  for (const token of ['short', 'x'.repeat(15), `${'x'.repeat(20)} y`, 'x'.repeat(5000)]) {
    const parsed = parseToken(token);
    assert.equal(parsed.ok, false);
    assert.ok(!JSON.stringify(parsed).includes(token));
  }
});
