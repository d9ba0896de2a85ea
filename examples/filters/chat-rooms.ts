/**
 * Everybody of a chat room meets at the same endpoint.
 *
 * Configuration: `use: ./filters/chat-rooms.ts` on the route of `/rooms`, `with: { vip: [room] }`;
 * the clusters balance by hash (maglev or ring-hash).
 * The id of the room is the key, so a room stays where it is while endpoints come and go; rooms of
 * the list have a cluster of their own.
 * Invariant: an id that is none never reaches an endpoint.
 */
import { choose, defineStreamFilter, respond } from 'holdfast/sdk';
import * as z from 'zod';

const ROOM = /^\/rooms\/([a-z0-9-]{1,64})$/;

export default defineStreamFilter({
  name: 'chat-rooms',
  config: z.strictObject({
    vip: z.array(z.string()).default([]),
    vipCluster: z.string().default('chat-vip'),
  }),
  onError: 'closed',
  setup: ({ config }) => ({ vip: new Set(config.vip), vipCluster: config.vipCluster }),
  onRouted(request, { shared }) {
    const room = ROOM.exec(request.path)?.[1];
    if (room === undefined) return respond(404, {}, 'there is no such room\n');
    request.headers.set('x-room', room);
    return choose({ hash: room, ...(shared.vip.has(room) && { cluster: shared.vipCluster }) });
  },
});
