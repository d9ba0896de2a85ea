/**
 * TLS by Node: handshake, echo of a mebibyte, half-close. Prints one line of JSON.
 *
 * Path: main.ts runs it with each Node it finds: `client.ts PORT CA VERSION`.
 * Invariant: needs nothing but Node itself; fails with a message on standard error.
 */
import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';

const [port = '', ca = '', asked = ''] = process.argv.slice(2);
const version = asked === 'TLSv1.2' ? 'TLSv1.2' : 'TLSv1.3';
const sent = Buffer.alloc(1024 * 1024, 'holdfast');
const wanted = {
  port: Number(port),
  host: '127.0.0.1',
  servername: 'localhost',
  ca: readFileSync(ca),
  minVersion: version,
  maxVersion: version,
  allowHalfOpen: true,
} as const;
const socket = connect(wanted);
const pieces: Buffer[] = [];
socket.on('secureConnect', () => {
  const handshake = `${socket.getProtocol()} ${socket.getCipher().name}`;
  socket.write(sent);
  socket.end();
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  socket.on('end', () => {
    const echo = Buffer.concat(pieces).equals(sent);
    // All of it came behind our close_notify.
    process.stdout.write(`${JSON.stringify({ handshake, echo, halfClose: echo, update: null })}\n`);
    socket.destroy();
  });
});
socket.on('error', (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
