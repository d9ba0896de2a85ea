/**
 * Scripted connections, exchanges and tunnels: each step is one record for the host.
 *
 * Path: filter-kit.ts makes them; a test plays their steps in order.
 * Invariant: a step that the chain's mask does not name crosses nowhere and continues. Edits of one
 * step are in the head that the next one shows, as in the gateway.
 */
import { Buffer } from 'node:buffer';
import { NEED } from '../sdk/definition/index.ts';
import type { EndRecord } from '../sdk/index.ts';
import { type ChainPlan, HOLDER, HOOK } from '../shard/filters/index.ts';
import type { AnsweredEdit, ReadAnswer } from './answer-reader.ts';
import type { ConnectionParts, HeadParts, RecordTarget } from './batch-builder.ts';
import { CONTINUED, type Outcome, toOutcome } from './outcome.ts';
import type { ScriptedCore } from './scripted-core.ts';

/** A request of a script. What is left out has a plain value. */
export interface RequestScript {
  readonly method?: string;
  readonly target?: string;
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly client?: { readonly ip?: string; readonly port?: number };
  readonly isTls?: boolean;
}

/** A connection of a script. */
export interface ConnectionScript {
  readonly client?: { readonly ip?: string; readonly port?: number };
  readonly localPort?: number;
  readonly isTls?: boolean;
  readonly serverName?: string;
  readonly alpn?: string;
}

type HeaderScript = Readonly<Record<string, string | readonly string[]>>;
type Field = readonly [name: string, value: string];

const GONE: Outcome = Object.freeze({ ...CONTINUED, verdict: 'gone' });
const GENERATION = 1;

function toFields(headers: HeaderScript = {}): Field[] {
  return Object.entries(headers).flatMap(([name, value]) =>
    (typeof value === 'string' ? [value] : value).map((one): Field => [name.toLowerCase(), one]),
  );
}

function applyEdits(fields: readonly Field[], edits: readonly AnsweredEdit[]): Field[] {
  let edited = [...fields];
  for (const { what, name, value } of edits) {
    if (name.startsWith(':')) continue;
    if (what !== 'add') edited = edited.filter((field) => field[0] !== name);
    if (what !== 'remove') edited.push([name, value]);
  }
  return edited;
}

function headOf(script: RequestScript): HeadParts {
  return {
    method: script.method ?? 'GET',
    target: script.target ?? '/',
    host: script.host ?? 'example.com',
    clientIp: script.client?.ip ?? '192.0.2.1',
    clientPort: script.client?.port ?? 40_000,
    isTls: script.isTls ?? false,
    isWebSocket: false,
    route: '',
    cluster: '',
    endpoint: '',
    status: 0,
    attempt: 1,
    fields: toFields(script.headers),
  };
}

/** What all holders have in common: a slot, a chain, one step at a time. */
class ScriptedHolder {
  readonly core: ScriptedCore;
  readonly chain: ChainPlan;
  readonly #holder: keyof typeof HOLDER;
  readonly #index: number;
  readonly #waiting = new Set<(outcome: Outcome) => void>();
  readonly #logged = new Map<string, string>();
  #isOver = false;

  constructor(core: ScriptedCore, chain: ChainPlan, holder: keyof typeof HOLDER, index: number) {
    this.core = core;
    this.chain = chain;
    this.#holder = holder;
    this.#index = index;
    core.hold(chain.id, 1);
  }

  /** Steps that wait for a filter now. */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** The fields that the access record would show so far, whole. */
  get logged(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#logged);
  }

  /** The connection, exchange or tunnel is over, and with it whatever waits. */
  end(record: Partial<EndRecord> = {}): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if ((this.chain.mask & NEED.end) !== 0 || this.#waiting.size > 0) {
      this.core.batch.end(this.target('end'), {
        code: 0,
        reason: '-',
        bytesIn: 0,
        bytesOut: 0,
        durationMicros: 0,
        messagesIn: 0,
        messagesOut: 0,
        ...record,
      });
      this.core.run();
    }
    for (const resolve of this.#waiting) resolve(GONE);
    this.core.hold(this.chain.id, -1);
  }

  protected target(hook: keyof typeof HOOK): RecordTarget {
    const holder = this.#holder;
    return { holder, hook, index: this.#index, generation: GENERATION, chain: this.chain };
  }

  protected isAsked(hook: keyof typeof HOOK): boolean {
    return (this.chain.mask & (1 << HOOK[hook])) !== 0;
  }

  /** Runs the record that was written and returns its answer, waiting for it if need be. */
  protected async step(hook: keyof typeof HOOK, isBack = false): Promise<Outcome> {
    const isMine = (answer: ReadAnswer): boolean =>
      answer.index === this.#index &&
      answer.holder === HOLDER[this.#holder] &&
      answer.hook === HOOK[hook] &&
      answer.isFromEndpoint === isBack;
    const answer = this.core.run().find(isMine);
    if (answer === undefined) return CONTINUED;
    this.#keepLogged(answer);
    if (answer.verdict !== 'park') return toOutcome(answer, false);
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    this.#waiting.add(resolve);
    void this.core.waitFor(isMine).then((late) => {
      this.#keepLogged(late);
      resolve(toOutcome(late, true));
    });
    const outcome = await promise;
    this.#waiting.delete(resolve);
    return outcome;
  }

  #keepLogged({ logged }: ReadAnswer): void {
    for (const [name, value] of logged) this.#logged.set(name, value);
  }
}

/** A scripted connection. */
export class ScriptedConnection extends ScriptedHolder {
  readonly #parts: ConnectionParts;

