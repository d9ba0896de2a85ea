/**
 * Headless Chromium, driven over its DevTools protocol with Node's own WebSocket.
 *
 * Path: tests of pages start it in front of a gateway, as a person's browser would be.
 * Invariant: what a test starts ends with it, the browser's processes and its directory included.
 * Where the machine has no Chromium, `findBrowser` says so, and tests are skipped by name.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Owner } from '../harness.ts';

const NAMES = ['chromium', 'chromium-headless-shell', 'chromium-browser', 'google-chrome'];
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  '--remote-debugging-port=0',
];
const POLL_MS = 50;
/** Narrower windows are those of phones, whose scroll bars take no room. */
const PHONE_WIDTH_MAX = 500;

type Fields = Readonly<Record<string, unknown>>;

/** The browser of this machine, or null. */
export function findBrowser(): string | null {
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    for (const name of NAMES) {
      try {
        accessSync(join(directory, name), constants.X_OK);
        return join(directory, name);
      } catch {
        // Not here.
      }
    }
  }
  return null;
}

/** A browser with one page. */
export class Browser {
  /** What the page wrote to its console as an error, and exceptions nobody caught. */
  readonly faults: string[] = [];
  readonly #wire: WebSocket;
  readonly #waiting = new Map<number, PromiseWithResolvers<Fields>>();
  #page: string | null = null;
  #lastId = 0;

  private constructor(wire: WebSocket) {
    this.#wire = wire;
    wire.addEventListener('message', ({ data }) => this.#take(JSON.parse(String(data))));
    wire.addEventListener('close', () => {
      for (const waiting of this.#waiting.values()) waiting.reject(new Error('the browser ended'));
    });
  }

  static async start(owner: Owner, program: string): Promise<Browser> {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-browser-'));
    const flags = [...FLAGS, `--user-data-dir=${directory}`, 'about:blank'];
    const child = spawn(program, flags, { stdio: ['ignore', 'ignore', 'pipe'] });
    owner.after(async () => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      // Its other processes see the end of the first one a moment later.
      rmSync(directory, { recursive: true, force: true, maxRetries: 50, retryDelay: POLL_MS });
    });
    const wire = new WebSocket(await debuggerOf(child));
    await once(wire, 'open');
    const browser = new Browser(wire);
    owner.after(() => wire.close());
    const { targetId } = await browser.#ask('Target.createTarget', { url: 'about:blank' });
    const attached = await browser.#ask('Target.attachToTarget', { targetId, flatten: true });
    browser.#page = String(attached['sessionId']);
    await browser.#ask('Runtime.enable');
    await browser.#ask('Page.enable');
    return browser;
  }

  async open(url: string): Promise<void> {
    await this.#ask('Page.navigate', { url });
    await this.until(
      `location.href === ${JSON.stringify(url)} && document.readyState === 'complete'`,
    );
  }

  /** What an expression of the page gives; a promise is awaited. */
  async evaluate(expression: string): Promise<unknown> {
    const answer = await this.#ask('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (answer['exceptionDetails'] !== undefined) {
      throw new Error(`${expression}: ${JSON.stringify(answer['exceptionDetails'])}`);
    }
    return (answer['result'] as Fields)['value'];
  }

  /** Waits until an expression of the page is true; the time limit is that of the test. */
  async until(expression: string): Promise<void> {
    while ((await this.evaluate(expression)) !== true) {
      await new Promise((resolve) => {
        setTimeout(resolve, POLL_MS);
      });
    }
  }

  /** Presses an element as a mouse does: it has to be there, and to be seen. */
  async press(selector: string): Promise<void> {
    const place = (await this.evaluate(`(() => {
      const element = document.querySelector(${JSON.stringify(selector)});
      element.scrollIntoView({ block: 'center' });
      const { x, y, width, height } = element.getBoundingClientRect();
      return { x: x + width / 2, y: y + height / 2 };
    })()`)) as { x: number; y: number };
    for (const type of ['mousePressed', 'mouseReleased']) {
      const press = { type, ...place, button: 'left', clickCount: 1 };
      await this.#ask('Input.dispatchMouseEvent', press);
    }
  }

  /** The size of the window, and which colours the person likes. */
  async look(view: { width: number; height: number; scheme: 'light' | 'dark' }): Promise<void> {
    const { width, height, scheme } = view;
    const metrics = { width, height, deviceScaleFactor: 1, mobile: width < PHONE_WIDTH_MAX };
    await this.#ask('Emulation.setDeviceMetricsOverride', metrics);
    const features = [{ name: 'prefers-color-scheme', value: scheme }];
    await this.#ask('Emulation.setEmulatedMedia', { features });
  }

  /** All of the page as PNG. */
  async screenshot(): Promise<Buffer> {
    const options = { format: 'png', captureBeyondViewport: true };
    const { data } = await this.#ask('Page.captureScreenshot', options);
    return Buffer.from(String(data), 'base64');
  }

  #ask(method: string, params: Fields = {}): Promise<Fields> {
    this.#lastId++;
    const waiting = Promise.withResolvers<Fields>();
    this.#waiting.set(this.#lastId, waiting);
    const target = this.#page === null ? {} : { sessionId: this.#page };
    this.#wire.send(JSON.stringify({ id: this.#lastId, method, params, ...target }));
    return waiting.promise;
  }

  #take(message: Fields): void {
    const waiting = this.#waiting.get(Number(message['id']));
    if (waiting !== undefined) {
      this.#waiting.delete(Number(message['id']));
      const { error, result } = message as { error?: Fields; result: Fields };
      if (error === undefined) waiting.resolve(result);
      else waiting.reject(new Error(String(error['message'])));
      return;
    }
    const params = (message['params'] ?? {}) as Fields;
    const isFault =
      message['method'] === 'Runtime.exceptionThrown' ||
      (message['method'] === 'Runtime.consoleAPICalled' && params['type'] === 'error');
    if (isFault) this.faults.push(JSON.stringify(params));
  }
}

/** Where the browser says that it can be driven. */
function debuggerOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`the browser ended; it said: ${said}`)));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const found = /DevTools listening on (ws:\/\/\S+)/.exec(said);
      if (found?.[1] !== undefined) resolve(found[1]);
    });
  });
}
