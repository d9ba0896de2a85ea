/**
 * Certificates made on the spot: an authority, what it issues, and what it revokes.
 *
 * Path: tests write what they need into files; no tool outside Node is needed.
 * Invariant: keys are fresh for each test run; serial numbers of one authority differ. UTCTime and
 * GeneralizedTime are told apart as RFC 5280 4.1.2.5 wants only as far as OpenSSL cares.
 */
import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { join } from 'node:path';
import * as der from './der.ts';

const DAY_MS = 86_400_000;

/** Kinds of keys. */
export type KeyKind = 'ec' | 'rsa' | 'ed25519';

/** What a certificate says. */
export interface Wish {
  /** Common name. */
  readonly name: string;
  /** DNS names and IPv4 addresses; `[name]` by default. */
  readonly altNames?: readonly string[];
  /** Names as raw bytes, which no tool would write. */
  readonly rawNames?: readonly Uint8Array[];
  readonly kind?: KeyKind;
  /** From now, in days. */
  readonly fromDays?: number;
  readonly untilDays?: number;
  readonly isAuthority?: boolean;
}

/** A certificate with its key; the chain leads to the root, without it. */
export interface Issued {
  readonly serial: Buffer;
  readonly cert: string;
  readonly chain: string;
  readonly key: string;
  /** SHA-256 of the certificate, lower-case hexadecimal. */
  readonly fingerprint: string;
}

const SIGNATURES: Readonly<Record<KeyKind, { readonly oid: string; readonly hasNull: boolean }>> = {
  ec: { oid: '1.2.840.10045.4.3.2', hasNull: false },
  rsa: { oid: '1.2.840.113549.1.1.11', hasNull: true },
  ed25519: { oid: '1.3.101.112', hasNull: false },
};
const COMMON_NAME = '2.5.4.3';
const KEY_USAGE = '2.5.29.15';
const SUBJECT_ALT_NAME = '2.5.29.17';
const BASIC_CONSTRAINTS = '2.5.29.19';
const CRL_NUMBER = '2.5.29.20';
const SUBJECT_KEY_ID = '2.5.29.14';
const AUTHORITY_KEY_ID = '2.5.29.35';

function makeKey(kind: KeyKind): { privateKey: KeyObject; publicKey: KeyObject } {
  if (kind === 'rsa') {
    return generateKeyPairSync('rsa', { modulusLength: 2048 });
  }
  return kind === 'ec'
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
    : generateKeyPairSync('ed25519');
}

function nameOf(text: string): Buffer {
  return der.sequence(der.set(der.sequence(der.oid(COMMON_NAME), der.utf8(text))));
}

function extension(id: string, body: Uint8Array, isCritical = false): Buffer {
  return der.sequence(der.oid(id), ...(isCritical ? [der.boolean()] : []), der.octets(body));
}

function algorithm(kind: KeyKind): Buffer {
  const { oid, hasNull } = SIGNATURES[kind];
  return der.sequence(der.oid(oid), ...(hasNull ? [Buffer.from([0x05, 0x00])] : []));
}

function altName(text: string): Buffer {
  return isIPv4(text)
    ? der.implicit(7, Buffer.from(text.split('.').map(Number)))
    : der.implicit(2, Buffer.from(text, 'latin1'));
}

/** Issues certificates and revocation lists; is a root, or below another one. */
export class Authority {
  readonly name: string;
  /** Its own certificate. */
  readonly cert: string;
  /** From its own certificate up, without the root. */
  readonly chain: string;
  readonly #kind: KeyKind;
  readonly #key: KeyObject;
  readonly #keyId: Buffer;
  readonly #revoked: Buffer[] = [];
  #serial = 1;
  #lists = 0;

  private constructor(
    name: string,
    made: { cert: string; chain: string; kind: KeyKind; key: KeyObject; keyId: Buffer },
  ) {
    this.name = name;
    this.cert = made.cert;
    this.chain = made.chain;
    this.#kind = made.kind;
    this.#key = made.key;
    this.#keyId = made.keyId;
  }

  /** A root of its own. */
  static root(name: string, kind: KeyKind = 'ec'): Authority {
    const { privateKey, publicKey } = makeKey(kind);
    const keyId = keyIdOf(publicKey);
    const bare = { cert: '', chain: '', kind, key: privateKey, keyId };
    const itself = new Authority(name, bare);
    const cert = itself.#certify({ name, isAuthority: true, untilDays: 365 }, publicKey);
    return new Authority(name, { ...bare, cert: der.pem('CERTIFICATE', cert) });
  }

