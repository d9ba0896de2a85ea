/**
 * ClientHellos as Node makes them, and the same handshake bytes cut into other records.
 *
 * Path: hellos.test.ts and others send them by raw sockets.
 * Invariant: re-cutting changes the record headers only; records of other types stay as they are.
 */
import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { type ConnectionOptions, connect } from 'node:tls';
import type { Owner } from '../harness.ts';
import { HANDSHAKE, plainRecord, RecordReader } from './wire-keys.ts';

/** The first flight of a client with these options. */
export async function clientHello(owner: Owner, options: ConnectionOptions): Promise<Buffer> {
  const pieces = Promise.withResolvers<Buffer>();
  const pipe = new Duplex({
    read: () => {},
    write: (bytes: Buffer, _, done) => {
      pieces.resolve(Buffer.from(bytes));
      done();
    },
  });
  const tls = connect({ ...options, socket: pipe });
  tls.on('error', () => {});
  owner.after(() => {
    tls.destroy();
  });
  const hello = await pieces.promise;
  tls.destroy();
  await once(tls, 'close');
  return hello;
}

/** Handshake records in clear as records of `bytes` each; what follows ChangeCipherSpec is not. */
export function recut(flight: Buffer, bytes: number): Buffer {
  const pieces: Buffer[] = [];
  let taken = 0;
  let isClear = true;
  for (const { type, body, raw } of new RecordReader().push(flight)) {
    taken += raw.length;
    isClear &&= type === HANDSHAKE;
    if (!isClear) {
      pieces.push(raw);
      continue;
    }
    for (let at = 0; at < body.length; at += bytes) {
      pieces.push(plainRecord(HANDSHAKE, body.subarray(at, at + bytes), raw.readUInt16BE(1)));
    }
  }
  return Buffer.concat([...pieces, flight.subarray(taken)]);
}
