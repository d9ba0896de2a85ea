/**
 * Just enough DER (X.690) to walk through revocation lists and OCSP answers.
 *
 * Path: validity.ts reads with it.
 * Invariant: never throws and never leaves the bytes it was given; what is not well formed has no
 * elements. Does not copy.
 */

/** One element: its tag byte and its content. */
export interface Element {
  readonly tag: number;
  readonly content: Buffer;
}

/** Tag bytes that are looked for. */
export const TAG = {
  integer: 0x02,
  octets: 0x04,
  enumerated: 0x0a,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  /** Context-specific and constructed, number 0. */
  first: 0xa0,
} as const;

/** No length of ours needs more. */
const LENGTH_BYTES_MAX = 4;

/** The elements that follow each other in `bytes`; null when they do not fill it exactly. */
export function readElements(bytes: Buffer): Element[] | null {
  const found: Element[] = [];
  for (let at = 0; at < bytes.length; ) {
    const short = bytes[at + 1];
    if (short === undefined) return null;
    const lengthBytes = short < 0x80 ? 0 : short & 0x7f;
    const start = at + 2 + lengthBytes;
    if (lengthBytes > LENGTH_BYTES_MAX || start > bytes.length) return null;
    const length = lengthBytes === 0 ? short : bytes.readUIntBE(at + 2, lengthBytes);
    if (start + length > bytes.length) return null;
    found.push({ tag: bytes[at] ?? 0, content: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return found;
}

/** The elements inside of the first element with this tag; null when there is none. */
export function enter(elements: readonly Element[] | null, tag: number): Element[] | null {
  const found = elements?.find((element) => element.tag === tag);
  return found === undefined ? null : readElements(found.content);
}

/** Milliseconds since 1970 of a UTCTime or GeneralizedTime (RFC 5280 4.1.2.5); NaN for others. */
export function readTime(element: Element | undefined): number {
  const text = element?.content.toString('latin1') ?? '';
  const isShort = element?.tag === TAG.utcTime;
  const parts = /^(\d{2,4}?)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?Z$/.exec(
    isShort ? `${Number(text.slice(0, 2)) < 50 ? '20' : '19'}${text}` : text,
  );
  if (parts === null || (!isShort && element?.tag !== TAG.generalizedTime)) return Number.NaN;
  const [, year, month, day, hour, minute, second = '00'] = parts;
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}
