/**
 * Shards without threads and sockets, that do for filters what real ones do.
 *
 * Path: FilterControl -> ShardLink -> here -> FilterCalls -> ShardFilters -> ScriptedCore.
 * Invariant: messages are copied as a port copies them, and nothing is answered inside of a call.
 */
import { type ShardFollower, ShardLink, type ShardPort } from '../../../src/main/shards/index.ts';
import { FilterCalls } from '../../../src/shard/filter-calls.ts';
import type { FilterMemory } from '../../../src/shard/filters/index.ts';
import type { ShardCalls, ShardEnvelope, ShardMessage } from '../../../src/shard/index.ts';
import { ScriptedCore } from '../../../src/testing/index.ts';

/** One shard. */
export class FakeShard implements ShardPort {
  readonly link: ShardLink;
  /** Names of the calls so far. */
  readonly calls: string[] = [];
  #core: ScriptedCore | null = null;
  isMute = false;
  readonly #filters: FilterCalls;
  #onMessage: (message: ShardMessage) => void = () => {};
  #onExit: (code: number) => void = () => {};

  constructor(index: number, follower: () => Pick<ShardFollower, 'news'>) {
    this.link = new ShardLink(index, this, (news) => follower().news(index, news));
    this.#filters = new FilterCalls({
      shard: index,
      isThread: false,
      native: {
        attachFilters: (memory, run, drained) => this.#attach(memory, run, drained),
        applyFilterAnswers: (words) => this.core.apply(words),
        retireFilterChain: (chain) => this.core.retire(chain),
      },
      post: (event) => this.#onMessage(structuredClone(event)),
    });
  }

  /** True once the core was handed memory. */
  get isAttached(): boolean {
    return this.#core !== null;
  }

  get core(): ScriptedCore {
    if (this.#core === null) throw new Error('no filters were attached');
    return this.#core;
  }

  on(event: 'message' | 'error' | 'exit', listener: (given: never) => void): unknown {
    if (event === 'message') this.#onMessage = listener as (message: ShardMessage) => void;
    if (event === 'exit') this.#onExit = listener as (code: number) => void;
    return this;
  }

  postMessage(envelope: ShardEnvelope): void {
    this.calls.push(envelope.name);
    if (this.isMute) return;
    const { call } = envelope;
    void this.#answer(envelope).then(
      (result) => this.#onMessage({ kind: 'reply', call, result: structuredClone(result) }),
      (error: Error) => this.#onMessage({ kind: 'failure', call, message: error.message }),
    );
  }

  terminate(): Promise<unknown> {
    this.#onExit(1);
    return Promise.resolve();
  }

  /** Ends all its filters. */
  close(): Promise<void> {
    return this.#filters.close();
  }

  #attach(memory: FilterMemory, run: (words: number) => number, drained: (id: number) => void) {
    this.#core = new ScriptedCore(memory);
    this.#core.attach({ run, drained });
  }

  async #answer({ name, argument }: ShardEnvelope): Promise<unknown> {
    await Promise.resolve();
    if (name === 'prepareFilters') {
      return this.#filters.prepare(argument as ShardCalls['prepareFilters']['argument']);
    }
    if (name === 'commitFilters') {
      return this.#filters.commit((argument as { generation: number }).generation);
    }
    return this.#filters.retire((argument as { kept: readonly number[] }).kept);
  }
}
