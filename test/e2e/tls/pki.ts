/**
 * The authorities, certificates and files that the tests of TLS share.
 *
 * Path: each file of this directory makes one set; tests name its parts in configurations.
 * Invariant: the same names have a certificate of each kind of key; everything lies in one
 * directory, which goes away with the test.
 */
import { makeDirectory, type Owner } from '../harness.ts';
import { Authority, type Issued, type Wish, writePair, writeText } from './authority.ts';

/** How the gateway can keep records; every test of bytes runs with both. */
export const RECORDS = ['detached', 'openssl'] as const;
export type Records = (typeof RECORDS)[number];

/** Files as configuration names them. */
export interface PairFiles {
  readonly cert: string;
  readonly key: string;
}

/** A set of authorities and files. */
export class Pki {
  readonly directory: string;
  /** Signs what listeners and endpoints show. */
  readonly root = Authority.root('Root of servers');
  /** Signs clients. */
  readonly clients = Authority.root('Root of clients');
  /** Signs what nobody trusts. */
  readonly stranger = Authority.root('Stranger');
  /** Files with the authorities. */
  readonly rootFile: string;
  readonly clientsFile: string;
  #files = 0;

  constructor(owner: Owner) {
    this.directory = makeDirectory(owner);
    this.rootFile = writeText(this.directory, 'root.pem', this.root.cert);
    this.clientsFile = writeText(this.directory, 'clients.pem', this.clients.cert);
  }

  /** A certificate of the root, in files. */
  pair(wish: Wish, authority: Authority = this.root): PairFiles {
    return this.write(authority.issue(wish));
  }

  write(issued: Issued): PairFiles {
    this.#files++;
    return writePair(this.directory, `pair-${this.#files}`, issued);
  }

  file(name: string, text: string): string {
    return writeText(this.directory, name, text);
  }
}
