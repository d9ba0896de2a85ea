/**
 * One run of a chain for one record: where it stands, and what was decided so far.
 *
 * Path: host.ts makes a call for each record; run-chain.ts advances it.
 * Invariant: a call is running, parked (`waiting` is set) or over; what a parked call needs of the
 * batch was copied. Plain fields, all set here, so that every call has the same shape.
 */
import type { Chain, Step } from './chain.ts';
import type { readConnection } from './connection-view.ts';
import type { Decision } from './decision.ts';
import { Edits, NO_EDITS } from './edits.ts';
import type { HeadRecord } from './head-record.ts';
import { HOLDER, HOOK } from './layout.ts';
import { type LogField, LogFields } from './log-fields.ts';
import { keepBytes, type MessageBytes } from './message-view.ts';
import type { HookScope } from './scope.ts';

const NOTHING_LOGGED: readonly LogField[] = [];

/** A view that can be ended. */
export interface Lease {
  end(): void;
}

/** A hook whose Promise has not settled. */
export interface Waiting {
  readonly step: Step;
  readonly view: Lease;
  readonly scope: HookScope;
  readonly editsBefore: number;
  readonly timer: NodeJS.Timeout;
}

/** Whose record it was. */
export interface CallOrigin {
  readonly holder: number;
  readonly hook: number;
  readonly index: number;
  readonly generation: number;
  /** The word at which the record stands in its batch. */
  readonly record: number;
  readonly isFromEndpoint: boolean;
}

/** One run of a chain. */
export class Call {
  readonly chain: Chain;
  readonly origin: CallOrigin;
  readonly steps: readonly Step[];
  readonly edits: Edits;
  at = 0;
  head: HeadRecord | null = null;
  connection: ReturnType<typeof readConnection> | null = null;
  message: MessageBytes | null = null;
  isText = false;
  decision: Decision | null = null;
  waiting: Waiting | null = null;
  #logged: LogFields | null = null;
  #isKept = false;

  constructor(chain: Chain, origin: CallOrigin, steps: readonly Step[]) {
    this.chain = chain;
    this.origin = origin;
    this.steps = steps;
    const { holder, hook } = origin;
    const hasHead = hook !== HOOK.message && holder !== HOLDER.connection;
    this.edits = hasHead ? new Edits() : NO_EDITS;
  }

  /** True when there is something to say to the core. */
  get hasAnswer(): boolean {
    return this.decision !== null || this.edits.count > 0 || this.#logged?.isEmpty === false;
  }

  /** Sets a field for the access record. @throws as {@link LogFields.set} does. */
  log(name: string, value: string): void {
    this.#logged ??= new LogFields();
    this.#logged.set(name, value);
  }

  /** Hands over the fields for the access record that have not crossed yet. */
  takeLogged(): readonly LogField[] {
    return this.#logged?.take() ?? NOTHING_LOGGED;
  }

  /** Copies what the batch holds of this call. */
  keep(): void {
    if (this.#isKept) return;
    this.#isKept = true;
    this.head?.keep();
    if (this.message !== null) this.message = keepBytes(this.message);
  }
}
