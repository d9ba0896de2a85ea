/**
 * A gateway with HTTP in front of origins of the test: one listener, one cluster, or more.
 *
 * Path: each file of this directory starts one scene for its tests (`shareHttp`), or one for a test
 * that changes more than routes (`HttpScene.start`).
 * Invariant: one shard unless a test asks for more, so that a pool is one pool; when a shared scene
 * ends, the gateway has let go of every descriptor that it did not have at the start.
 */
import { readdirSync } from 'node:fs';
import { after, before } from 'node:test';
import { GatewayProcess, type Owner } from '../harness.ts';
import { ByteStream, type StreamTarget } from './byte-stream.ts';
import { HttpOrigin } from './http-origin.ts';
import { type Response, readResponse } from './message.ts';

/** Descriptors have settled when so many looks in a row count the same. */
const LOOKS = 5;
const LOOK_MS = 5;
const HANG_MS = 30_000;

/** A configuration, as objects of the language. */
export interface HttpSetup {
  /** The `http` of the listener `web`. */
  readonly http?: object;
  /** More of that listener. */
  readonly web?: object;
  /** The `http` of the cluster `app`. */
  readonly cluster?: object;
  /** More of that cluster. */
  readonly app?: object;
  readonly listeners?: readonly object[];
  readonly clusters?: readonly object[];
  readonly shards?: number;
  readonly limits?: object;
  readonly drain?: object;
  /** In place of what the listener says of routes and clusters. */
  readonly isRouted?: boolean;
  readonly directory?: string;
  readonly header?: (lines: string) => string;
  readonly env?: Readonly<Record<string, string>>;
  readonly watch?: boolean;
}

/** A gateway and its first origin. */
export class HttpScene {
  readonly gateway: GatewayProcess;
  /** Behind the cluster `app`. */
  readonly origin: HttpOrigin;
  readonly #setup: HttpSetup;
  #ports: ReadonlyMap<string, number> = new Map();
  #descriptors = 0;

  private constructor(gateway: GatewayProcess, origin: HttpOrigin, setup: HttpSetup) {
    this.gateway = gateway;
    this.origin = origin;
    this.#setup = setup;
  }

  /** Starts an origin and a gateway. */
  static async start(owner: Owner, setup: HttpSetup = {}): Promise<HttpScene> {
    const origin = await HttpOrigin.start(owner);
    const { directory, header, env, watch } = setup;
    const gateway = await GatewayProcess.start(owner, {
      yaml: yamlOf(setup, origin),
      ...(directory === undefined ? {} : { directory }),
      ...(header === undefined ? {} : { header }),
      ...(env === undefined ? {} : { env }),
      ...(watch === undefined ? {} : { watch }),
    });
    const scene = new HttpScene(gateway, origin, setup);
    await scene.#learnPorts();
    scene.#descriptors = await settledDescriptors(gateway.pid);
    return scene;
  }

  /** The port that a listener got. */
  port(listener = 'web'): number {
    const port = this.#ports.get(listener);
    if (port === undefined) {
      throw new Error(`there is no listener ${listener}`);
    }
    return port;
  }

