/**
 * Builders of schema fields: each couples a parser of the human form with its description.
 *
 * Path: schema.ts is written with these; zod runs the parsers; generate.ts reads the descriptions
 * back out of the JSON Schema.
 * Invariant: a field without `initial` is required; what a field yields is in base units (ms,
 * bytes, per second, permille). A fault carries the name of its finding in `params`.
 * Does not know any particular field.
 */
import { z } from 'zod';
import { suggest } from './suggest.ts';
import {
  type Fault,
  formatCount,
  formatDuration,
  formatSize,
  type Parsed,
  parseCount,
  parseDuration,
  parsePercent,
  parseRate,
  parseSize,
  quote,
} from './units.ts';

/** When a changed value takes effect: with the next reload, or with the next start. */
export type Lifetime = 'reload' | 'restart';

/** What each field says about itself. */
export interface FieldText {
  /** One or two full sentences: what it does and, where it is not plain, when to change it. */
  readonly is: string;
  /** Human form of the default; without one the field is required, unless `optional`. */
  readonly initial?: string | number | boolean | readonly unknown[];
  readonly example?: unknown;
  /** Default: `reload`. */
  readonly lifetime?: Lifetime;
}

/** So few choices are listed rather than guessed at. */
const CHOICES_LISTED = 3;

/** Limits of an amount, in base units, and words that stand for 0. */
export interface AmountLimits {
  readonly min: number;
  readonly max: number;
  /** Words that mean "none" and yield 0. */
  readonly zero?: readonly string[];
  /** The amount must be a multiple of this. */
  readonly step?: number;
}

/** What a field needs besides its parser to appear in the JSON Schema and the reference. */
interface FieldShape {
  readonly kind: string;
  readonly json: Readonly<Record<string, unknown>>;
  readonly limits?: string;
}

/** Marker of a custom issue: which finding it is. */
export interface FaultParams {
  readonly finding: Fault['name'];
  readonly hint: string;
}

/** Makes a field out of a parser. */
export function field<T>(parse: (value: unknown) => Parsed<T>, text: FieldText, shape: FieldShape) {
  const parsed = z.unknown().transform((value, ctx): T => {
    if (value === undefined) {
      const hint = text.example === undefined ? '' : JSON.stringify(text.example);
      ctx.addIssue({ code: 'custom', message: 'missing', params: { finding: 'missingKey', hint } });
      return z.NEVER;
    }
    const result = parse(value);
    if (result.ok) return result.value;
    const { name, message, hint } = result.fault;
    ctx.addIssue({
      code: 'custom',
      message,
      params: { finding: name, hint } satisfies FaultParams,
    });
    return z.NEVER;
  });
  const meta = {
    description: text.is,
    ...shape.json,
    ...(text.example === undefined ? {} : { 'x-example': text.example }),
    'x-kind': shape.kind,
    'x-reload': text.lifetime ?? 'reload',
    ...(shape.limits === undefined ? {} : { 'x-limits': shape.limits }),
  };
  if (text.initial === undefined) return parsed.meta(meta);
  return parsed.prefault(text.initial).meta(meta);
}

type Format = (amount: number) => string;

function amount(parse: (value: unknown) => Parsed<number>, limits: AmountLimits, format: Format) {
  const zero = limits.zero ?? [];
  return (value: unknown): Parsed<number> => {
    if (value === false && zero.includes('off')) return { ok: true, value: 0 };
    if (typeof value === 'string' && zero.includes(value)) return { ok: true, value: 0 };
    const parsed = parse(value);
    if (!parsed.ok) {
      const hint =
        zero[0] === undefined ? parsed.fault.hint : `${parsed.fault.hint}; or "${zero[0]}"`;
      return { ok: false, fault: { ...parsed.fault, hint } };
    }
    if (parsed.value === 0 && zero.length > 0) return parsed;
    if (parsed.value < limits.min || parsed.value > limits.max) {
      const side = parsed.value < limits.min ? 'below' : 'above';
      const bound = format(side === 'below' ? limits.min : limits.max);
      const hint = `allowed: ${limitsText(limits, format)}`;
      return {
        ok: false,
        fault: {
          name: 'outOfRange',
          message: `${quote(value)} is ${side} the limit of ${bound}`,
          hint,
        },
      };
    }
    if (limits.step !== undefined && parsed.value % limits.step !== 0) {
      const message = `${quote(value)} is not a multiple of ${format(limits.step)}`;
      return { ok: false, fault: { name: 'outOfRange', message, hint: '' } };
    }
    return parsed;
  };
}

