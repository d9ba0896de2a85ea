/**
 * What network hooks see of a connection: a lease on its record.
 *
 * Path: call.ts makes one for each hook and ends it when the hook has settled.
 * Invariant: its few values are read when the view is made, so a parked hook needs no copy of the
 * batch; after `end` every use throws all the same, so that filters behave alike.
 */
import type { Buffer } from 'node:buffer';
import type { ClientView, ConnectionView } from '../../sdk/index.ts';
import { throwEnded } from './head-view.ts';
import { CONNECTION, FLAG_TLS, RECORD } from './layout.ts';

interface Values {
  readonly client: ClientView;
  readonly localPort: number;
  readonly isTls: boolean;
  readonly serverName: string;
  readonly alpn: string;
}

/** Reads the values of a connection's record. */
export function readConnection(words: Uint32Array, bytes: Buffer, start: number): Values {
  const word = (at: number): number => words[start + at] ?? 0;
  const text = (at: number): string => bytes.toString('latin1', word(at), word(at) + word(at + 1));
  return {
    client: { ip: text(CONNECTION.clientIp), port: word(CONNECTION.clientPort) },
    localPort: word(CONNECTION.localPort),
    isTls: (word(RECORD.flags) & FLAG_TLS) !== 0,
    serverName: text(CONNECTION.serverName),
    alpn: text(CONNECTION.alpn),
  };
}

/** A connection, for one filter and one hook. */
export class LeasedConnection implements ConnectionView {
  #values: Values | null;

  constructor(values: Values) {
    this.#values = values;
  }

  get client(): ClientView {
    return this.#open().client;
  }

  get localPort(): number {
    return this.#open().localPort;
  }

  get isTls(): boolean {
    return this.#open().isTls;
  }

  get serverName(): string {
    return this.#open().serverName;
  }

  get alpn(): string {
    return this.#open().alpn;
  }

  /** The hook has settled. */
  end(): void {
    this.#values = null;
  }

  #open(): Values {
    return this.#values ?? throwEnded();
  }
}
