/**
 * Complete configurations for unit tests, from the few fields that a test is about.
 *
 * Path: tests of what comes after the loader start here.
 * Invariant: what it makes is what the loader would make: every field is there.
 */

import type { ClusterConfig, Config, EndpointConfig } from '../../src/main/config/index.ts';
import { loadConfigText } from '../../src/main/config/index.ts';

/** Loads YAML text that must be right. */
export function makeConfig(yaml: string): Config {
  const { config, diagnostics } = loadConfigText(`version: 1\n${yaml}`, null);
  if (config === null) {
    throw new Error(diagnostics.map(({ message }) => message).join('; '));
  }
  return config;
}

/** A cluster with defaults and these endpoints. */
export function makeCluster(name: string, endpoints: readonly EndpointConfig[]): ClusterConfig {
  const [cluster] = makeConfig(`
listeners: [{ name: l, bind: 127.0.0.1:0, cluster: ${name} }]
clusters: [{ name: ${name}, endpoints: [127.0.0.1:1] }]
`).clusters;
  if (cluster === undefined) {
    throw new Error('no cluster');
  }
  return { ...cluster, endpoints };
}
