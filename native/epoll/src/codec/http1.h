// The HTTP/1.1 codec: what the proxy includes of it, and how its parts fit together.
//
// Bytes of a connection become heads and runs of content and go out again in one canonical form;
// RFC 9110 and 9112, read strictly. Invariant: what is accepted has one meaning, whatever pieces it
// came in, and what is written is accepted again with that meaning; what could be read in two ways
// is refused. Nothing here allocates, waits, knows a descriptor or closes anything.
#pragma once

// In the shard's scratch, one for all connections: `Head head` (2.5 KiB) and bytes to write into.
// In the connection: `HeadScan scan` (8 bytes) while a head is read, `Body body` (24 bytes) behind
// it.
//
//   // Bytes came; an incomplete head waits in the connection's chain, in front of them. Where
//   // canKeep(fresh, rules, &scan), they join it and nothing else needs to be done.
//   HeadResult result = takeRequest(bytes, rules, &scan, &head);
//   if (result.kind == HeadResult::Kind::kNeedMore) return keep(bytes);
//   if (result.kind == HeadResult::Kind::kViolation) {
//     return sendAndClose(closingResponse(statusOf(result.violation)));
//   }
//   NormalPath path = normalizePath(bytesOf(head.pathText()), pathRules, scratch);
//   Route route = find(head.authority.hostText(), path ...);      // forward what was routed by
//   RequestPlan plan = planRequest(head);
//   plan.path = ...; plan.edits = route.edits;
//   if (head.upgrade == UpgradeTo::kWebSocket && route.isWebSocketAllowed) {
//     plan.hop = Hop::kWebSocket;
//   }
//   writeRequestHead(head, plan, &writer);
//
//   // The body, in place, with what is left of the bytes and with all that come later.
//   Body body(head, route.bodyBytesMax);
//   BodyPiece piece = body.take(rest);
//   if (piece.contentBytes > 0) forward(rest.subspan(piece.contentAt, piece.contentBytes));
//   // kChunked goes out as writeChunkSize, content, kCrlf for each run, and kLastChunk at the end;
//   // kTrailers: takeTrailers like a head, writeTrailers instead of kLastChunk, finishTrailers.
//
//   // The response: the same, with takeResponse({head.method, upgrade that was sent}), again after
//   // each 1xx that is not 101; isSwitch: what follows is a tunnel; takeEof() when it ended.
//
// A target that is not in origin or absolute form ("*", authority) has no path to normalise.
// HTTP/1.0: no 1xx, no chunks; a plan without length then closes (Hop::kClose).
#include "codec/http1_body.h"
#include "codec/http1_field.h"
#include "codec/http1_head.h"
#include "codec/http1_rules.h"
#include "codec/http1_target.h"
#include "codec/http1_write.h"
