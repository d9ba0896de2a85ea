/**
 * Follows both directions of a TLS connection on the wire and opens its records with a key log.
 *
 * Path: record-peer.ts shows it all bytes; tests ask it which records came.
 * Invariant: records are opened in order, as soon as their keys are known; a KeyUpdate changes the
 * keys of its direction. Alerts of the handshake in clear are shown as well.
 */
import {
  CCS,
  HANDSHAKE,
  HalfKeys,
  type Opened,
  RecordReader,
  type Suite,
  suiteOf,
  TLS12,
  TLS13,
  type WireRecord,
} from './wire-keys.ts';

const CLIENT_HELLO = 1;
const SERVER_HELLO = 2;
const FINISHED = 20;
const KEY_UPDATE = 24;
const SUPPORTED_VERSIONS = 43;
const RETRY_RANDOM = 'cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c';

/** Who wrote. */
export type Writer = 'client' | 'server';

interface Half {
  readonly reader: RecordReader;
  readonly queue: WireRecord[];
  keys: HalfKeys | null;
  /** In clear, with the keys of the handshake, or with those of the data. */
  stage: 'clear' | 'handshake' | 'data';
  /** TLS 1.3: which secret comes next. A key log may have it later than the wire. */
  due: { readonly label: string; readonly stage: Half['stage'] } | null;
  /** Handshake messages that are not whole. */
  pending: Buffer;
}

function makeHalf(): Half {
  const pending: Buffer = Buffer.alloc(0);
  const due = { label: 'HANDSHAKE_TRAFFIC_SECRET', stage: 'handshake' } as const;
  return { reader: new RecordReader(), queue: [], keys: null, stage: 'clear', due, pending };
}

/** A connection seen from the wire. */
export class RecordTap {
  version = 0;
  readonly #halves: Readonly<Record<Writer, Half>> = { client: makeHalf(), server: makeHalf() };
  readonly #secrets = new Map<string, Buffer>();
  readonly #randoms = { client: Buffer.alloc(32), server: Buffer.alloc(32) };
  #suite: Suite | null = null;

  /** A line of a key log. */
  learn(line: Uint8Array): void {
    const [label = '', , secret = ''] = Buffer.from(line).toString('latin1').trim().split(' ');
    this.#secrets.set(label, Buffer.from(secret, 'hex'));
  }

  /** Takes bytes off the wire; returns what could be opened now. */
  see(writer: Writer, bytes: Uint8Array): Opened[] {
    const half = this.#halves[writer];
    half.queue.push(...half.reader.push(bytes));
    return this.open(writer);
  }

  /** Opens what the keys known by now allow. */
  open(writer: Writer): Opened[] {
    const half = this.#halves[writer];
    const opened: Opened[] = [];
    for (let record = half.queue[0]; record !== undefined; record = half.queue[0]) {
      const contents = this.#openOne(writer, record);
      if (contents === null) {
        break;
      }
      half.queue.shift();
      opened.push(contents);
      if (contents.type === HANDSHAKE) {
        this.#follow(writer, contents.plain);
      }
    }
    return opened;
  }

  /** True when the direction carries data from here on. */
  isDone(writer: Writer): boolean {
    const { due, stage } = this.#halves[writer];
    return stage === 'data' || (due?.stage === 'data' && this.#start13(writer));
  }

  /** The keys that the next record of a direction has. */
  keys(writer: Writer): HalfKeys {
    const { keys, stage } = this.#halves[writer];
    if (keys === null || stage !== 'data') {
      throw new Error(`the ${writer} is still in its handshake`);
    }
    return keys;
  }

  #openOne(writer: Writer, record: WireRecord): Opened | null {
    const half = this.#halves[writer];
    if (record.type === CCS) {
      if (this.version === TLS12 && !this.#start12(writer)) {
        return null;
      }
      return { type: CCS, plain: record.body };
    }
    const isSealed = half.keys !== null || (this.version === TLS13 && record.type === 23);
    if (!isSealed) {
      return { type: record.type, plain: record.body };
    }
    if (half.keys === null && !this.#start13(writer)) {
      return null;
    }
    if (this.version === TLS13 && record.type !== 23) {
      return { type: record.type, plain: record.body };
    }
    return half.keys?.open(record) ?? null;
  }

  /** Handshake messages decide about keys. */
  #follow(writer: Writer, plain: Buffer): void {
    const half = this.#halves[writer];
    half.pending = Buffer.concat([half.pending, plain]);
    while (half.pending.length >= 4 && half.pending.length >= 4 + half.pending.readUIntBE(1, 3)) {
      const end = 4 + half.pending.readUIntBE(1, 3);
      const message = half.pending.subarray(0, end);
      half.pending = half.pending.subarray(end);
      this.#message(writer, message);
    }
  }

  #message(writer: Writer, message: Buffer): void {
    const half = this.#halves[writer];
    const kind = message[0];
    if (kind === CLIENT_HELLO) {
      this.#randoms.client = Buffer.from(message.subarray(6, 38));
    } else if (kind === SERVER_HELLO && message.subarray(6, 38).toString('hex') !== RETRY_RANDOM) {
      this.#serverHello(message);
    } else if (kind === FINISHED && this.version === TLS13) {
      half.keys = null;
      half.due = { label: 'TRAFFIC_SECRET_0', stage: 'data' };
    } else if (kind === FINISHED) {
      half.stage = 'data';
    } else if (kind === KEY_UPDATE && this.version === TLS13) {
      half.keys?.update();
    }
  }

  #serverHello(message: Buffer): void {
    this.#randoms.server = Buffer.from(message.subarray(6, 38));
    let at = 39 + (message[38] ?? 0);
    this.#suite = suiteOf(message.readUInt16BE(at));
    this.version = TLS12;
    at += 5;
    while (at + 4 <= message.length) {
      if (message.readUInt16BE(at) === SUPPORTED_VERSIONS) {
        this.version = message.readUInt16BE(at + 4);
      }
      at += 4 + message.readUInt16BE(at + 2);
    }
  }

  #start13(writer: Writer): boolean {
    const half = this.#halves[writer];
    const secret = this.#secrets.get(`${writer.toUpperCase()}_${half.due?.label}`);
    if (secret === undefined || half.due === null || this.#suite === null) {
      return false;
    }
    half.keys = HalfKeys.of13(this.#suite, secret);
    half.stage = half.due.stage;
    half.due = null;
    return true;
  }

  #start12(writer: Writer): boolean {
    const master = this.#secrets.get('CLIENT_RANDOM');
    if (master === undefined || this.#suite === null) {
      return false;
    }
    this.#halves[writer].keys = HalfKeys.of12(this.#suite, master, this.#randoms)[writer];
    return true;
  }
}
