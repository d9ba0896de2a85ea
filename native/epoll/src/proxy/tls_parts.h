// TlsConfigParts: what one listener or cluster asks of TLS, as TypeScript gave it.
//
// Control plane only: read on the main thread, laid flat into the snapshot, and read again by each
// shard when it applies one. TlsOptionsView lends the parts to an engine as the structs of its ABI.
// Invariant: encode and decode are inverse; decoding never leaves the bytes it was given.
// Holds private keys: the bytes lie on pages that core dumps leave out, and are wiped behind use.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "runtime/base.h"
#include "tls/engine_abi.h"

namespace holdfast::proxy {

inline constexpr u32 kTlsConfigsMax = 8192;  // listeners and clusters with TLS
inline constexpr u32 kTlsDomainsMax = 10'000;
inline constexpr u32 kTlsCertificatesMax = 8;  // of one domain, by kind of key
inline constexpr u32 kTlsNamesMax = 1'000;     // of one domain

struct TlsCertificateParts {
  std::string chainPem;
  std::string keyPem;
  std::string ocspDer;
};

struct TlsDomainParts {
  std::vector<std::string> names;
  std::vector<TlsCertificateParts> certificates;
  std::vector<std::string> alpn;
  u32 clientAuth = HF_TLS_CLIENT_AUTH_OFF;
  u32 depthMax = 0;
  std::string caPem;
  std::string crlPem;
};

struct TlsConfigParts {
  std::string name;
  std::string enginePath;  // empty: the built-in engine
  u8 role = HF_TLS_TERMINATING;
  u8 policy = HF_TLS_POLICY_INTERMEDIATE;
  bool isDetached = true;
  bool isServerNameRequired = false;
  bool isPeerUnchecked = false;
  u32 tickets = 2;  // for each handshake; 0: off
  u32 ticketSeconds = 0;
  std::string suites13;
  std::string suites12;
  std::string groups;
  std::vector<TlsDomainParts> domains;

  TlsConfigParts() = default;
  TlsConfigParts(TlsConfigParts&&) = default;
  TlsConfigParts& operator=(TlsConfigParts&&) = default;
  TlsConfigParts(const TlsConfigParts&) = delete;
  TlsConfigParts& operator=(const TlsConfigParts&) = delete;
  ~TlsConfigParts();
};

// Bytes that encoding takes at most.
[[nodiscard]] size_t encodedTlsBytesMax(const TlsConfigParts& parts);
// Appends the parts to `out`. Keys are copied: where `out` grows, freed memory keeps a copy, so
// room is made before.
void encodeTlsConfig(const TlsConfigParts& parts, std::vector<u8>* out);
// False when the bytes are not one whole encoded config.
[[nodiscard]] bool decodeTlsConfig(std::span<const u8> bytes, TlsConfigParts* parts);

// Borrows the parts for as long as it lives.
class TlsOptionsView {
 public:
  // `nowSeconds` since 1970; 0: certificates may be out of their time.
  TlsOptionsView(const TlsConfigParts& parts, i64 nowSeconds);
  TlsOptionsView(const TlsOptionsView&) = delete;
  TlsOptionsView& operator=(const TlsOptionsView&) = delete;
  [[nodiscard]] const HfTlsOptions& options() const { return options_; }

 private:
  struct DomainLists {
    std::vector<HfTlsBytes> names;
    std::vector<HfTlsBytes> alpn;
    std::vector<HfTlsCertificate> certificates;
  };

  std::vector<DomainLists> lists_;
  std::vector<HfTlsDomain> domains_;
  HfTlsOptions options_{};
};

}  // namespace holdfast::proxy
