// What leaves: canonical heads with edits, hop-by-hop fields taken out, chunks,
// refusals to write.
#include "codec/http1_write.h"

#include <string>

#include "check.h"

namespace holdfast::http1 {
namespace {

using Kind = FieldEdit::Kind;

FieldEdit edit(Kind kind, std::string_view name, std::string_view value = {}) {
  return {kind, classifyField(bytesOf(name)), name, value};
}

// Parses a request and writes it as `change` plans it; "failed" when the writer
// did.
template <typename Change>
std::string rewritten(std::string_view bytes, Change change, size_t room = 4096) {
  HeadScan scan;
  Head head;
  const HeadResult result = takeRequest(bytesOf(bytes), kRequestRules, &scan, &head);
  if (!CHECK(result.kind == HeadResult::Kind::kHead)) return nameOf(result.violation);
  RequestPlan plan = planRequest(head);
  change(head, plan);
  std::string output(room, '\0');
  codec::Writer writer({reinterpret_cast<u8*>(output.data()), output.size()});
  if (!writeRequestHead(head, plan, &writer)) return "failed";
  return output.substr(0, writer.size());
}

std::string rewritten(std::string_view bytes) {
  return rewritten(bytes, [](const Head&, RequestPlan&) {});
}

TEST(http1RequestsAreWrittenInCanonicalForm) {
  CHECK_EQ(rewritten("GET http://a/b?c HTTP/1.1\r\nX:1\r\nhost: a\r\nY:\t 2 "
                     "\r\nZ:\r\n\r\n"),
           "GET /b?c HTTP/1.1\r\nHost: a\r\nX: 1\r\nY: 2\r\nZ: \r\n\r\n");
  CHECK_EQ(rewritten("GET http://A:80 HTTP/1.0\r\n\r\n"), "GET / HTTP/1.1\r\nHost: A:80\r\n\r\n");
  CHECK_EQ(rewritten("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n"),
           "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK_EQ(rewritten("POST /? HTTP/1.1\r\nHost: a\r\n\r\n"),
           "POST /? HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  CHECK_EQ(rewritten("POST / HTTP/1.1\r\ncontent-LENGTH:  7\r\nHost: a\r\nB: c\r\n\r\n"),
           "POST / HTTP/1.1\r\nHost: a\r\nB: c\r\nContent-Length: 7\r\n\r\n");
  CHECK_EQ(rewritten("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n"),
           "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  CHECK_EQ(rewritten("GET / HTTP/1.1\r\nHost: a\r\nV:\t3\r\nW: 4 \r\nX: 5\r\n\r\n"),
           "GET / HTTP/1.1\r\nHost: a\r\nV: 3\r\nW: 4\r\nX: 5\r\n\r\n");
  // Nobody to send it to was told.
  CHECK_EQ(rewritten("GET / HTTP/1.0\r\n\r\n"), "failed");
}

TEST(http1FieldsOfTheConnectionStayBehind) {
  CHECK_EQ(rewritten("GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-One,x-two\r\n"
                     "X-One: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: trailers\r\n"
                     "x-TWO: 2\r\nX-Three: 3\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"
                     "Proxy-Authorization: x\r\nX-ONE: 4\r\nAuthorization: y\r\n\r\n"),
           "GET / HTTP/1.1\r\nHost: a\r\nX-Three: 3\r\nAuthorization: y\r\n\r\n");
  // Whatever the client calls its own, the gateway's fields are not (threats
  // row C9).
  const FieldEdit own[] = {edit(Kind::kSet, "X-Forwarded-For", "1.2.3.4")};
  CHECK_EQ(rewritten("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6\r\n"
                     "Connection: x-forwarded-for\r\n\r\n",
                     [&](const Head&, RequestPlan& plan) { plan.edits = own; }),
           "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n");
}

TEST(http1EditsSetAddAndRemove) {
  const FieldEdit edits[] = {
      edit(Kind::kSet, "Cookie", "new"), edit(Kind::kRemove, "x-gone"),
      edit(Kind::kAdd, "X-Kept", "2"),   edit(Kind::kSet, "X-Fresh", ""),
      edit(Kind::kRemove, "Referer"),
  };
  CHECK_EQ(rewritten("GET / HTTP/1.1\r\nHost: a\r\nCookie: one\r\nX-Gone: "
                     "1\r\nX-Kept: 1\r\n"
                     "cookie: two\r\nX-GONE: 2\r\nReferer: r\r\nX-Gone2: 3\r\n\r\n",
                     [&](const Head&, RequestPlan& plan) { plan.edits = edits; }),
           "GET / HTTP/1.1\r\nHost: a\r\nX-Kept: 1\r\nX-Gone2: 3\r\nCookie: "
           "new\r\nX-Kept: 2\r\n"
           "X-Fresh: \r\n\r\n");
}

TEST(http1PlansDecideAboutTheNextHop) {
  const std::string_view bytes =
      "GET /a?b HTTP/1.1\r\nHost: a\r\nConnection: "
      "upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Key: k\r\n\r\n";
  CHECK_EQ(rewritten(bytes), "GET /a?b HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: k\r\n\r\n");
  CHECK_EQ(rewritten(bytes,
                     [](const Head&, RequestPlan& plan) {
                       plan.hop = Hop::kWebSocket;
                       plan.host = "b:81";
                       plan.path = "/other";
                       plan.hasQuery = false;
                     }),
           "GET /other HTTP/1.1\r\nHost: b:81\r\nSec-WebSocket-Key: k\r\n"
           "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n");
  CHECK_EQ(rewritten("GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                     [](const Head&, RequestPlan& plan) {
                       plan.hop = Hop::kClose;
                       plan.isChunked = true;
                     }),
           "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
           "chunked\r\nConnection: close\r\n\r\n");
}

TEST(http1WritersRefuseWhatCouldEndALine) {
  const std::string_view get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  const auto withEdit = [&](const FieldEdit& change) {
    return rewritten(get, [&](const Head&, RequestPlan& plan) { plan.edits = {&change, 1}; });
  };
  CHECK_EQ(withEdit(edit(Kind::kAdd, "X", "a\r\nY: b")), "failed");
  CHECK_EQ(withEdit(edit(Kind::kAdd, "X", std::string_view("a\0b", 3))), "failed");
  CHECK_EQ(withEdit(edit(Kind::kAdd, "X:", "a")), "failed");
  CHECK_EQ(withEdit(edit(Kind::kAdd, "", "a")), "failed");
  for (const std::string_view planned :
       {"host", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade"}) {
    CHECK_EQ(withEdit(edit(Kind::kSet, planned, "1")), "failed");
    CHECK_EQ(withEdit(edit(Kind::kRemove, planned)), "failed");
  }
  for (const std::string_view text : {"/a b", "/\r\n", "/a?b", "/#", ""}) {
    CHECK_EQ(rewritten(get, [&](const Head&, RequestPlan& plan) { plan.path = text; }), "failed");
  }
  for (const std::string_view text : {"a b", "a\r\n", ""}) {
    CHECK_EQ(rewritten(get, [&](const Head&, RequestPlan& plan) { plan.host = text; }), "failed");
    CHECK_EQ(rewritten(get, [&](const Head&, RequestPlan& plan) { plan.method = text; }), "failed");
  }
  CHECK_EQ(rewritten(get,
                     [](const Head&, RequestPlan& plan) {
                       plan.hasQuery = true;
                       plan.query = "a b";
                     }),
           "failed");
}

TEST(http1WritersStayInTheirRoom) {
  const std::string_view bytes =
      "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nY:  "
      "2\r\nConnection: close\r\nZ: 3\r\n\r\n";
  const auto none = [](const Head&, RequestPlan&) {};
  const std::string whole = rewritten(bytes, none);
  for (size_t room = 0; room < whole.size(); ++room) {
    CHECK_EQ(rewritten(bytes, none, room), "failed");
  }
  CHECK_EQ(rewritten(bytes, none, whole.size()), whole);
}

template <typename Change>
std::string answered(ResponseTo to, std::string_view bytes, Change change) {
  HeadScan scan;
  Head head;
  const HeadResult result = takeResponse(bytesOf(bytes), kResponseRules, to, &scan, &head);
  if (!CHECK(result.kind == HeadResult::Kind::kHead)) return nameOf(result.violation);
  ResponsePlan plan = planResponse(head);
  change(plan);
  std::string output(4096, '\0');
  codec::Writer writer({reinterpret_cast<u8*>(output.data()), output.size()});
  if (!writeResponseHead(head, plan, &writer)) return "failed";
  return output.substr(0, writer.size());
}

TEST(http1ResponsesAreWrittenInCanonicalForm) {
  const auto none = [](ResponsePlan&) {};
  const ResponseTo toHead{Method::kHead, UpgradeTo::kNone};
  CHECK_EQ(answered({}, "HTTP/1.0 200\r\ncontent-length:5\r\nX:y\r\nKeep-Alive: 5\r\n\r\n", none),
           "HTTP/1.1 200 \r\nX: y\r\nContent-Length: 5\r\n\r\n");
  CHECK_EQ(answered(toHead, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", none),
           "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
  CHECK_EQ(answered({}, "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", none),
           "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n");
  CHECK_EQ(answered({}, "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", none),
           "HTTP/1.1 204 No Content\r\n\r\n");
  const FieldEdit edits[] = {edit(Kind::kSet, "Server", "holdfast")};
  CHECK_EQ(answered({}, "HTTP/1.1 200 OK\r\nServer: x\r\nTransfer-Encoding: chunked\r\n\r\n",
                    [&](ResponsePlan& plan) {
                      plan.edits = edits;
                      plan.isChunked = false;
                      plan.hop = Hop::kClose;
                    }),
           "HTTP/1.1 200 OK\r\nServer: holdfast\r\nConnection: close\r\n\r\n");
  CHECK_EQ(answered({Method::kGet, UpgradeTo::kWebSocket},
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                    "Connection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
                    none),
           "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\n"
           "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n");
  CHECK_EQ(answered({}, "HTTP/1.1 200 OK\r\n\r\n", [](ResponsePlan& plan) { plan.reason = "\n"; }),
           "failed");
  CHECK_EQ(answered({}, "HTTP/1.1 200 OK\r\n\r\n", [](ResponsePlan& plan) { plan.status = 600; }),
           "failed");
}

TEST(http1OwnResponsesAreWritten) {
  const FieldEdit edits[] = {edit(Kind::kSet, "Location", "/there")};
  ResponsePlan plan;
  plan.status = 308;
  plan.reason = reasonOf(308);
  plan.hasLength = true;
  plan.hop = Hop::kKeepAlive;
  plan.edits = edits;
  u8 room[256];
  codec::Writer writer(room);
  CHECK(writeOwnResponseHead(plan, &writer));
  CHECK_EQ(textOf(writer.written()),
           "HTTP/1.1 308 Permanent Redirect\r\nLocation: "
           "/there\r\nContent-Length: 0\r\n"
           "Connection: keep-alive\r\n\r\n");
  CHECK(reasonOf(299).empty());
}

TEST(http1ChunkSizesAreHexadecimal) {
  const auto sizeLine = [](u64 size) {
    u8 room[kChunkSizeLineBytesMax];
    codec::Writer writer(room);
    return writeChunkSize(size, &writer) ? std::string(textOf(writer.written()))
                                         : std::string("failed");
  };
  CHECK_EQ(sizeLine(1), "1\r\n");
  CHECK_EQ(sizeLine(0x1f0), "1f0\r\n");
  CHECK_EQ(sizeLine(~u64{0}), "ffffffffffffffff\r\n");
  // An empty chunk would end the message.
  CHECK_EQ(sizeLine(0), "failed");
}

TEST(http1TrailersPassWhereTheyMay) {
  const std::string_view bytes = "X-Sum: 1\r\nCookie: a\r\nETag:b\r\nAuthorization: c\r\n\r\n";
  HeadScan scan;
  Head head;
  CHECK(takeTrailers(bytesOf(bytes), kTrailerRules, &scan, &head).kind == HeadResult::Kind::kHead);
  u8 room[256];
  codec::Writer writer(room);
  CHECK(writeTrailers(head, &writer));
  CHECK_EQ(textOf(writer.written()), "0\r\nX-Sum: 1\r\nETag: b\r\n\r\n");
}

}  // namespace
}  // namespace holdfast::http1
