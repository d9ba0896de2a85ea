// TlsTable: a shard's TLS configs, made from the snapshot in use, and the ciphers of its records.
//
// Configs are expensive to make and a snapshot is replaced whenever an endpoint moves, so a config
// whose parts did not change is kept. Handshakes under way keep what they need of a config that
// goes.
// Invariant: position i is the config of position i of the snapshot that was applied last.
#pragma once

#include <string>
#include <vector>

#include "proxy/snapshot.h"
#include "tls/handshake.h"
#include "tls/tls_library.h"

namespace holdfast::proxy {

// One config, ready for handshakes.
struct TlsEntry {
  u64 digest[2] = {0, 0};
  const HfTlsEngine* engine = nullptr;
  HfTlsConfig* config = nullptr;
  u8 engineIndex = 0;
  bool isDetached = true;
  bool hasTickets = true;
};

class TlsTable {
 public:
  static constexpr size_t kEnginesMax = 16;

  // `library` may be null; it outlives the table.
  explicit TlsTable(const tls::TlsLibrary* library) : library_(library) {}
  TlsTable(const TlsTable&) = delete;
  TlsTable& operator=(const TlsTable&) = delete;
  ~TlsTable();

  // Makes what `next` asks for. On failure what is in use stays. EPROTONOSUPPORT: this process has
  // no usable TLS library; EINVAL: a config that main had checked is refused here.
  Status apply(const Snapshot& next);
  // Lets go of all configs.
  void clear() { release(entries_); }
  [[nodiscard]] const TlsEntry& at(u32 position) const { return entries_[position]; }
  [[nodiscard]] size_t size() const { return entries_.size(); }
  // Engines stay for ever, so that a number stands for one.
  [[nodiscard]] const HfTlsEngine* engineAt(u8 index) const { return engines_[index].engine; }
  // Null until a snapshot with TLS was applied.
  [[nodiscard]] const tls::AeadTable* ciphers() const { return aead_; }

 private:
  struct Engine {
    std::string path;
    const HfTlsEngine* engine;
    HfTlsShard* shard;
  };

  Status openCiphers();
  // Null when it cannot be had.
  const Engine* findEngine(const std::string& path);
  Status make(std::span<const u8> encoded, TlsEntry* entry);
  static void release(std::vector<TlsEntry>& entries);

  const tls::TlsLibrary* library_;
  void* ciphers_ = nullptr;
  const tls::AeadTable* aead_ = nullptr;
  std::vector<Engine> engines_;
  std::vector<TlsEntry> entries_;
};

// What checking finds: an empty text, or one sentence and where.
struct TlsProblem {
  std::string text;
  u32 domain = HF_TLS_NONE;
  u32 certificate = HF_TLS_NONE;
};

// Makes a config as a shard would and throws it away; appends the facts of its certificates.
// Control thread; milliseconds.
[[nodiscard]] TlsProblem checkTlsConfig(const tls::TlsLibrary& library, const TlsConfigParts& parts,
                                        std::vector<HfTlsCertificateFacts>* facts);
// Why this process can have no TLS, or an empty text.
[[nodiscard]] std::string findTlsProblem(const tls::TlsLibrary& library);

}  // namespace holdfast::proxy
