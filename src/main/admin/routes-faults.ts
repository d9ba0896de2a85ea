/**
 * `POST /v1/test/shards/{shard}/fault` and `POST /v1/test/main/fault`: breaks a shard, or leaves an
 * error uncaught on the main thread, for tests of what happens then.
 *
 * Path: the routes exist only when the process was started with HF_TEST_FAULTS=1; each shard checks
 * that once more.
 * Invariant: without that variable the path answers 404 like any other that does not exist.
 */
import type { ShardFault } from '../../shard/index.ts';
import { type AdminRequest, type AdminResponse, badRequest, ok } from './http.ts';
import type { AdminParts } from './parts.ts';
import { readFields, toDurationMs } from './query.ts';
import type { Route } from './router.ts';

/** The routes that break things; none unless faults are allowed. */
export function faultRoutes(parts: AdminParts): Route[] {
  if (parts.faults === 'refused') {
    return [];
  }
  return [
    {
      method: 'POST',
      pattern: '/v1/test/shards/:shard/fault',
      access: 'guarded',
      handle: (request) => breakShard(parts, request),
    },
    {
      method: 'POST',
      pattern: '/v1/test/main/fault',
      access: 'guarded',
      handle: () => {
        setImmediate(() => {
          throw new Error('a fault that a test asked for');
        });
        return ok({ kind: 'throw' });
      },
    },
  ];
}

async function breakShard(parts: AdminParts, request: AdminRequest): Promise<AdminResponse> {
  const { kind, forMs } = readFields(await request.json(), ['kind', 'forMs']);
  const shard = Number(request.params['shard']);
  await parts.supervisor.call(shard, 'fault', readFault(kind, forMs));
  return ok({ shard, kind });
}

function readFault(kind: unknown, forMs: unknown): ShardFault {
  switch (kind) {
    case 'throw':
    case 'exit':
    case 'exhaust-heap':
      return { kind };
    case 'stall':
      return { kind, forMs: toDurationMs(forMs, 'forMs') };
    default:
      throw badRequest('"kind" is throw, exit, exhaust-heap or stall');
  }
}
