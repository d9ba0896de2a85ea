/**
 * The page of the demo in a browser: it opens WebSockets and server-sent events through the gateway
 * and shows them, and a reload keeps them.
 *
 * Path: headless Chromium -> `holdfast demo` -> its origin. Skipped where there is no Chromium.
 * Invariant under test: what the page shows is what happens; nothing on it is a fault, and nothing
 * is wider than the window, in any colours.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { makeDirectory } from '../harness.ts';
import { Browser, findBrowser } from '../peers/browser.ts';
import { Command, runCommand } from '../peers/cli.ts';

const BROWSER = findBrowser();
const needsBrowser =
  BROWSER === null ? { skip: 'there is no Chromium on this machine' } : { skip: false };
const NARROW = { width: 360, height: 740 };
const WIDE = { width: 1280, height: 900 };

interface Opened {
  readonly page: Browser;
  readonly demo: Command;
  readonly directory: string;
}

async function openDemo(t: TestContext): Promise<Opened> {
  const directory = makeDirectory(t);
  const args = ['demo', '--port', '0', '--connections', '2', '--shards', '2'];
  const demo = new Command(t, args, { directory });
  const [, url = ''] = await demo.printed(/Open (http:\S+) to see/);
  const page = await Browser.start(t, BROWSER ?? '');
  await page.look({ ...WIDE, scheme: 'light' });
  await page.open(url);
  return { page, demo, directory };
}

const numberIn = (id: string): string =>
  `Number(document.getElementById('${id}').firstChild.data.replace(/[,#]/g, ''))`;
const told = (text: string): string =>
  `[...document.querySelectorAll('#events li')].some((each) => each.innerText.includes(${JSON.stringify(text)}))`;

test(
  'sockets open, messages flow, news arrive, and a reload keeps all of it',
  needsBrowser,
  async (t) => {
    const { page } = await openDemo(t);
    await page.until(`${numberIn('open')} === 8`);
    await page.until(`${numberIn('rate')} > 0 && ${numberIn('median')} >= 0`);
    await page.until(`document.getElementById('news-state').dataset.state === 'live'`);
    await page.press('#opening button.main');
    await page.until(`${numberIn('open')} === 18`);
    // The gateway says the same, and has them in its list.
    await page.until(
      `document.getElementById('gateway-says').textContent.includes('; 18 WebSockets')`,
    );
    await page.until(`${numberIn('connections')} > 18 && ${numberIn('requests')} > 18`);
    await page.until(`document.getElementById('list').innerText.includes('messages')`);
    await page.evaluate(`sockets.forEach(({ socket }) => { socket.isOld = true; })`);
    await page.press('#reload');
    await page.until(told('Configuration #2 runs'));
    assert.equal(await page.evaluate(told('18 sockets stayed open, 0 closed')), true);
    assert.equal(await page.evaluate(told('New requests get edition 2')), true);
    await page.until(`${numberIn('generation')} === 2`);
    await page.until(`${numberIn('rate')} > 0`);
    const kept = `[...sockets.values()].filter(({ isOpen, socket }) => isOpen && socket.isOld).length`;
    assert.equal(await page.evaluate(kept), 18);
    assert.equal(await page.evaluate('news.readyState === EventSource.OPEN'), true);
    assert.deepEqual(page.faults, []);
  },
);

test('sending and closing do what they say', needsBrowser, async (t) => {
  const { page } = await openDemo(t);
  await page.until(`${numberIn('open')} === 8`);
  await page.press('#sending button');
  await page.until(told('8 sockets got “hello” back'));
  await page.press('#close-one');
  await page.until(`${numberIn('open')} === 7`);
  await page.until(told('1 socket closed by this page'));
  await page.press('#close-all');
  await page.until(`${numberIn('open')} === 0`);
  await page.until(
    `document.getElementById('gateway-says').textContent.includes('; 0 WebSockets')`,
  );
  assert.deepEqual(page.faults, []);
});

test('a drain closes them with 1012, and they come back', needsBrowser, async (t) => {
  const { page, directory } = await openDemo(t);
  await page.until(`${numberIn('open')} === 8`);
  assert.equal((await runCommand(t, ['drain', '--over', '100ms'], { directory })).code, 0);
  await page.until(told('closed with 1012: restarting; trying again'));
  await page.until(`${numberIn('open')} === 0`);
  assert.equal((await runCommand(t, ['undrain'], { directory })).code, 0);
  await page.until(`${numberIn('open')} === 8`);
  await page.until(`document.getElementById('news-state').dataset.state === 'live'`);
});

test('Ctrl-C in the middle leaves nothing behind', needsBrowser, async (t) => {
  const { page, demo, directory } = await openDemo(t);
  await page.until(`${numberIn('rate')} > 0`);
  demo.signal('SIGINT');
  const { code, stderr } = await demo.outcome;
  assert.equal(code, 0, stderr);
  assert.deepEqual(readdirSync(directory), []);
  await page.until(`document.getElementById('news-state').dataset.state === 'off'`);
});

test('it fits into narrow and wide windows, in light and dark', needsBrowser, async (t) => {
  const { page } = await openDemo(t);
  await page.until(`${numberIn('rate')} > 0`);
  const colours = new Set<unknown>();
  for (const scheme of ['light', 'dark'] as const) {
    for (const size of [NARROW, WIDE]) {
      await page.look({ ...size, scheme });
      await page.until(`innerWidth === ${size.width}`);
      const root = 'document.documentElement';
      const [scroll, client] = (await page.evaluate(
        `[${root}.scrollWidth, ${root}.clientWidth]`,
      )) as [number, number];
      assert.ok(scroll <= client, `${scheme}, ${size.width}: ${scroll} of ${client}`);
    }
    colours.add(await page.evaluate('getComputedStyle(document.body).backgroundColor'));
  }
  assert.equal(colours.size, 2);
  const controls = `[...document.querySelectorAll('button, input, select, canvas')]`;
  const isNamed = `(each) => each.textContent.trim() !== '' || each.labels?.length > 0 ||
    each.hasAttribute('aria-labelledby')`;
  assert.equal(await page.evaluate(`${controls}.every(${isNamed})`), true);
});
