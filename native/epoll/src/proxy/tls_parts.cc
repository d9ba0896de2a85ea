// The flat form of a TLS config: numbers in network order, texts behind their length.
#include "proxy/tls_parts.h"

#include <cstring>

#include "codec/bytes.h"

namespace holdfast::proxy {
namespace {

void putU32(std::vector<u8>* out, u32 value) {
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<u8>(value >> shift));
}

void putText(std::vector<u8>* out, const std::string& text) {
  putU32(out, static_cast<u32>(text.size()));
  out->insert(out->end(), text.begin(), text.end());
}

void putList(std::vector<u8>* out, const std::vector<std::string>& texts) {
  putU32(out, static_cast<u32>(texts.size()));
  for (const std::string& text : texts) putText(out, text);
}

bool takeText(codec::Reader* reader, std::string* text) {
  u32 length = 0;
  std::span<const u8> bytes;
  if (!reader->takeU32(&length) || !reader->take(length, &bytes)) return false;
  text->assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return true;
}

bool takeList(codec::Reader* reader, u32 most, std::vector<std::string>* texts) {
  u32 count = 0;
  if (!reader->takeU32(&count) || count > most) return false;
  for (u32 i = 0; i < count; i++) {
    std::string text;
    if (!takeText(reader, &text)) return false;
    texts->push_back(std::move(text));
  }
  return true;
}

bool takeFlag(codec::Reader* reader, bool* flag) {
  u8 byte = 0;
  if (!reader->takeU8(&byte) || byte > 1) return false;
  *flag = byte == 1;
  return true;
}

bool takeDomain(codec::Reader* reader, TlsDomainParts* domain) {
  u32 certificates = 0;
  if (!takeList(reader, kTlsNamesMax, &domain->names)) return false;
  if (!reader->takeU32(&certificates) || certificates > kTlsCertificatesMax) return false;
  for (u32 i = 0; i < certificates; i++) {
    TlsCertificateParts& certificate = domain->certificates.emplace_back();
    if (!takeText(reader, &certificate.chainPem) || !takeText(reader, &certificate.keyPem) ||
        !takeText(reader, &certificate.ocspDer)) {
      return false;
    }
  }
  return takeList(reader, kTlsNamesMax, &domain->alpn) && reader->takeU32(&domain->clientAuth) &&
         domain->clientAuth <= HF_TLS_CLIENT_AUTH_REQUIRED && reader->takeU32(&domain->depthMax) &&
         takeText(reader, &domain->caPem) && takeText(reader, &domain->crlPem);
}

HfTlsBytes lend(const std::string& text) {
  return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

}  // namespace

TlsConfigParts::~TlsConfigParts() {
  for (TlsDomainParts& domain : domains) {
    for (TlsCertificateParts& certificate : domain.certificates) {
      explicit_bzero(certificate.keyPem.data(), certificate.keyPem.size());
    }
  }
}

size_t encodedTlsBytesMax(const TlsConfigParts& parts) {
  constexpr size_t kNumbers = 64;
  constexpr size_t kLength = 4;
  size_t bytes = kNumbers + parts.name.size() + parts.enginePath.size() + parts.suites13.size() +
                 parts.suites12.size() + parts.groups.size();
  for (const TlsDomainParts& domain : parts.domains) {
    bytes += kNumbers + domain.caPem.size() + domain.crlPem.size();
    for (const std::string& name : domain.names) bytes += kLength + name.size();
    for (const std::string& protocol : domain.alpn) bytes += kLength + protocol.size();
    for (const TlsCertificateParts& certificate : domain.certificates) {
      bytes += 3 * kLength + certificate.chainPem.size() + certificate.keyPem.size() +
               certificate.ocspDer.size();
    }
  }
  return bytes;
}

void encodeTlsConfig(const TlsConfigParts& parts, std::vector<u8>* out) {
  putText(out, parts.name);
  putText(out, parts.enginePath);
  out->push_back(parts.role);
  out->push_back(parts.policy);
  out->push_back(parts.isDetached ? 1 : 0);
  out->push_back(parts.isServerNameRequired ? 1 : 0);
  out->push_back(parts.isPeerUnchecked ? 1 : 0);
  putU32(out, parts.tickets);
  putU32(out, parts.ticketSeconds);
  putText(out, parts.suites13);
  putText(out, parts.suites12);
  putText(out, parts.groups);
  putU32(out, static_cast<u32>(parts.domains.size()));
  for (const TlsDomainParts& domain : parts.domains) {
    putList(out, domain.names);
    putU32(out, static_cast<u32>(domain.certificates.size()));
    for (const TlsCertificateParts& certificate : domain.certificates) {
      putText(out, certificate.chainPem);
      putText(out, certificate.keyPem);
      putText(out, certificate.ocspDer);
    }
    putList(out, domain.alpn);
    putU32(out, domain.clientAuth);
    putU32(out, domain.depthMax);
    putText(out, domain.caPem);
    putText(out, domain.crlPem);
  }
}

bool decodeTlsConfig(std::span<const u8> bytes, TlsConfigParts* parts) {
  codec::Reader reader(bytes);
  u32 domains = 0;
  const bool isHead =
      takeText(&reader, &parts->name) && takeText(&reader, &parts->enginePath) &&
      reader.takeU8(&parts->role) && parts->role <= HF_TLS_ORIGINATING &&
      reader.takeU8(&parts->policy) && parts->policy <= HF_TLS_POLICY_MODERN &&
      takeFlag(&reader, &parts->isDetached) && takeFlag(&reader, &parts->isServerNameRequired) &&
      takeFlag(&reader, &parts->isPeerUnchecked) && reader.takeU32(&parts->tickets) &&
      reader.takeU32(&parts->ticketSeconds) && takeText(&reader, &parts->suites13) &&
      takeText(&reader, &parts->suites12) && takeText(&reader, &parts->groups) &&
      reader.takeU32(&domains) && domains <= kTlsDomainsMax;
  if (!isHead) return false;
  for (u32 i = 0; i < domains; i++) {
    if (!takeDomain(&reader, &parts->domains.emplace_back())) return false;
  }
  return reader.isAtEnd();
}

TlsOptionsView::TlsOptionsView(const TlsConfigParts& parts, i64 nowSeconds) {
  lists_.resize(parts.domains.size());
  for (size_t i = 0; i < parts.domains.size(); i++) {
    const TlsDomainParts& from = parts.domains[i];
    DomainLists& lists = lists_[i];
    for (const std::string& name : from.names) lists.names.push_back(lend(name));
    for (const std::string& protocol : from.alpn) lists.alpn.push_back(lend(protocol));
    for (const TlsCertificateParts& certificate : from.certificates) {
      lists.certificates.push_back(HfTlsCertificate{
          lend(certificate.chainPem), lend(certificate.keyPem), lend(certificate.ocspDer)});
    }
    HfTlsDomain domain{};
    domain.names = lists.names.data();
    domain.namesCount = lists.names.size();
    domain.certificates = lists.certificates.data();
    domain.certificatesCount = lists.certificates.size();
    domain.alpn = lists.alpn.data();
    domain.alpnCount = lists.alpn.size();
    domain.clientAuth = from.clientAuth;
    domain.depthMax = from.depthMax;
    domain.caPem = lend(from.caPem);
    domain.crlPem = lend(from.crlPem);
    domains_.push_back(domain);
  }
  options_.structBytes = sizeof(options_);
  options_.role = parts.role;
  options_.policy = parts.policy;
  options_.isServerNameRequired = parts.isServerNameRequired ? 1 : 0;
  options_.isPeerUnchecked = parts.isPeerUnchecked ? 1 : 0;
  options_.areTicketsOff = parts.tickets == 0 ? 1 : 0;
  options_.ticketsPerHandshake = static_cast<u8>(parts.tickets);
  options_.ticketSeconds = parts.ticketSeconds;
  options_.nowSeconds = nowSeconds;
  options_.domains = domains_.data();
  options_.domainsCount = domains_.size();
  options_.suites13 = lend(parts.suites13);
  options_.suites12 = lend(parts.suites12);
  options_.groups = lend(parts.groups);
  options_.name = lend(parts.name);
}

}  // namespace holdfast::proxy
