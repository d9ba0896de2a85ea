/**
 * Writes batches as the core does: records into words, their texts into bytes.
 *
 * Path: scripted-core.ts fills a batch with it before it calls the host.
 * Invariant: the layout is that of src/shard/filters/README.md, and only what the chain's plan asks
 * for is written, so that a test sees what a filter would see behind a socket.
 */
import { Buffer } from 'node:buffer';
import { NEED } from '../sdk/definition/index.ts';
import {
  type ChainPlan,
  CONNECTION,
  END,
  FIELD_NAMED,
  FIELD_WORDS,
  type FilterMemory,
  HEAD,
  HOLDER,
  HOOK,
  RECORD,
} from '../shard/filters/index.ts';

/** Which holder, and of which chain. */
export interface RecordTarget {
  readonly holder: keyof typeof HOLDER;
  readonly hook: keyof typeof HOOK;
  readonly index: number;
  readonly generation: number;
  readonly chain: ChainPlan;
}

/** A head to be written. */
export interface HeadParts {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly clientIp: string;
  readonly clientPort: number;
  readonly isTls: boolean;
  readonly isWebSocket: boolean;
  readonly route: string;
  readonly cluster: string;
  readonly endpoint: string;
  readonly status: number;
  readonly attempt: number;
  readonly fields: readonly (readonly [name: string, value: string])[];
}

/** A connection to be written. */
export interface ConnectionParts {
  readonly clientIp: string;
  readonly clientPort: number;
  readonly localPort: number;
  readonly isTls: boolean;
  readonly serverName: string;
  readonly alpn: string;
}

/** An end to be written. */
export interface EndParts {
  readonly code: number;
  readonly reason: string;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly durationMicros: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
}

const WORD = 2 ** 32;

/** Fills the `in` half of a shard's filter memory. */
export class BatchBuilder {
  readonly #words: Uint32Array;
  readonly #bytes: Buffer;
  #wordCount = 0;
  #byteCount = 0;

  constructor(memory: FilterMemory) {
    this.#words = memory.inWords;
    this.#bytes = Buffer.from(memory.inBytes.buffer);
  }

  /** The words filled so far; the next record begins at the front. */
  take(): number {
    const words = this.#wordCount;
    this.#wordCount = 0;
    this.#byteCount = 0;
    return words;
  }

  /** Writes a request, a response or the opening of a tunnel. Returns where the record starts. */
  head(target: RecordTarget, parts: HeadParts): number {
    const start = this.#begin(target, (parts.isTls ? 1 : 0) | (parts.isWebSocket ? 2 : 0));
    this.#text(start + HEAD.method, parts.method);
    this.#text(start + HEAD.target, parts.target);
    this.#text(start + HEAD.host, parts.host);
    this.#text(start + HEAD.clientIp, parts.clientIp);
    this.#words[start + HEAD.clientPort] = parts.clientPort;
    this.#text(start + HEAD.route, parts.route);
    this.#text(start + HEAD.cluster, parts.cluster);
    this.#text(start + HEAD.endpoint, parts.endpoint);
    this.#words[start + HEAD.status] = parts.status;
    this.#words[start + HEAD.attempt] = parts.attempt;
    const { mask, requestHeaders, responseHeaders } = target.chain;
    const isResponse = target.hook === 'response';
    const names = isResponse ? responseHeaders : requestHeaders;
    const all = isResponse ? NEED.allResponseHeaders : NEED.allRequestHeaders;
    let at = start + HEAD.fields;
    for (const [name, value] of parts.fields) {
      const index = names.indexOf(name.toLowerCase());
      if ((mask & all) !== 0) {
        this.#words[at] = FIELD_NAMED + name.length;
        this.#byteCount += this.#bytes.write(name, this.#byteCount, 'latin1');
      } else if (index >= 0) {
        this.#words[at] = index;
      } else {
        continue;
      }
      const length = this.#bytes.write(value, this.#byteCount, 'latin1');
      this.#words[at + 1] = this.#byteCount;
      this.#words[at + 2] = length;
      this.#byteCount += length;
      at += FIELD_WORDS;
    }
    this.#words[start + HEAD.fieldCount] = (at - start - HEAD.fields) / FIELD_WORDS;
    return this.#finish(start, at);
  }

  connection(target: RecordTarget, parts: ConnectionParts): number {
    const start = this.#begin(target, parts.isTls ? 1 : 0);
    this.#text(start + CONNECTION.clientIp, parts.clientIp);
    this.#words[start + CONNECTION.clientPort] = parts.clientPort;
    this.#words[start + CONNECTION.localPort] = parts.localPort;
    this.#text(start + CONNECTION.serverName, parts.serverName);
    this.#text(start + CONNECTION.alpn, parts.alpn);
    return this.#finish(start, start + CONNECTION.size);
  }

  message(
    target: RecordTarget,
    message: { readonly bytes: Uint8Array; readonly isText: boolean; readonly isBack: boolean },
  ): number {
    const start = this.#begin(target, (message.isBack ? 1 : 0) | (message.isText ? 0 : 2));
    this.#bytes.set(message.bytes, this.#byteCount);
    this.#words[start + 6] = this.#byteCount;
    this.#words[start + 7] = message.bytes.length;
    this.#byteCount += message.bytes.length;
    return this.#finish(start, start + 8);
  }

  end(target: RecordTarget, parts: EndParts): number {
    const start = this.#begin(target, 0);
    this.#words[start + END.code] = parts.code;
    this.#text(start + END.reason, parts.reason);
    this.#wide(start + END.bytesIn, parts.bytesIn);
    this.#wide(start + END.bytesOut, parts.bytesOut);
    this.#wide(start + END.durationMicros, parts.durationMicros);
    this.#words[start + END.messagesIn] = parts.messagesIn;
    this.#words[start + END.messagesOut] = parts.messagesOut;
    return this.#finish(start, start + END.size);
  }

  #begin(target: RecordTarget, flags: number): number {
    const start = this.#wordCount;
    this.#words[start + RECORD.what] = HOOK[target.hook] | (HOLDER[target.holder] << 8);
    this.#words[start + RECORD.index] = target.index;
    this.#words[start + RECORD.generation] = target.generation;
    this.#words[start + RECORD.chain] = target.chain.id;
    this.#words[start + RECORD.flags] = flags;
    return start;
  }

  #finish(start: number, end: number): number {
    this.#words[start + RECORD.size] = end - start;
    this.#wordCount = end;
    return start;
  }

  #text(at: number, text: string): void {
    this.#words[at] = text.length === 0 ? 0 : this.#byteCount;
    this.#words[at + 1] = text.length;
    this.#byteCount += this.#bytes.write(text, this.#byteCount, 'latin1');
  }

  #wide(at: number, value: number): void {
    this.#words[at] = value % WORD;
    this.#words[at + 1] = Math.floor(value / WORD);
  }
}
