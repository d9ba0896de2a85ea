/**
 * The bytes that documents promise are those of the core.
 *
 * Path: the records' sizes as the addon tells them -> the numbers in README, ARCHITECTURE and docs.
 * Invariant under test: a record that grows changes the documents in the same commit.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { loadNative } from '../../../native/epoll/index.ts';

/** The slot's index, which a pool keeps beside each record that is found by a side table. */
const INDEX_BYTES = 4;

const { sizes } = loadNative().abi;
const sizeOf = (name: string): number => sizes[name] ?? Number.NaN;
const [conn, tunnel, httpConn] = [sizeOf('conn'), sizeOf('tunnel'), sizeOf('httpConn')];
const pair = 2 * conn + tunnel;
const webSocket = pair + sizeOf('frames');
const client = conn + tunnel + httpConn + INDEX_BYTES;

/** Document, the number in its context, and what it has to be. */
const PROMISED: readonly (readonly [string, RegExp, number])[] = [
  ['ARCHITECTURE.md', /^\| `Conn`, one socket \| (\d+)/m, conn],
  ['ARCHITECTURE.md', /^\| `Tunnel` \| (\d+)/m, tunnel],
  ['ARCHITECTURE.md', /^\| idle proxied pair [^|]*\| (\d+)/m, pair],
  ['ARCHITECTURE.md', /^\| `HttpConn`[^|]*\| (\d+)/m, httpConn],
  ['ARCHITECTURE.md', /^\| idle client with HTTP[^|]*\| (\d+)/m, client],
  ['ARCHITECTURE.md', /^\| `Exchange`[^|]*\| (\d+)/m, sizeOf('exchange')],
  ['ARCHITECTURE.md', /^\| `HttpUpstream`[^|]*\| (\d+)/m, sizeOf('httpUpstream')],
  ['ARCHITECTURE.md', /^\| idle WebSocket[^|]*\| (\d+)/m, webSocket],
  ['docs/http.md', /^\| a silent client [^|]*\| (\d+)/m, client],
  ['docs/http.md', /^\| a request under way[^|]*\| (\d+)/m, sizeOf('exchange')],
  [
    'docs/http.md',
    /^\| a connection kept [^|]*\| (\d+)/m,
    conn + sizeOf('httpUpstream') + INDEX_BYTES,
  ],
  ['docs/http.md', /^\| an open WebSocket[^|]*\| (\d+)/m, webSocket],
  ['docs/websocket.md', /An open WebSocket is (\d+) bytes/, webSocket],
  ['docs/flow-control.md', /(\d+) for a WebSocket/, webSocket],
  ['docs/flow-control.md', /(\d+) for a client of HTTP/, client],
  ['README.md', /An open WebSocket is a tunnel of (\d+) bytes/, webSocket],
];

for (const [file, place, bytes] of PROMISED) {
  test(`${file}: ${place.source}`, () => {
    const text = readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8');
    assert.equal(Number(place.exec(text)?.[1]), bytes);
  });
}
