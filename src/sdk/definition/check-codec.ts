/**
 * Checks the numbers of a codec's description.
 *
 * Path: check-definition.ts hands every codec to this.
 * Invariant: a description without faults never makes FrameReader read outside of a header, nor a
 * frame of no bytes, which would never end.
 */

type Fields = Readonly<Record<string, unknown>>;
type Report = (field: string, message: string) => void;

const FRAME_BYTES_MAX = 64 << 20;
const HEADER_BYTES_MAX = 1024;
const VARIANTS_MAX = 256;
const LENGTHS_MAX = 4;
const MAGIC_BYTES_MAX = 32;
const FIELD_SIZES = [1, 2, 3, 4, 8];
const KINDS = ['request', 'oneway', 'response', 'heartbeat', 'goaway'];
const VARIANT_FIELDS = ['kind', 'header', 'length', 'lengthPlus', 'requestId', 'timeout', 'status'];

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isWithin(value: unknown, min: number, max: number): boolean {
  return Number.isInteger(value) && Number(value) >= min && Number(value) <= max;
}

function checkField(field: unknown, path: string, header: number, report: Report): void {
  if (!isFields(field) || !FIELD_SIZES.includes(Number(field['size']))) {
    report(path, 'must be { at, size } with a size of 1, 2, 3, 4 or 8');
  } else if (!isWithin(field['at'], 0, header - Number(field['size']))) {
    report(path, `must lie within the header of ${header} bytes`);
  }
}

function checkVariant(variant: unknown, path: string, report: Report): void {
  if (!isFields(variant)) {
    report(path, 'must be an object');
    return;
  }
  for (const key of Object.keys(variant)) {
    if (!VARIANT_FIELDS.includes(key)) report(`${path}.${key}`, 'is not known to a codec');
  }
  if (!KINDS.includes(String(variant['kind']))) {
    report(`${path}.kind`, `must be one of ${KINDS.join(', ')}`);
  }
  const header = Number(variant['header']);
  if (!isWithin(variant['header'], 1, HEADER_BYTES_MAX)) {
    report(`${path}.header`, `must be 1 to ${HEADER_BYTES_MAX} bytes`);
    return;
  }
  const { length, lengthPlus } = variant;
  if (!Array.isArray(length) || length.length > LENGTHS_MAX) {
    report(`${path}.length`, `must be a list of at most ${LENGTHS_MAX} fields`);
  } else {
    length.forEach((field, index) => {
      checkField(field, `${path}.length.${index}`, header, report);
    });
  }
  if (lengthPlus !== undefined && !isWithin(lengthPlus, -HEADER_BYTES_MAX, HEADER_BYTES_MAX)) {
    report(`${path}.lengthPlus`, `must be -${HEADER_BYTES_MAX} to ${HEADER_BYTES_MAX}`);
  }
  for (const name of ['requestId', 'timeout', 'status']) {
    if (variant[name] !== undefined) checkField(variant[name], `${path}.${name}`, header, report);
  }
}

/** Checks a codec; the marks and the name were checked before. */
export function checkCodec(codec: Fields, report: Report): void {
  const { magic, endian, frameBytesMax, by, variants } = codec;
  const isByte = (byte: unknown): boolean => isWithin(byte, 0, 255);
  const isMagic = Array.isArray(magic) && isWithin(magic.length, 1, MAGIC_BYTES_MAX);
  if (magic !== undefined && !(isMagic && magic.every(isByte))) {
    report('magic', `must be a list of 1 to ${MAGIC_BYTES_MAX} bytes`);
  }
  if (endian !== undefined && endian !== 'big' && endian !== 'little') {
    report('endian', 'must be "big" or "little"');
  }
  if (!isWithin(frameBytesMax, 1, FRAME_BYTES_MAX)) {
    report('frameBytesMax', `must be 1 to ${FRAME_BYTES_MAX}`);
  }
  const entries = isFields(variants) ? Object.entries(variants) : [];
  if (entries.length === 0 || entries.length > VARIANTS_MAX) {
    report('variants', `must have 1 to ${VARIANTS_MAX} variants`);
  }
  for (const [key, variant] of entries) {
    checkVariant(variant, `variants.${key}`, report);
  }
  if (
    by === undefined &&
    variants !== undefined &&
    !(entries.length === 1 && entries[0]?.[0] === '0')
  ) {
    report('by', 'is missing: without it the only variant is 0');
  }
  const headers = entries.map(([, variant]) => (isFields(variant) ? Number(variant['header']) : 0));
  if (by !== undefined) checkField(by, 'by', Math.min(...headers, HEADER_BYTES_MAX), report);
}
