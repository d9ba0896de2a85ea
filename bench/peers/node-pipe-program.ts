/**
 * The program behind the peer `node-pipe`: WORKERS FRONT_PORT ORIGIN_PORT [CERTIFICATE KEY].
 *
 * Path: client -> pipe -> origin and back, in JavaScript, one connection to the origin for each
 * client. Does nothing that a first version by hand would not do, except to survive resets.
 */
import cluster from 'node:cluster';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';

const [workers = '1', frontPort = '0', originPort = '0', certificate, key] = process.argv.slice(2);

function relay(client: Socket): void {
  const origin = connect({
    host: '127.0.0.1',
    port: Number(originPort),
    noDelay: true,
    allowHalfOpen: true,
  });
  client.pipe(origin).pipe(client);
  client.once('error', () => origin.destroy());
  origin.once('error', () => client.destroy());
}

function serve(): void {
  const options = { noDelay: true, allowHalfOpen: true };
  const front =
    certificate === undefined || key === undefined
      ? createServer(options, relay)
      : createTlsServer(
          { ...options, cert: readFileSync(certificate), key: readFileSync(key) },
          relay,
        );
  front.listen({ host: '127.0.0.1', port: Number(frontPort), backlog: 4096 });
}

if (Number(workers) > 1 && cluster.isPrimary) {
  for (let worker = 0; worker < Number(workers); worker += 1) cluster.fork();
} else {
  serve();
}
