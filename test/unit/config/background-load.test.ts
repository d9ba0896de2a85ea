/**
 * Loads on the other thread: the same outcome as on this one, and an outcome at all when the thread
 * dies, finds a fault, or gets no turn.
 *
 * Path: src/main/config/background-load.ts, with its thread and with ports that misbehave.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  BackgroundLoader,
  type LoadAnswer,
  type LoadPort,
} from '../../../src/main/config/background-load.ts';
import { loadConfigFile, loadConfigText } from '../../../src/main/config/index.ts';

const EXAMPLES = fileURLToPath(new URL('../../../examples', import.meta.url));
/** `policy` of a thread, as sched(7) numbers it. */
const SCHED_IDLE = '5';
const POLICY = 38;
const LONG_MS = 60_000;
const GOOD = `
version: 1
listeners: [{ name: web, bind: 127.0.0.1:8080, cluster: app }]
clusters: [{ name: app, endpoints: [127.0.0.1:3000] }]
`;

/** Policies of all threads of this process. */
function listPolicies(): (string | undefined)[] {
  return readdirSync('/proc/self/task').map((id) => {
    const stat = readFileSync(`/proc/self/task/${id}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[POLICY];
  });
}

/** A thread that does nothing by itself. */
class FakePort implements LoadPort {
  readonly asked: number[] = [];
  readonly #listeners = new Map<string, (answer: LoadAnswer) => void>();

  postMessage({ id }: { readonly id: number }): void {
    this.asked.push(id);
  }

  on(event: string, listener: (answer: LoadAnswer) => void): void {
    this.#listeners.set(event, listener);
  }

  emit(event: string, answer?: LoadAnswer): void {
    this.#listeners.get(event)?.(answer ?? { id: 0, result: loadConfigText('', null) });
  }

  async terminate(): Promise<void> {}

  unref(): void {}
}

test('the thread gives way to all others, and finds what a load here finds', async () => {
  const loader = new BackgroundLoader({ waitMs: LONG_MS });
  const files = readdirSync(EXAMPLES).filter((name) => name.endsWith('.yaml'));
  assert.ok(files.length > 5);
  for (const name of files) {
    const path = join(EXAMPLES, name);
    assert.deepEqual(await loader.load({ path, text: null }), loadConfigFile(path), name);
  }
  assert.ok(listPolicies().includes(SCHED_IDLE));
});

test('faults stand where a load here finds them, those of TLS too', async () => {
  const loader = new BackgroundLoader({ waitMs: LONG_MS });
  const tls = '{ mode: terminate, certificates: [{ cert: /absent, key: /absent }] }';
  for (const text of [
    GOOD.replace('cluster: app', 'cluster: ap'),
    GOOD.replace('cluster: app', `cluster: app, tls: ${tls}`),
    'listeners: [',
    '',
  ]) {
    const result = await loader.load({ text, path: null });
    assert.equal(result.config, null);
    assert.ok(result.diagnostics.length > 0);
    assert.deepEqual(result, loadConfigText(text, null));
  }
});

test('who gets no turn is not waited for, nor asked again before it answers', async () => {
  const port = new FakePort();
  const loader = new BackgroundLoader({ spawn: () => port, waitMs: 1 });
  const here = loadConfigText(GOOD, null);
  assert.deepEqual(await loader.load({ text: GOOD, path: null }), here);
  assert.deepEqual(await loader.load({ text: GOOD, path: null }), here);
  assert.deepEqual(port.asked, [1]);
  port.emit('message', { id: 1, result: here });
  assert.deepEqual(await loader.load({ text: GOOD, path: null }), here);
  assert.deepEqual(port.asked, [1, 2]);
});

test('a thread that dies has a successor at the next load', async () => {
  const ports: FakePort[] = [];
  const spawn = (): FakePort => {
    const port = new FakePort();
    ports.push(port);
    setImmediate(() => port.emit('exit'));
    return port;
  };
  const loader = new BackgroundLoader({ spawn, waitMs: LONG_MS });
  const here = loadConfigText(GOOD, null);
  assert.deepEqual(await loader.load({ text: GOOD, path: null }), here);
  assert.deepEqual(await loader.load({ text: GOOD, path: null }), here);
  assert.equal(ports.length, 2);
});

test('loads end in the order in which they were asked for', async () => {
  const port = new FakePort();
  const loader = new BackgroundLoader({ spawn: () => port, waitMs: 1 });
  const ended: string[] = [];
  const loads = ['first', 'second', 'third'].map(async (name) => {
    const { config } = await loader.load({ text: GOOD.replace('web', name), path: null });
    ended.push(config?.listeners[0]?.name ?? '');
  });
  await Promise.all(loads);
  assert.deepEqual(ended, ['first', 'second', 'third']);
});
