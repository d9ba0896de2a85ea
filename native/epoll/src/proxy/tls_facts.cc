// Holding and letting go of sets.
#include "proxy/tls_facts.h"

#include "tls/cipher_suite.h"

namespace holdfast::proxy {
namespace {

inline constexpr size_t kFields = 6;

const char* nameOfVersion(u16 version) {
  switch (version) {
    case HF_TLS_VERSION_1_2:
      return "TLSv1.2";
    case HF_TLS_VERSION_1_3:
      return "TLSv1.3";
    default:
      return "other";
  }
}

void addSuite(u16 version, u16 suite, std::string* text) {
  const u8 row = tls::findCipherSuite(version, suite);
  if (row != tls::kNoSuite) {
    text->append(tls::kCipherSuites[row].name);
    return;
  }
  char number[8];
  const int length = std::snprintf(number, sizeof(number), "0x%04x", suite);
  text->append(number, static_cast<size_t>(length));
}

}  // namespace

u32 TlsFacts::hold(const HfTlsNegotiated& negotiated) {
  std::string text(nameOfVersion(negotiated.version));
  text.push_back(0);
  addSuite(negotiated.version, negotiated.suite, &text);
  text.push_back(0);
  text.append(negotiated.serverName, negotiated.serverNameLength).push_back(0);
  text.append(negotiated.alpn, negotiated.alpnLength).push_back(0);
  text.append(negotiated.subject, negotiated.subjectLength).push_back(0);
  text.append(negotiated.altNames, negotiated.altNamesLength).push_back(0);
  if (const auto found = indexes_.find(text); found != indexes_.end()) {
    sets_[found->second].connections++;
    return found->second;
  }
  u32 index = static_cast<u32>(sets_.size());
  if (free_.empty()) {
    sets_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  sets_[index].text = text;
  sets_[index].connections = 1;
  indexes_.emplace(std::move(text), index);
  return index;
}

void TlsFacts::release(u32 index) {
  Set& set = sets_[index];
  HF_ASSERT(set.connections > 0);
  if (--set.connections != 0) return;
  indexes_.erase(set.text);
  set.text = std::string();
  free_.push_back(index);
}

TlsFactsView TlsFacts::view(u32 index) const {
  const char* fields[kFields];
  const char* at = sets_[index].text.c_str();
  for (const char*& field : fields) {
    field = at;
    at += std::string_view(at).size() + 1;
  }
  return TlsFactsView{fields[0], fields[1], fields[2], fields[3], fields[4], fields[5]};
}

}  // namespace holdfast::proxy
