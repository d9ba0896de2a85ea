// The toy handshake behind the table of engine_abi.h, as the simulated shard
// gets it.
//
// Records by the engine itself go through a record layer of its own, one record
// at a time.
#include <algorithm>
#include <cstring>

#include "tls/record_wire.h"

#include "sim/toy_tls.h"
#include "sim/world.h"

struct HfTlsShard {
  holdfast::u32 configs = 0;
};

struct HfTlsConfig {
  HfTlsShard* shard = nullptr;
  holdfast::u8 role = HF_TLS_TERMINATING;
  holdfast::u32 tickets = 0;
  holdfast::u32 references = 1;
};

struct HfTlsHandshake {
  HfTlsHandshake(HfTlsConfig* of, holdfast::Random& random, const holdfast::tls::AeadTable& aead)
      : config(of), end(random, aead, of->role, of->tickets) {}

  HfTlsConfig* config;
  holdfast::sim::ToyTls end;
  holdfast::u32 ticketsReceived = 0;
  holdfast::u8 alertSent = 0xff;
  holdfast::u8 alertReceived = 0xff;
};

namespace holdfast::sim {

ToyLibrary* toyLibrary = nullptr;

namespace {

u64 nowMs() { return world->nowNs / 1'000'000; }

HfTlsShard* openShard(HfTlsProblem*) { return new HfTlsShard(); }

void closeShard(HfTlsShard* shard) {
  HF_ASSERT(shard->configs == 0);
  delete shard;
}

HfTlsConfig* createConfig(HfTlsShard* shard, const HfTlsOptions* options, HfTlsProblem*) {
  auto* config = new HfTlsConfig();
  config->shard = shard;
  config->role = options->role;
  config->tickets = options->areTicketsOff != 0 ? 0 : options->ticketsPerHandshake;
  shard->configs++;
  return config;
}

void releaseConfig(HfTlsConfig* config) {
  if (--config->references != 0) return;
  config->shard->configs--;
  delete config;
}

void setTicketKeys(HfTlsConfig*, const HfTlsTicketKey*, size_t) {}
int certificateFacts(const HfTlsConfig*, size_t, HfTlsCertificateFacts*) { return 0; }

HfTlsHandshake* create(HfTlsConfig* config, HfTlsBytes) {
  // A handshake outlives a reload, so it holds its config.
  config->references++;
  auto* handshake = new HfTlsHandshake(config, world->random, toyLibrary->gatewayAead.table());
  if (world->draw(toyLibrary->refusedPermille)) {
    handshake->end.refuse();
    toyLibrary->refused++;
  }
  return handshake;
}

HfTlsStep step(HfTlsHandshake* handshake, HfTlsIo* io) { return handshake->end.step(io); }

void negotiated(const HfTlsHandshake* handshake, HfTlsNegotiated* out) {
  handshake->end.negotiated(out);
}

void failure(const HfTlsHandshake* handshake, HfTlsFailure* out) {
  std::memset(out, 0, sizeof(*out));
  const bool isAfter = handshake->end.isDone();
  out->alertSent = isAfter ? handshake->alertSent : handshake->end.alertSent();
  out->alertReceived = isAfter ? handshake->alertReceived : handshake->end.alertReceived();
  std::memcpy(out->reason, "a toy failed", sizeof("a toy failed"));
}

HfTlsStep detach(HfTlsHandshake* handshake, HfTlsRecordKeys* keys) {
  return handshake->end.detach(keys);
}

HfTlsStep readRecords(HfTlsHandshake* handshake, HfTlsIo* io, uint8_t* plain, size_t capacity,
                      size_t* length) {
  io->consumed = io->produced = 0;
  *length = 0;
  ToyTls& end = handshake->end;
  for (;;) {
    const std::span<const u8> left(io->input + io->consumed, io->inputLength - io->consumed);
    const bool isCloseRead = (end.state()->flags & tls::kRecordCloseRead) != 0;
    if (!isCloseRead && left.size() < tls::kRecordHeaderBytes) return HF_TLS_WANT_INPUT;
    const size_t wire =
        isCloseRead ? left.size() : tls::kRecordHeaderBytes + tls::wireLength(left.data());
    const size_t part = std::min(wire, left.size());
    std::vector<u8> record(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(part));
    std::vector<u8> content(part);
    const tls::Opened opened = end.records().open(end.state(), record, content, nowMs());
    io->consumed += opened.consumed;
    HF_ASSERT(opened.produced <= capacity);
    std::memcpy(plain, content.data(), opened.produced);
    *length = opened.produced;
    const std::span<u8> output(io->output + io->produced, io->outputCapacity - io->produced);
    if (opened.isReplyDue) io->produced += end.records().sealDue(end.state(), output).produced;
    switch (opened.event) {
      case tls::OpenEvent::kCloseNotify:
        return HF_TLS_CLOSED;
      case tls::OpenEvent::kAlert:
        handshake->alertReceived = static_cast<u8>(opened.alert);
        return HF_TLS_FAILED;
      case tls::OpenEvent::kViolation:
        handshake->alertSent = static_cast<u8>(opened.alert);
        io->produced += end.records().sealAlert(end.state(), opened.alert, output).produced;
        return HF_TLS_FAILED;
      case tls::OpenEvent::kNeedMore:
      case tls::OpenEvent::kOutputFull:
        break;
    }
    if (opened.records == 0) return HF_TLS_WANT_INPUT;
    if (opened.produced != 0) return HF_TLS_DONE;
    handshake->ticketsReceived++;
  }
}

HfTlsStep writeRecords(HfTlsHandshake* handshake, HfTlsIo* io, const uint8_t* plain, size_t count,
                       size_t* length) {
  ToyTls& end = handshake->end;
  const tls::Sealed sealed =
      end.records().seal(end.state(), {plain, count}, {io->output, io->outputCapacity}, nowMs());
  io->consumed = 0;
  io->produced = sealed.produced;
  *length = sealed.consumed;
  const bool isFailed =
      sealed.event == tls::SealEvent::kFailed || sealed.event == tls::SealEvent::kExhausted;
  return isFailed ? HF_TLS_FAILED : HF_TLS_DONE;
}

HfTlsStep closeRecords(HfTlsHandshake* handshake, HfTlsIo* io) {
  const std::string record = handshake->end.sealClose();
  io->consumed = 0;
  io->produced = record.size();
  std::memcpy(io->output, record.data(), record.size());
  return HF_TLS_DONE;
}

uint32_t ticketsReceived(const HfTlsHandshake* handshake) { return handshake->ticketsReceived; }

void freeHandshake(HfTlsHandshake* handshake) {
  releaseConfig(handshake->config);
  delete handshake;
}

constexpr HfTlsEngine kEngine = {
    .abiVersion = HF_TLS_ENGINE_ABI_VERSION,
    .structBytes = sizeof(HfTlsEngine),
    .name = "toy",
    .openShard = openShard,
    .closeShard = closeShard,
    .createConfig = createConfig,
    .releaseConfig = releaseConfig,
    .setTicketKeys = setTicketKeys,
    .certificateFacts = certificateFacts,
    .create = create,
    .step = step,
    .negotiated = negotiated,
    .failure = failure,
    .detach = detach,
    .read = readRecords,
    .write = writeRecords,
    .close = closeRecords,
    .ticketsReceived = ticketsReceived,
    .free = freeHandshake,
};

}  // namespace

ToyLibrary::ToyLibrary() {
  table.engine = &kEngine;
  table.openCiphers = []() -> void* { return &toyLibrary->gatewayAead; };
  table.closeCiphers = [](void*) {};
  table.tableOf = [](void* ciphers) { return &static_cast<tls::ToyAead*>(ciphers)->table(); };
}

}  // namespace holdfast::sim