  /** An authority that this one vouches for. */
  intermediate(name: string, kind: KeyKind = 'ec'): Authority {
    const { privateKey, publicKey } = makeKey(kind);
    const wish = { name, isAuthority: true, untilDays: 365 };
    const cert = der.pem('CERTIFICATE', this.#certify(wish, publicKey));
    const keyId = keyIdOf(publicKey);
    return new Authority(name, { cert, chain: cert + this.chain, kind, key: privateKey, keyId });
  }

  issue(wish: Wish): Issued {
    const { privateKey, publicKey } = makeKey(wish.kind ?? 'ec');
    const serial = this.#nextSerial();
    const raw = this.#certify(wish, publicKey, serial);
    const cert = der.pem('CERTIFICATE', raw);
    return {
      serial,
      cert,
      chain: cert + this.chain,
      key: pemOf(privateKey),
      fingerprint: createHash('sha256').update(raw).digest('hex'),
    };
  }

  revoke(issued: Issued): void {
    this.#revoked.push(issued.serial);
  }

  /** The list of what is revoked so far. */
  crl(): string {
    const from = new Date(Date.now() - DAY_MS);
    const entries = this.#revoked.map((serial) =>
      der.sequence(der.integer(serial), der.time(from)),
    );
    this.#lists++;
    const list = der.sequence(
      der.integer(1),
      algorithm(this.#kind),
      nameOf(this.name),
      der.time(from),
      der.time(new Date(Date.now() + DAY_MS)),
      ...(entries.length > 0 ? [der.sequence(...entries)] : []),
      der.explicit(
        0,
        der.sequence(
          extension(AUTHORITY_KEY_ID, der.sequence(der.implicit(0, this.#keyId))),
          extension(CRL_NUMBER, der.integer(this.#lists)),
        ),
      ),
    );
    return der.pem('X509 CRL', this.#signed(list));
  }

  #nextSerial(): Buffer {
    this.#serial++;
    const serial = Buffer.alloc(4);
    serial.writeUInt32BE(0x01000000 + this.#serial);
    return serial;
  }

  #certify(wish: Wish, publicKey: KeyObject, serial = this.#nextSerial()): Buffer {
    const { fromDays = -1, untilDays = 60, isAuthority = false } = wish;
    const names = [
      ...(wish.altNames ?? (isAuthority ? [] : [wish.name])).map(altName),
      ...(wish.rawNames ?? []).map((raw) => der.implicit(2, raw)),
    ];
    const body = der.sequence(
      der.explicit(0, der.integer(2)),
      der.integer(serial),
      algorithm(this.#kind),
      nameOf(this.name),
      der.sequence(
        der.time(new Date(Date.now() + fromDays * DAY_MS)),
        der.time(new Date(Date.now() + untilDays * DAY_MS)),
      ),
      nameOf(wish.name),
      publicKey.export({ type: 'spki', format: 'der' }),
      der.explicit(
        3,
        der.sequence(
          extension(BASIC_CONSTRAINTS, der.sequence(...(isAuthority ? [der.boolean()] : [])), true),
          extension(KEY_USAGE, usageOf(isAuthority, wish.kind), true),
          extension(SUBJECT_KEY_ID, der.octets(keyIdOf(publicKey))),
          extension(AUTHORITY_KEY_ID, der.sequence(der.implicit(0, this.#keyId))),
          ...(names.length > 0 ? [extension(SUBJECT_ALT_NAME, der.sequence(...names))] : []),
        ),
      ),
    );
    return this.#signed(body);
  }

  #signed(body: Buffer): Buffer {
    const digest = this.#kind === 'ed25519' ? null : 'sha256';
    const signature = sign(digest, body, this.#key);
    return der.sequence(body, algorithm(this.#kind), der.bits(signature));
  }
}

/** keyCertSign and cRLSign, or digitalSignature (and keyEncipherment for RSA). */
function usageOf(isAuthority: boolean, kind: KeyKind | undefined): Buffer {
  if (isAuthority) {
    return der.bits(Buffer.from([0x06]), 1);
  }
  return kind === 'rsa' ? der.bits(Buffer.from([0xa0]), 5) : der.bits(Buffer.from([0x80]), 7);
}

function keyIdOf(publicKey: KeyObject): Buffer {
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha1').update(spki).digest();
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' });
}

/** Writes a chain and its key; the paths as configuration names them. */
export function writePair(
  directory: string,
  stem: string,
  issued: Issued,
): { readonly cert: string; readonly key: string } {
  const cert = join(directory, `${stem}.pem`);
  const key = join(directory, `${stem}.key`);
  writeFileSync(cert, issued.chain);
  writeFileSync(key, createPrivateKey(issued.key).export({ type: 'pkcs8', format: 'pem' }), {
    mode: 0o600,
  });
  return { cert, key };
}

/** Writes a text into a file of a directory and returns its path. */
export function writeText(directory: string, name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}
