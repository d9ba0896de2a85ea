/**
 * The program behind the peer `node-pipe`: FRONT_PORT ORIGIN_PORT WORKERS.
 *
 * Path: client -> pipe -> origin and back, in JavaScript, one connection to the origin for each
 * client. Does nothing that a first version by hand would not do, except to survive resets.
 */
import cluster from 'node:cluster';
import { connect, createServer } from 'node:net';

const [frontPort = 0, originPort = 0, workers = 1] = process.argv.slice(2).map(Number);

function serve(): void {
  const front = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    const origin = connect({
      host: '127.0.0.1',
      port: originPort,
      noDelay: true,
      allowHalfOpen: true,
    });
    client.pipe(origin).pipe(client);
    client.once('error', () => origin.destroy());
    origin.once('error', () => client.destroy());
  });
  front.listen({ host: '127.0.0.1', port: frontPort, backlog: 4096 });
}

if (workers > 1 && cluster.isPrimary) {
  for (let worker = 0; worker < workers; worker += 1) cluster.fork();
} else {
  serve();
}
