// TlsConfig: the SSL_CTX objects of one listener or cluster, built from plain options.
//
// One for each shard that uses it, so nothing in it is locked or shared between threads. A domain
// is what answers for some names: certificates, protocols, whom clients are checked against. Made
// anew when a certificate changes; handshakes under way keep the one they began with alive.
// Invariant: a config exists only whole and checked, and a ticket made under one trust (names,
// authorities, revocation lists, client authentication) is worth nothing under another.
#pragma once

#include <string_view>
#include <unordered_map>
#include <vector>

#include "tls/kdf_openssl.h"
#include "tls/pem_openssl.h"

namespace holdfast::tls {

// What all configs of a shard share.
struct ShardOpenssl {
  Kdf kdf;
  EVP_CIPHER* ticketCipher = nullptr;
  BIO_METHOD* bioMethod = nullptr;

  ShardOpenssl() = default;
  ShardOpenssl(const ShardOpenssl&) = delete;
  ShardOpenssl& operator=(const ShardOpenssl&) = delete;
  ~ShardOpenssl();
  [[nodiscard]] bool start();
};

class TlsConfig {
 public:
  static constexpr size_t kDomainsMax = 10000;
  static constexpr size_t kNamesMax = 100000;  // of all domains
  static constexpr size_t kTicketKeysMax = 16;
  static constexpr size_t kStoredTicketsMax = 32;
  static constexpr u32 kDepthDefault = 4;

  struct Domain {
    TlsConfig* config = nullptr;
    u32 index = 0;
    Owned<SSL_CTX> ctx;
    int verifyMode = 0;
    int depth = 0;
    u8 trust[32] = {};     // what tickets are bound to
    std::vector<u8> alpn;  // as on the wire, ours first
    struct Staple {
      const X509* leaf;  // owned by ctx
      std::vector<u8> der;
    };
    std::vector<Staple> staples;
  };

  // Null with the problem set. The first reference is the caller's.
  static TlsConfig* create(ShardOpenssl& shard, const HfTlsOptions& options, HfTlsProblem* problem);
  TlsConfig(const TlsConfig&) = delete;
  TlsConfig& operator=(const TlsConfig&) = delete;
  void retain() { references_++; }
  void release();

  [[nodiscard]] ShardOpenssl& shard() { return shard_; }
  [[nodiscard]] Role role() const { return role_; }
  [[nodiscard]] bool isPeerUnchecked() const { return isPeerUnchecked_; }
  [[nodiscard]] bool areTicketsOn() const { return areTicketsOn_ && !ticketKeys_.empty(); }
  // Where handshakes begin; terminating, before the name is known.
  [[nodiscard]] Domain& defaultDomain() { return domains_[default_]; }
  // The domain of a canonical name; null when none has it and names are required.
  [[nodiscard]] Domain* find(std::string_view name);
  [[nodiscard]] const std::vector<HfTlsCertificateFacts>& facts() const { return facts_; }

  void setTicketKeys(std::span<const HfTlsTicketKey> keys);
  [[nodiscard]] const std::vector<HfTlsTicketKey>& ticketKeys() const { return ticketKeys_; }

  // Originating: a ticket for a name, taken out, or null. The reference is the caller's.
  [[nodiscard]] SSL_SESSION* takeTicket(std::string_view name);
  // Takes the reference over.
  void storeTicket(std::string_view name, SSL_SESSION* ticket);

 private:
  struct NameHash {
    using is_transparent = void;
    size_t operator()(std::string_view name) const { return std::hash<std::string_view>{}(name); }
  };
  struct StoredTicket {
    std::string name;
    SSL_SESSION* ticket;
  };

  explicit TlsConfig(ShardOpenssl& shard) : shard_(shard) {}
  ~TlsConfig();

  // Each returns what is wrong, or an empty text.
  std::string build(const HfTlsOptions& options, HfTlsProblem* problem);
  std::string buildDomain(const HfTlsOptions& options, const HfTlsDomain& from, Domain* domain,
                          HfTlsProblem* problem);
  std::string addNames(const HfTlsDomain& from, u32 index);
  std::string addCertificates(const HfTlsOptions& options, const HfTlsDomain& from, Domain* domain,
                              HfTlsProblem* problem);
  std::string addPeerChecks(const HfTlsOptions& options, const HfTlsDomain& from, Domain* domain);

  ShardOpenssl& shard_;
  u32 references_ = 1;
  Role role_ = Role::kTerminating;
  bool isPeerUnchecked_ = false;
  bool areTicketsOn_ = true;
  bool isServerNameRequired_ = false;
  size_t default_ = 0;
  std::vector<Domain> domains_;  // never grows once built: callbacks keep their addresses
  std::unordered_map<std::string, u32, NameHash, std::equal_to<>> names_;
  std::vector<HfTlsCertificateFacts> facts_;
  std::vector<HfTlsTicketKey> ticketKeys_;
  std::vector<StoredTicket> storedTickets_;
};

}  // namespace holdfast::tls
