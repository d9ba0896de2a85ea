/**
 * Talks to the admin endpoint of a running gateway.
 *
 * Path: conns, kill, drain and the other verbs ask through here; the other end is src/main/admin.
 * Invariant: every failure becomes one sentence with an exit code: 3 when nothing answers, 1 when
 * the gateway refuses. Answers are bounded. The token is never printed.
 */
import type { IncomingMessage } from 'node:http';
import { formatHostPort } from '../config/index.ts';
import { CliError, EXIT } from './exit.ts';

/** Where the admin endpoint is. */
export type AdminTarget =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly token: string };

/** One request. */
export interface AdminRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  /** Sent as JSON, or as it is when it is text. */
  readonly body?: unknown;
}

/** An answer of any status. */
export interface AdminAnswer {
  readonly status: number;
  readonly json: Readonly<Record<string, unknown>>;
}

/** An import of node:http reads all its exports, and one of them loads a whole fetch client. */
const { request: httpRequest } = process.getBuiltinModule('node:http');
/** A page of a hundred thousand connections stays below this. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
const ANSWER_TIMEOUT_MS = 30_000;

/** How messages name the endpoint. */
export function describeTarget(target: AdminTarget): string {
  return target.kind === 'unix' ? target.path : formatHostPort(target.host, target.port);
}

function explainFailure(error: NodeJS.ErrnoException, target: AdminTarget): CliError {
  const where = describeTarget(target);
  const start =
    'start one with "holdfast run FILE", or name its socket with --admin or HOLDFAST_ADMIN';
  const sentences: Record<string, readonly [string, string]> = {
    ENOENT: [`no gateway is running at ${where}: there is no such socket`, start],
    ECONNREFUSED: [`no gateway is running at ${where}: nothing listens there`, start],
    EACCES: [`permission denied for ${where}`, 'run this as the user that the gateway runs as'],
    ENOTSOCK: [`${where} is not a socket`, 'name the admin socket with --admin'],
    ECONNRESET: [`${where} closed the connection`, 'see the log of the gateway'],
    ETIMEDOUT: [`${where} does not answer`, 'see the log of the gateway'],
  };
  const found = sentences[error.code ?? ''];
  if (found !== undefined)
    return new CliError(found[0], { exitCode: EXIT.unreachable, hint: found[1] });
  if ((error.code ?? '').startsWith('HPE_')) return notHoldfast(target);
  return new CliError(`${where} cannot be reached: ${error.message}`, {
    exitCode: EXIT.unreachable,
  });
}

function notHoldfast(target: AdminTarget): CliError {
  return new CliError(
    `${describeTarget(target)} answers, but it is not the admin endpoint of a holdfast`,
    {
      exitCode: EXIT.unreachable,
      hint: 'name the admin socket with --admin or HOLDFAST_ADMIN',
    },
  );
}

function encode(body: unknown): Buffer | null {
  if (body === undefined) return null;
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}

async function readAll(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let total = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    total += chunk.length;
    if (total > ANSWER_BYTES_MAX)
      throw new CliError('the answer is too large', { hint: 'use --limit' });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function exchange(target: AdminTarget, wanted: AdminRequest): Promise<IncomingMessage> {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(wanted.query ?? {})) {
    if (value !== undefined) query.set(key, value);
  }
  const search = query.toString();
  const body = encode(wanted.body);
  const isText = typeof wanted.body === 'string';
  const headers: Record<string, string> = { host: 'localhost' };
  if (body !== null) {
    headers['content-type'] = isText ? 'application/yaml' : 'application/json';
    headers['content-length'] = String(body.length);
  }
  if (target.kind === 'tcp') headers['authorization'] = `Bearer ${target.token}`;
  const to =
    target.kind === 'unix' ? { socketPath: target.path } : { host: target.host, port: target.port };
  return new Promise((resolve, reject) => {
    const asked = httpRequest(
      {
        ...to,
        method: wanted.method,
        path: `${wanted.path}${search === '' ? '' : `?${search}`}`,
        headers,
        timeout: ANSWER_TIMEOUT_MS,
        agent: false,
      },
      resolve,
    );
    asked.once('timeout', () =>
      asked.destroy(Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' })),
    );
    asked.once('error', reject);
    asked.end(body ?? undefined);
  });
}

/** Sends a request and reads the JSON answer, whatever its status. */
export async function askAny(target: AdminTarget, wanted: AdminRequest): Promise<AdminAnswer> {
  let text: string;
  let status: number;
  try {
    const answer = await exchange(target, wanted);
    status = answer.statusCode ?? 0;
    text = await readAll(answer);
  } catch (cause) {
    throw cause instanceof CliError
      ? cause
      : explainFailure(cause as NodeJS.ErrnoException, target);
  }
  try {
    const json: unknown = text.trim() === '' ? {} : JSON.parse(text);
    if (typeof json === 'object' && json !== null)
      return { status, json: json as Record<string, unknown> };
  } catch {
    // Falls through: whoever answers in something else than JSON is not a gateway.
  }
  throw notHoldfast(target);
}

/** The sentence of a refusal. */
function refusal(answer: AdminAnswer, target: AdminTarget): CliError {
  const error = answer.json['error'] as { message?: unknown; hint?: unknown } | undefined;
  if (answer.status === 401 || answer.status === 403) {
    return new CliError(`${describeTarget(target)} refuses the token`, {
      hint: 'set HOLDFAST_TOKEN to the token of admin.tcp',
    });
  }
  const message =
    typeof error?.message === 'string'
      ? error.message
      : `the gateway answered with status ${answer.status}`;
  return new CliError(message, { hint: typeof error?.hint === 'string' ? error.hint : '' });
}

/** Sends a request. @throws CliError when the status is not 2xx */
export async function ask(target: AdminTarget, wanted: AdminRequest): Promise<AdminAnswer['json']> {
  const answer = await askAny(target, wanted);
  if (answer.status >= 200 && answer.status < 300) return answer.json;
  throw refusal(answer, target);
}

/** Like {@link ask}, and also hands back the statuses that are an answer of their own. */
export async function askExpecting(
  target: AdminTarget,
  wanted: AdminRequest,
  expected: readonly number[],
): Promise<AdminAnswer> {
  const answer = await askAny(target, wanted);
  if (expected.includes(answer.status) || (answer.status >= 200 && answer.status < 300))
    return answer;
  throw refusal(answer, target);
}
