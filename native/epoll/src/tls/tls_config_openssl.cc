// The callbacks that an SSL_CTX keeps find their Domain in its app pointer (ex_data 0, which the
// library reserves for the application); the handshake's own callbacks are in handshake_openssl.cc.
#include "tls/tls_config_openssl.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "codec/client_hello.h"
#include "tls/handshake_openssl.h"
#include "tls/policy_openssl.h"
#include "tls/tickets_openssl.h"

namespace holdfast::tls {

namespace {

constexpr u32 kTicketSecondsDefault = 7200;
constexpr u32 kTicketSecondsMax = 7 * 24 * 3600;  // RFC 8446 4.6.1
constexpr size_t kTicketsPerHandshake = 2;
constexpr size_t kAlpnListBytesMax = 1024;

std::string_view viewOf(HfTlsBytes bytes) {
  return {reinterpret_cast<const char*>(bytes.start), bytes.length};
}

std::string canonicalOf(std::string_view name) {
  char output[codec::kServerNameBytesMax];
  const std::span<const u8> bytes(reinterpret_cast<const u8*>(name.data()), name.size());
  return std::string(output, codec::canonicalServerName(bytes, output));
}

// Feeds a part with its length, so that two lists of parts never look the same.
void addPart(std::string* all, std::string_view part) {
  all->append(std::to_string(part.size())).append(":").append(part);
}

// What a ticket vouches for: who was asked for, and whom the client had to convince.
void digestTrust(const HfTlsOptions& options, const HfTlsDomain& from, u8 (&trust)[32]) {
  std::string all = "holdfast trust 1";
  addPart(&all, viewOf(options.name));
  addPart(&all, std::to_string(from.namesCount));
  for (size_t i = 0; i < from.namesCount; ++i) addPart(&all, canonicalOf(viewOf(from.names[i])));
  addPart(&all, std::to_string(from.clientAuth));
  addPart(&all, std::to_string(from.depthMax));
  addPart(&all, viewOf(from.caPem));
  addPart(&all, viewOf(from.crlPem));
  unsigned length = 0;
  EVP_Digest(all.data(), all.size(), trust, &length, EVP_sha256(), nullptr);
}

std::string readAlpn(const HfTlsDomain& from, std::vector<u8>* wire) {
  for (size_t i = 0; i < from.alpnCount; ++i) {
    const HfTlsBytes& protocol = from.alpn[i];
    if (protocol.length == 0 || protocol.length > 255) {
      return "an ALPN protocol has 1 to 255 bytes";
    }
    wire->push_back(static_cast<u8>(protocol.length));
    wire->insert(wire->end(), protocol.start, protocol.start + protocol.length);
  }
  return wire->size() > kAlpnListBytesMax ? "the list of ALPN protocols is too long" : "";
}

int onAlpn(SSL*, const unsigned char** chosen, unsigned char* chosenLength,
           const unsigned char* offered, unsigned offeredLength, void* argument) {
  const auto& domain = *static_cast<const TlsConfig::Domain*>(argument);
  const std::vector<u8>& ours = domain.alpn;
  for (size_t i = 0; i < ours.size(); i += 1u + ours[i]) {
    for (size_t at = 0; at < offeredLength; at += 1u + offered[at]) {
      if (offered[at] != ours[i] || std::memcmp(offered + at + 1, &ours[i + 1], ours[i]) != 0) {
        continue;
      }
      *chosen = offered + at + 1;
      *chosenLength = offered[at];
      return SSL_TLSEXT_ERR_OK;
    }
  }
  // Guessing would let the two sides speak different protocols (RFC 7301 3.2).
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

int onStatusRequest(SSL* ssl, void* argument) {
  const auto& domain = *static_cast<const TlsConfig::Domain*>(argument);
  const X509* const leaf = SSL_get_certificate(ssl);
  for (const TlsConfig::Domain::Staple& staple : domain.staples) {
    if (staple.leaf != leaf) continue;
    void* const copy = OPENSSL_memdup(staple.der.data(), staple.der.size());
    if (copy == nullptr) return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(staple.der.size()));
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

void setTicketRules(SSL_CTX* ctx, const HfTlsOptions& options) {
  const u32 seconds = options.ticketSeconds != 0 ? options.ticketSeconds : kTicketSecondsDefault;
  SSL_CTX_set_timeout(ctx, static_cast<long>(std::min(seconds, kTicketSecondsMax)));
  if (options.role == HF_TLS_ORIGINATING) {
    const long mode = options.areTicketsOff != 0
                          ? SSL_SESS_CACHE_OFF
                          : SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL;
    SSL_CTX_set_session_cache_mode(ctx, mode);
    SSL_CTX_sess_set_new_cb(ctx, onTicketReceived);
    return;
  }
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  const size_t count =
      options.ticketsPerHandshake != 0 ? options.ticketsPerHandshake : kTicketsPerHandshake;
  SSL_CTX_set_num_tickets(ctx, options.areTicketsOff != 0 ? 0 : count);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, onTicket);
}

}  // namespace

ShardOpenssl::~ShardOpenssl() {
  if (ticketCipher != nullptr) EVP_CIPHER_free(ticketCipher);
  if (bioMethod != nullptr) BIO_meth_free(bioMethod);
}

bool ShardOpenssl::start() {
  ERR_clear_error();
  ticketCipher = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
  bioMethod = makeBioMethod();
  const bool isStarted = ticketCipher != nullptr && bioMethod != nullptr && kdf.start();
  ERR_clear_error();
  return isStarted;
}

TlsConfig* TlsConfig::create(ShardOpenssl& shard, const HfTlsOptions& options,
                             HfTlsProblem* problem) {
  problem->domain = problem->certificate = HF_TLS_NONE;
  problem->text[0] = '\0';
  auto* const config = new TlsConfig(shard);
  const std::string text = config->build(options, problem);
  ERR_clear_error();
  if (text.empty()) return config;
  std::snprintf(problem->text, sizeof(problem->text), "%s", text.c_str());
  config->release();
  return nullptr;
}

void TlsConfig::release() {
  HF_ASSERT(references_ > 0);
  if (--references_ == 0) delete this;
}

TlsConfig::~TlsConfig() {
  setTicketKeys({});
  for (StoredTicket& stored : storedTickets_) SSL_SESSION_free(stored.ticket);
}

std::string TlsConfig::build(const HfTlsOptions& options, HfTlsProblem* problem) {
  if (options.structBytes < sizeof(HfTlsOptions)) return "the options are of an older version";
  if (options.role > HF_TLS_ORIGINATING) return "unknown role";
  role_ = static_cast<Role>(options.role);
  isPeerUnchecked_ = options.isPeerUnchecked != 0;
  areTicketsOn_ = options.areTicketsOff == 0;
  isServerNameRequired_ = options.isServerNameRequired != 0;
  if (options.domainsCount == 0 || options.domainsCount > kDomainsMax) {
    return "there must be between one domain and " + std::to_string(kDomainsMax);
  }
  if (role_ == Role::kOriginating && options.domainsCount != 1) {
    return "a cluster has one domain";
  }
  domains_.resize(options.domainsCount);
  bool hasDefault = false;
  for (u32 i = 0; i < options.domainsCount; ++i) {
    problem->domain = i;
    problem->certificate = HF_TLS_NONE;
    Domain& domain = domains_[i];
    domain.config = this;
    domain.index = i;
    if (options.domains[i].namesCount == 0) {
      if (hasDefault) return "two domains have no names: only one can be the default";
      hasDefault = true;
      default_ = i;
    }
    const std::string text = buildDomain(options, options.domains[i], &domain, problem);
    if (!text.empty()) return text;
  }
  problem->domain = HF_TLS_NONE;
  return "";
}

std::string TlsConfig::buildDomain(const HfTlsOptions& options, const HfTlsDomain& from,
                                   Domain* domain, HfTlsProblem* problem) {
  const bool isTerminating = role_ == Role::kTerminating;
  domain->ctx.reset(SSL_CTX_new(isTerminating ? TLS_server_method() : TLS_client_method()));
  SSL_CTX* const ctx = domain->ctx.get();
  if (ctx == nullptr) return takeOpensslError();
  SSL_CTX_set_ex_data(ctx, 0, domain);
  const std::string policyProblem = applyPolicy(ctx, options);
  if (!policyProblem.empty()) return policyProblem;
  const std::string nameProblem = addNames(from, domain->index);
  if (!nameProblem.empty()) return nameProblem;
  const std::string alpnProblem = readAlpn(from, &domain->alpn);
  if (!alpnProblem.empty()) return alpnProblem;
  const std::string certificateProblem = addCertificates(options, from, domain, problem);
  if (!certificateProblem.empty()) return certificateProblem;
  problem->certificate = HF_TLS_NONE;
  const std::string peerProblem = addPeerChecks(options, from, domain);
  if (!peerProblem.empty()) return peerProblem;

  digestTrust(options, from, domain->trust);
  SSL_CTX_set_session_id_context(ctx, domain->trust, sizeof(domain->trust));
  setTicketRules(ctx, options);
  installCallbacks(ctx);
  if (isTerminating) {
    if (!domain->alpn.empty()) SSL_CTX_set_alpn_select_cb(ctx, onAlpn, domain);
    // The macro for this has a cast of C in it.
    SSL_CTX_callback_ctrl(ctx, SSL_CTRL_SET_TLSEXT_STATUS_REQ_CB,
                          reinterpret_cast<void (*)()>(onStatusRequest));
    SSL_CTX_set_tlsext_status_arg(ctx, domain);
  } else if (!domain->alpn.empty() &&
             SSL_CTX_set_alpn_protos(ctx, domain->alpn.data(),
                                     static_cast<unsigned>(domain->alpn.size())) != 0) {
    return "the ALPN protocols cannot be used";
  }
  return "";
}

std::string TlsConfig::addNames(const HfTlsDomain& from, u32 index) {
  if (names_.size() + from.namesCount > kNamesMax) {
    return "more than " + std::to_string(kNamesMax) + " names";
  }
  for (size_t i = 0; i < from.namesCount; ++i) {
    const std::string_view given = viewOf(from.names[i]);
    const bool isWildcard = given.starts_with("*.");
    const std::string name = canonicalOf(isWildcard ? given.substr(2) : given);
    if (name.empty()) {
      return "\"" + std::string(given.substr(0, 64)) + "\" is no host name";
    }
    if (!names_.emplace(isWildcard ? "*." + name : name, index).second) {
      return "\"" + std::string(given) + "\" belongs to two domains";
    }
  }
  return "";
}

std::string TlsConfig::addCertificates(const HfTlsOptions& options, const HfTlsDomain& from,
                                       Domain* domain, HfTlsProblem* problem) {
  if (role_ == Role::kTerminating && from.certificatesCount == 0) {
    return "the domain has no certificate";
  }
  for (u32 i = 0; i < from.certificatesCount; ++i) {
    problem->certificate = i;
    LoadedPair pair;
    const std::string text = loadPair(from.certificates[i], options.nowSeconds, &pair);
    if (!text.empty()) return text;
    for (const HfTlsCertificateFacts& other : facts_) {
      if (other.domain == domain->index && std::string_view(other.keyKind) == pair.facts.keyKind) {
        return std::string("two certificates of one domain have keys of the same kind, ") +
               pair.facts.keyKind;
      }
    }
    Owned<STACK_OF(X509)> chain(sk_X509_new_null());
    if (chain == nullptr) return "no memory";
    for (Owned<X509>& one : pair.chain) {
      if (sk_X509_push(chain.get(), one.get()) == 0) return "no memory";
      (void)one.release();
    }
    if (SSL_CTX_use_cert_and_key(domain->ctx.get(), pair.leaf.get(), pair.key.get(), chain.get(),
                                 1) != 1) {
      return "the certificate cannot be used: " + takeOpensslError();
    }
    if (!pair.staple.empty()) {
      domain->staples.push_back({pair.leaf.get(), std::move(pair.staple)});
    }
    pair.facts.domain = domain->index;
    pair.facts.certificate = i;
    facts_.push_back(pair.facts);
  }
  return "";
}

std::string TlsConfig::addPeerChecks(const HfTlsOptions& options, const HfTlsDomain& from,
                                     Domain* domain) {
  const bool isTerminating = role_ == Role::kTerminating;
  domain->depth =
      static_cast<int>(from.depthMax != 0 ? std::min(from.depthMax, 100u) : kDepthDefault);
  if (from.clientAuth > HF_TLS_CLIENT_AUTH_REQUIRED) return "unknown client authentication";
  const bool isChecked =
      isTerminating ? from.clientAuth != HF_TLS_CLIENT_AUTH_OFF : options.isPeerUnchecked == 0;
  SSL_CTX* const ctx = domain->ctx.get();
  domain->verifyMode = SSL_VERIFY_NONE;
  if (isChecked) {
    Owned<STACK_OF(X509_NAME)> names(sk_X509_NAME_new_null());
    if (names == nullptr) return "no memory";
    const std::string text = loadAuthorities(from.caPem, from.crlPem, SSL_CTX_get_cert_store(ctx),
                                             isTerminating ? names.get() : nullptr);
    if (!text.empty()) return text;
    if (isTerminating) SSL_CTX_set_client_CA_list(ctx, names.release());
    domain->verifyMode = SSL_VERIFY_PEER;
    if (from.clientAuth == HF_TLS_CLIENT_AUTH_REQUIRED) {
      domain->verifyMode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    }
  }
  SSL_CTX_set_verify(ctx, domain->verifyMode, nullptr);
  SSL_CTX_set_verify_depth(ctx, domain->depth);
  return "";
}

TlsConfig::Domain* TlsConfig::find(std::string_view name) {
  auto found = names_.find(name);
  if (found == names_.end()) {
    const size_t dot = name.find('.');
    if (dot != std::string_view::npos) {
      found = names_.find("*" + std::string(name.substr(dot)));
    }
  }
  if (found != names_.end()) return &domains_[found->second];
  return isServerNameRequired_ ? nullptr : &defaultDomain();
}

void TlsConfig::setTicketKeys(std::span<const HfTlsTicketKey> keys) {
  if (!ticketKeys_.empty()) {
    wipeBytes(ticketKeys_.data(), ticketKeys_.size() * sizeof(HfTlsTicketKey));
  }
  const std::span<const HfTlsTicketKey> kept = keys.first(std::min(keys.size(), kTicketKeysMax));
  ticketKeys_.reserve(kTicketKeysMax);
  ticketKeys_.assign(kept.begin(), kept.end());
}

SSL_SESSION* TlsConfig::takeTicket(std::string_view name) {
  for (size_t i = storedTickets_.size(); i-- > 0;) {
    if (storedTickets_[i].name != name) continue;
    SSL_SESSION* const ticket = storedTickets_[i].ticket;
    storedTickets_.erase(storedTickets_.begin() + static_cast<std::ptrdiff_t>(i));
    return ticket;
  }
  return nullptr;
}

void TlsConfig::storeTicket(std::string_view name, SSL_SESSION* ticket) {
  if (storedTickets_.size() == kStoredTicketsMax) {
    SSL_SESSION_free(storedTickets_.front().ticket);
    storedTickets_.erase(storedTickets_.begin());
  }
  storedTickets_.push_back({std::string(name), ticket});
}

}  // namespace holdfast::tls