  /** Loads another configuration. */
  async reload(change: HttpSetup): Promise<void> {
    this.gateway.write(yamlOf({ ...this.#setup, ...change }, this.origin));
    const { json } = await this.gateway.admin('POST', '/v1/reload');
    if (json.result !== 'applied') {
      throw new Error(`the reload was not applied: ${JSON.stringify(json)}`);
    }
    await this.#learnPorts();
  }

  /** Connects a client. */
  connect(owner: Owner, more: Partial<StreamTarget> = {}): Promise<ByteStream> {
    return ByteStream.connect(owner, { port: this.port(), ...more });
  }

  /** One request on a connection of its own, and its response. */
  async ask(owner: Owner, request: string, listener = 'web'): Promise<Response> {
    const client = await ByteStream.connect(owner, this.port(listener));
    client.send(request);
    const response = await readResponse(client, request.slice(0, request.indexOf(' ')));
    client.socket.destroy();
    return response;
  }

  /** A counter or gauge of the core, summed over shards. */
  async counter(name: string): Promise<number> {
    const { json } = await this.gateway.counted('/v1/stats');
    return sumOf(json, name);
  }

  /** Waits until a counter or gauge of the core is as wanted. */
  async counterUntil(name: string, isWanted: (value: number) => boolean): Promise<void> {
    await this.gateway.adminUntil('/v1/stats', ({ json }) => isWanted(sumOf(json, name)));
  }

  /** Ends the origin and waits until the gateway holds what it held at the start. */
  async expectNothingLeft(): Promise<void> {
    this.origin.check();
    await this.origin.close();
    const deadline = performance.now() + HANG_MS;
    let open = await settledDescriptors(this.gateway.pid);
    while (open > this.#descriptors) {
      if (performance.now() > deadline) {
        throw new Error(`${open} descriptors are open, at the start ${this.#descriptors}`);
      }
      open = await settledDescriptors(this.gateway.pid);
    }
    for (const gauge of ['tunnels', 'pendingChunks', 'paused']) {
      await this.counterUntil(gauge, (value) => value === 0);
    }
  }

  async #learnPorts(): Promise<void> {
    const { json } = await this.gateway.admin('GET', '/v1/status');
    this.#ports = new Map(
      json.listeners.map(({ name, address }: { name: string; address: string }) => [
        name,
        Number(/:(\d+)$/.exec(address)?.[1] ?? 0),
      ]),
    );
  }
}

function yamlOf(setup: HttpSetup, origin: HttpOrigin): string {
  const { http, web, cluster, app, listeners = [], clusters = [] } = setup;
  const config = {
    shards: setup.shards ?? 1,
    ...(setup.limits === undefined ? {} : { limits: setup.limits }),
    ...(setup.drain === undefined ? {} : { drain: setup.drain }),
    listeners: [
      {
        name: 'web',
        bind: '127.0.0.1:0',
        protocol: 'http',
        ...(setup.isRouted === true ? {} : { cluster: 'app' }),
        ...web,
        ...(http === undefined ? {} : { http }),
      },
      ...listeners,
    ],
    clusters: [
      {
        name: 'app',
        endpoints: [origin.address],
        ...app,
        ...(cluster === undefined ? {} : { http: cluster }),
      },
      ...clusters,
    ],
  };
  return Object.entries(config)
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
    .join('');
}

function sumOf(
  stats: { readonly shards: readonly { readonly counters: Readonly<Record<string, number>> }[] },
  name: string,
): number {
  return stats.shards.reduce((sum, { counters }) => sum + (counters[name] ?? Number.NaN), 0);
}

/** How many descriptors a process has, once none comes or goes. */
async function settledDescriptors(pid: number): Promise<number> {
  let last = -1;
  for (let same = 0; same < LOOKS; ) {
    const now = readdirSync(`/proc/${pid}/fd`).length;
    same = now === last ? same + 1 : 0;
    last = now;
    await new Promise((resolve) => {
      setTimeout(resolve, LOOK_MS);
    });
  }
  return last;
}

/** What the tests of a file share. */
export interface SharedHttp {
  /** Ends behind the last test. */
  readonly owner: Owner;
  scene: () => HttpScene;
}

/** Starts one scene for all tests of a file; `make` may start more origins. */
export function shareHttp(
  make: (owner: Owner) => HttpSetup | Promise<HttpSetup> = () => ({}),
): SharedHttp {
  const cleaners: (() => void | Promise<void>)[] = [];
  const owner: Owner = { after: (clean) => cleaners.unshift(clean) };
  let started: HttpScene | null = null;
  before(async () => {
    started = await HttpScene.start(owner, await make(owner));
  });
  after(async () => {
    try {
      await started?.expectNothingLeft();
    } finally {
      for (const clean of cleaners) {
        await clean();
      }
    }
  });
  const scene = (): HttpScene => {
    if (started === null) {
      throw new Error('the scene has not started');
    }
    return started;
  };
  return { owner, scene };
}

/** A request without content. */
export function get(target = '/', fields: Readonly<Record<string, string>> = {}): string {
  return requestOf('GET', target, { fields });
}

/** A request. Content brings its length with it. */
export function requestOf(
  method: string,
  target: string,
  {
    fields = {},
    body,
  }: { readonly fields?: Readonly<Record<string, string>>; readonly body?: string } = {},
): string {
  const lines = Object.entries({ Host: 'a.example', ...fields });
  const length = body === undefined ? '' : `Content-Length: ${body.length}\r\n`;
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return `${method} ${target} HTTP/1.1\r\n${head}${length}\r\n${body ?? ''}`;
}

/** Content in chunks of its own. */
export function chunked(pieces: readonly string[], trailers = ''): string {
  const chunks = pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join('');
  return `${chunks}0\r\n${trailers}\r\n`;
}
