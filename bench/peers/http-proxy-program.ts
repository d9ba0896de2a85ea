/**
 * The program behind the peer `http-proxy-3`: FRONT_PORT ORIGIN_PORT [x-forwarded].
 *
 * Path: client -> HTTP parser of Node -> http-proxy-3 -> keep-alive agent -> origin.
 * Does nothing beyond what the package's own first example does.
 */
import { Agent } from 'node:http';

const [frontPort = 0, originPort = 0] = process.argv.slice(2).map(Number);

interface HttpProxyPackage {
  createProxyServer(options: object): {
    listen(port: number, host: string): void;
    on(event: 'error', handler: () => void): void;
  };
}

/** The package's types need not be installed for this file to be checked. */
const name: string = 'http-proxy-3';
const httpProxy = (await import(name)) as HttpProxyPackage;
const proxy = httpProxy.createProxyServer({
  target: `http://127.0.0.1:${originPort}`,
  agent: new Agent({ keepAlive: true }),
  ws: true,
  xfwd: process.argv[4] === 'x-forwarded',
});
proxy.on('error', () => {});
proxy.listen(frontPort, '127.0.0.1');
