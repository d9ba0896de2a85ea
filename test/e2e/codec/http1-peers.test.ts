/**
 * The HTTP/1.1 codec against other parsers: what it accepts, they read with the same framing.
 *
 * Path: test/differential/http1_verdicts prints accepted inputs of the case tables and mutations of
 * them; each is shown to Node's parser, to Go's net/http and to Python's h11, raw and as the codec
 * forwards it, with one more request behind that has to be seen as the next one.
 * Invariant: whatever is forwarded is read the same by every peer; where a peer refuses raw bytes
 * or methods that the codec accepts, DIFFERENCES says why that is safe.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, METHODS, type ServerResponse } from 'node:http';
import { type AddressInfo, createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { compareResponses, withOneResponse } from './responses.ts';
import { fromHex, INPUTS, type Input, listInputs } from './verdicts.ts';

const DIFFERENTIAL = fileURLToPath(new URL('../../differential', import.meta.url));
const CONNECTIONS = 16;
/** Far beyond what an answer takes; only so that a hang has a name. */
const HANG_MS = 20_000;
const SENTINEL = 'GET /sentinel HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
const SENTINEL_SEEN = 'GET /sentinel 0';
const FINDINGS_SHOWN_MAX = 20;

interface Peer {
  readonly name: string;
  readonly port: number;
}

/** Where a peer may read fewer messages than the codec: it refuses, or closes sooner. */
interface Difference {
  readonly peers: readonly string[];
  readonly why: string;
  readonly isRawOnly: boolean;
  readonly applies: (input: Input) => boolean;
}

function linesOf(input: Input): string[] {
  return input.messages.map(({ written }) => written);
}

const KNOWN_METHODS = new Set(METHODS);

const DIFFERENCES: readonly Difference[] = [
  {
    peers: ['node'],
    why: 'knows a list of methods only, where RFC 9110 9.1 has any token',
    isRawOnly: false,
    applies: (input) => linesOf(input).some((line) => !KNOWN_METHODS.has(`${line.split(' ')[0]}`)),
  },
  {
    peers: ['node'],
    why: 'reads nothing behind a request to upgrade; the gateway sends nothing there either',
    isRawOnly: false,
    applies: (input) => /\r\nupgrade:/i.test(input.bytes),
  },
  {
    peers: ['go', 'h11'],
    why: 'refuses the empty line in front that RFC 9112 2.2 has us pass over; it is not forwarded',
    isRawOnly: true,
    applies: (input) =>
      [0, ...input.messages.map(({ end }) => end)].some((at) => input.bytes.startsWith('\r\n', at)),
  },
  {
    peers: ['go'],
    why: 'judges Expect in HTTP/1.0, where RFC 9110 10.1.1 has it ignored; it is not forwarded',
    isRawOnly: true,
    applies: (input) => /HTTP\/1\.0\r\n[^]*expect/i.test(input.bytes),
  },
  {
    peers: ['go', 'h11'],
    why: 'closes sooner in HTTP/1.0: Go looks at one Connection line, h11 at none; not forwarded',
    isRawOnly: true,
    applies: (input) => input.bytes.includes(' HTTP/1.0\r\n'),
  },
];

/** Without CONNECT: what follows it is no request. */
function listRequests(): Input[] {
  const inputs = listInputs('requests');
  return inputs.filter((input) => !linesOf(input).some((line) => line.startsWith('CONNECT ')));
}

/** Which requests a peer says it saw in the bytes until it closed the connection. */
async function ask(peer: Peer, bytes: string): Promise<string[]> {
  const socket = createConnection(peer.port, '127.0.0.1');
  let answers = '';
  socket.setEncoding('latin1');
  socket.on('data', (text: string) => {
    answers += text;
  });
  // A peer that refuses may reset: what it said before counts.
  socket.on('error', () => {});
  const hang = setTimeout(() => {
    answers += 'X-Seen: 77616974696e67\r\n';
    socket.destroy();
  }, HANG_MS);
  socket.write(Buffer.from(bytes, 'latin1'));
  await new Promise((resolve) => socket.once('close', resolve));
  clearTimeout(hang);
  return Array.from(answers.matchAll(/^X-Seen: ([0-9a-f]*)\r$/gim), (match) =>
    fromHex(`${match[1]}`),
  );
}