function limitsText(limits: AmountLimits, format: Format): string {
  const word = limits.zero?.[0];
  const zero = word === undefined ? '' : `, or "${word}"`;
  return `${format(limits.min)} to ${format(limits.max)}${zero}`;
}

const AMOUNT_JSON = { type: ['string', 'number'] };

/** A duration; yields milliseconds. */
export function duration(text: FieldText, limits: AmountLimits) {
  const pattern = `^(?:(?:\\d+(?:\\.\\d+)?(?:ms|s|m|h|d))+${(limits.zero ?? []).map((word) => `|${word}`).join('')})$`;
  const json = { type: ['string', 'integer'], pattern };
  return field(amount(parseDuration, limits, formatDuration), text, {
    kind: 'duration',
    json,
    limits: limitsText(limits, formatDuration),
  });
}

/** A duration in whole seconds, as the kernel counts keepalive; yields seconds. */
export function seconds(text: FieldText, limits: AmountLimits) {
  const parse = amount(parseDuration, { ...limits, step: 1000 }, formatDuration);
  const inSeconds = (value: unknown): Parsed<number> => {
    const parsed = parse(value);
    return parsed.ok ? { ok: true, value: parsed.value / 1000 } : parsed;
  };
  const json = { type: ['string', 'integer'] };
  return field(inSeconds, text, {
    kind: 'duration',
    json,
    limits: `${limitsText(limits, formatDuration)}, whole seconds`,
  });
}

/** A size; yields bytes. */
export function size(text: FieldText, limits: AmountLimits) {
  return field(amount(parseSize, limits, formatSize), text, {
    kind: 'size',
    json: AMOUNT_JSON,
    limits: limitsText(limits, formatSize),
  });
}

/** A count. */
export function count(text: FieldText, limits: AmountLimits) {
  return field(amount(parseCount, limits, formatCount), text, {
    kind: 'count',
    json: AMOUNT_JSON,
    limits: limitsText(limits, formatCount),
  });
}

/** A count, or `auto` (null), which the loader works out on the machine. */
export function countOrAuto(text: FieldText, limits: AmountLimits) {
  return orAuto(amount(parseCount, limits, formatCount), text, {
    kind: 'count',
    limits: limitsText(limits, formatCount),
  });
}

/** A size, or `auto` (null). */
export function sizeOrAuto(text: FieldText, limits: AmountLimits) {
  return orAuto(amount(parseSize, limits, formatSize), text, {
    kind: 'size',
    limits: limitsText(limits, formatSize),
  });
}

function orAuto(
  parse: (value: unknown) => Parsed<number>,
  text: FieldText,
  shape: { kind: string; limits: string },
) {
  const parseAuto = (value: unknown): Parsed<number | null> => {
    if (value === 'auto') return { ok: true, value: null };
    const parsed = parse(value);
    if (parsed.ok) return parsed;
    return { ok: false, fault: { ...parsed.fault, hint: `${parsed.fault.hint}; or "auto"` } };
  };
  return field(parseAuto, text, {
    kind: shape.kind,
    json: AMOUNT_JSON,
    limits: `${shape.limits}, or "auto"`,
  });
}

/** A rate; yields events per second. */
export function rate(text: FieldText, limits: AmountLimits) {
  const format = (perSecond: number): string => `${formatCount(perSecond)}/s`;
  return field(amount(parseRate, limits, format), text, {
    kind: 'rate',
    json: { type: 'string' },
    limits: limitsText(limits, format),
  });
}

/** A share in whole percent; yields 0 to 100. */
export function percent(text: FieldText) {
  const parse = (value: unknown): Parsed<number> => {
    const parsed = parsePercent(value);
    return parsed.ok ? { ok: true, value: Math.round(parsed.value) } : parsed;
  };
  return field(parse, text, { kind: 'percent', json: { type: 'string' }, limits: '0% to 100%' });
}

