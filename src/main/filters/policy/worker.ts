/**
 * The policy thread: balancers and discoveries of users, away from the main thread.
 *
 * Path: policy-thread.ts starts it and tells it what there is.
 * Invariant: a use that did not change goes on over a reload; one that is gone is ended, also while
 * it is still being loaded. Faults are told, never thrown. None waits for another one.
 */
import { parentPort } from 'node:worker_threads';
import { checkDefinition } from '../../../sdk/definition/index.ts';
import type { ConfigSchema, Discovery, LoadBalancer, WeighedEndpoint } from '../../../sdk/index.ts';
import { ModuleLoader } from '../../../shard/filters/index.ts';
import { BalancerRun } from './balancer-run.ts';
import { runDiscovery } from './discovery-run.ts';
import type { PolicyReply, PolicyRequest, PolicyUse } from './protocol.ts';

const port = parentPort;
if (port === null) throw new Error('this file runs as a worker thread only');

interface Running {
  readonly use: PolicyUse;
  readonly abort: AbortController;
  balancer: BalancerRun | null;
}

const loader = new ModuleLoader();
const running = new Map<string, Running>();
/** What each cluster's balancer weighs, as it was told last. */
const latest = new Map<string, readonly WeighedEndpoint[]>();

function post(reply: PolicyReply): void {
  port?.postMessage(reply);
}

async function load(
  use: PolicyUse,
): Promise<{ readonly definition: unknown; readonly config: unknown }> {
  const module = await loader.load(use.program);
  const definition = module['default'];
  const [fault] = checkDefinition(definition);
  if (fault !== undefined) throw new TypeError(`${fault.field} ${fault.message}`);
  const { config: schema } = definition as { readonly config?: ConfigSchema<unknown> };
  const outcome = await schema?.['~standard'].validate(use.config ?? {});
  if (outcome?.issues !== undefined) throw new TypeError(`${outcome.issues[0]?.message}`);
  return { definition, config: outcome?.value };
}

async function start(run: Running): Promise<void> {
  const { use, abort } = run;
  const { id, cluster, base } = use;
  const fault = (message: string): void => post({ kind: 'fault', id, message });
  try {
    const { definition, config } = await load(use);
    const { signal } = abort;
    if (signal.aborted) return;
    if (use.kind === 'discovery') {
      const about = { config, cluster, base, signal };
      void runDiscovery(definition as Discovery<unknown>, about, {
        found: (endpoints) => post({ kind: 'found', id, endpoints }),
        fault,
      });
      return;
    }
    run.balancer = new BalancerRun(definition as LoadBalancer<unknown>, config, {
      weights: (weights) => post({ kind: 'weights', id, weights }),
      fault,
      ask: () => post({ kind: 'ask', cluster }),
    });
    run.balancer.update(latest.get(cluster) ?? []);
  } catch (error) {
    fault(`it cannot be used: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function apply(uses: readonly PolicyUse[]): void {
  const wanted = new Set(uses.map(({ id }) => id));
  const clusters = new Set(uses.map(({ cluster }) => cluster));
  for (const [id, { balancer, abort }] of running) {
    if (wanted.has(id)) continue;
    running.delete(id);
    balancer?.close();
    abort.abort();
  }
  for (const cluster of latest.keys()) if (!clusters.has(cluster)) latest.delete(cluster);
  for (const use of uses) {
    if (running.has(use.id)) continue;
    const run: Running = { use, abort: new AbortController(), balancer: null };
    running.set(use.id, run);
    void start(run);
  }
}

function update(cluster: string, endpoints: readonly WeighedEndpoint[]): void {
  latest.set(cluster, endpoints);
  for (const { use, balancer } of running.values()) {
    if (use.cluster === cluster) balancer?.update(endpoints);
  }
}

port.on('message', (request: PolicyRequest) => {
  if (request.kind === 'ping') post({ kind: 'pong' });
  else if (request.kind === 'apply') apply(request.uses);
  else update(request.cluster, request.endpoints);
});
