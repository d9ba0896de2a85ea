// Handshakes and records of peers with HTTP.
#include "sim/http_wire.h"

#include <vector>

#include "tls/record_wire.h"

namespace holdfast::sim {
namespace {

constexpr size_t kFlightBytes = 16384;
// Within a second more records without bytes are a flood.
constexpr u32 kExtrasMax = 20;

}  // namespace

void HttpWire::secure(u8 role) {
  toy_ = std::make_unique<ToyTls>(at_.random, toyLibrary->peersAead.table(), role,
                                  at_.random.below(3));
}

bool HttpWire::shake(std::string* to) {
  if (stream->isFarFinSent || isRefused_) return false;
  const bool isFirst = toy_->isOriginating() && !isStarted_;
  if (!isFirst && !hasNews_) return false;
  isStarted_ = true;
  hasNews_ = false;
  stepHandshake(to);
  return true;
}

void HttpWire::stepHandshake(std::string* to) {
  HfTlsStep step = HF_TLS_WANT_OUTPUT;
  while (step == HF_TLS_WANT_OUTPUT) {
    u8 output[kFlightBytes];
    HfTlsIo io{reinterpret_cast<const u8*>(received_.data()),
               received_.size(),
               0,
               output,
               sizeof(output),
               0};
    step = toy_->step(&io);
    received_.erase(0, io.consumed);
    put({reinterpret_cast<const char*>(output), io.produced});
  }
  if (step == HF_TLS_DONE) return open(to);
  if (step != HF_TLS_FAILED) return;
  const bool isTheirs = toy_->alertReceived() != 0xff && toyLibrary->refused != 0;
  if (!isTheirs) at_.fail("the gateway's handshake is wrong for", id_);
  isRefused_ = true;
  stream->isFarFinSent = true;
}

void HttpWire::write(std::string_view plain) {
  if (toy_ == nullptr) return put(plain);
  while (!plain.empty()) {
    const auto size = static_cast<u32>(plain.size());
    const size_t part = at_.random.chance(2, 3) ? size : 1 + at_.random.below(size);
    if (extras_ < kExtrasMax && at_.random.chance(1, 24)) sendExtra();
    put(toy_->seal(plain.substr(0, part), at_.nowNs / 1'000'000));
    plain.remove_prefix(part);
  }
}

// What TLS allows between the bytes: new keys, empty records, harmless alerts.
void HttpWire::sendExtra() {
  extras_++;
  const u32 kind = at_.random.below(4);
  if (kind == 0) return put(toy_->sealTyped(tls::kTypeApplication, ""));
  const char warning[] = {tls::kLevelWarning, static_cast<char>(tls::Alert::kUserCanceled)};
  if (kind == 1 || !toy_->is13()) {
    return put(toy_->sealTyped(tls::kTypeAlert, {warning, sizeof(warning)}));
  }
  const auto request =
      kind == 2 ? tls::UpdateRequest::kRequested : tls::UpdateRequest::kNotRequested;
  u8 record[tls::kControlBytesMax];
  const tls::Sealed sealed = toy_->records().updateKeys(toy_->state(), request, record);
  put({reinterpret_cast<const char*>(record), sealed.produced});
}

void HttpWire::take(std::string_view bytes, std::string* to) {
  if (toy_ == nullptr) {
    to->append(bytes);
    return;
  }
  received_.append(bytes);
  hasNews_ = true;
  if (toy_->isDone()) open(to);
}

void HttpWire::open(std::string* to) {
  hasNews_ = false;
  std::vector<u8> input(received_.begin(), received_.end());
  std::vector<u8> output(input.size());
  const tls::Opened opened =
      toy_->records().open(toy_->state(), input, output, at_.nowNs / 1'000'000);
  received_.erase(0, opened.consumed);
  to->append(reinterpret_cast<const char*>(output.data()), opened.produced);
  if (opened.isReplyDue && !stream->isFarFinSent) {
    u8 reply[2 * tls::kControlBytesMax];
    const tls::Sealed sealed = toy_->records().sealDue(toy_->state(), reply);
    put({reinterpret_cast<const char*>(reply), sealed.produced});
  }
  if (opened.event == tls::OpenEvent::kCloseNotify) hasSeenClose_ = true;
  if (isRough_) return;
  if (opened.event == tls::OpenEvent::kAlert) {
    at_.fail("the gateway sent an alert to polite peer", id_);
  }
  if (opened.event == tls::OpenEvent::kViolation) {
    at_.fail("the gateway broke a rule of TLS for", id_);
  }
}

void HttpWire::finish() {
  if (toy_ != nullptr && toy_->isDone()) put(toy_->sealClose());
  stream->isFarFinSent = true;
}

void HttpWire::cutOff() {
  isRough_ = isRough_ || toy_ != nullptr;
  stream->isFarFinSent = true;
}

void HttpWire::breakRule() {
  isRough_ = true;
  put(at_.random.chance(1, 2) ? "GET / HTTP/1.1\r\n\r\n"
                              : std::string_view("\x17\x03\x03\xff\xff", 5));
  stream->isFarFinSent = true;
}

}  // namespace holdfast::sim