/** A share in permille, for jitter; yields 0 to 1000. */
export function permille(text: FieldText) {
  const parse = (value: unknown): Parsed<number> => {
    const parsed = parsePercent(value);
    return parsed.ok ? { ok: true, value: Math.round(parsed.value * 10) } : parsed;
  };
  return field(parse, text, { kind: 'percent', json: { type: 'string' }, limits: '0% to 100%' });
}

/** `true` or `false`. */
export function flag(text: FieldText) {
  const parse = (value: unknown): Parsed<boolean> => {
    if (typeof value === 'boolean') return { ok: true, value };
    if (value === 'true' || value === 'false') return { ok: true, value: value === 'true' };
    const isYes = typeof value === 'string' && /^(?:yes|on|y|enabled?)$/i.test(value);
    const isNo = typeof value === 'string' && /^(?:no|off|n|disabled?)$/i.test(value);
    const hint = isYes ? 'write true' : isNo ? 'write false' : 'write true or false';
    return {
      ok: false,
      fault: { name: 'wrongType', message: `${quote(value)} is not true or false`, hint },
    };
  };
  return field(parse, text, { kind: 'boolean', json: { type: 'boolean' } });
}

/** One of a few words. `aliases` are accepted and yield another word. */
export function choice<const Word extends string>(
  text: FieldText,
  words: readonly Word[],
  aliases: Readonly<Record<string, Word>> = {},
) {
  const known = [...words, ...Object.keys(aliases)];
  const parse = (value: unknown): Parsed<Word> => {
    const word = value === false && known.includes('off') ? 'off' : value;
    const found =
      words.find((candidate) => candidate === word) ??
      (typeof word === 'string' && Object.hasOwn(aliases, word) ? aliases[word] : undefined);
    if (found !== undefined) return { ok: true, value: found };
    const guess =
      typeof value === 'string' && known.length > CHOICES_LISTED ? suggest(value, known) : null;
    const list =
      known.length === 1 ? `the only choice is "${known[0]}"` : `choose one of ${known.join(', ')}`;
    const hint = guess === null ? list : `did you mean "${guess}"?`;
    return {
      ok: false,
      fault: { name: 'unknownValue', message: `${quote(value)} is not one of the choices`, hint },
    };
  };
  return field(parse, text, { kind: 'word', json: { enum: known }, limits: known.join(', ') });
}

/** Text that a checker accepts. */
export function text<T>(about: FieldText, kind: string, parse: (value: string) => Parsed<T>) {
  const parseText = (value: unknown): Parsed<T> => {
    if (typeof value === 'string') return parse(value);
    const hint =
      typeof value === 'number' || typeof value === 'boolean'
        ? `write "${String(value)}" in quotes`
        : '';
    return {
      ok: false,
      fault: { name: 'wrongType', message: `${quote(value)} is not text`, hint },
    };
  };
  return field(parseText, about, { kind, json: { type: 'string' } });
}

/** A map that may be left out, with all its defaults. */
export function section<Shape extends z.core.$ZodLooseShape>(is: string, shape: Shape) {
  return z
    .strictObject(shape)
    .prefault({} as never)
    .meta({ description: is });
}

/** A short form of a map: a lone value stands for `{ [key]: value }`. */
export function shorthand<Inner extends z.ZodType>(
  inner: Inner,
  key: string,
  json: Readonly<Record<string, unknown>>,
) {
  const expand = (value: unknown): unknown => {
    const isMap = typeof value === 'object' && value !== null;
    return isMap || value === undefined ? value : { [key]: value };
  };
  return z.preprocess(expand, inner).meta({ 'x-shorthand': json });
}

/** A list that may also be written as its only item. */
export function oneOrMore<Item extends z.ZodType>(item: Item) {
  const expand = (value: unknown): unknown =>
    Array.isArray(value) || value === undefined ? value : [value];
  return z.preprocess(expand, z.array(item).min(1)).meta({ 'x-lone-item': true });
}
