/**
 * Keys of TLS records from a key log, and records sealed and opened with them.
 *
 * Path: record-tap.ts and record-peer.ts speak TLS 1.2 and 1.3 on the wire with it, written anew
 * from the RFCs and on Node's crypto only, so that it shares no mistake with the gateway.
 * Invariant: a sequence number is used once in each direction, unless a test says otherwise.
 */
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';

/** Content types of records. */
export const CCS = 20;
export const ALERT = 21;
export const HANDSHAKE = 22;
export const DATA = 23;

export const TLS12 = 0x0303;
export const TLS13 = 0x0304;

const TAG_BYTES = 16;
const NONCE_BYTES = 12;
const HEADER_BYTES = 5;

type Cipher = 'aes-128-gcm' | 'aes-256-gcm' | 'chacha20-poly1305';

/** What a suite is made of. */
export interface Suite {
  readonly cipher: Cipher;
  readonly hash: 'sha256' | 'sha384';
}

const AES128: Suite = { cipher: 'aes-128-gcm', hash: 'sha256' };
const AES256: Suite = { cipher: 'aes-256-gcm', hash: 'sha384' };
const CHACHA: Suite = { cipher: 'chacha20-poly1305', hash: 'sha256' };

const SUITES: ReadonlyMap<number, Suite> = new Map([
  [0x1301, AES128],
  [0x1302, AES256],
  [0x1303, CHACHA],
  [0xc02b, AES128],
  [0xc02f, AES128],
  [0xc02c, AES256],
  [0xc030, AES256],
  [0xcca8, CHACHA],
  [0xcca9, CHACHA],
]);

export function suiteOf(number: number): Suite {
  const suite = SUITES.get(number);
  if (suite === undefined) {
    throw new Error(`suite 0x${number.toString(16)} is not in the table`);
  }
  return suite;
}

/** A record as it stands on the wire. */
export interface WireRecord {
  readonly type: number;
  /** Behind the header. */
  readonly body: Buffer;
  readonly raw: Buffer;
}

/** Contents of a record. */
export interface Opened {
  readonly type: number;
  readonly plain: Buffer;
}

/** Cuts a stream of bytes into records. */
export class RecordReader {
  #rest: Buffer = Buffer.alloc(0);

