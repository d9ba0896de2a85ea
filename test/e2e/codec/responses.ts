/**
 * Shows responses that the HTTP/1.1 codec accepted to the client of Node.
 *
 * Path: http1-peers.test.ts calls it; an origin sends each input, raw and as the codec forwards it,
 * and closes. Tests that build share one process, so that no two of them run make at once.
 * Invariant: what the codec accepts and forwards has the same status and the same content for the
 * client, and is complete.
 */
import { once } from 'node:events';
import { get } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import type { Input, Message } from './verdicts.ts';

const CONNECTIONS = 16;

/** One final response at the end, with nothing but interim ones before it. */
function finalOf(input: Input): Message | undefined {
  const final = input.messages.at(-1);
  const before = input.messages.slice(0, -1);
  const isOne = before.every(({ line }) => line.startsWith('1'));
  return isOne && final !== undefined && !final.line.startsWith('1') ? final : undefined;
}

/** The status and the bytes of content that a client sees, or its error. */
function fetchFrom(port: number, index: number): Promise<string> {
  return new Promise((resolve) => {
    const request = get({ port, path: `/${index}`, agent: false }, (response) => {
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      response.on('error', (error) => resolve(`${error}`));
      response.on('end', () => resolve(`${response.statusCode} ${bytes}`));
    });
    request.on('error', (error) => resolve(`${error}`));
  });
}

/** The inputs that a client reads as one response. */
export function withOneResponse(inputs: readonly Input[]): Input[] {
  return inputs.filter((input) => finalOf(input) !== undefined);
}

/** What the client reads otherwise than the codec, for inputs with one response each. */
export async function compareResponses(inputs: readonly Input[]): Promise<string[]> {
  const sent = inputs.flatMap((input) => [
    { name: `raw, ${input.name}`, input, bytes: input.bytes },
    {
      name: `forwarded, ${input.name}`,
      input,
      bytes: input.messages.map(({ forwarded }) => forwarded).join(''),
    },
  ]);
  const origin = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (head: Buffer) => {
      const index = /^GET \/(\d+) /.exec(head.toString('latin1'))?.[1];
      socket.end(Buffer.from(`${sent[Number(index)]?.bytes}`, 'latin1'));
    });
  });
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  const { port } = origin.address() as AddressInfo;

  const findings: string[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < sent.length) {
      const index = next++;
      const one = sent[index];
      if (one === undefined) continue;
      const final = finalOf(one.input);
      const wanted = `${final?.line} ${final?.contentBytes}`;
      const seen = await fetchFrom(port, index);
      if (seen !== wanted) {
        findings.push(`${one.name}: ${seen}, not ${wanted}: ${JSON.stringify(one.bytes)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, work));
  origin.close();
  return findings;
}
