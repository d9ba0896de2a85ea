/**
 * Whether an OCSP answer is one, and until when it and revocation lists hold.
 *
 * Path: loading.ts, for what the core leaves to peers and to the moment of a handshake.
 * Invariant: never throws, whatever the bytes. Signatures are not checked here: those of OCSP
 * answers are the client's, those of lists the core's to check.
 */
import { enter, readElements, readTime, TAG } from './der.ts';

/** id-pkix-ocsp-basic (RFC 6960 4.2.1): 1.3.6.1.5.5.7.48.1.1. */
const BASIC_ANSWER = Buffer.from('2b0601050507300101', 'hex');

/** What is wrong with an OCSP answer (RFC 6960 4.2.1), or until when it holds. */
export function readOcsp(der: Buffer): { readonly fault: string } | { readonly endMs: number } {
  if (der.includes('-----BEGIN')) return { fault: 'is PEM: an OCSP answer is stapled in DER form' };
  const answer = enter(readElements(der), TAG.sequence);
  const [status, ...rest] = answer ?? [];
  if (status?.tag !== TAG.enumerated || status.content.length !== 1) {
    return { fault: 'is not an OCSP answer' };
  }
  if (status.content[0] !== 0) {
    return { fault: `says that the responder failed (status ${status.content[0]})` };
  }
  const body = enter(enter(rest, TAG.first), TAG.sequence);
  const [kind, basic] = body ?? [];
  if (kind === undefined || !kind.content.equals(BASIC_ANSWER) || basic?.tag !== TAG.octets) {
    return { fault: 'is an OCSP answer without a response' };
  }
  const signed = enter(enter(readElements(basic.content), TAG.sequence), TAG.sequence);
  // ResponseData: version and responder are tagged, then producedAt, then the responses.
  const responses = enter(signed, TAG.sequence) ?? [];
  const ends = responses.flatMap(({ content }) => {
    const single = readElements(content) ?? [];
    const thisUpdate = single.findIndex(({ tag }) => tag === TAG.generalizedTime);
    const next = single.slice(thisUpdate + 1).find(({ tag }) => tag === TAG.first);
    const endMs = next === undefined ? Number.NaN : readTime(readElements(next.content)?.[0]);
    return Number.isNaN(endMs) ? [] : [endMs];
  });
  return { endMs: Math.min(...ends, Number.POSITIVE_INFINITY) };
}

/** Until when all revocation lists of a PEM text hold (RFC 5280 5.1.2.5), in ms since 1970. */
export function crlEndMs(pem: Buffer): number {
  let endMs = Number.POSITIVE_INFINITY;
  const text = pem.toString('latin1');
  for (const [, base64 = ''] of text.matchAll(/-----BEGIN X509 CRL-----([^-]*)-----END/g)) {
    const list = enter(readElements(Buffer.from(base64, 'base64')), TAG.sequence);
    const times = (enter(list, TAG.sequence) ?? []).filter(
      ({ tag }) => tag === TAG.utcTime || tag === TAG.generalizedTime,
    );
    // thisUpdate, then nextUpdate; a list without the latter never ends.
    const nextMs = readTime(times[1]);
    if (!Number.isNaN(nextMs)) endMs = Math.min(endMs, nextMs);
  }
  return endMs;
}
