/**
 * Reads HTTP/1.1 messages off a connection, byte by byte as they are.
 *
 * Path: clients of tests read responses with it, origins of tests read requests.
 * Invariant: it is strict where the gateway has to be canonical: CRLF, tokens, one framing. What it
 * does not accept fails the test that reads. Fields keep their order and their case.
 */
import assert from 'node:assert/strict';
import type { ByteStream } from './byte-stream.ts';

/** Names and values in the order of the message. */
export type FieldLines = readonly (readonly [name: string, value: string])[];

/** Start line and fields. */
export interface MessageHead {
  readonly startLine: string;
  readonly fields: FieldLines;
}

/** How content ended. */
export type Framing = 'none' | 'length' | 'chunked' | 'close';

/** What followed a head. */
export interface Content {
  readonly framing: Framing;
  readonly body: Buffer;
  readonly trailers: FieldLines;
  /** Sizes of the chunks, for tests of delay. */
  readonly chunks: readonly number[];
}

/** A whole response. */
export interface Response extends MessageHead, Content {
  readonly status: number;
  readonly text: string;
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const STATUS_LINE = /^HTTP\/1\.1 (\d{3}) [\t\x20-\x7e\x80-\xff]*$/;

/** All values of a name. */
export function valuesOf(message: { readonly fields: FieldLines }, name: string): string[] {
  return message.fields.filter(([each]) => each.toLowerCase() === name).map(([, value]) => value);
}

/** The only value of a name, or undefined; more than one is a failure. */
export function valueOf(
  message: { readonly fields: FieldLines },
  name: string,
): string | undefined {
  const values = valuesOf(message, name);
  assert.ok(values.length <= 1, `${name} stands ${values.length} times`);
  return values[0];
}

async function readLine(stream: ByteStream): Promise<string> {
  const line = await stream.line();
  assert.ok(line.endsWith('\r'), `a line ends with CRLF: ${JSON.stringify(line)}`);
  return line.slice(0, -1);
}

async function readFields(stream: ByteStream): Promise<FieldLines> {
  const fields: (readonly [string, string])[] = [];
  for (let line = await readLine(stream); line !== ''; line = await readLine(stream)) {
    const colon = line.indexOf(':');
    const [name, value] = [line.slice(0, colon), line.slice(colon + 1)];
    assert.match(name, TOKEN, `a field name: ${JSON.stringify(line)}`);
    assert.match(value, FIELD_VALUE, `a field value: ${JSON.stringify(line)}`);
    fields.push([name, value.trim()]);
  }
  return fields;
}

/** Start line and fields of the next message. */
export async function readHead(stream: ByteStream): Promise<MessageHead> {
  const startLine = await readLine(stream);
  return { startLine, fields: await readFields(stream) };
}

/** The content of a message with chunks. */
async function readChunks(stream: ByteStream): Promise<Content> {
  const pieces: Buffer[] = [];
  const chunks: number[] = [];
  for (;;) {
    const line = await readLine(stream);
    assert.match(line, /^[0-9a-f]{1,16}$/i, 'a chunk size and nothing else');
    const bytes = Number.parseInt(line, 16);
    if (bytes === 0) {
      break;
    }
    chunks.push(bytes);
    pieces.push(await stream.take(bytes));
    assert.equal(await readLine(stream), '', 'a chunk ends with CRLF');
  }
  const trailers = await readFields(stream);
  return { framing: 'chunked', body: Buffer.concat(pieces), trailers, chunks };
}

const NOTHING: Content = { framing: 'none', body: Buffer.alloc(0), trailers: [], chunks: [] };

/** The content behind a head; `none` and `close` are what the message means without framing. */
export async function readContent(
  stream: ByteStream,
  head: MessageHead,
  unframed: 'none' | 'close',
): Promise<Content> {
  const length = valueOf(head, 'content-length');
  const coding = valueOf(head, 'transfer-encoding');
  assert.ok(length === undefined || coding === undefined, 'one framing');
  if (coding !== undefined) {
    assert.equal(coding, 'chunked');
    return readChunks(stream);
  }
  if (length !== undefined) {
    assert.match(length, /^(?:0|[1-9]\d*)$/);
    return { ...NOTHING, framing: 'length', body: await stream.take(Number(length)) };
  }
  if (unframed === 'none') {
    return NOTHING;
  }
  return { ...NOTHING, framing: 'close', body: await stream.rest() };
}

/** The status of a head; fails where it is none. */
export function statusOf(head: MessageHead): number {
  const match = STATUS_LINE.exec(head.startLine);
  assert.ok(match !== null, `a status line: ${JSON.stringify(head.startLine)}`);
  return Number(match[1]);
}

/** The next response, interim ones included; what the method means for its content is told. */
export async function readResponse(stream: ByteStream, method = 'GET'): Promise<Response> {
  const head = await readHead(stream);
  const status = statusOf(head);
  const isEmpty = method === 'HEAD' || status < 200 || status === 204 || status === 304;
  const content = isEmpty ? NOTHING : await readContent(stream, head, 'close');
  return { ...head, ...content, status, text: content.body.toString('latin1') };
}
