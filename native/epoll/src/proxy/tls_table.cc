// Making, keeping and letting go of TLS configs.
#include "proxy/tls_table.h"

#include <cerrno>
#include <cstring>

#include "runtime/sys.h"
#include "tls/engine_library.h"

namespace holdfast::proxy {

TlsTable::~TlsTable() {
  release(entries_);
  for (const Engine& engine : engines_) engine.engine->closeShard(engine.shard);
  if (ciphers_ != nullptr) library_->closeCiphers(ciphers_);
}

Status TlsTable::apply(const Snapshot& next) {
  if (next.tlsCount() != 0) {
    if (Status status = openCiphers(); !status.isOk()) return status;
  }
  std::vector<TlsEntry> made;
  std::vector<bool> isKept(entries_.size(), false);
  Status status = Status::ok();
  for (u32 i = 0; i < next.tlsCount() && status.isOk(); i++) {
    const TlsSpec& spec = next.tls(i);
    TlsEntry entry;
    std::memcpy(entry.digest, spec.digest, sizeof(entry.digest));
    for (size_t old = 0; old < entries_.size() && entry.config == nullptr; old++) {
      if (isKept[old] || std::memcmp(entries_[old].digest, spec.digest, sizeof(spec.digest)) != 0) {
        continue;
      }
      entry = entries_[old];
      isKept[old] = true;
    }
    const bool isNew = entry.config == nullptr;
    if (isNew) status = make(next.tlsBytes(spec), &entry);
    made.push_back(entry);
  }
  if (!status.isOk()) {
    // What was taken over stays with its owner; the rest is new and goes.
    for (TlsEntry& entry : made) {
      for (const TlsEntry& old : entries_) {
        if (old.config == entry.config) entry.config = nullptr;
      }
    }
    release(made);
    return status;
  }
  for (size_t old = 0; old < entries_.size(); old++) {
    if (isKept[old]) entries_[old].config = nullptr;
  }
  release(entries_);
  entries_ = std::move(made);
  const std::span<const HfTlsTicketKey> keys = next.ticketKeys();
  for (const TlsEntry& entry : entries_) {
    entry.engine->setTicketKeys(entry.config, keys.data(), keys.size());
  }
  return Status::ok();
}

Status TlsTable::openCiphers() {
  if (aead_ != nullptr) return Status::ok();
  if (library_ == nullptr) return Status::fromErrno(EPROTONOSUPPORT);
  ciphers_ = library_->openCiphers();
  if (ciphers_ == nullptr) return Status::fromErrno(EPROTONOSUPPORT);
  aead_ = library_->tableOf(ciphers_);
  return Status::ok();
}

const TlsTable::Engine* TlsTable::findEngine(const std::string& path) {
  for (const Engine& engine : engines_) {
    if (engine.path == path) return &engine;
  }
  const HfTlsEngine* engine = library_->engine;
  if (!path.empty() && !tls::openEngineLibrary(path.c_str(), &engine).empty()) return nullptr;
  if (engines_.size() == kEnginesMax) return nullptr;
  HfTlsProblem problem;
  HfTlsShard* const shard = engine->openShard(&problem);
  if (shard == nullptr) return nullptr;
  engines_.push_back(Engine{path, engine, shard});
  return &engines_.back();
}

Status TlsTable::make(std::span<const u8> encoded, TlsEntry* entry) {
  TlsConfigParts parts;
  if (!decodeTlsConfig(encoded, &parts)) return Status::fromErrno(EINVAL);
  const Engine* const engine = findEngine(parts.enginePath);
  if (engine == nullptr) return Status::fromErrno(EPROTONOSUPPORT);
  // Main has judged the times; a certificate that ends while the gateway runs goes on.
  const TlsOptionsView view(parts, 0);
  HfTlsProblem problem;
  entry->engine = engine->engine;
  entry->config = engine->engine->createConfig(engine->shard, &view.options(), &problem);
  entry->engineIndex = static_cast<u8>(engine - engines_.data());
  entry->isDetached = parts.isDetached;
  entry->hasTickets = parts.tickets != 0;
  return entry->config == nullptr ? Status::fromErrno(EINVAL) : Status::ok();
}

void TlsTable::release(std::vector<TlsEntry>& entries) {
  for (TlsEntry& entry : entries) {
    if (entry.config != nullptr) entry.engine->releaseConfig(entry.config);
  }
  entries.clear();
}

std::string findTlsProblem(const tls::TlsLibrary& library) {
  HfTlsProblem problem;
  HfTlsShard* const shard = library.engine->openShard(&problem);
  if (shard == nullptr) return problem.text;
  library.engine->closeShard(shard);
  return "";
}

TlsProblem checkTlsConfig(const tls::TlsLibrary& library, const TlsConfigParts& parts,
                          std::vector<HfTlsCertificateFacts>* facts) {
  const HfTlsEngine* engine = library.engine;
  if (!parts.enginePath.empty()) {
    std::string text = tls::openEngineLibrary(parts.enginePath.c_str(), &engine);
    if (!text.empty()) return TlsProblem{std::move(text), HF_TLS_NONE, HF_TLS_NONE};
  }
  HfTlsProblem problem;
  HfTlsShard* const shard = engine->openShard(&problem);
  if (shard == nullptr) return TlsProblem{problem.text, HF_TLS_NONE, HF_TLS_NONE};
  const TlsOptionsView view(parts, static_cast<i64>(sys::realtimeMs() / 1000));
  HfTlsConfig* const config = engine->createConfig(shard, &view.options(), &problem);
  TlsProblem found;
  if (config == nullptr) {
    found = TlsProblem{problem.text, problem.domain, problem.certificate};
  } else {
    HfTlsCertificateFacts fact;
    for (size_t i = 0; engine->certificateFacts(config, i, &fact) != 0; i++) facts->push_back(fact);
    engine->releaseConfig(config);
  }
  engine->closeShard(shard);
  return found;
}

}  // namespace holdfast::proxy
