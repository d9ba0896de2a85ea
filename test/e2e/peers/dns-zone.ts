/**
 * A small DNS origin for tests: names with addresses and TTLs that the test changes.
 *
 * Path: a cluster names it under `dns.resolvers`.
 * Invariant: answers come from the records as they are at that moment; a name without records does
 * not exist (NXDOMAIN). UDP only, one question in each query.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { Owner } from '../harness.ts';
import { ipBytes } from './proxy-header.ts';

const TYPE_A = 1;
const TYPE_AAAA = 28;
const CLASS_IN = 1;
const NXDOMAIN = 3;
const SERVFAIL = 2;
const HEADER_BYTES = 12;
/** Points at the name of the question. */
const NAME_POINTER = 0xc00c;

/** What a name resolves to. */
export interface Records {
  readonly addresses: readonly string[];
  readonly ttlSeconds: number;
}

/** The zone, answering. */
export class DnsZone {
  /** By name. `fails` answers SERVFAIL. */
  readonly records = new Map<string, Records | 'fails'>();
  readonly #socket = createSocket('udp4');
  #queries = 0;
  #port = 0;

  static async start(owner: Owner): Promise<DnsZone> {
    const zone = new DnsZone();
    zone.#socket.on('message', (query, from) => {
      zone.#queries++;
      zone.#socket.send(zone.#answer(query), from.port, from.address);
    });
    zone.#socket.bind(0, '127.0.0.1');
    await once(zone.#socket, 'listening');
    zone.#port = zone.#socket.address().port;
    owner.after(() => {
      zone.#socket.close();
    });
    return zone;
  }

  /** The address as configuration writes it. */
  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get queries(): number {
    return this.#queries;
  }

  #answer(query: Buffer): Buffer {
    const { name, end } = readName(query);
    const type = query.readUInt16BE(end);
    const question = query.subarray(HEADER_BYTES, end + 4);
    const found = this.records.get(name);
    const isFailing = found === undefined || found === 'fails';
    const addresses = isFailing
      ? []
      : found.addresses.filter((ip) => (ip.includes(':') ? TYPE_AAAA : TYPE_A) === type);
    const ttl = isFailing ? 0 : found.ttlSeconds;
    const code = found === undefined ? NXDOMAIN : found === 'fails' ? SERVFAIL : 0;
    const header = Buffer.alloc(HEADER_BYTES);
    query.copy(header, 0, 0, 2);
    header.writeUInt16BE(0x8580 | code, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(addresses.length, 6);
    return Buffer.concat([header, question, ...addresses.map((ip) => record(ip, type, ttl))]);
  }
}

function record(ip: string, type: number, ttlSeconds: number): Buffer {
  const bytes = ipBytes(ip);
  const head = Buffer.alloc(12);
  head.writeUInt16BE(NAME_POINTER, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(CLASS_IN, 4);
  head.writeUInt32BE(ttlSeconds, 6);
  head.writeUInt16BE(bytes.length, 10);
  return Buffer.concat([head, bytes]);
}

function readName(query: Buffer): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), end: at + 1 };
}
