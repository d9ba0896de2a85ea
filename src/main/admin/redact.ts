/**
 * A configuration as it may be shown: tokens and header values that look like secrets are left out.
 *
 * Path: routes-config.ts answers with it; `holdfast config` prints the answer.
 * Invariant: what the admin API shows never lets its reader pass for the gateway.
 */
import type { Config, FilterConfig } from '../config/index.ts';

const REDACTED = '(redacted)';

/** Headers that carry secrets go by such names. */
const SECRET_NAME = /auth|cookie|token|secret|key|passw|credential|signature/i;

interface Edit {
  readonly name: string;
  readonly value: string;
}

/** A value that is one variable comes from the request, and is no secret of the file. */
function redactEdit<E extends Edit>(edit: E): E {
  const isOpen = edit.value === '' || /^%\{[^}]*\}$/.test(edit.value);
  return isOpen || !SECRET_NAME.test(edit.name) ? edit : { ...edit, value: REDACTED };
}

/** What filters are told, without what goes by such a name. */
function redactValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(redactValue);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      SECRET_NAME.test(key) ? REDACTED : redactValue(item),
    ]),
  );
}

function redactFilter(filter: FilterConfig): FilterConfig {
  return { ...filter, with: redactValue(filter.with) };
}

type Listener = Config['listeners'][number];
type Cluster = Config['clusters'][number];

function redactListener(listener: Listener): Listener {
  const filters = listener.filters.map(redactFilter);
  const { http } = listener;
  if (http === null) return { ...listener, filters };
  const hosts = http.hosts.map((host) => ({
    ...host,
    routes: host.routes.map((route) => ({
      ...route,
      requestEdits: route.requestEdits.map(redactEdit),
      responseEdits: route.responseEdits.map(redactEdit),
      filters: route.filters.map(redactFilter),
    })),
  }));
  return { ...listener, filters, http: { ...http, hosts } };
}

function redactCluster(whole: Cluster): Cluster {
  const { balancer, discovery, healthCheck } = whole;
  const cluster = {
    ...whole,
    balancer: balancer === null ? null : redactFilter(balancer),
    discovery: discovery === null ? null : redactFilter(discovery),
  };
  if (healthCheck === null || healthCheck.http === null) return cluster;
  const headers = healthCheck.http.headers.map(([name, value]) => {
    const edit = redactEdit({ name, value });
    return [name, edit.value] as const;
  });
  return { ...cluster, healthCheck: { ...healthCheck, http: { ...healthCheck.http, headers } } };
}

/** A copy without secrets. */
export function redact(config: Config): unknown {
  const { tcp } = config.admin;
  return {
    ...config,
    admin: {
      ...config.admin,
      tcp: tcp === null ? null : { ...tcp, token: tcp.token === null ? null : REDACTED },
    },
    listeners: config.listeners.map(redactListener),
    clusters: config.clusters.map(redactCluster),
  };
}
