// Bytes are copied out of JavaScript's arrays: the parts own what they hold and wipe it.
#include "binding/tls_reader.h"

#include <vector>

#include "proxy/tls_table.h"
#include "tls/tls_library.h"

namespace holdfast::binding {
namespace {

inline constexpr size_t kFileBytesMax = 8u << 20;  // what the engine reads of one text
inline constexpr size_t kPathBytesMax = 4095;
inline constexpr size_t kTextBytesMax = 4096;  // lists of suites and groups
inline constexpr size_t kConfigNameBytesMax = 255;
inline constexpr size_t kServerNameBytesMax = 257;  // with the "*." of a wildcard
inline constexpr size_t kProtocolBytesMax = 255;
inline constexpr u32 kProtocolsMax = 64;
inline constexpr u32 kTicketsMax = 4;
inline constexpr u32 kDepthMax = 100;

std::string bytesOf(const Fields& fields, const char* name) {
  const Napi::Value value = fields.valueOf(name);
  if (value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array) {
    const Napi::Uint8Array bytes = value.As<Napi::Uint8Array>();
    if (bytes.ByteLength() <= kFileBytesMax) {
      return std::string(reinterpret_cast<const char*>(bytes.Data()), bytes.ByteLength());
    }
  }
  fields.wrong(name, "a Uint8Array of at most 8 MiB");
  return {};
}

// The position of a field's word in `words`.
template <size_t kCount>
u32 wordOf(const Fields& fields, const char* name, const char* const (&words)[kCount]) {
  const std::string given = fields.stringOf(name, kTextBytesMax);
  for (u32 i = 0; i < kCount; i++) {
    if (given == words[i]) return i;
  }
  fields.wrong(name, "one of the words in index.ts");
  return 0;
}

std::vector<std::string> textsOf(const Fields& fields, const char* name, u32 most, size_t longest) {
  const Napi::Array items = fields.arrayOf(name, most);
  std::vector<std::string> texts;
  texts.reserve(items.Length());
  for (u32 i = 0; i < items.Length(); i++) {
    const Napi::Value item = items.Get(i);
    std::string text = item.IsString() ? item.As<Napi::String>().Utf8Value() : std::string();
    if (text.empty() || text.size() > longest || text.find('\0') != std::string::npos) {
      fields.wrong(name, "a list of short texts");
      break;
    }
    texts.push_back(std::move(text));
  }
  return texts;
}

void readDomain(Napi::Value value, const std::string& path, Problem& problem,
                proxy::TlsDomainParts* domain) {
  static constexpr const char* kClientAuth[] = {"off", "optional", "required"};
  const Fields fields(value, path, problem);
  domain->names = textsOf(fields, "names", proxy::kTlsNamesMax, kServerNameBytesMax);
  domain->alpn = textsOf(fields, "alpn", kProtocolsMax, kProtocolBytesMax);
  domain->clientAuth = wordOf(fields, "clientAuth", kClientAuth);
  domain->depthMax = fields.u32Of("depthMax", kDepthMax);
  domain->caPem = bytesOf(fields, "ca");
  domain->crlPem = bytesOf(fields, "crl");
  const Napi::Array certificates = fields.arrayOf("certificates", proxy::kTlsCertificatesMax);
  for (u32 i = 0; i < certificates.Length() && problem.isNone(); i++) {
    const Fields from(certificates.Get(i), placeOf(path, "certificates", i), problem);
    proxy::TlsCertificateParts certificate;
    certificate.chainPem = bytesOf(from, "chain");
    certificate.keyPem = bytesOf(from, "key");
    certificate.ocspDer = bytesOf(from, "ocsp");
    domain->certificates.push_back(std::move(certificate));
  }
}

i32 positionOf(u32 position) { return position == HF_TLS_NONE ? -1 : static_cast<i32>(position); }

std::string hexOf(const u8 (&bytes)[32]) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const u8 byte : bytes) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

Napi::Object describeFacts(Napi::Env env, const HfTlsCertificateFacts& facts) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("domain", facts.domain);
  out.Set("certificate", facts.certificate);
  out.Set("notBefore", static_cast<double>(facts.notBefore));
  out.Set("notAfter", static_cast<double>(facts.notAfter));
  out.Set("fingerprint", hexOf(facts.fingerprint));
  out.Set("subject", facts.subject);
  out.Set("keyKind", facts.keyKind);
  return out;
}

}  // namespace

void readTlsConfig(Napi::Value value, const std::string& path, Problem& problem,
                   proxy::TlsConfigParts* parts) {
  static constexpr const char* kRoles[] = {"terminating", "originating"};
  static constexpr const char* kPolicies[] = {"intermediate", "modern"};
  static constexpr const char* kRecords[] = {"detached", "openssl"};
  const Fields fields(value, path, problem);
  parts->name = fields.stringOf("name", kConfigNameBytesMax);
  parts->enginePath = fields.stringOf("engine", kPathBytesMax);
  parts->role = static_cast<u8>(wordOf(fields, "role", kRoles));
  parts->policy = static_cast<u8>(wordOf(fields, "policy", kPolicies));
  parts->isDetached = wordOf(fields, "records", kRecords) == 0;
  parts->isServerNameRequired = fields.boolOf("isServerNameRequired");
  parts->isPeerUnchecked = fields.boolOf("isPeerUnchecked");
  parts->tickets = fields.u32Of("tickets", kTicketsMax);
  parts->ticketSeconds = fields.u32Of("ticketSeconds");
  parts->suites13 = fields.stringOf("suites13", kTextBytesMax);
  parts->suites12 = fields.stringOf("suites12", kTextBytesMax);
  parts->groups = fields.stringOf("groups", kTextBytesMax);
  const Napi::Array domains = fields.arrayOf("domains", proxy::kTlsDomainsMax);
  for (u32 i = 0; i < domains.Length() && problem.isNone(); i++) {
    proxy::TlsDomainParts& domain = parts->domains.emplace_back();
    readDomain(domains.Get(i), placeOf(path, "domains", i), problem, &domain);
  }
}

Napi::Value tlsProblem(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), proxy::findTlsProblem(*tls::opensslLibrary()));
}

Napi::Value checkTls(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Problem problem;
  proxy::TlsConfigParts parts;
  readTlsConfig(info[0], "tls", problem, &parts);
  if (throwIf(env, problem)) return env.Undefined();
  std::vector<HfTlsCertificateFacts> facts;
  const proxy::TlsProblem found = proxy::checkTlsConfig(*tls::opensslLibrary(), parts, &facts);
  Napi::Object out = Napi::Object::New(env);
  if (found.text.empty()) {
    out.Set("problem", env.Null());
  } else {
    Napi::Object says = Napi::Object::New(env);
    says.Set("domain", positionOf(found.domain));
    says.Set("certificate", positionOf(found.certificate));
    says.Set("text", found.text);
    out.Set("problem", says);
  }
  Napi::Array list = Napi::Array::New(env);
  for (size_t i = 0; i < facts.size(); i++) {
    list.Set(static_cast<u32>(i), describeFacts(env, facts[i]));
  }
  out.Set("certificates", list);
  return out;
}

}  // namespace holdfast::binding
