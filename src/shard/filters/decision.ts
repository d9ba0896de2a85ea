/**
 * What a hook returned, checked and brought into the form of an answer.
 *
 * Path: call.ts hands every value that is not undefined to this; writer.ts lays the outcome flat.
 * Invariant: a decision is always one that the core can carry out; anything else is a TypeError
 * whose message says what the hook did wrong, and counts as a failure of the filter.
 */
import { Buffer, isUtf8 } from 'node:buffer';
import { checkEditName, checkEditValue, type Edit } from './edits.ts';
import {
  CONTENT_BYTES_MAX,
  EDIT_BYTES_MAX,
  EDITS_MAX,
  MESSAGE_BYTES_MAX,
  VERDICT,
} from './layout.ts';

/** One checked verdict. */
export interface Decision {
  /** A value of {@link VERDICT}. */
  readonly verdict: number;
  /** Status or close code. */
  readonly code: number;
  readonly first: Buffer;
  readonly second: Buffer;
  /** Fields of a response that a filter made; null: the edits of the head hold. */
  readonly fields: readonly Edit[] | null;
}

/** The verdicts of each hook, by the kind of the filter and the name of the method. */
export const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  'network.onAccept': ['close'],
  'network.onOpen': ['close', 'choose'],
  'stream.onRequest': ['respond', 'close'],
  'stream.onRouted': ['respond', 'close', 'rematch', 'choose'],
  'stream.onEndpoint': ['respond', 'close', 'rechoose'],
  'stream.onResponse': ['respond', 'close', 'retry'],
  'message.onOpen': ['close'],
  'message.onMessage': ['drop', 'replace', 'close'],
};

const REASON_BYTES_MAX = 123;
const EMPTY = Buffer.alloc(0);

/** Makes a decision of plain parts. */
export function decide(
  verdict: keyof typeof VERDICT,
  code = 0,
  first: Buffer = EMPTY,
  fields: readonly Edit[] | null = null,
): Decision {
  return { verdict: VERDICT[verdict], code, first, second: EMPTY, fields };
}

type Fields = Readonly<Record<string, unknown>>;

function toBytes(value: unknown, what: string, bytesMax: number): Buffer {
  if (typeof value !== 'string' && !(value instanceof Uint8Array)) {
    throw new TypeError(`${what} is neither text nor bytes`);
  }
  const bytes = Buffer.from(value as string);
  if (bytes.length > bytesMax) {
    throw new TypeError(`${what} has ${bytes.length} bytes; at most ${bytesMax} are allowed`);
  }
  return bytes;
}

function readText(value: unknown, what: string): Buffer {
  if (typeof value !== 'string') throw new TypeError(`${what} is not text`);
  return toBytes(value, what, CONTENT_BYTES_MAX);
}

/** Fields that do not fit into one answer would take the room of other holders' answers. */
function checkSize(fields: readonly Edit[]): void {
  const bytes = fields.reduce((sum, { name, value }) => sum + name.length + value.length, 0);
  if (fields.length <= EDITS_MAX && bytes <= EDIT_BYTES_MAX) return;
  throw new TypeError(
    `it responded with more than ${EDITS_MAX} fields, or ${EDIT_BYTES_MAX} bytes of them`,
  );
}

function readRespond(value: Fields): Decision {
  const { status, headers, body } = value;
  if (!Number.isInteger(status) || Number(status) < 200 || Number(status) > 599) {
    throw new TypeError(`it responded with status ${String(status)}; 200 to 599 make sense`);
  }
  const content = toBytes(body ?? '', 'the content it responded with', CONTENT_BYTES_MAX);
  const fields: Edit[] = Object.entries((headers ?? {}) as Fields).flatMap(([name, value]) => {
    const checked = checkEditName(name);
    const texts = (Array.isArray(value) ? value : [value]) as string[];
    return texts.map((text): Edit => {
      return { what: 'add', name: checked, value: checkEditValue(checked, text) };
    });
  });
  if (content.length > 0 && !fields.some((field) => field.name === 'content-type')) {
    const type =
      typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/octet-stream';
    fields.push({ what: 'add', name: 'content-type', value: type });
  }
  checkSize(fields);
  return decide('respond', Number(status), content, fields);
}

function isCloseCode(code: unknown): boolean {
  if (code === 0) return true;
  const number = Number(code);
  const isStandard = number >= 1000 && number <= 1014 && ![1004, 1005, 1006].includes(number);
  return Number.isInteger(code) && (isStandard || (number >= 3000 && number <= 4999));
}

function readClose(value: Fields): Decision {
  const { code, reason } = value;
  if (!isCloseCode(code)) {
    throw new TypeError(`it closed with code ${String(code)} (RFC 6455 7.4)`);
  }
  const bytes = toBytes(reason ?? '', 'the reason it closed with', REASON_BYTES_MAX);
  return decide('close', Number(code), bytes);
}

function readReplace(value: Fields, isText: boolean): Decision {
  const { message } = value;
  const bytes = toBytes(message, 'the message it replaced with', MESSAGE_BYTES_MAX);
  if (isText && typeof message !== 'string' && !isUtf8(bytes)) {
    throw new TypeError('it replaced a text message with bytes that are not UTF-8');
  }
  return decide('replace', 0, bytes);
}

/**
 * Checks what a hook returned.
 *
 * @throws TypeError for a verdict that is none, that this hook may not give, or with values that
 * make no sense.
 */
export function readDecision(value: unknown, hook: string, isText: boolean): Decision {
  const allowed = ALLOWED[hook] ?? [];
  const type = typeof value === 'object' && value !== null ? (value as Fields)['type'] : undefined;
  if (typeof type !== 'string' || !allowed.includes(type)) {
    const returned = typeof type === 'string' ? `"${type}"` : `a value of type ${typeof value}`;
    throw new TypeError(`it returned ${returned}; it may return nothing, ${allowed.join(', ')}`);
  }
  const fields = value as Fields;
  switch (type) {
    case 'respond':
      return readRespond(fields);
    case 'close':
      return readClose(fields);
    case 'replace':
      return readReplace(fields, isText);
    case 'choose':
      return {
        ...decide('choose', 0, readText(fields['cluster'] ?? '', 'the cluster it chose')),
        second: readText(fields['hash'] ?? '', 'the hash key it chose'),
      };
    default:
      return decide(type as keyof typeof VERDICT);
  }
}
