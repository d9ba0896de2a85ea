/**
 * PROXY headers for tests, written and read by code that shares nothing with the gateway's.
 *
 * Path: clients put a header in front of what they say; origins read the one that the gateway sent.
 * Invariant: writing obeys what a test asks for, also where the specification forbids it; reading
 * is strict (haproxy.org/download/3.2/doc/proxy-protocol.txt, section 2.2).
 */
import assert from 'node:assert/strict';
import { isIPv6 } from 'node:net';
import type { Wire } from './wire.ts';

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const FIXED_BYTES = 16;
const PROXY = 0x21;
/** Version 2, "I speak for myself". */
export const LOCAL = 0x20;
export const TLV_AUTHORITY = 0x02;
export const TLV_CRC32C = 0x03;
export const TLV_UNIQUE_ID = 0x05;
/** First of the range that is free for everyone's own use. */
export const TLV_CUSTOM = 0xe0;

/** One TLV. */
export interface Tlv {
  readonly type: number;
  readonly value: Buffer;
}

/** What a header says. */
export interface ProxyHeader {
  /** `10.0.0.1:80` or `[2001:db8::1]:80`; null with LOCAL and unknown families. */
  readonly source: string | null;
  readonly destination: string | null;
  readonly tlvs: readonly Tlv[];
  readonly command: 'local' | 'proxy';
}

/** A version 1 line. */
export function v1(source: string, destination: string): Buffer {
  const from = splitAddress(source);
  const to = splitAddress(destination);
  const family = isIPv6(from.ip) ? 'TCP6' : 'TCP4';
  return Buffer.from(`PROXY ${family} ${from.ip} ${to.ip} ${from.port} ${to.port}\r\n`);
}

/** A version 2 header of a TCP connection; addresses are of one family. */
export function v2(source: string, destination: string, tlvs: readonly Tlv[] = []): Buffer {
  const from = splitAddress(source);
  const to = splitAddress(destination);
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(from.port, 0);
  ports.writeUInt16BE(to.port, 2);
  const family = isIPv6(from.ip) ? 0x21 : 0x11;
  const block = Buffer.concat([ipBytes(from.ip), ipBytes(to.ip), ports, joinTlvs(tlvs)]);
  return v2Raw(PROXY, family, block);
}

/** A version 2 header of any bytes. */
export function v2Raw(command: number, family: number, block: Uint8Array): Buffer {
  const fixed = Buffer.alloc(FIXED_BYTES);
  SIGNATURE.copy(fixed);
  fixed[12] = command;
  fixed[13] = family;
  fixed.writeUInt16BE(block.length, 14);
  return Buffer.concat([fixed, block]);
}

/** The same header with a checksum TLV behind its other TLVs (section 2.2.3). */
export function withChecksum(header: Buffer): Buffer {
  const length = header.readUInt16BE(14) + 7;
  const whole = Buffer.concat([header, Buffer.from([TLV_CRC32C, 0, 4, 0, 0, 0, 0])]);
  whole.writeUInt16BE(length, 14);
  whole.writeUInt32BE(crc32c(whole), whole.length - 4);
  return whole;
}

/** Reads a version 2 header from what an origin got; leaves what follows it. */
export async function takeV2(wire: Wire): Promise<ProxyHeader> {
  const fixed = await wire.take(FIXED_BYTES);
  assert.deepEqual(fixed.subarray(0, 12), SIGNATURE);
  const command = fixed[12] ?? 0;
  assert.ok(command === PROXY || command === LOCAL, `command ${command}`);
  const block = Buffer.from(await wire.take(fixed.readUInt16BE(14)));
  checkChecksum(Buffer.concat([fixed, block]));
  const family = fixed[13] ?? 0;
  const ipLength = family === 0x11 ? 4 : family === 0x21 ? 16 : 0;
  if (ipLength === 0) {
    assert.equal(family, 0, 'family');
    const tlvs = command === LOCAL ? [] : splitTlvs(block);
    return {
      source: null,
      destination: null,
      tlvs,
      command: command === LOCAL ? 'local' : 'proxy',
    };
  }
  const at = 2 * ipLength;
  return {
    source: joinAddress(block.subarray(0, ipLength), block.readUInt16BE(at)),
    destination: joinAddress(block.subarray(ipLength, at), block.readUInt16BE(at + 2)),
    tlvs: splitTlvs(block.subarray(at + 4)),
    command: 'proxy',
  };
}

/** Bytes of an address in network order. */
export function ipBytes(ip: string): Buffer {
  if (!isIPv6(ip)) {
    return Buffer.from(ip.split('.').map(Number));
  }
  const [head = '', tail = ''] = ip.split('::');
  const words = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16));
  const first = words(head);
  const last = words(tail);
  const all = ip.includes('::')
    ? [...first, ...Array.from({ length: 8 - first.length - last.length }, () => 0), ...last]
    : first;
  return Buffer.from(all.flatMap((word) => [word >> 8, word & 0xff]));
}

function splitAddress(text: string): { readonly ip: string; readonly port: number } {
  const match = /^\[?([0-9a-f:.]+?)\]?:(\d+)$/.exec(text);
  assert.ok(match !== null, text);
  return { ip: match[1] ?? '', port: Number(match[2]) };
}

function joinAddress(ip: Buffer, port: number): string {
  if (ip.length === 4) {
    return `${[...ip].join('.')}:${port}`;
  }
  const words = Array.from({ length: 8 }, (_, at) => ip.readUInt16BE(at * 2).toString(16));
  // The URL parser writes the canonical form.
  return `${new URL(`http://[${words.join(':')}]`).hostname}:${port}`;
}

function joinTlvs(tlvs: readonly Tlv[]): Buffer {
  const parts = tlvs.map(({ type, value }) =>
    Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 0xff]), value]),
  );
  return Buffer.concat(parts);
}

function splitTlvs(bytes: Buffer): Tlv[] {
  const tlvs: Tlv[] = [];
  let at = 0;
  while (at < bytes.length) {
    const end = at + 3 + bytes.readUInt16BE(at + 1);
    assert.ok(end <= bytes.length, 'a TLV leaves the header');
    tlvs.push({ type: bytes[at] ?? 0, value: bytes.subarray(at + 3, end) });
    at = end;
  }
  return tlvs;
}

function checkChecksum(whole: Buffer): void {
  const family = whole[13] ?? 0;
  const at = FIXED_BYTES + (family === 0x11 ? 12 : family === 0x21 ? 36 : 0);
  let offset = at;
  for (const { type, value } of splitTlvs(whole.subarray(at))) {
    if (type === TLV_CRC32C) {
      const zeroed = Buffer.from(whole);
      zeroed.writeUInt32BE(0, offset + 3);
      assert.equal(value.readUInt32BE(0), crc32c(zeroed), 'checksum');
    }
    offset += 3 + value.length;
  }
}

function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc >>> 1) ^ (0x82f63b78 & -(crc & 1));
    }
  }
  return (crc ^ 0xffffffff) >>> 0;
}