  push(bytes: Uint8Array): WireRecord[] {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    const records: WireRecord[] = [];
    for (;;) {
      const end =
        HEADER_BYTES + (this.#rest.length < HEADER_BYTES ? 0 : this.#rest.readUInt16BE(3));
      if (this.#rest.length < Math.max(end, HEADER_BYTES)) {
        return records;
      }
      const raw = this.#rest.subarray(0, end);
      records.push({ type: raw[0] ?? 0, body: raw.subarray(HEADER_BYTES), raw });
      this.#rest = this.#rest.subarray(end);
    }
  }
}

/** A record in clear. */
export function plainRecord(type: number, body: Uint8Array, version = TLS12): Buffer {
  const header = Buffer.from([
    type,
    version >> 8,
    version & 0xff,
    body.length >> 8,
    body.length & 0xff,
  ]);
  return Buffer.concat([header, body]);
}

/** HKDF-Expand-Label of RFC 8446 7.1, with an empty transcript. */
function expandLabel(hash: Suite['hash'], secret: Buffer, label: string, bytes: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`, 'latin1');
  const info = Buffer.concat([
    Buffer.from([bytes >> 8, bytes & 0xff, name.length]),
    name,
    Buffer.from([0]),
  ]);
  const blocks: Buffer[] = [];
  let last = Buffer.alloc(0);
  for (let made = 0, index = 1; made < bytes; made += last.length, index++) {
    last = createHmac(hash, secret)
      .update(last)
      .update(info)
      .update(Buffer.from([index]))
      .digest();
    blocks.push(last);
  }
  return Buffer.concat(blocks).subarray(0, bytes);
}

/** The PRF of RFC 5246 5. */
function prf12(hash: Suite['hash'], secret: Buffer, seed: Buffer, bytes: number): Buffer {
  const blocks: Buffer[] = [];
  let link = seed;
  for (let made = 0; made < bytes; ) {
    link = createHmac(hash, secret).update(link).digest();
    const block = createHmac(hash, secret).update(link).update(seed).digest();
    blocks.push(block);
    made += block.length;
  }
  return Buffer.concat(blocks).subarray(0, bytes);
}

function keyBytesOf({ cipher }: Suite): number {
  return cipher === 'aes-128-gcm' ? 16 : 32;
}

/** One direction of a connection. */
export class HalfKeys {
  sequence = 0n;
  readonly version: number;
  readonly #suite: Suite;
  #secret: Buffer;
  #key: Buffer;
  #iv: Buffer;

  private constructor(
    suite: Suite,
    version: number,
    parts: { secret: Buffer; key: Buffer; iv: Buffer },
  ) {
    this.#suite = suite;
    this.version = version;
    this.#secret = parts.secret;
    this.#key = parts.key;
    this.#iv = parts.iv;
  }

  /** TLS 1.3, from a traffic secret. */
  static of13(suite: Suite, secret: Buffer): HalfKeys {
    const none = Buffer.alloc(0);
    const keys = new HalfKeys(suite, TLS13, { secret, key: none, iv: none });
    keys.#derive();
    return keys;
  }

  /** TLS 1.2: what the client and the server write with. */
  static of12(
    suite: Suite,
    master: Buffer,
    randoms: { readonly client: Buffer; readonly server: Buffer },
  ): { readonly client: HalfKeys; readonly server: HalfKeys } {
    const keyBytes = keyBytesOf(suite);
    const ivBytes = suite.cipher === 'chacha20-poly1305' ? NONCE_BYTES : 4;
    const seed = Buffer.concat([Buffer.from('key expansion'), randoms.server, randoms.client]);
    const block = prf12(suite.hash, master, seed, 2 * (keyBytes + ivBytes));
    let at = 0;
    const cut = (bytes: number): Buffer => block.subarray(at, (at += bytes));
    const [clientKey, serverKey] = [cut(keyBytes), cut(keyBytes)];
    const [clientIv, serverIv] = [cut(ivBytes), cut(ivBytes)];
    const secret = Buffer.alloc(0);
    return {
      client: new HalfKeys(suite, TLS12, { secret, key: clientKey, iv: clientIv }),
      server: new HalfKeys(suite, TLS12, { secret, key: serverKey, iv: serverIv }),
    };
  }

  /** The next generation of keys (RFC 8446 7.2). */
  update(): void {
    this.#secret = expandLabel(this.#suite.hash, this.#secret, 'traffic upd', this.#secret.length);
    this.#derive();
  }

  /** A whole record. `padding` zeros follow in TLS 1.3. */
  seal(type: number, plain: Uint8Array, padding = 0): Buffer {
    const is13 = this.version === TLS13;
    const inner = is13
      ? Buffer.concat([plain, Buffer.from([type]), Buffer.alloc(padding)])
      : Buffer.from(plain);
    const explicit = is13 || this.#iv.length === NONCE_BYTES ? Buffer.alloc(0) : this.#counter();
    const outer = is13 ? DATA : type;
    const length = explicit.length + inner.length + TAG_BYTES;
    const header = Buffer.from([outer, 3, 3, length >> 8, length & 0xff]);
    const cipher = createCipheriv(
      this.#suite.cipher as 'aes-128-gcm',
      this.#key,
      this.#nonce(explicit),
      {
        authTagLength: TAG_BYTES,
      },
    );
    cipher.setAAD(is13 ? header : this.#aad12(type, inner.length), {
      plaintextLength: inner.length,
    });
    const body = Buffer.concat([cipher.update(inner), cipher.final()]);
    this.sequence++;
    return Buffer.concat([header, explicit, body, cipher.getAuthTag()]);
  }

  /** Throws when the record is not what it says. */
  open(record: WireRecord): Opened {
    const is13 = this.version === TLS13;
    const explicitBytes = is13 || this.#iv.length === NONCE_BYTES ? 0 : 8;
    const explicit = record.body.subarray(0, explicitBytes);
    const sealed = record.body.subarray(explicitBytes, record.body.length - TAG_BYTES);
    const decipher = createDecipheriv(
      this.#suite.cipher as 'aes-128-gcm',
      this.#key,
      this.#nonce(explicit),
      { authTagLength: TAG_BYTES },
    );
    const header = record.raw.subarray(0, HEADER_BYTES);
    decipher.setAAD(is13 ? header : this.#aad12(record.type, sealed.length), {
      plaintextLength: sealed.length,
    });
    decipher.setAuthTag(record.body.subarray(record.body.length - TAG_BYTES));
    const inner = Buffer.concat([decipher.update(sealed), decipher.final()]);
    this.sequence++;
    if (!is13) {
      return { type: record.type, plain: inner };
    }
    let end = inner.length;
    while (end > 0 && inner[end - 1] === 0) {
      end--;
    }
    return { type: inner[end - 1] ?? 0, plain: inner.subarray(0, Math.max(0, end - 1)) };
  }

  #derive(): void {
    this.#key = expandLabel(this.#suite.hash, this.#secret, 'key', keyBytesOf(this.#suite));
    this.#iv = expandLabel(this.#suite.hash, this.#secret, 'iv', NONCE_BYTES);
    this.sequence = 0n;
  }

  #counter(): Buffer {
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(this.sequence);
    return counter;
  }

  #nonce(explicit: Buffer): Buffer {
    if (explicit.length > 0) {
      return Buffer.concat([this.#iv, explicit]);
    }
    const nonce = Buffer.from(this.#iv);
    this.#counter().forEach((byte, index) => {
      const at = NONCE_BYTES - 8 + index;
      nonce[at] = (nonce[at] ?? 0) ^ byte;
    });
    return nonce;
  }

  #aad12(type: number, length: number): Buffer {
    return Buffer.concat([this.#counter(), Buffer.from([type, 3, 3, length >> 8, length & 0xff])]);
  }
}
