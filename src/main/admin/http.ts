/**
 * The small HTTP vocabulary of the admin API: requests read with bounds, answers written as JSON.
 *
 * Path: api.ts -> router.ts -> handlers, all in these terms.
 * Invariant: a body is never larger than {@link BODY_BYTES_MAX}; every failure answers
 * `{ "error": { "code", "message", "hint" } }`.
 */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** The largest body that is read; a configuration has the same limit. */
export const BODY_BYTES_MAX = 4 * 1024 * 1024;
/** What is beyond it is read and dropped up to here, so that whoever sends it sees the answer. */
const BODY_DROPPED_BYTES_MAX = 16 * 1024 * 1024;

/** A request as handlers see it. */
export interface AdminRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Segments of the path that the route names with a colon. */
  readonly params: Readonly<Record<string, string>>;
  readonly headers: IncomingMessage['headers'];
  /** @throws AdminError 413 */
  readonly text: () => Promise<string>;
  /** An empty body is `{}`. @throws AdminError 400, 413 */
  readonly json: () => Promise<unknown>;
}

/** An answer: a value that becomes JSON, or text in pieces. */
export type AdminResponse =
  | { readonly status: number; readonly json: unknown; readonly headers?: Record<string, string> }
  | {
      readonly status: number;
      readonly type: string;
      readonly pieces: AsyncIterable<string> | Iterable<string>;
    };

/** A refusal: what the client gets, with a stable code and what to do about it. */
export class AdminError extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string;
  readonly headers: Record<string, string>;

  constructor(
    status: number,
    code: string,
    say: {
      readonly message: string;
      readonly hint?: string;
      readonly headers?: Record<string, string>;
    },
  ) {
    super(say.message);
    this.name = 'AdminError';
    this.status = status;
    this.code = code;
    this.hint = say.hint ?? '';
    this.headers = say.headers ?? {};
  }
}

/** A request that says something it must not. */
export function badRequest(message: string, hint = ''): AdminError {
  return new AdminError(400, 'BAD_REQUEST', { message, hint });
}

/** Something that is not there. */
export function notFound(message: string, hint = ''): AdminError {
  return new AdminError(404, 'NOT_FOUND', { message, hint });
}

/** 200 with a JSON value. */
export function ok(json: unknown): AdminResponse {
  return { status: 200, json };
}

/** Reads a body as text. @throws AdminError 413 */
export async function readText(message: IncomingMessage): Promise<string> {
  const tooLarge = (): AdminError =>
    new AdminError(413, 'TOO_LARGE', {
      message: `the body is larger than ${BODY_BYTES_MAX} bytes`,
      headers: { Connection: 'close' },
    });
  if (Number(message.headers['content-length'] ?? 0) > BODY_DROPPED_BYTES_MAX) {
    throw tooLarge();
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_DROPPED_BYTES_MAX) {
      throw tooLarge();
    }
    if (bytes <= BODY_BYTES_MAX) {
      chunks.push(chunk);
    }
  }
  if (bytes > BODY_BYTES_MAX) {
    throw tooLarge();
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Reads text as JSON. @throws AdminError 400 */
export function parseJson(text: string): unknown {
  if (text.trim() === '') {
    return {};
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw badRequest(`the body is not JSON: ${(error as Error).message}`);
  }
}

/** Writes an answer and waits for the client to take it. */
export async function send(response: ServerResponse, answer: AdminResponse): Promise<void> {
  if ('json' in answer) {
    const body = `${JSON.stringify(answer.json)}\n`;
    response.writeHead(answer.status, {
      ...SAFE_HEADERS,
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
      ...answer.headers,
    });
    response.end(body);
    return;
  }
  response.writeHead(answer.status, { ...SAFE_HEADERS, 'Content-Type': answer.type });
  for await (const piece of answer.pieces) {
    if (response.destroyed) {
      return;
    }
    if (!response.write(piece)) {
      await Promise.race([once(response, 'drain'), once(response, 'close')]);
    }
  }
  response.end();
}

/** Writes a refusal. */
export async function sendError(response: ServerResponse, error: AdminError): Promise<void> {
  const { status, code, message, hint, headers } = error;
  await send(response, { status, json: { error: { code, message, hint } }, headers });
}

/** The API is for programs: nothing is cached, sniffed, framed or run. */
const SAFE_HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'",
} as const;
