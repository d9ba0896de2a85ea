/**
 * A host with one chain, for tests that speak to it in batches as the core does.
 *
 * Path: files of this directory build batches with `core.batch` and read what comes back.
 * Invariant: nothing here checks anything: what the host says reaches the test as it is.
 */
import { chainNeeds } from '../../../src/main/filters/chain-mask.ts';
import { compileNeeds } from '../../../src/sdk/definition/index.ts';
import {
  type AnyFilter,
  createCounterMemory,
  FilterCounters,
  FilterHost,
  FilterInstance,
  type FilterLine,
} from '../../../src/shard/filters/index.ts';
import { ScriptedCore } from '../../../src/testing/index.ts';

/** A host with one route chain of these filters. */
export function createHost(filters: readonly unknown[]) {
  const core = new ScriptedCore();
  const lines: FilterLine[] = [];
  const instances = (filters as readonly AnyFilter[]).map((filter, index) => {
    const plan = {
      id: index + 1,
      filter: filter.name,
      program: '',
      offload: null,
      config: undefined,
      base: 'file:///',
      generation: 1,
      cell: index * 8,
    };
    return new FilterInstance(plan, filter, (line) => lines.push(line));
  });
  const members = instances.map((instance) => ({
    instance: instance.plan.id,
    place: 'route' as const,
    kind: instance.filter.kind,
    needs: compileNeeds(instance.filter),
  }));
  const chain = { ...chainNeeds(members, 'route'), id: 5, members, framing: null };
  const counters = new FilterCounters(createCounterMemory());
  const host = new FilterHost({
    core,
    memory: core.memory,
    counters,
    mode: 'production',
    offloader: null,
    write: (line) => lines.push(line),
  });
  core.attach(host);
  const plan = { generation: 1, programs: [], instances: instances.map(({ plan }) => plan) };
  host.commit({ ...plan, chains: [chain] }, new Map(instances.map((one) => [one.plan.id, one])));
  return { core, host, chain, lines, counters };
}