/** What is wrong with how a peer reads an input, or undefined. */
async function compare(peer: Peer, input: Input, isRaw: boolean): Promise<string | undefined> {
  const hasNext = input.messages.at(-1)?.isPersistent === true;
  const bytes = isRaw ? input.bytes : input.messages.map((one) => one.forwarded).join('');
  const wanted = input.messages.map(
    (one) => `${isRaw ? one.written : one.line} ${one.contentBytes}`,
  );
  if (hasNext) wanted.push(SENTINEL_SEEN);
  const seen = await ask(peer, hasNext ? bytes + SENTINEL : bytes);
  const excuse = DIFFERENCES.some(
    (one) => one.peers.includes(peer.name) && (isRaw || !one.isRawOnly) && one.applies(input),
  );
  const isPrefix = seen.every((line, index) => line === wanted[index]);
  if (isPrefix && (excuse || seen.length === wanted.length)) return undefined;
  const kind = isRaw ? 'raw' : 'forwarded';
  return `${peer.name}, ${kind}, ${input.name}: ${JSON.stringify({ bytes, seen, wanted })}`;
}

async function compareAll(peer: Peer, inputs: readonly Input[]): Promise<string[]> {
  const findings: string[] = [];
  const queue = inputs.flatMap((input) => [true, false].map((isRaw) => ({ input, isRaw })));
  const work = async (): Promise<void> => {
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      const finding = await compare(peer, next.input, next.isRaw);
      if (finding !== undefined) findings.push(finding);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, work));
  return findings;
}

function expectNone(findings: readonly string[]): void {
  const shown = findings.slice(0, FINDINGS_SHOWN_MAX).join('\n');
  assert.equal(findings.length, 0, `${findings.length} findings:\n${shown}`);
}

async function checkPeer(peer: Peer): Promise<void> {
  const inputs = listRequests();
  assert.ok(inputs.length > INPUTS / 2, 'there are inputs to compare');
  expectNone(await compareAll(peer, inputs));
}

function answerRequest(request: IncomingMessage, response: ServerResponse): void {
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  request.on('end', () => {
    const seen = `${request.method} ${request.url} ${bytes}`;
    response.setHeader('X-Seen', Buffer.from(seen, 'latin1').toString('hex'));
    response.setHeader('Content-Length', 0);
    response.end();
  });
}

test('what is accepted and forwarded is read the same by the parser of Node', async (t) => {
  const origin = createServer({ insecureHTTPParser: false }, answerRequest);
  origin.on('upgrade', (_request, socket) => socket.destroy());
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  t.after(() => origin.close());
  await checkPeer({ name: 'node', port: (origin.address() as AddressInfo).port });
});

/** Starts an origin that says its port, and ends it with the test. */
async function startOrigin(t: TestContext, command: string, args: string[]): Promise<number> {
  const child: ChildProcess = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(async () => {
    const exit = once(child, 'exit');
    child.stdin?.end();
    await exit;
  });
  assert.ok(child.stdout);
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return Number(line);
}

test('what is accepted and forwarded is read the same by the parser of Go', async (t) => {
  if (spawnSync('go', ['version']).status !== 0) return t.skip('go is not installed');
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const program = join(directory, 'origin');
  execFileSync('go', ['build', '-o', program, join(DIFFERENTIAL, 'origin.go')]);
  await checkPeer({ name: 'go', port: await startOrigin(t, program, []) });
});

test('what is accepted and forwarded is read the same by h11', async (t) => {
  const isThere = spawnSync('python3', ['-c', 'import h11']).status === 0;
  if (!isThere) return t.skip("Python's h11 is not installed");
  const origin = join(DIFFERENTIAL, 'h11_origin.py');
  await checkPeer({ name: 'h11', port: await startOrigin(t, 'python3', [origin]) });
});

test('responses that are accepted and forwarded are read the same by the client of Node', async () => {
  const inputs = withOneResponse(listInputs('responses'));
  assert.ok(inputs.length > INPUTS / 2, 'there are inputs to compare');
  expectNone(await compareResponses(inputs));
});
