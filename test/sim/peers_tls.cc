// Peers that speak TLS: their handshake, what they seal and open, and how they
// break the rules.
//
// A polite peer that meets anything wrong in what the gateway sends ends the
// run.
#include <algorithm>
#include <utility>

#include "tls/record_wire.h"

#include "sim/peers.h"

namespace holdfast::sim {
namespace {

constexpr size_t kFlightBytes = 16384;
// Within a second more records without bytes are a flood.
constexpr u32 kExtrasMax = 20;
constexpr size_t kPaddedBytesMax = 500;

}  // namespace

bool Peer::shakeHands() {
  TlsEnd& end = *tls;
  if (hasSentFin()) return false;
  const bool isLeft = stream->isFarEof && stream->farQueue.isEmpty();
  if (isLeft && !end.hasNews) {
    stream->isFarFinSent = true;
    return true;
  }
  if (ending == Ending::kReset && at_.random.chance(1, 16)) {
    stream->isFarResetSent = true;
    return true;
  }
  if (end.plan == HandshakePlan::kSilent) return std::exchange(end.hasNews, false);
  if (end.plan == HandshakePlan::kGarbage) {
    end.hasNews = false;
    if (std::exchange(end.isStarted, true)) return false;
    std::string garbage(1 + at_.random.below(200), '\0');
    for (char& byte : garbage) byte = static_cast<char>(at_.random.nextU32());
    put(garbage);
    return true;
  }
  const bool isFirst = end.toy.isOriginating() && !end.isStarted;
  if (!isFirst && !end.hasNews) return false;
  end.isStarted = true;
  end.hasNews = false;
  stepHandshake();
  return true;
}

void Peer::stepHandshake() {
  TlsEnd& end = *tls;
  std::string flight;
  HfTlsStep step = HF_TLS_WANT_OUTPUT;
  while (step == HF_TLS_WANT_OUTPUT) {
    u8 output[kFlightBytes];
    HfTlsIo io{reinterpret_cast<const u8*>(end.received.data()),
               end.received.size(),
               0,
               output,
               sizeof(output),
               0};
    step = end.toy.step(&io);
    end.received.erase(0, io.consumed);
    flight.append(reinterpret_cast<const char*>(output), io.produced);
  }
  if (end.plan == HandshakePlan::kCut && !flight.empty()) {
    put(flight.substr(0, at_.random.below(static_cast<u32>(flight.size()))));
    stream->isFarFinSent = true;
    return;
  }
  put(flight);
  if (step == HF_TLS_FAILED) {
    const bool isRefused = end.toy.alertReceived() != 0xff && toyLibrary->refused != 0;
    if (!isRefused) at_.fail("the gateway's handshake is wrong for", id);
    end.isOff = true;
    planned = written;
    ending = Ending::kFin;
  }
  if (step == HF_TLS_DONE) openAll();
}

// In pieces of random lengths, each in records of its own.
void Peer::sendSealed(std::string_view bytes) {
  TlsEnd& end = *tls;
  while (!bytes.empty()) {
    const auto size = static_cast<u32>(bytes.size());
    size_t part = at_.random.chance(1, 2) ? size : 1 + at_.random.below(size);
    const bool isExtra = end.extras < kExtrasMax && at_.random.chance(1, 16);
    if (isExtra) sendExtra();
    if (isExtra && end.toy.is13()) {
      part = std::min(part, kPaddedBytesMax);
      put(end.toy.sealTyped(tls::kTypeApplication, bytes.substr(0, part), at_.random.below(900)));
    } else {
      put(end.toy.seal(bytes.substr(0, part), at_.nowNs / 1'000'000));
    }
    written += part;
    bytes.remove_prefix(part);
    end.marks.emplace_back(wireBytes_, written);
  }
}

// What TLS allows between the bytes: new keys, empty records, harmless alerts.
void Peer::sendExtra() {
  TlsEnd& end = *tls;
  end.extras++;
  const u32 kind = at_.random.below(4);
  if (kind == 0) return put(end.toy.sealTyped(tls::kTypeApplication, ""));
  const char warning[] = {tls::kLevelWarning, static_cast<char>(tls::Alert::kUserCanceled)};
  if (kind == 1 || !end.toy.is13()) {
    return put(end.toy.sealTyped(tls::kTypeAlert, {warning, sizeof(warning)}));
  }
  const auto request =
      kind == 2 ? tls::UpdateRequest::kRequested : tls::UpdateRequest::kNotRequested;
  u8 record[tls::kControlBytesMax];
  const tls::Sealed sealed = end.toy.records().updateKeys(end.toy.state(), request, record);
  put({reinterpret_cast<const char*>(record), sealed.produced});
}

void Peer::sayLastWord() {
  TlsEnd& end = *tls;
  const char alert[] = {tls::kLevelFatal, static_cast<char>(tls::Alert::kInternalError)};
  std::string record = end.toy.sealTyped(tls::kTypeApplication, "never to be seen");
  switch (end.lastWord) {
    case LastWord::kCloseNotify:
      break;
    case LastWord::kNothing:
      if (at_.random.chance(1, 2)) {
        put(record.substr(0, at_.random.below(static_cast<u32>(record.size()))));
      }
      return;
    case LastWord::kAlert:
      // The record that was not sent left a gap in the numbers.
      end.toy.state()->writeSequence--;
      return put(end.toy.sealTyped(tls::kTypeAlert, {alert, sizeof(alert)}));
    case LastWord::kViolation: {
      const u32 kind = at_.random.below(3);
      if (kind == 0) return put("GET / HTTP/1.1\r\n\r\n");
      if (kind == 1) return put(std::string("\x17\x03\x03\xff\xff", 5));
      record.back() = static_cast<char>(record.back() ^ 1);
      return put(record);
    }
  }
  end.toy.state()->writeSequence--;
  put(end.toy.sealClose());
  end.closeAt = wireBytes_;
}

void Peer::openAll() {
  TlsEnd& end = *tls;
  end.hasNews = false;
  std::vector<u8> input(end.received.begin(), end.received.end());
  std::vector<u8> output(input.size());
  const tls::Opened opened =
      end.toy.records().open(end.toy.state(), input, output, at_.nowNs / 1'000'000);
  end.received.erase(0, opened.consumed);
  check({reinterpret_cast<const char*>(output.data()), opened.produced});
  if (opened.isReplyDue && !hasSentFin()) {
    u8 reply[2 * tls::kControlBytesMax];
    const tls::Sealed sealed = end.toy.records().sealDue(end.toy.state(), reply);
    put({reinterpret_cast<const char*>(reply), sealed.produced});
  }
  if (opened.event == tls::OpenEvent::kCloseNotify) end.hasSeenClose = true;
  const bool isAlert = opened.event == tls::OpenEvent::kAlert;
  if (isAlert && !isRough()) at_.fail("the gateway sent an alert to polite peer", id);
  if (opened.event == tls::OpenEvent::kViolation && !isAlert && !isRough()) {
    at_.fail("the gateway broke a rule of TLS for", id);
  }
}

}  // namespace holdfast::sim
