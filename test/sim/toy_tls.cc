// The toy handshake, and the keys that come of it. The engine is in
// toy_engine.cc.
#include "sim/toy_tls.h"

#include <algorithm>
#include <cstring>

#include "tls/record_wire.h"

namespace holdfast::sim {
namespace {

constexpr u8 kClientHello = 1;
constexpr u8 kAnswer = 2;
constexpr u8 kNewSessionTicket = 4;
constexpr u8 kFinished = 20;
constexpr size_t kRandomBytes = 32;
constexpr size_t kMessageHeaderBytes = 4;
constexpr size_t kMessageBytesMax = 16000;
constexpr u8 kUnexpectedMessage = 10;
constexpr u8 kHandshakeFailure = 40;

void putU16(std::string& to, size_t value) {
  to.push_back(static_cast<char>(value >> 8));
  to.push_back(static_cast<char>(value));
}

u16 takeU16(std::string_view from, size_t at) {
  return static_cast<u16>(static_cast<u8>(from[at]) << 8 | static_cast<u8>(from[at + 1]));
}

void putExtension(std::string& to, u32 type, std::string_view content) {
  putU16(to, type);
  putU16(to, content.size());
  to.append(content);
}

void fill(u64* seed, std::span<u8> bytes) {
  for (u8& byte : bytes) byte = static_cast<u8>(splitMix64(seed));
}

}  // namespace

ToyTls::ToyTls(Random& random, const tls::AeadTable& aead, u8 role, u32 tickets)
    : random_(random), records_(aead), aead_(aead), role_(role), tickets_(tickets) {}

std::string ToyTls::randomText(size_t length) {
  std::string text;
  for (size_t i = 0; i < length; ++i) text.push_back(static_cast<char>(random_.nextU32()));
  return text;
}

std::string ToyTls::makeHello() {
  randoms_ = randomText(kRandomBytes);
  std::string body = "\x03\x03" + randoms_;
  const std::string id = randomText(random_.chance(1, 2) ? 32 : 0);
  body.push_back(static_cast<char>(id.size()));
  body += id;
  putU16(body, 2 * std::size(tls::kCipherSuites));
  for (const tls::CipherSuite& suite : tls::kCipherSuites) putU16(body, suite.id);
  body += std::string("\x01\x00", 2);
  std::string extensions;
  if (random_.chance(3, 4)) {
    const std::string_view name = "a.example";
    std::string list(1, '\0');
    putU16(list, name.size());
    list += name;
    std::string content;
    putU16(content, list.size());
    putExtension(extensions, 0, content + list);
  }
  constexpr u32 kPaddingType = 21;
  putExtension(extensions, kPaddingType,
               std::string(random_.below(random_.chance(1, 8) ? 9000 : 600), '\0'));
  putU16(body, extensions.size());
  return body + extensions;
}

// A message in records of random lengths.
void ToyTls::putMessage(u8 type, std::string_view body) {
  std::string message(1, static_cast<char>(type));
  message.push_back('\0');
  putU16(message, body.size());
  message += body;
  std::string_view left = message;
  while (!left.empty()) {
    const auto size = static_cast<u32>(left.size());
    const size_t part = random_.chance(1, 2) ? size : 1 + random_.below(size);
    output_.push_back(static_cast<char>(tls::kTypeHandshake));
    output_ += "\x03\x03";
    putU16(output_, part);
    output_ += left.substr(0, part);
    left.remove_prefix(part);
  }
}

void ToyTls::fail(u8 alert) {
  phase_ = Phase::kFailed;
  alertSent_ = alert;
  const u8 record[] = {tls::kTypeAlert, 3, 3, 0, 2, tls::kLevelFatal, alert};
  output_.append(reinterpret_cast<const char*>(record), sizeof(record));
}

HfTlsStep ToyTls::step(HfTlsIo* io) {
  io->consumed = io->produced = 0;
  if (phase_ == Phase::kStart) {
    phase_ = Phase::kWaitHello;
    if (isOriginating()) putMessage(kClientHello, makeHello());
  }
  while (phase_ != Phase::kDone && phase_ != Phase::kFailed) {
    const size_t taken = takeInput(io->input + io->consumed, io->inputLength - io->consumed);
    if (taken == 0) break;
    io->consumed += taken;
  }
  size_t part = std::min(io->outputCapacity, output_.size());
  // Now and then as if the room were short.
  const bool isCut = phase_ != Phase::kFailed && part > 1 && random_.chance(1, 4);
  if (isCut) part = 1 + random_.below(static_cast<u32>(part));
  std::memcpy(io->output, output_.data(), part);
  output_.erase(0, part);
  io->produced = part;
  if (!output_.empty()) return HF_TLS_WANT_OUTPUT;
  if (phase_ == Phase::kFailed) return HF_TLS_FAILED;
  return phase_ == Phase::kDone ? HF_TLS_DONE : HF_TLS_WANT_INPUT;
}

// One record; 0 when it is not whole.
size_t ToyTls::takeInput(const u8* input, size_t length) {
  if (length < tls::kRecordHeaderBytes) return 0;
  const size_t content = tls::wireLength(input);
  const bool isAlert = input[0] == tls::kTypeAlert;
  const bool isKnown = isAlert || input[0] == tls::kTypeHandshake;
  if (!isKnown || input[1] != 3 || content == 0 || content > tls::kRecordContentMax) {
    fail(kUnexpectedMessage);
    return length;
  }
  if (length < tls::kRecordHeaderBytes + content) return 0;
  const size_t taken = tls::kRecordHeaderBytes + content;
  if (isAlert) {
    phase_ = Phase::kFailed;
    alertReceived_ = content == 2 ? input[tls::kRecordHeaderBytes + 1] : kUnexpectedMessage;
    return taken;
  }
  message_.append(reinterpret_cast<const char*>(input) + tls::kRecordHeaderBytes, content);
  if (message_.size() < kMessageHeaderBytes) return taken;
  const size_t whole = kMessageHeaderBytes + takeU16(message_, 2);
  if (message_[1] != 0 || whole > kMessageBytesMax || message_.size() > whole) {
    fail(kUnexpectedMessage);
    return taken;
  }
  if (message_.size() == whole) takeMessage();
  return taken;
}

bool ToyTls::isAwaited(u8 type) const {
  if (phase_ == Phase::kWaitFinished) return type == kFinished;
  return type == (isOriginating() ? kAnswer : kClientHello);
}

void ToyTls::takeMessage() {
  const auto type = static_cast<u8>(message_[0]);
  const std::string body = message_.substr(kMessageHeaderBytes);
  message_.clear();
  if (!isAwaited(type)) return fail(kUnexpectedMessage);
  if (isRefusing_) return fail(kHandshakeFailure);
  if (phase_ == Phase::kWaitFinished) {
    if (!isOriginating() && !is13()) putMessage(kFinished, randomText(1 + random_.below(60)));
    return done();
  }
  if (isOriginating()) {
    if (body.size() < kRandomBytes + 6) return fail(kUnexpectedMessage);
    randoms_ += body.substr(0, kRandomBytes);
    keys_.version = takeU16(body, kRandomBytes);
    keys_.suite = takeU16(body, kRandomBytes + 2);
    keys_.recordBytesMax = takeU16(body, kRandomBytes + 4);
    putMessage(kFinished, randomText(1 + random_.below(60)));
    if (is13()) return done();
  } else {
    if (body.size() < 2 + kRandomBytes) return fail(kUnexpectedMessage);
    const std::string ours = randomText(kRandomBytes);
    randoms_ = body.substr(2, kRandomBytes) + ours;
    const tls::CipherSuite& suite =
        tls::kCipherSuites[random_.below(static_cast<u32>(std::size(tls::kCipherSuites)))];
    keys_.version = suite.version;
    keys_.suite = suite.id;
    keys_.recordBytesMax =
        random_.chance(1, 4) ? static_cast<u16>(512 << random_.below(5)) : u16{0};
    std::string answer = ours;
    for (const u16 value : {keys_.version, keys_.suite, keys_.recordBytesMax}) {
      putU16(answer, value);
    }
    answer += std::string(random_.below(random_.chance(1, 4) ? 8000 : 300), 'c');
    putMessage(kAnswer, answer);
  }
  phase_ = Phase::kWaitFinished;
}

// Both randoms are known: the keys of both directions, and what is sent with
// them at once.
void ToyTls::done() {
  phase_ = Phase::kDone;
  u64 seed = 0xcbf29ce484222325u;
  for (const char byte : randoms_) seed = (seed ^ static_cast<u8>(byte)) * 0x100000001b3u;
  keys_.role = role_;
  HfTlsDirectionKeys& up = isOriginating() ? keys_.write : keys_.read;
  HfTlsDirectionKeys& down = isOriginating() ? keys_.read : keys_.write;
  for (HfTlsDirectionKeys* direction : {&up, &down}) {
    fill(&seed, direction->secret);
    fill(&seed, direction->key);
    fill(&seed, direction->iv);
    // "finished" was number 0.
    direction->sequence = is13() ? 0 : 1;
  }
  HF_ASSERT(records_.attach(keys_, &state_));
  if (isOriginating() || !is13()) return;
  for (u32 i = 0; i < tickets_; ++i) {
    std::string ticket(1, static_cast<char>(kNewSessionTicket));
    ticket.push_back('\0');
    const std::string body = randomText(1 + random_.below(400));
    putU16(ticket, body.size());
    output_ += sealTyped(tls::kTypeHandshake, ticket + body);
  }
}

std::string ToyTls::sealTyped(u8 type, std::string_view content, size_t padding) {
  const tls::CipherSuite& suite = tls::suiteOf(state_);
  std::string inner(content);
  if (is13()) {
    inner.push_back(static_cast<char>(type));
    inner.append(padding, '\0');
  }
  const size_t before = tls::kRecordHeaderBytes + suite.explicitNonceBytes;
  std::string record(before + inner.size() + tls::kTagBytes, '\0');
  auto* const header = reinterpret_cast<u8*>(record.data());
  const size_t length = record.size() - tls::kRecordHeaderBytes;
  header[0] = is13() ? tls::kTypeApplication : type;
  header[1] = header[2] = 3;
  header[3] = static_cast<u8>(length >> 8);
  header[4] = static_cast<u8>(length);
  if (suite.explicitNonceBytes != 0) {
    tls::putBigEndian(state_.writeSequence, header + tls::kRecordHeaderBytes);
  }
  u8 nonce[tls::kNonceBytes];
  u8 aad[tls::kAadBytesMax];
  tls::makeNonce(suite, tls::materialOf(state_, tls::Direction::kWrite).iv, state_.writeSequence,
                 header + tls::kRecordHeaderBytes, nonce);
  tls::AeadCall call;
  call.state = &state_;
  call.direction = tls::Direction::kWrite;
  call.nonce = nonce;
  call.aad = is13() ? std::span<const u8>(header, tls::kRecordHeaderBytes)
                    : tls::makeAad12(state_.writeSequence, type, inner.size(), aad);
  call.input = {reinterpret_cast<const u8*>(inner.data()), inner.size()};
  call.output = header + before;
  call.tag = header + before + inner.size();
  state_.writeSequence++;
  HF_ASSERT(aead_.seal(aead_.self, call));
  return record;
}

std::string ToyTls::seal(std::string_view plain, u64 nowMs) {
  std::string sealed(tls::RecordLayer::sealedBytesMax(plain.size()), '\0');
  const tls::Sealed done =
      records_.seal(&state_, {reinterpret_cast<const u8*>(plain.data()), plain.size()},
                    {reinterpret_cast<u8*>(sealed.data()), sealed.size()}, nowMs);
  HF_ASSERT(done.event == tls::SealEvent::kDone && done.consumed == plain.size());
  sealed.resize(done.produced);
  return sealed;
}

std::string ToyTls::sealClose() {
  u8 buffer[tls::kControlBytesMax];
  const tls::Sealed sealed = records_.sealAlert(&state_, tls::Alert::kCloseNotify, buffer);
  return {reinterpret_cast<const char*>(buffer), sealed.produced};
}

HfTlsStep ToyTls::detach(HfTlsRecordKeys* keys) {
  // Half a message is known to this end alone.
  if (state_.handshake != 0 || (state_.flags & ~tls::kRecordOriginating) != 0) {
    return HF_TLS_WANT_INPUT;
  }
  *keys = keys_;
  keys->read.sequence = state_.readSequence;
  keys->write.sequence = state_.writeSequence;
  for (const tls::Direction direction : {tls::Direction::kRead, tls::Direction::kWrite}) {
    HfTlsDirectionKeys& to = direction == tls::Direction::kRead ? keys->read : keys->write;
    const std::span<const u8> secret = tls::materialOf(state_, direction).secret;
    std::memcpy(to.secret, secret.data(), secret.size());
  }
  return HF_TLS_DONE;
}

void ToyTls::negotiated(HfTlsNegotiated* out) const {
  std::memset(out, 0, sizeof(*out));
  out->version = keys_.version;
  out->suite = keys_.suite;
  out->canDetach = 1;
  constexpr std::string_view kName = "a.example";
  out->serverNameLength = kName.size();
  std::memcpy(out->serverName, kName.data(), kName.size());
}

}  // namespace holdfast::sim
