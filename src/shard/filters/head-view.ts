/**
 * What stream hooks see of a head: a lease on a HeadRecord.
 *
 * Path: call.ts makes one for each hook and ends it when the hook has settled.
 * Invariant: after `end` every use throws, whatever was kept. A field that the filter's needs do
 * not name is an error, not a missing value: it never crossed.
 */
import type { ClientView, EndpointView, HeadersView, ResponseView } from '../../sdk/index.ts';
import { checkEditName, checkEditValue } from './edits.ts';
import type { HeadRecord } from './head-record.ts';
import { FLAG_TLS, FLAG_WEBSOCKET, HEAD, RECORD } from './layout.ts';

/** What one filter may do with a head at one hook. */
export interface HeadRights {
  readonly headers: true | ReadonlySet<string>;
  /** The part of `needs` that names them, for errors. */
  readonly needsField: string;
  readonly mayEdit: boolean;
  readonly mayRewrite: boolean;
}

/** How a view says that it is over. */
export function throwEnded(): never {
  throw new TypeError(
    'this view was used after its hook ended; copy what must live longer while the hook runs',
  );
}

/** Fields of a head, for one filter and one hook. */
export class FieldsView implements HeadersView {
  #record: HeadRecord | null;
  readonly #rights: HeadRights;

  constructor(record: HeadRecord, rights: HeadRights) {
    this.#record = record;
    this.#rights = rights;
  }

  get(name: string): string | null {
    const values = this.getAll(name);
    return values.length === 0 ? null : values.length === 1 ? `${values[0]}` : values.join(', ');
  }

  getAll(name: string): readonly string[] {
    const record = this.#record ?? throwEnded();
    const lower = name.toLowerCase();
    const { headers, needsField } = this.#rights;
    if (headers !== true && !headers.has(lower)) {
      throw new TypeError(`the field "${lower}" is not named in ${needsField}`);
    }
    return record.values(lower);
  }

  has(name: string): boolean {
    return this.getAll(name).length > 0;
  }

  set(name: string, value: string): void {
    this.#edit('set', name, value);
  }

  add(name: string, value: string): void {
    this.#edit('add', name, value);
  }

  remove(name: string): void {
    this.#edit('remove', name, '');
  }

  names(): readonly string[] {
    const record = this.#record ?? throwEnded();
    const { headers } = this.#rights;
    return record.fieldNames().filter((name) => headers === true || headers.has(name));
  }

  end(): void {
    this.#record = null;
  }

  #edit(what: 'set' | 'add' | 'remove', name: string, value: string): void {
    const record = this.#record ?? throwEnded();
    if (!this.#rights.mayEdit) throw new TypeError('this hook cannot edit fields');
    const checked = checkEditName(name);
    record.edits.record(what, checked, checkEditValue(checked, value));
  }
}

/** A head, for one filter and one hook. */
export class HeadView implements EndpointView, ResponseView {
  #record: HeadRecord | null;
  #fields: FieldsView | null = null;
  readonly #rights: HeadRights;

  constructor(record: HeadRecord, rights: HeadRights) {
    this.#record = record;
    this.#rights = rights;
  }

  get method(): string {
    return this.#open().text(HEAD.method);
  }

  get target(): string {
    const record = this.#open();
    return record.edits.lastOf(':path') ?? record.text(HEAD.target);
  }

  get path(): string {
    const target = this.target;
    const mark = target.indexOf('?');
    return mark === -1 ? target : target.slice(0, mark);
  }

  query(name: string): string | null {
    const target = this.target;
    const mark = target.indexOf('?');
    return mark === -1 ? null : new URLSearchParams(target.slice(mark + 1)).get(name);
  }

  get host(): string {
    const record = this.#open();
    return record.edits.lastOf(':host') ?? record.text(HEAD.host);
  }

  get client(): ClientView {
    const record = this.#open();
    return { ip: record.text(HEAD.clientIp), port: record.word(HEAD.clientPort) };
  }

  get isTls(): boolean {
    return (this.#open().word(RECORD.flags) & FLAG_TLS) !== 0;
  }

  get isWebSocket(): boolean {
    return (this.#open().word(RECORD.flags) & FLAG_WEBSOCKET) !== 0;
  }

  get route(): string {
    return this.#open().text(HEAD.route);
  }

  get cluster(): string {
    return this.#open().text(HEAD.cluster);
  }

  get endpoint(): string {
    return this.#open().text(HEAD.endpoint);
  }

  get status(): number {
    return this.#open().word(HEAD.status);
  }

  get attempt(): number {
    return this.#open().word(HEAD.attempt);
  }

  get headers(): HeadersView {
    this.#fields ??= new FieldsView(this.#open(), this.#rights);
    return this.#fields;
  }

  rewrite(to: { readonly target?: string; readonly host?: string }): void {
    const record = this.#open();
    if (!this.#rights.mayRewrite) throw new TypeError('this hook cannot rewrite the request');
    record.edits.rewrite(to);
  }

  /** The hook has settled. */
  end(): void {
    this.#record = null;
    this.#fields?.end();
  }

  #open(): HeadRecord {
    return this.#record ?? throwEnded();
  }
}
