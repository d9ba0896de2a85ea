// What peers do, step by step, and the check of every byte they receive.
#include "sim/peers.h"

#include <algorithm>

#include "codec/proxy_protocol.h"

namespace holdfast::sim {
namespace {

// Bytes that one step sends, and that wait in the peer's own send buffer.
constexpr size_t kWriteMax = 32768;
constexpr size_t kSendBuffer = 256 * 1024;
constexpr size_t kBulkFactor = 16;

std::span<const u8> bytesOf(std::string_view text) {
  return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

}  // namespace

char streamByte(u32 id, u64 offset) {
  if (offset < kNameBytes) return static_cast<char>(id >> (8 * offset));
  u64 state = (u64{id} << 32) ^ (offset >> 3);
  return static_cast<char>(splitMix64(&state) >> (8 * (offset & 7)));
}

Peer::Peer(World& at, Role itsRole, Stream* itsStream,
           const std::vector<std::unique_ptr<Peer>>& all)
    : role(itsRole), id(static_cast<u32>(all.size()) + 1), stream(itsStream), at_(at), all_(all) {
  Random& random = at.random;
  const u32 size = random.below(10);
  planned = random.below(size < 2 ? 1 : size < 7 ? 3000 : 120000);
  constexpr Ending kEndings[] = {Ending::kFin, Ending::kFin, Ending::kFinAfterEof,
                                 Ending::kFinWhenTaken};
  ending = kEndings[random.below(4)];
}

bool Peer::isOver() const {
  const bool isIncomingOver = stream->isFarEof || stream->isFarReset;
  return hasReset() || stream->isFarReset || wasCut || (hasSentFin() && isIncomingOver);
}

void Peer::calmDown(Role waiting) {
  reading = reading == Reading::kStops ? Reading::kStops : Reading::kPrompt;
  planned = written;
  const bool isWaiting = role == waiting && ending == Ending::kFinAfterEof;
  const bool isKept = isWaiting || ending == Ending::kNever || ending == Ending::kFinWhenTaken;
  if (!isKept) ending = Ending::kFin;
}

bool Peer::act() {
  if (stream->state == Stream::State::kConnecting || hasReset() || stream->isFarReset || wasCut) {
    return false;
  }
  if (headerPlan != HeaderPlan::kNone && !isHeaderSent_) {
    sendHeader();
    return true;
  }
  if (tls != nullptr && !tls->isOff && !tls->toy.isDone()) return shakeHands();
  return write() || end();
}

void Peer::put(std::string_view bytes) {
  stream->inbound.append(bytes);
  wireBytes_ += bytes.size();
}

u64 Peer::delivered() const {
  const u64 wire = stream->bytesDelivered;
  if (tls == nullptr) return wire - std::min(headerBytes, wire);
  u64 plain = 0;
  for (const auto& [end, bytes] : tls->marks) {
    if (end <= wire) plain = bytes;
  }
  return plain;
}

bool Peer::isEndDelivered() const {
  if (tls == nullptr) return stream->isFinDelivered;
  return tls->closeAt != 0 && tls->closeAt <= stream->bytesDelivered;
}

bool Peer::hasSeenEnd() const { return tls == nullptr ? stream->isFarEof : tls->hasSeenClose; }

void Peer::sendHeader() {
  isHeaderSent_ = true;
  codec::ProxyHeader header;
  header.source = claimed;
  header.destination = stream->nearAddress;
  u8 buffer[256];
  codec::Writer writer(buffer);
  switch (headerPlan) {
    case HeaderPlan::kV1:
      (void)codec::encodeProxyV1(header, &writer);
      break;
    case HeaderPlan::kUnknown:
      header.source = Address{};
      (void)codec::encodeProxyV1(header, &writer);
      break;
    case HeaderPlan::kGarbage:
      writer.putText("GET / HTTP/1.1\r\n", 16);
      break;
    default:
      (void)codec::encodeProxyV2(header, &writer);
      break;
  }
  size_t length = writer.size();
  if (headerPlan == HeaderPlan::kCut || headerPlan == HeaderPlan::kStall) {
    length = at_.random.below(static_cast<u32>(length));
    planned = 0;
    ending = headerPlan == HeaderPlan::kCut ? Ending::kFin : Ending::kNever;
    if (tls != nullptr) tls->isOff = true;
  }
  headerBytes = length;
  put({reinterpret_cast<const char*>(buffer), length});
}

bool Peer::write() {
  if (written >= planned || hasSentFin()) return false;
  const size_t factor = at_.isBulk ? kBulkFactor : 1;
  if (stream->inbound.size() > factor * kSendBuffer) return false;
  const u64 most = std::min<u64>(planned - written, factor * kWriteMax);
  const u64 length = at_.draw(at_.knobs.dribble) ? 1 : 1 + at_.random.below(static_cast<u32>(most));
  std::string bytes;
  for (u64 i = 0; i < length; ++i) bytes.push_back(streamByte(id, written + i));
  if (tls != nullptr) {
    sendSealed(bytes);
  } else {
    put(bytes);
    written += length;
  }
  return true;
}

void Peer::finish() {
  if (tls != nullptr && !tls->isOff) sayLastWord();
  stream->isFarFinSent = true;
}

bool Peer::end() {
  if (hasSentFin()) return false;
  switch (ending) {
    case Ending::kFin:
      finish();
      return true;
    case Ending::kFinAfterEof:
      if (!stream->isFarEof || !stream->farQueue.isEmpty()) return false;
      finish();
      return true;
    case Ending::kFinWhenTaken:
      if (!isTaken()) return false;
      finish();
      return true;
    case Ending::kReset:
      stream->isFarResetSent = true;
      return true;
    case Ending::kNever:
      return false;
  }
  return false;
}

bool Peer::isTaken() const {
  if (written < kNameBytes) return true;  // too little to be recognised by
  for (const auto& peer : all_) {
    if (peer->partner == id) return peer->received == written || peer->hasReset();
  }
  return false;
}

bool Peer::read() {
  if (stream->farQueue.isEmpty() || hasReset()) return false;
  size_t length = stream->farQueue.size();
  if (reading == Reading::kSlow)
    length = 1 + at_.random.below(static_cast<u32>(std::min<size_t>(length, 200)));
  const bool isShaking = tls != nullptr && !tls->toy.isDone();
  if (reading == Reading::kStops && !isShaking) {
    if (received >= stopsAt) return false;
    length = std::min<size_t>(length, stopsAt - received);
  }
  std::string_view bytes = stream->farQueue.view().substr(0, length);
  if (isHeaderExpected && !isHeaderTaken_) bytes.remove_prefix(takeHeader(bytes));
  if (tls == nullptr) {
    check(bytes);
  } else {
    tls->received.append(bytes);
    tls->hasNews = true;
    if (tls->toy.isDone()) openAll();
  }
  stream->farQueue.drop(length);
  return true;
}

// Takes the PROXY header at the start of what an endpoint receives; returns its bytes in `bytes`.
size_t Peer::takeHeader(std::string_view bytes) {
  const size_t before = early_.size();
  early_.append(bytes);
  const codec::ProxyDecoded decoded = codec::decodeProxyHeader(bytesOf(early_));
  if (decoded.kind == codec::ProxyDecoded::Kind::kNeedMore) return bytes.size();
  if (decoded.kind == codec::ProxyDecoded::Kind::kViolation) {
    at_.fail("the gateway sent a wrong PROXY header", id);
  }
  isHeaderTaken_ = true;
  claimed = decoded.header.source;
  early_.clear();
  return decoded.length - before;
}

void Peer::check(std::string_view bytes) {
  for (const char byte : bytes) {
    if (received < kNameBytes) {
      early_.push_back(byte);
      if (++received == kNameBytes) {
        partner = 0;
        for (u64 i = 0; i < kNameBytes; ++i) {
          partner |= u32{static_cast<u8>(early_[i])} << (8 * i);
        }
      }
      continue;
    }
    if (byte != streamByte(partner, received)) at_.fail("a byte is not the one that was sent", id);
    ++received;
  }
}

}  // namespace holdfast::sim
