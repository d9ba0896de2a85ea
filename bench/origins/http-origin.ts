/**
 * The HTTP and WebSocket origin of the benchmarks: `http-origin.ts PORT`.
 *
 * Path: runs under the Node of bench/node_modules (22, for which the redistributed uWebSockets.js
 * has a binary); where that or the package is missing, `ws` and node:http serve instead, under any
 * Node. GET answers BODY, a WebSocket on any path echoes.
 * Invariant: the first line on stdout says what serves, because every figure must name it. Ends
 * when its stdin does.
 */
import { createServer } from 'node:http';

const BODY = 'hello, holdfast\n';
const port = Number(process.argv[2]);

interface UwsResponse {
  end(body: string): void;
}

interface UwsSocket {
  send(message: ArrayBuffer, isBinary: boolean): void;
}

interface UwsApp {
  ws(pattern: string, behaviour: object): UwsApp;
  any(pattern: string, handler: (response: UwsResponse) => void): UwsApp;
  listen(host: string, port: number, done: (socket: unknown) => void): UwsApp;
}

interface Uws {
  App(): UwsApp;
}

/** A package that may be missing, and whose types need not be installed. */
async function load<T>(name: string): Promise<T | undefined> {
  return import(name).then(
    (module: T) => module,
    () => undefined,
  );
}

function say(title: string): void {
  process.stdout.write(`${JSON.stringify({ origin: `${title} on Node ${process.version}` })}\n`);
}

function serveUws(uws: Uws): void {
  uws
    .App()
    .ws('/*', {
      message: (socket: UwsSocket, message: ArrayBuffer, isBinary: boolean) =>
        socket.send(message, isBinary),
    })
    .any('/*', (response) => response.end(BODY))
    .listen('127.0.0.1', port, (socket) => {
      if (socket === false) process.exit(1);
      say('uWebSockets.js');
    });
}

interface Ws {
  WebSocketServer: new (
    options: object,
  ) => {
    on(event: 'connection', handler: (socket: WsSocket) => void): void;
  };
}

interface WsSocket {
  on(event: 'message', handler: (message: Buffer, isBinary: boolean) => void): void;
  send(message: Buffer, options: { binary: boolean }): void;
}

async function serveNode(): Promise<void> {
  const http = createServer((_request, response) => response.end(BODY));
  const ws = await load<Ws>('ws');
  if (ws !== undefined) {
    new ws.WebSocketServer({ server: http }).on('connection', (socket) => {
      socket.on('message', (message, isBinary) => socket.send(message, { binary: isBinary }));
    });
  }
  http.keepAliveTimeout = 0;
  http.listen(port, '127.0.0.1', () => say(ws === undefined ? 'node:http' : 'node:http and ws'));
}

process.stdin.once('end', () => process.exit(0)).resume();
const uws = await load<Uws>('uWebSockets.js');
if (uws === undefined) await serveNode();
else serveUws(uws);
