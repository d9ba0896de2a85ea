/**
 * Enough of Redis for tests: RESP 2 over a loopback socket, and the one script as TypeScript.
 *
 * Path: rate-limit-global.test.ts. The script itself is tested against a real Redis where there is
 * one.
 * Invariant: commands are answered in order, by `answer` when a test replaces it. Says how many
 * connections and commands there were.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { ExpiringMap } from '../../../../src/shard/builtin/parts/index.ts';
import { takeLocally } from '../../../../src/shard/builtin/rate-limit-global/index.ts';

/** Cuts arrays of bulk strings out of bytes; what is left over waits for more. */
function cut(text: string): { readonly commands: string[][]; readonly rest: string } {
  const commands: string[][] = [];
  let rest = text;
  for (;;) {
    const head = /^\*(\d+)\r\n/.exec(rest);
    if (head === null) return { commands, rest };
    let at = head[0].length;
    const command: string[] = [];
    for (let index = 0; index < Number(head[1]); index++) {
      const size = /^\$(\d+)\r\n/.exec(rest.slice(at));
      if (size === null) return { commands, rest };
      at += size[0].length;
      if (rest.length < at + Number(size[1]) + 2) return { commands, rest };
      command.push(rest.slice(at, at + Number(size[1])));
      at += Number(size[1]) + 2;
    }
    commands.push(command);
    rest = rest.slice(at);
  }
}

/** Answers a command as text of RESP; null says nothing. */
export type RedisAnswer = (command: readonly string[], socket: Socket) => string | null;

/** Opens the stand-in. */
export async function openRedis() {
  const buckets = new ExpiringMap<number>(1000);
  const commands: string[][] = [];
  const sockets = new Set<Socket>();
  let connectionCount = 0;
  let isScriptKnown = false;
  let isGone = false;
  const obey: RedisAnswer = ([name = '', ...words]) => {
    if (name === 'EVALSHA' && !isScriptKnown) return '-NOSCRIPT No matching script.\r\n';
    if (name !== 'EVALSHA' && name !== 'EVAL') return '+OK\r\n';
    isScriptKnown = true;
    const [, , key = '', intervalUs, toleranceUs] = words;
    const rate = { intervalUs: Number(intervalUs), toleranceUs: Number(toleranceUs) };
    const { isAllowed, waitUs } = takeLocally(buckets, key, rate);
    return `*2\r\n:${isAllowed ? 1 : 0}\r\n:${waitUs}\r\n`;
  };
  let answer = obey;
  const stand = createServer((socket) => {
    connectionCount++;
    socket.on('error', () => {});
    if (isGone) {
      socket.destroy();
      return;
    }
    sockets.add(socket);
    let text = '';
    socket.on('data', (chunk) => {
      const found = cut(text + chunk.toString('latin1'));
      text = found.rest;
      for (const command of found.commands) {
        commands.push(command);
        const reply = answer(command, socket);
        if (reply !== null && socket.writable) socket.write(reply);
      }
    });
    socket.once('close', () => sockets.delete(socket));
  });
  stand.listen(0, '127.0.0.1');
  await once(stand, 'listening');
  const { port } = stand.address() as AddressInfo;
  return {
    url: `redis://127.0.0.1:${port}`,
    commands,
    get connectionCount() {
      return connectionCount;
    },
    /** Takes the place of what Redis would say; null gives it back. */
    answer(next: RedisAnswer | null): void {
      answer = next ?? obey;
    },
    /** Ends all connections, and those to come at once, until `comeBack`. */
    goAway(): void {
      isGone = true;
      for (const socket of sockets) socket.destroy();
    },
    comeBack(): void {
      isGone = false;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      stand.close();
      await once(stand, 'close');
    },
  };
}
