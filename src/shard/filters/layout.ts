/**
 * The numbers of the boundary between the core and the filter host.
 *
 * Path: reader.ts and writer.ts use them here; the core has the same in proxy/.
 * Invariant: these are the words of README.md in this directory, which says what each means; a test
 * reads both. Changing one means changing the core.
 */

/** Words and bytes of the four arrays of a shard. */
export const BATCH_WORDS = 65_536;
export const BATCH_BYTES = 1 << 20;

export const CHAIN_ID_MAX = 4095;
export const HEAD_BYTES_MAX = 64 << 10;
export const MESSAGE_BYTES_MAX = 256 << 10;

/** Hooks: the number is also the mask bit. */
export const HOOK = {
  accept: 0,
  open: 1,
  request: 2,
  routed: 3,
  endpoint: 4,
  response: 5,
  message: 6,
  end: 7,
} as const;
export type HookName = keyof typeof HOOK;
export const HOOK_NAMES = Object.keys(HOOK) as readonly HookName[];
export const HOOK_COUNT = HOOK_NAMES.length;

export const HOLDER = { connection: 0, exchange: 1, tunnel: 2 } as const;
export type HolderName = keyof typeof HOLDER;

/** The words that every record from the core starts with. */
export const RECORD = { size: 0, what: 1, index: 2, generation: 3, chain: 4, flags: 5 } as const;

export const HEAD = {
  method: 6,
  target: 8,
  host: 10,
  clientIp: 12,
  clientPort: 14,
  route: 15,
  cluster: 17,
  endpoint: 19,
  status: 21,
  attempt: 22,
  fieldCount: 23,
  fields: 24,
} as const;
export const FIELD_WORDS = 3;
/** A field whose name stands before its value; the low bits are the length of the name. */
export const FIELD_NAMED = 0x8000_0000;

export const CONNECTION = {
  clientIp: 6,
  clientPort: 8,
  localPort: 9,
  serverName: 10,
  alpn: 12,
  size: 14,
} as const;

export const MESSAGE = { bytes: 6, size: 8 } as const;

export const END = {
  code: 6,
  reason: 7,
  bytesIn: 9,
  bytesOut: 11,
  durationMicros: 13,
  messagesIn: 15,
  messagesOut: 16,
  size: 17,
} as const;

export const FLAG_TLS = 1;
export const FLAG_WEBSOCKET = 2;
export const FLAG_FROM_ENDPOINT = 1;
export const FLAG_BINARY = 2;

export const VERDICT = {
  continue: 0,
  park: 1,
  respond: 2,
  close: 3,
  rematch: 4,
  choose: 5,
  rechoose: 6,
  retry: 7,
  drop: 8,
  replace: 9,
} as const;
export type VerdictName = keyof typeof VERDICT;
export const VERDICT_NAMES = Object.keys(VERDICT) as readonly VerdictName[];

export const ANSWER = {
  size: 0,
  what: 1,
  index: 2,
  generation: 3,
  record: 4,
  code: 5,
  first: 6,
  second: 8,
  editCount: 10,
  edits: 11,
} as const;
/** {@link ANSWER}.record of an answer that came after its batch was over. */
export const RECORD_LATE = 0xffff_ffff;
export const ANSWER_FROM_ENDPOINT = 1 << 24;
export const EDIT_WORDS = 5;
/** What edits do; `log` sets a field of the access record, and stands behind the others. */
export const EDIT = { set: 0, add: 1, remove: 2, log: 3 } as const;
export type EditName = Exclude<keyof typeof EDIT, 'log'>;

/** Limits on one answer, so that it always fits. */
export const CONTENT_BYTES_MAX = 64 << 10;
export const EDITS_MAX = 128;
export const EDIT_BYTES_MAX = 32 << 10;
/** Fields for access records in one answer, characters of their names and values. */
export const LOGS_MAX = 32;
export const LOG_NAME_MAX = 32;
export const LOG_TEXT_MAX = 260;
const UTF8_BYTES_MAX = 3;
const LOG_BYTES_MAX = LOGS_MAX * (LOG_NAME_MAX + LOG_TEXT_MAX * UTF8_BYTES_MAX);
export const ANSWER_WORDS_MAX = ANSWER.edits + (EDITS_MAX + LOGS_MAX) * EDIT_WORDS;
export const ANSWER_BYTES_MAX = MESSAGE_BYTES_MAX + EDIT_BYTES_MAX + LOG_BYTES_MAX;
