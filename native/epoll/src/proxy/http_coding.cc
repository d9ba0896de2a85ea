// Compression of responses: which are compressed, what their heads say then, and the stream from
// the endpoint through the compressor to the client.
//
// A policy says when the request comes what the client takes; when the head of the response is
// there, this file decides, and from then on content goes through a compressor of the shard's pool
// and out in chunks. After each read that leaves nothing in the socket the compressor is flushed,
// so that events arrive one by one. What comes out is bounded: beyond the watermark of the client
// the rest of the input waits, 16 KiB at most, and the endpoint is not read.
// Invariant: the last chunk is written only behind the end of the stream, and that only when the
// endpoint's content is whole (RFC 9112 8).
#include <algorithm>

#include "codec/http1_bytes.h"
#include "proxy/http_request.h"

namespace holdfast::proxy {

namespace {

using http1::FieldEdit;
using http1::FieldId;

// Fields that are about the bytes of the content, or of the representation with its coding (RFC
// 9530, RFC 3230, RFC 1864), and do not hold for it any more.
constexpr std::string_view kDigestNames[] = {"content-md5", "digest", "content-digest",
                                             "repr-digest"};
constexpr std::string_view kVary = "vary";
constexpr std::string_view kAcceptRanges = "accept-ranges";

std::span<const u8> bytesOf(std::string_view text) {
  return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

bool isNamed(const FieldEdit& edit, FieldId id, std::string_view name) {
  return edit.id == id &&
         (id != FieldId::kOther || http1::isSameName(bytesOf(edit.name), bytesOf(name)));
}

// Shows `see` each value that the client would get of a field, until it says true. True then.
template <typename See>
bool anyValue(const http1::Head& head, std::span<const FieldEdit> edits, FieldId id, See see,
              std::string_view name = {}) {
  bool isReplaced = false;
  for (const FieldEdit& edit : edits) {
    if (!isNamed(edit, id, name)) continue;
    if (edit.kind != FieldEdit::Kind::kAdd) isReplaced = true;
    if (edit.kind != FieldEdit::Kind::kRemove && see(edit.value)) return true;
  }
  for (u16 i = 0; !isReplaced && i < head.fieldCount; i++) {
    const http1::Field& field = head.fields[i];
    if (field.id != id || head.isDropped(i)) continue;
    if (id == FieldId::kOther && !http1::isSameName(head.nameOf(field), bytesOf(name))) continue;
    if (see(http1::textOf(head.valueOf(field)))) return true;
  }
  return false;
}

bool hasMember(const http1::Head& head, std::span<const FieldEdit> edits, FieldId id,
               std::string_view member) {
  return anyValue(head, edits, id,
                  [member](std::string_view value) { return codec::listHas(value, member); });
}

bool has(const http1::Head& head, std::span<const FieldEdit> edits, FieldId id) {
  return anyValue(head, edits, id, [](std::string_view) { return true; });
}

PolicyCounter counterOf(codec::ContentCoding coding, PolicyCounter ofGzip) {
  constexpr u32 kEach = 3;
  static_assert(static_cast<u32>(PolicyCounter::kBrotliResponses) ==
                static_cast<u32>(PolicyCounter::kGzipResponses) + kEach);
  static_assert(static_cast<u32>(PolicyCounter::kZstdResponses) ==
                static_cast<u32>(PolicyCounter::kGzipResponses) + 2 * kEach);
  return static_cast<PolicyCounter>(static_cast<u32>(ofGzip) + kEach * static_cast<u32>(coding));
}

}  // namespace

// --- The request ---------------------------------------------------------------------------------

// Position of equal settings, with one more reference; kNoIndex when there is no room.
u32 Shard::holdCodingSettings(const policy::CompressionAsked& asked) {
  u32 free = kNoIndex;
  for (u32 i = 0; i < codingSettings_.size(); i++) {
    CodingSettings& held = codingSettings_[i];
    const bool isSame =
        held.level == asked.level && held.bytesMin == asked.bytesMin && held.types == asked.types;
    if (isSame) {
      held.refs++;
      return i;
    }
    if (held.refs == 0) free = i;
  }
  if (free == kNoIndex) {
    if (codingSettings_.size() >= kCodingSettingsMax) return kNoIndex;
    free = static_cast<u32>(codingSettings_.size());
    codingSettings_.emplace_back();
  }
  codingSettings_[free] = {1, asked.level, asked.bytesMin, std::string(asked.types)};
  return free;
}

void Shard::dropCodingUse(CodedResponse::Use& use) {
  if (use.settings != kNoIndex) codingSettings_[use.settings].refs--;
  use = {};
}

// Keeps what the policies of a place said about compression.
void Shard::holdCoding(const Request& request, bool isRoute) {
  Exchange& exchange = exchangePool_[request.exchange];
  const policy::CompressionAsked& asked = outcome_.compression;
  if (options_.compressors == nullptr) return;
  if (exchange.coded == kNoIndex) exchange.coded = codedPool_.take();  // as many as tunnels
  CodedResponse& coded = codedPool_[exchange.coded];
  const http1::Head& head = *request.head;
  coded.isUnsuited = head.has(FieldId::kRange) || (exchange.flags & kExOldClient) != 0 ||
                     hasMember(head, {}, FieldId::kCacheControl, "no-transform");
  CodedResponse::Use& use = coded.uses[isRoute ? 1 : 0];
  dropCodingUse(use);
  use = {holdCodingSettings(asked), asked.id, asked.coding};
  if (use.settings != kNoIndex) return;
  board_.policy(options_.index, use.policy).count(PolicyCounter::kUncompressed);
}

// The request goes to another route, whose policies are its own.
void Shard::leaveRouteCoding(Exchange& exchange) {
  if (exchange.coded != kNoIndex) dropCodingUse(codedPool_[exchange.coded].uses[1]);
}

void Shard::freeCoding(Exchange& exchange) {
  CodedResponse& coded = codedPool_[exchange.coded];
  for (CodedResponse::Use& use : coded.uses) dropCodingUse(use);
  if (coded.compressor != kNoIndex) compressors_.give(coded.compressor);
  codedPool_.release(exchange.coded);
  exchange.coded = kNoIndex;
}

// --- The head of the response --------------------------------------------------------------------

// Whether the response in head_ is one that clients may get compressed (RFC 9110 8.4).
bool Shard::isCodable(const Exchange& exchange, const CodingSettings& settings,
                      std::span<const FieldEdit> edits) {
  const u16 status = head_.status;
  const bool isCached = status == 304;
  const bool isHead = exchange.method == http1::Method::kHead;
  const bool hasContent = head_.bodyKind != http1::BodyKind::kNone || isHead || isCached;
  if (!hasContent || status == 204 || status == 205 || (exchange.flags & kExWebSocket) != 0) {
    return false;
  }
  if (has(head_, edits, FieldId::kContentEncoding)) return false;
  if (hasMember(head_, edits, FieldId::kCacheControl, "no-transform")) return false;
  const u64 least = std::max<u64>(settings.bytesMin, 1);
  const bool isLong = head_.contentLength >= least;
  if (head_.hasLength && !isLong && !isCached && status != 206) return false;
  const auto isListed = [&settings](std::string_view value) {
    return codec::isTypeListed(value, settings.types);
  };
  // What a client is told to have already need not say its type again.
  if (isCached && !has(head_, edits, FieldId::kContentType)) return true;
  return anyValue(head_, edits, FieldId::kContentType, isListed);
}

// Decides about the response in head_, and makes its head that of compressed content.
void Shard::codeResponse(u32 tunnel, http1::ResponsePlan& plan, EditList& edits) {
  Exchange& exchange = exchangeOf(tunnel);
  CodedResponse& coded = codedPool_[exchange.coded];
  const CodedResponse::Use& use = coded.uses[coded.uses[1].settings != kNoIndex ? 1 : 0];
  if (use.settings == kNoIndex) return freeCoding(exchange);
  const CodingSettings& settings = codingSettings_[use.settings];
  if (!isCodable(exchange, settings, edits.all())) return freeCoding(exchange);
  const auto isVaried = [](std::string_view value) {
    return codec::listHas(value, "accept-encoding") || codec::listHas(value, "*");
  };
  if (!anyValue(head_, edits.all(), FieldId::kOther, isVaried, kVary)) {
    edits.add(FieldId::kOther, "Vary", "Accept-Encoding");
  }
  const bool isPart = head_.status == 206 || has(head_, edits.all(), FieldId::kContentRange);
  if (coded.isUnsuited || isPart || use.coding == codec::ContentCoding::kCount) {
    return freeCoding(exchange);
  }
  const bool isBare = head_.bodyKind == http1::BodyKind::kNone;
  PolicyCell& cell = board_.policy(options_.index, use.policy);
  if (!isBare) {
    coded.compressor = compressors_.take(use.coding, settings.level);
    if (coded.compressor == kNoIndex) {
      cell.count(PolicyCounter::kUncompressed);
      return freeCoding(exchange);
    }
    cell.count(counterOf(use.coding, PolicyCounter::kGzipResponses));
    exchange.flags |= kExCoded | kExResponseChunked;
    plan.isChunked = true;
  }
  plan.hasLength = false;
  if (head_.status != 304) {
    const char* const name = codec::kContentCodingNames[static_cast<size_t>(use.coding)];
    edits.set(FieldId::kContentEncoding, "Content-Encoding", name);
  }
  weakenEtag(edits);
  dropField(edits, kAcceptRanges);
  for (const std::string_view name : kDigestNames) dropField(edits, name);
  if (isBare) freeCoding(exchange);
}

// The same content has several forms now, which are equal in meaning only (RFC 9110 8.8.3.3).
void Shard::weakenEtag(EditList& edits) {
  const auto weakened = [this](std::string_view value) {
    codec::Writer writer(textRoom());
    writer.putText("W/", 2);
    writer.putText(value.data(), value.size());
    return keepText(writer);
  };
  bool isReplaced = false;
  for (size_t i = 0; i < edits.count; i++) {
    FieldEdit& edit = edits.edits[i];
    if (edit.id != FieldId::kEtag) continue;
    if (edit.kind != FieldEdit::Kind::kAdd) isReplaced = true;
    if (edit.kind == FieldEdit::Kind::kRemove) continue;
    if (edit.value.starts_with('"')) edit.value = weakened(edit.value);
  }
  const std::string_view value = head_.valueOf(FieldId::kEtag);
  if (isReplaced || value.starts_with("W/") || !head_.has(FieldId::kEtag)) return;
  // One that is no entity tag is not made one.
  if (!value.starts_with('"')) return edits.remove(FieldId::kEtag);
  edits.set(FieldId::kEtag, "ETag", weakened(value));
}

// Takes a field out of what came and out of what was to be added. It has no number in the codec.
void Shard::dropField(EditList& edits, std::string_view name) {
  bool isThere = false;
  for (size_t i = 0; i < edits.count; i++) {
    FieldEdit& edit = edits.edits[i];
    if (!isNamed(edit, FieldId::kOther, name)) continue;
    edit.kind = FieldEdit::Kind::kRemove;
    isThere = true;
  }
  for (u16 i = 0; !isThere && i < head_.fieldCount; i++) {
    const http1::Field& field = head_.fields[i];
    isThere = field.id == FieldId::kOther && http1::isSameName(head_.nameOf(field), bytesOf(name));
  }
  if (isThere) edits.put(FieldEdit::Kind::kRemove, FieldId::kOther, name, {});
}

// --- Content -------------------------------------------------------------------------------------

// The client has to take something before more may come out.
bool Shard::isCodedFull(u32 tunnel) {
  const Tunnel& record = tunnels_[tunnel];
  const Conn& client = conns_[record.downstream];
  if (client.pending.bytes >= bufferHighOf(tunnel)) return true;
  if (chunks_.hasRoom(kCodedOutBytes + kChunkBytes)) return false;
  return !client.pending.isEmpty() || (client.flags & kConnWritable) == 0;
}

// What the endpoint sent waits in the exchange and in the compressor until the client takes more.
bool Shard::isCodedDue(const Exchange& exchange) const {
  return (exchange.flags & kExCoded) != 0 && codedPool_[exchange.coded].isDue;
}

// Goes on with it. False when the client has no room still.
bool Shard::drainCoded(u32 tunnel) {
  if (isCodedFull(tunnel)) {
    pauseFor(tunnels_[tunnel].upstream);
    return false;
  }
  takeAnswer(tunnel, chunks_.moveTo(exchangeOf(tunnel).kept, scratch_));
  return true;
}

// The endpoint's socket is empty: what waits in the compressor goes out.
void Shard::flushCoded(u32 tunnel) {
  const Exchange& exchange = exchangeOf(tunnel);
  const CodedResponse& coded = codedPool_[exchange.coded];
  if (coded.isDirty && coded.state == CodedState::kContent) takeAnswer(tunnel, 0);
}

// Writes what came out of the compressor as one chunk.
bool Shard::putCoded(u32 client, int* error) {
  if (codedLength_ == 0) return true;
  u8 line[http1::kChunkSizeLineBytesMax];
  codec::Writer size({line, sizeof(line)});
  (void)http1::writeChunkSize(codedLength_, &size);
  const auto length = static_cast<size_t>(std::exchange(codedLength_, 0u));
  return putOut(client, line, size.size(), error) && putOut(client, codedScratch_, length, error) &&
         putOut(client, bytesOf(http1::kCrlf).data(), http1::kCrlf.size(), error);
}

// Gives `in` to the compressor, whole, unless the client has no room for what comes out.
Shard::Pumped Shard::pumpCoded(u32 tunnel, std::span<const u8> in, compression::Flush flush,
                               size_t* taken, int* error) {
  const u32 client = tunnels_[tunnel].downstream;
  Exchange& exchange = exchangeOf(tunnel);
  const CodedResponse& coded = codedPool_[exchange.coded];
  while (true) {
    if (codedLength_ == kCodedOutBytes) {
      if (!putCoded(client, error) || !flushOut(client, error)) return Pumped::kBroken;
    }
    if (isCodedFull(tunnel)) return Pumped::kFull;
    const std::span<u8> room(codedScratch_ + codedLength_, kCodedOutBytes - codedLength_);
    const compression::Stepped stepped =
        compressors_.step(coded.compressor, in.subspan(*taken), room, flush);
    *taken += stepped.taken;
    codedLength_ += static_cast<u32>(stepped.produced);
    exchange.bytesOut += stepped.produced;
    if (stepped.isFailed) return Pumped::kFailed;
    if (stepped.isDone) return Pumped::kDone;
    // Whoever is not done has filled the room.
    if (codedLength_ != kCodedOutBytes) return Pumped::kFailed;
  }
}

// Takes content in its framing up to the end of `bytes`, of the message, or of the client's room.
Shard::Pumped Shard::takeCoded(u32 tunnel, std::span<const u8> bytes, size_t* at, int* error) {
  Exchange& exchange = exchangeOf(tunnel);
  CodedResponse& coded = codedPool_[exchange.coded];
  while (coded.state == CodedState::kContent) {
    if (coded.pieceLeft == 0) {
      const http1::BodyPiece piece = exchange.response.take(bytes.subspan(*at));
      if (piece.contentBytes == 0) {
        *at += piece.taken;
        if (piece.event == http1::BodyEvent::kViolation) return Pumped::kViolation;
        if (piece.event != http1::BodyEvent::kMore) {
          coded.state = CodedState::kFinishing;
        } else if (*at >= bytes.size()) {
          return Pumped::kDone;
        }
        continue;
      }
      *at += piece.contentAt;
      coded.pieceLeft = static_cast<u32>(piece.contentBytes);
    }
    size_t taken = 0;
    const Pumped pumped = pumpCoded(tunnel, bytes.subspan(*at, coded.pieceLeft),
                                    compression::Flush::kNone, &taken, error);
    *at += taken;
    coded.pieceLeft -= static_cast<u32>(taken);
    coded.givenBytes += static_cast<u32>(taken);
    coded.isDirty = coded.isDirty || taken != 0;
    if (pumped != Pumped::kDone) return pumped;
  }
  return Pumped::kDone;
}

// Flushes and ends that are due. `isEmpty`: the endpoint has nothing more at the moment.
Shard::Pumped Shard::settleCoded(u32 tunnel, bool isEmpty, int* error) {
  CodedResponse& coded = codedPool_[exchangeOf(tunnel).coded];
  size_t none = 0;
  if (coded.state == CodedState::kContent && isEmpty && coded.isDirty) {
    coded.state = CodedState::kFlushing;
  }
  if (coded.state == CodedState::kFlushing) {
    const Pumped pumped = pumpCoded(tunnel, {}, compression::Flush::kFlush, &none, error);
    if (pumped != Pumped::kDone) return pumped;
    coded.state = CodedState::kContent;
    coded.isDirty = false;
  }
  if (coded.state == CodedState::kFinishing) {
    const Pumped pumped = pumpCoded(tunnel, {}, compression::Flush::kFinish, &none, error);
    if (pumped != Pumped::kDone) return pumped;
    coded.state = CodedState::kEnded;
  }
  return Pumped::kDone;
}

// As passContent(), through the compressor. Nothing of `bytes` is lost: what was not taken waits.
Passed Shard::passCoded(u32 tunnel, std::span<const u8> bytes, size_t* taken, int* error) {
  const u32 client = tunnels_[tunnel].downstream;
  Exchange& exchange = exchangeOf(tunnel);
  CodedResponse& coded = codedPool_[exchange.coded];
  const u64 outBefore = exchange.bytesOut;
  codedLength_ = 0;
  coded.isDue = false;
  coded.givenBytes = 0;
  size_t at = 0;
  const bool isEmpty = (conns_[tunnels_[tunnel].upstream].flags & kConnReadable) == 0;
  Pumped pumped = settleCoded(tunnel, false, error);
  if (pumped == Pumped::kDone) pumped = takeCoded(tunnel, bytes, &at, error);
  if (pumped == Pumped::kDone) pumped = settleCoded(tunnel, isEmpty, error);
  const CodedResponse::Use& use = coded.uses[coded.uses[1].settings != kNoIndex ? 1 : 0];
  PolicyCell& cell = board_.policy(options_.index, use.policy);
  cell.count(counterOf(use.coding, PolicyCounter::kGzipBytesIn), coded.givenBytes);
  cell.count(counterOf(use.coding, PolicyCounter::kGzipBytesOut), exchange.bytesOut - outBefore);
  if (pumped == Pumped::kFailed) return Passed::kNoMemory;
  if (pumped == Pumped::kBroken || !putCoded(client, error)) return Passed::kBroken;
  if (pumped == Pumped::kViolation) return Passed::kViolation;
  const std::span<const u8> rest = bytes.subspan(at);
  if (pumped == Pumped::kFull) {
    coded.isDue = true;
    // Resumed when the client has taken enough, whether the socket has more or not.
    conns_[tunnels_[tunnel].upstream].flags |= kConnReadable;
    pauseFor(tunnels_[tunnel].upstream);
    const size_t kept = chunks_.append(exchange.kept, rest.data(), rest.size());
    return kept == rest.size() ? Passed::kMore : Passed::kNoMemory;
  }
  if (coded.state != CodedState::kEnded) return Passed::kMore;
  return endCoded(tunnel, rest, at, taken, error);
}

// The stream is whole: the last chunk, with the trailers that came.
Passed Shard::endCoded(u32 tunnel, std::span<const u8> rest, size_t at, size_t* taken, int* error) {
  const u32 client = tunnels_[tunnel].downstream;
  Exchange& exchange = exchangeOf(tunnel);
  *taken = at;
  if (exchange.response.isEnded()) {
    const std::span<const u8> last = bytesOf(http1::kLastChunk);
    return putOut(client, last.data(), last.size(), error) ? Passed::kEnd : Passed::kBroken;
  }
  const http1::HeadResult result =
      http1::takeTrailers(rest, http1::kTrailerRules, &exchange.scan, &head_);
  if (result.kind == http1::HeadResult::Kind::kViolation) return Passed::kViolation;
  if (result.kind == http1::HeadResult::Kind::kNeedMore) {
    (void)chunks_.append(exchange.kept, rest.data(), rest.size());
    return Passed::kMore;
  }
  exchange.response.finishTrailers();
  *taken = at + head_.length;
  for (u16 i = 0; i < head_.fieldCount; i++) {
    const http1::Field& field = head_.fields[i];
    const bool isDigest =
        std::any_of(std::begin(kDigestNames), std::end(kDigestNames), [&](std::string_view name) {
          return http1::isSameName(head_.nameOf(field), bytesOf(name));
        });
    if (isDigest || field.id == FieldId::kEtag) head_.drop(i);
  }
  u8 trailers[2 * http1::kTrailerBytesMax];
  codec::Writer writer({trailers, sizeof(trailers)});
  if (!http1::writeTrailers(head_, &writer)) return Passed::kViolation;
  return putOut(client, trailers, writer.size(), error) ? Passed::kEnd : Passed::kBroken;
}

}  // namespace holdfast::proxy
