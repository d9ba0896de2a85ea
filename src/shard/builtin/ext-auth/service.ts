/**
 * The connection to an authorization service: one request out, one small answer in.
 *
 * Path: ext-auth.ts asks through it; sockets are kept and used again, by node:http, which costs
 * half of what fetch does and adds no fields of its own.
 * Invariant: every question ends: with an answer, or with ServiceFailure at the deadline, when the
 * client is gone, or when too many wait. An answer is bounded in fields and content.
 */
import {
  type ClientRequest,
  type IncomingMessage,
  Agent as PlainAgent,
  type RequestOptions,
  request,
} from 'node:http';
import { request as requestTls, Agent as TlsAgent } from 'node:https';

/** Questions of one shard under way at once, those that wait for a connection included. */
const QUESTIONS_MAX = 1024;
const HEAD_BYTES_MAX = 16_384;
const CONTENT_BYTES_MAX = 64 << 10;
const HTTPS = 'https:';

/** Why there is no answer. */
export class ServiceFailure extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'ServiceFailure';
  }
}

/** The request cannot be put as a question; the client is at fault, not the service. */
export class UnaskableError extends Error {
  constructor(cause: unknown) {
    super('the request cannot be put as a question', { cause });
    this.name = 'UnaskableError';
  }
}

/** A question. */
export interface Question {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
}

/** An answer. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly content: Buffer;
}

interface ServiceOptions {
  readonly url: URL;
  readonly timeoutMs: number;
  readonly connectionsMax: number;
}

/** Reads an answer to its end. */
async function readAnswer(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > CONTENT_BYTES_MAX) {
      throw new ServiceFailure(`the answer has more than ${CONTENT_BYTES_MAX} bytes of content`);
    }
    chunks.push(chunk);
  }
  const headers = response.headersDistinct as Record<string, string[]>;
  return { status: response.statusCode ?? 0, headers, content: Buffer.concat(chunks) };
}

/** A service that is asked over HTTP. */
export class Service {
  readonly #options: ServiceOptions;
  readonly #agent: PlainAgent;
  #questionCount = 0;

  constructor(options: ServiceOptions) {
    this.#options = options;
    const agentOptions = {
      keepAlive: true,
      maxSockets: options.connectionsMax,
      maxFreeSockets: options.connectionsMax,
      scheduling: 'lifo' as const,
    };
    const isTls = options.url.protocol === HTTPS;
    this.#agent = isTls ? new TlsAgent(agentOptions) : new PlainAgent(agentOptions);
  }

  /** Asks. Rejects with ServiceFailure or UnaskableError, and with nothing else. */
  async ask(question: Question, signal: AbortSignal): Promise<Answer> {
    if (this.#questionCount >= QUESTIONS_MAX) {
      throw new ServiceFailure(`${QUESTIONS_MAX} questions are under way already`);
    }
    this.#questionCount++;
    const deadline = new AbortController();
    const stop = (): void => deadline.abort();
    const timer = setTimeout(stop, this.#options.timeoutMs);
    signal.addEventListener('abort', stop, { once: true });
    try {
      return await this.#ask(question, deadline.signal);
    } catch (error) {
      if (error instanceof UnaskableError) throw error;
      if (signal.aborted) throw new ServiceFailure('the client is gone', error);
      if (deadline.signal.aborted) {
        throw new ServiceFailure(`no answer within ${this.#options.timeoutMs} ms`, error);
      }
      throw error instanceof ServiceFailure ? error : new ServiceFailure(describe(error), error);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      this.#questionCount--;
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Asks once more when the service had closed the connection that was used again. */
  async #ask(question: Question, signal: AbortSignal): Promise<Answer> {
    for (;;) {
      const sent = this.#send(question, signal);
      try {
        return await readAnswer(await sent.response);
      } catch (error) {
        sent.destroy();
        const isStale = sent.isReused() && (error as NodeJS.ErrnoException).code === 'ECONNRESET';
        if (!isStale || signal.aborted) throw error;
      }
    }
  }

  #send({ method, target, headers }: Question, signal: AbortSignal) {
    const { url } = this.#options;
    const options: RequestOptions = {
      agent: this.#agent,
      host: url.hostname.replaceAll(/^\[|\]$/g, ''),
      port: url.port === '' ? (url.protocol === HTTPS ? 443 : 80) : url.port,
      method,
      path: target,
      headers: headers as Record<string, string | string[]>,
      setDefaultHeaders: false,
      maxHeaderSize: HEAD_BYTES_MAX,
      signal,
    };
    const outgoing = start(url, options);
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    outgoing.once('response', resolve);
    outgoing.on('error', reject);
    for (const event of ['upgrade', 'connect']) {
      outgoing.once(event, () => reject(new ServiceFailure('it switches protocols')));
    }
    outgoing.end();
    return {
      response: promise,
      isReused: () => outgoing.reusedSocket,
      destroy: () => outgoing.destroy(),
    };
  }
}

/** @throws UnaskableError for a method, target or field that cannot be sent. */
function start(url: URL, options: RequestOptions): ClientRequest {
  try {
    return url.protocol === HTTPS ? requestTls(options) : request(options);
  } catch (error) {
    throw new UnaskableError(error);
  }
}

function describe(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === undefined ? message : `${code}: ${message}`;
}
