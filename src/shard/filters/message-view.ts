/**
 * What message hooks see: a lease on the bytes of one message.
 *
 * Path: call.ts makes one for each message and filter and ends it when the hook has settled.
 * Invariant: in production `bytes` is a window on the batch, without a copy. In development it is a
 * copy that is detached at the end, so that a filter that keeps it sees nothing instead of the next
 * message.
 */
import { Buffer } from 'node:buffer';
import type { MessageView } from '../../sdk/index.ts';
import { throwEnded } from './head-view.ts';

/** How views treat bytes that a filter might keep. */
export type LeaseMode = 'development' | 'production';

/** The bytes of one message, wherever they are. */
export interface MessageBytes {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/** One message, for one filter. */
export class LeasedMessage implements MessageView {
  readonly from: 'client' | 'endpoint';
  readonly isText: boolean;
  readonly size: number;
  readonly #mode: LeaseMode;
  #source: MessageBytes | null;
  #window: Uint8Array<ArrayBuffer> | null = null;

  constructor(
    source: MessageBytes,
    kind: { readonly isText: boolean; readonly isFromEndpoint: boolean },
    mode: LeaseMode,
  ) {
    this.#source = source;
    this.from = kind.isFromEndpoint ? 'endpoint' : 'client';
    this.isText = kind.isText;
    this.size = source.end - source.start;
    this.#mode = mode;
  }

  get bytes(): Uint8Array {
    const source = this.#source ?? throwEnded();
    this.#window ??=
      this.#mode === 'development'
        ? this.copy()
        : new Uint8Array(
            source.bytes.buffer as ArrayBuffer,
            source.bytes.byteOffset + source.start,
            this.size,
          );
    return this.#window;
  }

  get text(): string {
    const source = this.#source ?? throwEnded();
    return source.bytes.toString('utf8', source.start, source.end);
  }

  copy(): Uint8Array<ArrayBuffer> {
    const source = this.#source ?? throwEnded();
    const copied = new Uint8Array(this.size);
    copied.set(source.bytes.subarray(source.start, source.end));
    return copied;
  }

  /** The hook has settled. */
  end(): void {
    this.#source = null;
    if (this.#mode === 'development' && this.#window !== null) this.#window.buffer.transfer();
  }
}

/** Copies a message out of the batch. */
export function keepBytes(source: MessageBytes): MessageBytes {
  const bytes = Buffer.from(source.bytes.subarray(source.start, source.end));
  return { bytes, start: 0, end: bytes.length };
}
