/**
 * The filter host of a shard: takes batches from the core, runs chains, answers.
 *
 * Path: core -> run -> run-chain.ts -> writer.ts -> core; main prepares and commits generations.
 * Invariant: `run` and `drained` never throw. A holder has one answer for each record, at once or
 * later. A chain lives from its commit until the core says that its last holder is gone; its
 * instances live as long as one of their chains.
 *
 *   chain: prepared --add--> live --not kept--> retired --drained--> gone
 */
import { Buffer } from 'node:buffer';
import { Call, type CallOrigin } from './call.ts';
import { Chain } from './chain.ts';
import { readConnection } from './connection-view.ts';
import type { FilterCore, FilterMemory, FilterPort } from './core.ts';
import type { FilterCounters } from './counters.ts';
import { readEnd } from './end-record.ts';
import { HeadRecord } from './head-record.ts';
import type { FilterInstance, WriteLine } from './instance.ts';
import {
  BATCH_BYTES,
  BATCH_WORDS,
  FLAG_BINARY,
  FLAG_FROM_ENDPOINT,
  HOLDER,
  HOOK,
  MESSAGE,
  RECORD,
  RECORD_LATE,
  VERDICT,
} from './layout.ts';
import type { LeaseMode } from './message-view.ts';
import type { ChainPlan, FilterPlan } from './plan.ts';
import { BLOCKING_MS, ChainRunner, lastResort } from './run-chain.ts';
import type { Offloader } from './scope.ts';
import { HolderStates } from './states.ts';
import { AnswerWriter } from './writer.ts';

/** What a host is made of. */
export interface HostOptions {
  readonly core: FilterCore;
  readonly memory: FilterMemory;
  readonly counters: FilterCounters;
  readonly mode: LeaseMode;
  readonly offloader: Offloader | null;
  readonly write: WriteLine;
  /** A hook that runs for so long is told; without it {@link BLOCKING_MS}. */
  readonly blockingMs?: number;
}

/** Makes the four arrays of a shard. Pages that are not used take no memory. */
export function createFilterMemory(): FilterMemory {
  return {
    inWords: new Uint32Array(BATCH_WORDS),
    inBytes: new Uint8Array(BATCH_BYTES),
    outWords: new Uint32Array(BATCH_WORDS),
    outBytes: new Uint8Array(BATCH_BYTES),
  };
}

const EMPTY = Buffer.alloc(0);
/** Late answers that leave at once: the core copies them until its turn comes. */
const LATE_MAX = 256;

/** A call is found again by its holder, and in a tunnel by the direction too. */
function keyOf(origin: CallOrigin): number {
  return (origin.index * 3 + origin.holder) * 2 + (origin.isFromEndpoint ? 1 : 0);
}

/** The filters of one shard. */
export class FilterHost implements FilterPort {
  readonly #options: HostOptions;
  readonly #words: Uint32Array;
  readonly #bytes: Buffer;
  readonly #writer: AnswerWriter;
  readonly #runner: ChainRunner;
  readonly #states = new HolderStates();
  readonly #chains = new Map<number, Chain>();
  readonly #retired = new Set<number>();
  readonly #parked = new Map<number, Call>();
  #late: Call[] = [];