  constructor(core: ScriptedCore, chain: ChainPlan, index: number, script: ConnectionScript) {
    super(core, chain, 'connection', index);
    this.#parts = {
      clientIp: script.client?.ip ?? '192.0.2.1',
      clientPort: script.client?.port ?? 40_000,
      localPort: script.localPort ?? 8080,
      isTls: script.isTls ?? false,
      serverName: script.serverName ?? '',
      alpn: script.alpn ?? '',
    };
  }

  async accept(): Promise<Outcome> {
    if (!this.isAsked('accept')) return CONTINUED;
    const early = { ...this.#parts, isTls: false, serverName: '', alpn: '' };
    this.core.batch.connection(this.target('accept'), early);
    return await this.step('accept');
  }

  async open(): Promise<Outcome> {
    if (!this.isAsked('open')) return CONTINUED;
    this.core.batch.connection(this.target('open'), this.#parts);
    return await this.step('open');
  }
}

/** A scripted exchange. */
export class ScriptedExchange extends ScriptedHolder {
  #head: HeadParts;

  constructor(core: ScriptedCore, chain: ChainPlan, index: number, script: RequestScript) {
    super(core, chain, 'exchange', index);
    this.#head = headOf(script);
  }

  /** The fields that the endpoint would get, edits included. */
  get requestHeaders(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#head.fields);
  }

  /** The target that the endpoint would get. */
  get requestTarget(): string {
    return this.#head.target;
  }

  /** The head of the request is there. */
  async request(): Promise<Outcome> {
    return await this.#play('request');
  }

  /** A route took it. */
  async routed(route = 'main', cluster = 'app'): Promise<Outcome> {
    this.#head = { ...this.#head, route, cluster };
    return await this.#play('routed');
  }

  /** An endpoint was chosen. */
  async endpoint(endpoint = '192.0.2.9:80', attempt = 1): Promise<Outcome> {
    this.#head = { ...this.#head, endpoint, attempt };
    return await this.#play('endpoint');
  }

  /** The endpoint answered. */
  async response(
    script: { readonly status?: number; readonly headers?: HeaderScript } = {},
  ): Promise<Outcome> {
    if (!this.isAsked('response')) return CONTINUED;
    const fields = toFields(script.headers);
    const status = script.status ?? 200;
    this.core.batch.head(this.target('response'), { ...this.#head, status, fields });
    return await this.step('response');
  }

  async #play(hook: 'request' | 'routed' | 'endpoint'): Promise<Outcome> {
    if (!this.isAsked(hook)) return CONTINUED;
    this.core.batch.head(this.target(hook), this.#head);
    const outcome = await this.step(hook);
    const valueOf = (name: string): string | undefined =>
      outcome.edits.findLast((edit) => edit.name === name)?.value;
    this.#head = {
      ...this.#head,
      target: valueOf(':path') ?? this.#head.target,
      host: valueOf(':host') ?? this.#head.host,
      fields: applyEdits(this.#head.fields, outcome.edits),
    };
    return outcome;
  }
}

/** A scripted WebSocket tunnel. */
export class ScriptedTunnel extends ScriptedHolder {
  readonly #head: HeadParts;

  constructor(core: ScriptedCore, chain: ChainPlan, index: number, script: RequestScript) {
    super(core, chain, 'tunnel', index);
    this.#head = { ...headOf(script), isWebSocket: true, route: 'main', cluster: 'app' };
  }

  /** The tunnel is open. */
  async open(): Promise<Outcome> {
    if (!this.isAsked('open')) return CONTINUED;
    this.core.batch.head(this.target('open'), this.#head);
    return await this.step('open');
  }

  /** The client sends a message: text as text, bytes as binary. */
  async fromClient(message: string | Uint8Array): Promise<Outcome> {
    return await this.#play(message, false);
  }

  /** The endpoint sends a message. */
  async fromEndpoint(message: string | Uint8Array): Promise<Outcome> {
    return await this.#play(message, true);
  }

  async #play(message: string | Uint8Array, isBack: boolean): Promise<Outcome> {
    const isText = typeof message === 'string';
    const bytes = Buffer.from(message as string);
    const wanted =
      (isBack ? NEED.fromEndpoint : NEED.fromClient) | (isText ? NEED.text : NEED.binary);
    const { mask, messageBytesMax, oversize } = this.chain;
    if (!this.isAsked('message') || (mask & wanted) !== wanted) return CONTINUED;
    if (bytes.length > messageBytesMax) {
      return oversize === 'pass' ? CONTINUED : { ...CONTINUED, verdict: 'close', code: 1009 };
    }
    this.core.batch.message(this.target('message'), { bytes, isText, isBack });
    return await this.step('message', isBack);
  }
}
