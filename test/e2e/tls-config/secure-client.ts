/**
 * A client that shakes hands with a gateway, and remembers whom it met.
 *
 * Path: tests of certificates look at what listeners show; bytes are tested in test/e2e/tls.
 * Invariant: it accepts any certificate, so that every one can be looked at; what a test connects
 * ends with it.
 */
import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import type { Owner } from '../harness.ts';

/** A connection that shook hands. */
export class SecureClient {
  readonly socket: TLSSocket;
  /** SHA-256 of the certificate that was shown, as `Authority` writes it. */
  fingerprint = '';
  #received = '';
  #wake: () => void = () => {};

  private constructor(owner: Owner, socket: TLSSocket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#received += bytes.toString('latin1');
      this.#wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => this.#wake());
    owner.after(() => {
      socket.destroy();
    });
  }

  /** Connects and shakes hands. Rejects when either fails. */
  static async connect(owner: Owner, port: number, servername?: string): Promise<SecureClient> {
    const name = servername === undefined ? {} : { servername };
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...name });
    const client = new SecureClient(owner, socket);
    await once(socket, 'secureConnect');
    const { fingerprint256 } = socket.getPeerCertificate();
    client.fingerprint = fingerprint256.replaceAll(':', '').toLowerCase();
    return client;
  }

  /** Sends text and waits for as much to come back. */
  async echo(text: string): Promise<string> {
    const from = this.#received.length;
    this.socket.write(text);
    while (this.#received.length < from + text.length && !this.socket.destroyed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#received.slice(from);
  }
}

/** The fingerprint that a new client of a listener meets. */
export async function fingerprintAt(
  owner: Owner,
  port: number,
  servername?: string,
): Promise<string> {
  const client = await SecureClient.connect(owner, port, servername);
  client.socket.destroy();
  return client.fingerprint;
}