  constructor(options: HostOptions) {
    this.#options = options;
    const { inWords, inBytes } = options.memory;
    this.#words = inWords;
    this.#bytes = Buffer.from(inBytes.buffer, inBytes.byteOffset, inBytes.length);
    this.#writer = new AnswerWriter(options.memory, (words) => options.core.apply(words));
    this.#runner = new ChainRunner({
      counters: options.counters,
      states: this.#states,
      mode: options.mode,
      offloader: options.offloader,
      blockingMs: options.blockingMs ?? BLOCKING_MS,
      onSettled: (call) => this.#settleLate(call),
    });
  }

  /** How much the host holds on to. */
  get counts(): { readonly parked: number; readonly holders: number; readonly chains: number } {
    return {
      parked: this.#runner.parkedCount,
      holders: this.#states.size,
      chains: this.#chains.size,
    };
  }

  run(words: number): number {
    let at = 0;
    while (at < words) {
      const size = this.#words[at + RECORD.size] ?? 0;
      this.#runRecord(at);
      at += Math.max(size, 1);
    }
    return this.#writer.take();
  }

  drained(id: number): void {
    const chain = this.#chains.get(id);
    if (chain === undefined || !this.#retired.delete(id)) return;
    this.#chains.delete(id);
    for (const { instance } of chain.members) void instance.release();
  }

  /**
   * Makes the chains of a plan known, beside those that are: a snapshot may name them from now on.
   *
   * @param instances - all that the plan's chains name, set up.
   */
  add(plan: FilterPlan, instances: ReadonlyMap<number, FilterInstance>): void {
    for (const chainPlan of plan.chains) {
      if (!this.#chains.has(chainPlan.id)) this.#addChain(chainPlan, instances);
    }
  }

  /** Retires all chains but these; returns the retired ones that something still holds. */
  retireOthers(kept: ReadonlySet<number>): number[] {
    for (const id of this.#chains.keys()) {
      if (kept.has(id) || this.#retired.has(id)) continue;
      this.#retired.add(id);
      this.#options.core.retire(id);
    }
    return [...this.#retired];
  }

  /** Both at once, where no snapshot stands between them. */
  commit(plan: FilterPlan, instances: ReadonlyMap<number, FilterInstance>): void {
    this.add(plan, instances);
    this.retireOthers(new Set(plan.chains.map((chain) => chain.id)));
  }

  /** Instances of the chains that live, by id. */
  instances(): Map<number, FilterInstance> {
    const members = [...this.#chains.values()].flatMap((chain) => chain.members);
    return new Map(members.map(({ instance }) => [instance.plan.id, instance]));
  }

  /** Ends every instance, whatever still holds it; the shard stops. */
  async close(): Promise<void> {
    for (const call of this.#parked.values()) this.#runner.cancel(call);
    this.#parked.clear();
    const instances = this.instances();
    this.#chains.clear();
    await Promise.all([...instances.values()].map((instance) => instance.dispose()));
  }

  #addChain(plan: ChainPlan, instances: ReadonlyMap<number, FilterInstance>): void {
    const members = plan.members.map(({ instance: id, place }) => {
      const instance = instances.get(id);
      if (instance === undefined) throw new TypeError(`chain ${plan.id} names no instance ${id}`);
      return { instance, place };
    });
    for (const { instance } of members) instance.hold();
    this.#chains.set(plan.id, new Chain(plan, members));
  }

  #runRecord(at: number): void {
    const words = this.#words;
    const what = words[at + RECORD.what] ?? 0;
    const flags = words[at + RECORD.flags] ?? 0;
    const hook = what & 0xff;
    const holder = (what >>> 8) & 0xff;
    const isMessage = hook === HOOK.message;
    const isFromEndpoint = isMessage && (flags & FLAG_FROM_ENDPOINT) !== 0;
    const origin: CallOrigin = {
      holder,
      hook,
      index: words[at + RECORD.index] ?? 0,
      generation: words[at + RECORD.generation] ?? 0,
      record: at,
      isFromEndpoint,
    };
    const chain = this.#chains.get(words[at + RECORD.chain] ?? 0);
    if (chain === undefined) return;
    if (hook === HOOK.end) {
      this.#end(chain, origin);
      return;
    }
    const steps = isMessage ? chain.messageSteps(isFromEndpoint) : chain.steps(holder, hook);
    if (steps.length === 0) return;
    const call = new Call(chain, origin, steps);
    this.#read(call, at, flags);
    if (this.#advance(call)) {
      this.#parked.set(keyOf(origin), call);
      this.#write(call, VERDICT.park, at);
    } else if (call.hasAnswer) {
      this.#write(call, call.decision?.verdict ?? VERDICT.continue, at);
    }
  }

  /** Whatever a filter manages to throw through the runner, its call is closed and no other. */
  #advance(call: Call): boolean {
    try {
      return this.#runner.advance(call);
    } catch {
      lastResort(call);
      return false;
    }
  }

  #read(call: Call, at: number, flags: number): void {
    const words = this.#words;
    const bytes = this.#bytes;
    const { hook, holder } = call.origin;
    if (hook === HOOK.message) {
      const start = words[at + MESSAGE.bytes] ?? 0;
      call.message = { bytes, start, end: start + (words[at + MESSAGE.bytes + 1] ?? 0) };
      call.isText = (flags & FLAG_BINARY) === 0;
    } else if (holder === HOLDER.connection) {
      call.connection = readConnection(words, bytes, at);
    } else {
      const { responseNames, requestNames } = call.chain;
      const names = hook === HOOK.response ? responseNames : requestNames;
      call.head = new HeadRecord({ words, bytes, start: at }, names, call.edits);
    }
  }

  #end(chain: Chain, origin: CallOrigin): void {
    for (const isFromEndpoint of [false, true]) {
      const key = keyOf({ ...origin, isFromEndpoint });
      const parked = this.#parked.get(key);
      if (parked === undefined || parked.origin.generation !== origin.generation) continue;
      this.#parked.delete(key);
      this.#runner.cancel(parked);
    }
    this.#late = this.#late.filter((call) => !isSameHolder(call.origin, origin));
    const steps = chain.steps(origin.holder, HOOK.end);
    if (steps.length > 0) {
      const record = readEnd(this.#words, this.#bytes, origin.record);
      try {
        this.#runner.runEnds(new Call(chain, origin, steps), record);
      } catch {
        // What onEnd throws was told already, if it could be; the holder is over in any case.
      }
    }
    this.#states.forget(origin);
  }

  /** A parked call has its answer: it leaves with all others of this microtask checkpoint. */
  #settleLate(call: Call): void {
    const key = keyOf(call.origin);
    if (this.#parked.get(key) === call) this.#parked.delete(key);
    this.#late.push(call);
    if (this.#late.length === 1) queueMicrotask(() => this.#flushLate());
  }

  #flushLate(): void {
    const late = this.#late.splice(0, LATE_MAX);
    if (this.#late.length > 0) setImmediate(() => this.#flushLate());
    for (const call of late) {
      this.#write(call, call.decision?.verdict ?? VERDICT.continue, RECORD_LATE);
    }
    const words = this.#writer.take();
    if (words > 0) this.#options.core.apply(words);
  }

  #write(call: Call, verdict: number, record: number): void {
    const { decision, edits } = call;
    const isParked = verdict === VERDICT.park;
    const { holder, hook, index, generation, isFromEndpoint } = call.origin;
    this.#writer.write({
      verdict,
      hook,
      holder,
      isFromEndpoint,
      index,
      generation,
      record,
      code: isParked ? 0 : (decision?.code ?? 0),
      first: isParked ? EMPTY : (decision?.first ?? EMPTY),
      second: isParked ? EMPTY : (decision?.second ?? EMPTY),
      edits: isParked ? [] : (decision?.fields ?? edits.list),
      logged: call.takeLogged(),
    });
  }
}

function isSameHolder(one: CallOrigin, other: CallOrigin): boolean {
  return (
    one.holder === other.holder && one.index === other.index && one.generation === other.generation
  );
}
