/**
 * A gateway with filters of the test's own in front of origins.
 *
 * Path: files of this directory write filters as text, name them in routes, and speak through real
 * sockets.
 * Invariant: filters stand beside the configuration, in a directory that goes with the test; what a
 * filter says in the log is found by its message.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type GatewayProcess, makeDirectory, type Owner } from '../harness.ts';
import { HttpScene, type HttpSetup, type SharedHttp, shareHttp } from '../http/http-scene.ts';
import { type Response, readResponse } from '../http/message.ts';

/** Texts by file name. */
export type FilterTexts = Readonly<Record<string, string>>;

/** A route with filters. */
export interface FilterRoute {
  readonly path: string;
  readonly filters?: readonly (string | { readonly use: string; readonly with?: unknown })[];
  readonly cluster?: string;
  readonly more?: object;
}

/** A filter of requests, from its fields and their code. */
export function streamFilter(name: string, fields: string): string {
  return define('Stream', name, fields);
}

/** A filter of connections. */
export function networkFilter(name: string, fields: string): string {
  return define('Network', name, fields);
}

/** A filter of messages. */
export function messageFilter(name: string, fields: string): string {
  return define('Message', name, fields);
}

function define(kind: string, name: string, fields: string): string {
  return `import * as sdk from 'holdfast/sdk';
const { respond, close, rematch, choose, rechoose, retry, drop, replace } = sdk;
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
void [respond, close, rematch, choose, rechoose, retry, drop, replace, pause];
export default sdk.define${kind}Filter({ name: '${name}', ${fields} });
`;
}

/** Writes filters where a configuration can name them. */
export function writeFilters(directory: string, texts: FilterTexts): void {
  for (const [name, text] of Object.entries(texts)) writeFileSync(join(directory, name), text);
}

/** Routes of every host, by path. */
export function routesOf(routes: readonly FilterRoute[]): object {
  const list = routes.map(({ path, filters = [], cluster = 'app', more = {} }) => ({
    name: path.slice(1),
    match: { path },
    cluster,
    filters,
    ...more,
  }));
  return { limits: { requests: 'unlimited' }, hosts: [{ routes: list }] };
}

/** Starts a gateway with filters. */
export async function startFilters(
  owner: Owner,
  texts: FilterTexts,
  setup: HttpSetup,
): Promise<HttpScene> {
  const directory = makeDirectory(owner);
  writeFilters(directory, texts);
  return HttpScene.start(owner, { directory, ...setup });
}

/** The same for all tests of a file. */
export function shareFilters(
  texts: FilterTexts,
  make: (owner: Owner) => HttpSetup | Promise<HttpSetup>,
): SharedHttp {
  return shareHttp(async (owner) => {
    const directory = makeDirectory(owner);
    writeFilters(directory, texts);
    return { directory, ...(await make(owner)) };
  });
}

/** What a filter says with `log.info(message)`, past or to come. */
export async function said(
  gateway: GatewayProcess,
  message: string,
  from = 0,
): Promise<Readonly<Record<string, unknown>>> {
  return gateway.logged(({ msg }) => msg === message, from);
}

/** Sends a request on a connection of its own; how that ended where there was no response. */
export async function tryAsk(
  owner: Owner,
  scene: HttpScene,
  request: string,
): Promise<Response | string> {
  const client = await scene.connect(owner);
  client.send(request);
  if (!(await client.hasMore())) return client.ended();
  return readResponse(client);
}
