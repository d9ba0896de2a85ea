/**
 * Fields that hooks set for the access record of what they are called for.
 *
 * Path: scope.ts fills one for a call; host.ts hands what is there to writer.ts with each answer,
 * that of a call which waits too, so that a record has them even when the client goes meanwhile.
 * Invariant: names are checked here, and values are short enough for any answer. How many a record
 * keeps, and where a value is cut, is the core's: it knows all answers.
 */
import { LOG_NAME_MAX, LOG_TEXT_MAX, LOGS_MAX } from './layout.ts';

/** One field, as it crosses. */
export interface LogField {
  readonly name: string;
  readonly value: string;
}

const NAME = /^[a-z][a-z0-9_.-]*$/;

/** Checks the name of a field. @throws TypeError */
function checkLogName(name: string): void {
  if (typeof name === 'string' && name.length <= LOG_NAME_MAX && NAME.test(name)) return;
  const rule = `lower-case letters, digits, "_", "." and "-", a letter first, at most ${LOG_NAME_MAX}`;
  throw new TypeError(`"${name}" is not a name for a field of access records: ${rule}`);
}

/** The fields of one call that have not crossed yet. */
export class LogFields {
  readonly #fields = new Map<string, string>();

  get isEmpty(): boolean {
    return this.#fields.size === 0;
  }

  /** @throws TypeError for a name or value that is none; RangeError for too many in one answer. */
  set(name: string, value: string): void {
    checkLogName(name);
    if (typeof value !== 'string') {
      throw new TypeError(`the value for the field "${name}" of access records is not text`);
    }
    if (this.#fields.size >= LOGS_MAX && !this.#fields.has(name)) {
      throw new RangeError(`more than ${LOGS_MAX} fields for one access record`);
    }
    // The core cuts it further, between two characters.
    this.#fields.set(name, value.slice(0, LOG_TEXT_MAX));
  }

  /** Hands over what is there. */
  take(): LogField[] {
    const fields = Array.from(this.#fields, ([name, value]) => ({ name, value }));
    this.#fields.clear();
    return fields;
  }
}
