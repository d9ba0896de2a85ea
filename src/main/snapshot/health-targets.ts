/**
 * The endpoints that are checked actively, and what each of them is asked.
 *
 * Path: apply.ts hands them to the health checks after each change.
 * Invariant: checks connect as the shards do: from the same namespace, with the same TLS, and with
 * a PROXY header where endpoints wait for one. A check of type `tcp` says nothing.
 */
import type { NetnsTable } from '../accept/index.ts';
import {
  type HealthTarget,
  type ResolvedEndpoint,
  writeHttpCheck,
  writePrelude,
} from '../clusters/index.ts';
import type { Config } from '../config/index.ts';
import type { Ids } from '../model/index.ts';
import type { TlsMaterial } from '../tls/index.ts';

const NOTHING = new Uint8Array();

/** What is known about the endpoints. */
export interface HealthSource {
  readonly config: Config;
  readonly material: TlsMaterial;
  /** Of each cluster by name. */
  readonly endpoints: ReadonlyMap<string, readonly ResolvedEndpoint[]>;
}

/** Lists what is to be checked. */
export function listHealthTargets(
  { config, material, endpoints }: HealthSource,
  { ids, netns }: { readonly ids: Ids; readonly netns: NetnsTable },
): HealthTarget[] {
  return config.clusters.flatMap((cluster) => {
    const { name, healthCheck } = cluster;
    if (healthCheck === null) {
      return [];
    }
    const { type, http } = healthCheck;
    const input = material.clusters.get(name);
    const serverName = cluster.tls?.serverName ?? '';
    const netnsFd = netns.fdOf(cluster.netns);
    return (endpoints.get(name) ?? []).map((endpoint) => ({
      id: ids.endpoint({ cluster: name, address: endpoint.text }),
      cluster: name,
      text: endpoint.text,
      address: endpoint.address,
      netnsFd,
      check: healthCheck,
      prelude: type === 'tcp' ? NOTHING : writePrelude(cluster),
      tls: type === 'tcp' || input === undefined ? null : { input, serverName },
      http:
        http === null
          ? null
          : { request: writeHttpCheck(http, { serverName, endpoint }), statuses: http.statuses },
    }));
  });
}
