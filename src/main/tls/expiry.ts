/**
 * Says in the log when certificates come to their end, 30, 14, 7 and 1 days before and after it.
 *
 * Path: gateway.ts shows it the certificates after each change; a timer looks again every hour.
 * Invariant: each certificate gets each warning once, and after a start only the one that is due. A
 * certificate that was replaced is forgotten.
 */
import type { Log } from '../observe/index.ts';
import type { OwnCertificate } from './material.ts';

const DAY_SECONDS = 86_400;
const LOOK_EVERY_MS = 3_600_000;
/** Days left at which a certificate is warned of; 0: it has ended. */
const WARN_AT_DAYS = [0, 1, 7, 14, 30];

/** Days that a certificate still has, rounded down; negative when it has ended. */
export function daysLeft(certificate: Pick<OwnCertificate, 'notAfter'>, nowMs: number): number {
  return Math.floor((certificate.notAfter - nowMs / 1000) / DAY_SECONDS);
}

/** Warns of certificates that end. */
export class ExpiryWatch {
  readonly #log: Log;
  readonly #nowMs: () => number;
  readonly #timer: NodeJS.Timeout;
  /** The lowest mark that each certificate was warned at, by owner and fingerprint. */
  readonly #warned = new Map<string, number>();
  #certificates: readonly OwnCertificate[] = [];

  constructor(options: { readonly log: Log; readonly nowMs: () => number }) {
    this.#log = options.log;
    this.#nowMs = options.nowMs;
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#timer.unref();
  }

  /** Says which certificates are in use from now on. */
  configure(certificates: readonly OwnCertificate[]): void {
    this.#certificates = certificates;
    const used = new Set(certificates.map(keyOf));
    for (const key of this.#warned.keys()) {
      if (!used.has(key)) this.#warned.delete(key);
    }
    this.#look();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    for (const certificate of this.#certificates) {
      const left = (certificate.notAfter - this.#nowMs() / 1000) / DAY_SECONDS;
      const mark = WARN_AT_DAYS.find((days) => left <= days);
      const key = keyOf(certificate);
      if (mark === undefined || mark >= (this.#warned.get(key) ?? Number.POSITIVE_INFINITY)) {
        continue;
      }
      this.#warned.set(key, mark);
      this.#warn(certificate, left);
    }
  }

  #warn(certificate: OwnCertificate, left: number): void {
    const { kind, owner, subject, fingerprint, file, notAfter } = certificate;
    const fields = {
      [kind]: owner,
      subject,
      fingerprint,
      file,
      notAfter: new Date(notAfter * 1000).toISOString(),
      daysLeft: Math.floor(left),
    };
    if (left <= 0) {
      this.#log.error(fields, 'a certificate has ended: peers refuse it; renew it');
    } else {
      this.#log.warn(fields, 'a certificate ends soon; renew it');
    }
  }
}

function keyOf({ kind, owner, fingerprint }: OwnCertificate): string {
  return `${kind} ${owner} ${fingerprint}`;
}
