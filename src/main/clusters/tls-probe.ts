/**
 * The second half of a health check over TLS: a handshake on a socket that is open already, and
 * perhaps a request behind it.
 *
 * Path: health-checks.ts, on the main thread, with Node's TLS: off the path a library is right.
 * Invariant: what the shards would refuse is refused here too: chain, time and name are checked
 * against the same authorities. The socket is closed whatever comes; never rejects.
 */
import { isIP, Socket } from 'node:net';
import { connect, createSecureContext, type TLSSocket } from 'node:tls';
import type { SocketAddress, TlsConfigInput } from '../../../native/epoll/index.ts';

/**
 * How long an endpoint has to object: in TLS 1.3 a client is done before its certificate is judged.
 * One that says nothing, and does not close either, has agreed.
 */
const CLOSE_WAIT_MS = 500;

/** An answer whose status is not there within so many bytes is none. */
const ANSWER_BYTES_MAX = 64 * 1024;

/** How an endpoint is spoken to. */
export interface TlsTarget {
  /** As the shards have it. */
  readonly input: TlsConfigInput;
  /** Empty: the endpoint proves its address. */
  readonly serverName: string;
}

/** A handshake to try. */
export interface Handshake {
  /** A connected socket, ours to close. */
  readonly fd: number;
  readonly address: SocketAddress;
  readonly tls: TlsTarget;
  readonly timeoutMs: number;
  /** Sent in clear before the handshake: a PROXY header, or nothing. */
  readonly prelude: Uint8Array;
  /** What is asked after the handshake; null: nothing. */
  readonly question: Question | null;
}

/** A request, and what its answer has to be. */
export interface Question {
  readonly request: Uint8Array;
  /** The status in what came so far; 0: none yet, -1: there will be none. */
  readonly readStatus: (bytes: Uint8Array) => number;
  /** Null when the status is a good one, or what is wrong with it. */
  readonly judge: (status: number) => string | null;
}

type Prepared = ReturnType<typeof createSecureContext>;

/** Authorities take milliseconds to parse; each input is parsed once. */
const prepared = new WeakMap<TlsConfigInput, Prepared>();

function prepare(input: TlsConfigInput): Prepared {
  const known = prepared.get(input);
  if (known !== undefined) return known;
  const [domain] = input.domains;
  const [pair] = domain?.certificates ?? [];
  const made = createSecureContext({
    minVersion: input.policy === 'modern' ? 'TLSv1.3' : 'TLSv1.2',
    ...(domain === undefined || domain.ca.length === 0 ? {} : { ca: toText(domain.ca) }),
    ...(pair === undefined ? {} : { cert: toText(pair.chain), key: toText(pair.key) }),
  });
  prepared.set(input, made);
  return made;
}

function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

/** Shakes hands, asks, and closes. Resolves with null, or with the reason that it failed for. */
export function shakeHands(handshake: Handshake): Promise<string | null> {
  const { fd, timeoutMs, prelude, question } = handshake;
  const socket = new Socket({ fd, readable: true, writable: true });
  // A second error on a socket that is being closed has nobody to tell.
  socket.on('error', () => {});
  return new Promise((resolve) => {
    let timer = setTimeout(() => end('ETIMEDOUT'), timeoutMs);
    /** What the end of the connection means from now on. */
    let atEnd: string | null = 'ECONNRESET';
    function end(fault: string | null): void {
      clearTimeout(timer);
      socket.destroy();
      resolve(fault);
    }
    try {
      if (prelude.length > 0) {
        socket.write(prelude);
      }
      const secured = secure(socket, handshake);
      secured.once('secureConnect', () => {
        if (question !== null) {
          ask(secured, question, end);
          return;
        }
        atEnd = null;
        clearTimeout(timer);
        timer = setTimeout(() => end(null), CLOSE_WAIT_MS);
        secured.resume();
        secured.end();
      });
      secured.once('end', () => end(atEnd));
      secured.once('close', () => end(atEnd));
      secured.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
    } catch (error) {
      end(error instanceof Error ? error.message : String(error));
    }
  });
}

function secure(socket: Socket, { tls, address }: Handshake): TLSSocket {
  const { input, serverName } = tls;
  return connect({
    socket,
    ['secureContext']: prepare(input),
    rejectUnauthorized: !input.isPeerUnchecked,
    host: 'ip' in address ? address.ip : serverName,
    ALPNProtocols: [...(input.domains[0]?.alpn ?? [])],
    ...(serverName === '' || isIP(serverName) !== 0 ? {} : { servername: serverName }),
  });
}

/** Sends the request and calls `end` when the status of the answer is known. */
function ask(secured: TLSSocket, question: Question, end: (fault: string | null) => void): void {
  let answer = Buffer.alloc(0);
  secured.on('data', (bytes: Buffer) => {
    answer = Buffer.concat([answer, bytes]);
    const status = question.readStatus(answer);
    if (status !== 0 || answer.length > ANSWER_BYTES_MAX) {
      end(question.judge(status === 0 ? -1 : status));
    }
  });
  secured.write(question.request);
}
