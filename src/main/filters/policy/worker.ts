/**
 * The policy thread: balancers and discoveries of users, away from the main thread.
 *
 * Path: policy-thread.ts starts it and tells it what there is.
 * Invariant: a use that did not change goes on over a reload; one that is gone is ended. Faults are
 * told, never thrown.
 */
import { parentPort } from 'node:worker_threads';
import { checkDefinition } from '../../../sdk/definition/index.ts';
import type { ConfigSchema, Discovery, LoadBalancer } from '../../../sdk/index.ts';
import { ModuleLoader } from '../../../shard/filters/index.ts';
import { BalancerRun } from './balancer-run.ts';
import { runDiscovery } from './discovery-run.ts';
import type { PolicyReply, PolicyRequest, PolicyUse } from './protocol.ts';

const port = parentPort;
if (port === null) throw new Error('this file runs as a worker thread only');

interface Running {
  readonly balancer: BalancerRun | null;
  readonly abort: AbortController;
}

const loader = new ModuleLoader();
const running = new Map<string, Running>();
let applying: Promise<void> = Promise.resolve();

function post(reply: PolicyReply): void {
  port?.postMessage(reply);
}

function keyOf(use: PolicyUse): string {
  return JSON.stringify([use.cluster, use.kind, use.program.hash, use.config]);
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

async function start(use: PolicyUse): Promise<Running> {
  const { cluster } = use;
  const { definition, config } = await load(use);
  const abort = new AbortController();
  const fault = (message: string): void => post({ kind: 'fault', cluster, message });
  if (use.kind === 'balancer') {
    const weights = (list: readonly number[]): void =>
      post({ kind: 'weights', cluster, weights: list });
    const balancer = new BalancerRun(definition as LoadBalancer<unknown>, config, {
      weights,
      fault,
    });
    return { balancer, abort };
  }
  void runDiscovery(
    definition as Discovery<unknown>,
    { config, cluster, signal: abort.signal },
    { found: (endpoints) => post({ kind: 'found', cluster, endpoints }), fault },
  );
  return { balancer: null, abort };
}

async function apply(uses: readonly PolicyUse[]): Promise<void> {
  const wanted = new Set(uses.map(keyOf));
  for (const [key, { balancer, abort }] of running) {
    if (wanted.has(key)) continue;
    running.delete(key);
    balancer?.close();
    abort.abort();
  }
  for (const use of uses) {
    const key = keyOf(use);
    if (running.has(key)) continue;
    try {
      running.set(key, await start(use));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      post({ kind: 'fault', cluster: use.cluster, message: `it cannot be used: ${message}` });
    }
  }
}

function update(cluster: string, request: Extract<PolicyRequest, { kind: 'endpoints' }>): void {
  for (const [key, { balancer }] of running) {
    if ((JSON.parse(key) as string[])[0] === cluster) balancer?.update(request.endpoints);
  }
}

port.on('message', (request: PolicyRequest) => {
  if (request.kind === 'ping') {
    post({ kind: 'pong' });
  } else if (request.kind === 'apply') {
    applying = applying.then(() => apply(request.uses));
  } else {
    void applying.then(() => update(request.cluster, request));
  }
});
