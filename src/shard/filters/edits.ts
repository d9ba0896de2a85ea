/**
 * Edits of a head: checked when a filter makes them, applied by the core in one batch.
 *
 * Path: head-view.ts records into one list for each call; writer.ts lays it flat.
 * Invariant: a recorded edit is a valid field (RFC 9110 5.5, 5.6.2) that neither frames the message
 * nor belongs to one hop, so that no edit can smuggle a second message. Edits of a hook that failed
 * are taken back as a whole.
 */
import { isGatewayField } from '../../sdk/index.ts';
import { EDIT_BYTES_MAX, EDITS_MAX, type EditName } from './layout.ts';

/** One recorded edit. */
export interface Edit {
  readonly what: EditName;
  /** Lower case. */
  readonly name: string;
  readonly value: string;
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
/** Bytes of Latin-1 without control characters; a tab may stand inside. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const TARGET = /^\/[\x21-\x7e]*$/;
const HOST = /^[0-9A-Za-z._~!$&'()*+,;=:[\]%-]+$/;

function isText(value: unknown, form: RegExp): boolean {
  return typeof value === 'string' && form.test(value);
}

/** Names that were checked before: filters edit the same few. */
const CHECKED = new Map<string, string>();
const CHECKED_MAX = 1024;
const CHECKED_NAME_MAX = 64;

/** Checks the name of a field that is to be edited. @throws TypeError */
export function checkEditName(name: string): string {
  const known = CHECKED.get(name);
  if (known !== undefined) return known;
  if (typeof name !== 'string') throw new TypeError('the name of a field is a text');
  const lower = name.toLowerCase();
  if (!TOKEN.test(lower)) throw new TypeError(`"${name}" is not the name of a field`);
  if (isGatewayField(lower)) {
    throw new TypeError(`the field "${lower}" belongs to the gateway and cannot be edited`);
  }
  if (lower.length <= CHECKED_NAME_MAX && CHECKED.size < CHECKED_MAX) CHECKED.set(name, lower);
  return lower;
}

/** Checks the value of a field. @throws TypeError */
export function checkEditValue(name: string, value: string): string {
  if (typeof value !== 'string' || !VALUE.test(value)) {
    throw new TypeError(`the value for "${name}" is not text without control characters`);
  }
  return value.trim();
}

/** The edits of one call, in order. */
export class Edits {
  readonly list: Edit[] = [];
  #bytes = 0;

  get count(): number {
    return this.list.length;
  }

  /** Records a checked edit. @throws RangeError at the limit of one answer. */
  record(what: EditName, name: string, value: string): void {
    const bytes = name.length + value.length;
    if (this.list.length >= EDITS_MAX || this.#bytes + bytes > EDIT_BYTES_MAX) {
      throw new RangeError(`more than ${EDITS_MAX} edits, or ${EDIT_BYTES_MAX} bytes of them`);
    }
    this.#bytes += bytes;
    this.list.push({ what, name, value });
  }

  rewrite(to: { readonly target?: string; readonly host?: string }): void {
    // Read once: what is checked is what is set.
    const { target, host } = to;
    if (target !== undefined) {
      if (!isText(target, TARGET)) throw new TypeError(`"${target}" is not a target`);
      this.record('set', ':path', target);
    }
    if (host !== undefined) {
      if (!isText(host, HOST)) throw new TypeError(`"${host}" is not a host`);
      this.record('set', ':host', host);
    }
  }

  /** The last value set for a pseudo name. */
  lastOf(name: string): string | null {
    return this.list.findLast((edit) => edit.name === name)?.value ?? null;
  }

  /** Takes back what was recorded after there were `count`. */
  truncate(count: number): void {
    for (const edit of this.list.splice(count)) {
      this.#bytes -= edit.name.length + edit.value.length;
    }
  }
}

/** The edits of calls that have no head to edit. */
export const NO_EDITS = new Edits();
