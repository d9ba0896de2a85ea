// From the snapshot object that TypeScript built to the parts that the core lays flat.
//
// Runs on the main thread when the configuration changes. Invariant: what leaves here was checked
// for type and range; the first mistake is named by its place in the object.
#include <cstring>

#include "binding/arguments.h"
#include "binding/http_reader.h"
#include "binding/objects.h"
#include "binding/policy_reader.h"
#include "binding/tls_reader.h"
#include "runtime/board.h"

namespace holdfast::binding {
namespace {

inline constexpr u32 kFilterNamesMax = 4096;
inline constexpr size_t kFilterNameMax = 256;

inline constexpr u32 kCidrsMax = 4096;    // of one listener
inline constexpr u32 kRoutesMax = 16384;  // of one listener
inline constexpr u32 kRouteTextsMax = 1000;
inline constexpr u32 kTicketKeysMax = 16;

// A position, or -1 for none.
u32 readPosition(const Fields& fields, const char* name) {
  return static_cast<u32>(fields.fdOf(name));
}

proxy::TlsMode readTlsMode(const Fields& fields) {
  const std::string name = fields.stringOf("tlsMode", 64);
  for (u32 i = 0; i < static_cast<u32>(proxy::TlsMode::kCount); i++) {
    if (name == proxy::kTlsModeNames[i]) return static_cast<proxy::TlsMode>(i);
  }
  fields.wrong("tlsMode", "off, terminate or passthrough");
  return proxy::TlsMode::kOff;
}

std::vector<std::string> readTexts(const Fields& fields, const char* name) {
  std::vector<std::string> texts;
  const Napi::Array items = fields.arrayOf(name, kRouteTextsMax);
  for (u32 i = 0; i < items.Length(); i++) {
    const Napi::Value item = items.Get(i);
    if (!item.IsString()) {
      fields.wrong(name, "texts");
      return texts;
    }
    texts.push_back(item.As<Napi::String>().Utf8Value());
  }
  return texts;
}

std::vector<proxy::RouteParts> readRoutes(Napi::Value value, const std::string& path,
                                          Problem& problem) {
  const Fields fields(value, path, problem);
  std::vector<proxy::RouteParts> routes;
  const Napi::Array items = fields.arrayOf("routes", kRoutesMax);
  for (u32 i = 0; i < items.Length() && problem.isNone(); i++) {
    const Fields item(items.Get(i), path + ".routes[" + std::to_string(i) + "]", problem);
    routes.push_back(proxy::RouteParts{readTexts(item, "serverNames"), readTexts(item, "alpn"),
                                       item.u32Of("cluster", kClustersMax - 1)});
  }
  return routes;
}

// 80 random bytes each, in the order of the struct.
std::vector<HfTlsTicketKey> readTicketKeys(const Fields& fields) {
  std::vector<HfTlsTicketKey> keys;
  const Napi::Array items = fields.arrayOf("ticketKeys", kTicketKeysMax);
  for (u32 i = 0; i < items.Length(); i++) {
    const Napi::Value item = items.Get(i);
    HfTlsTicketKey key;
    static_assert(sizeof(key) == 80);
    if (!item.IsTypedArray() || item.As<Napi::TypedArray>().ByteLength() != sizeof(key)) {
      fields.wrong("ticketKeys", "arrays of 80 bytes");
      return keys;
    }
    const auto bytes = item.As<Napi::Uint8Array>();
    std::memcpy(&key, bytes.Data(), sizeof(key));
    keys.push_back(key);
  }
  return keys;
}

proxy::ListenerSpec readListener(Napi::Value value, const std::string& path, Problem& problem,
                                 std::vector<Cidr>& cidrs) {
  const Fields fields(value, path, problem);
  proxy::ListenerSpec spec;
  spec.id = fields.u32Of("id", kListenersMax - 1);
  spec.cluster = readPosition(fields, "cluster");
  spec.idleMs = fields.u32Of("idleMs");
  spec.halfCloseMs = fields.u32Of("halfCloseMs");
  spec.maxAgeMs = fields.u32Of("maxAgeMs");
  spec.maxAgeJitterPermille = fields.u32Of("maxAgeJitterPermille", 1000);
  spec.proxyHeaderMs = fields.u32Of("proxyHeaderMs");
  spec.bufferHigh = fields.u32Of("bufferHigh", 1u << 30);
  spec.bufferLow = fields.u32Of("bufferLow", 1u << 30);
  spec.connectionsPerAddressMax = fields.u32Of("connectionsPerAddressMax");
  spec.accessIntervalMs = fields.u32Of("accessIntervalMs");
  spec.accessLog = fields.boolOf("accessLog") ? 1 : 0;
  spec.filterChain = fields.u32Of("filterChain", proxy::kFilterChainMax);
  spec.socket = readSocketOptions(fields.valueOf("socket"), path + ".socket", problem);
  spec.tlsMode = readTlsMode(fields);
  spec.tls = readPosition(fields, "tls");
  spec.handshakeMs = fields.u32Of("handshakeMs");
  const Napi::Array networks = fields.arrayOf("proxyProtocolFrom", kCidrsMax);
  spec.cidrFirst = static_cast<u32>(cidrs.size());
  spec.cidrCount = networks.Length();
  for (u32 i = 0; i < networks.Length(); i++) {
    const Napi::Value item = networks.Get(i);
    Cidr cidr;
    if (!item.IsString() || !parseCidr(item.As<Napi::String>().Utf8Value(), &cidr)) {
      fields.wrong("proxyProtocolFrom", "networks such as 10.0.0.0/8");
    }
    cidrs.push_back(cidr);
  }
  return spec;
}

proxy::EndpointSpec readEndpoint(Napi::Value value, const std::string& path, Problem& problem) {
  const Fields fields(value, path, problem);
  proxy::EndpointSpec spec;
  spec.id = fields.u32Of("id", kEndpointsMax - 1);
  spec.weight = fields.u32Of("weight", 256);
  spec.connectionsMax = fields.u32Of("connectionsMax");
  sockaddr_storage address{};
  spec.addressLength =
      readSocketAddress(fields.valueOf("address"), path + ".address", problem, &address);
  std::memcpy(&spec.address, &address, sizeof(spec.address));
  return spec;
}

proxy::Balance readBalance(const Fields& fields) {
  const std::string name = fields.stringOf("balance", 64);
  for (u32 i = 0; i < static_cast<u32>(proxy::Balance::kCount); i++) {
    if (name == proxy::kBalanceNames[i]) return static_cast<proxy::Balance>(i);
  }
  fields.wrong("balance", "one of abi.balancers");
  return proxy::Balance::kRoundRobin;
}

proxy::ClusterSpec readCluster(Napi::Value value, const std::string& path, Problem& problem,
                               std::vector<proxy::EndpointSpec>& endpoints) {
  const Fields fields(value, path, problem);
  proxy::ClusterSpec spec;
  spec.id = fields.u32Of("id", kClustersMax - 1);
  spec.parent = readPosition(fields, "parent");
  spec.balance = readBalance(fields);
  spec.connectMs = fields.u32Of("connectMs");
  spec.retries = fields.u32Of("retries", 255);
  spec.proxyProtocol = fields.u32Of("proxyProtocol", 2);
  spec.netnsFd = fields.fdOf("netnsFd");
  spec.slowStartMs = fields.u32Of("slowStartMs");
  spec.ejectAfter = fields.u32Of("ejectAfter");
  spec.ejectAfterErrors = fields.u32Of("ejectAfterErrors");
  spec.ejectLatencyPermille = fields.u32Of("ejectLatencyPermille");
  spec.ejectMs = fields.u32Of("ejectMs");
  spec.ejectMsMax = fields.u32Of("ejectMsMax");
  spec.ejectPercentMax = fields.u32Of("ejectPercentMax", 100);
  spec.panicPercent = fields.u32Of("panicPercent", 100);
  spec.tls = readPosition(fields, "tls");
  spec.socket = readSocketOptions(fields.valueOf("socket"), path + ".socket", problem);
  const Napi::Array items = fields.arrayOf("endpoints", kEndpointsMax);
  spec.endpointFirst = static_cast<u32>(endpoints.size());
  spec.endpointCount = items.Length();
  for (u32 i = 0; i < items.Length() && problem.isNone(); i++) {
    endpoints.push_back(
        readEndpoint(items.Get(i), path + ".endpoints[" + std::to_string(i) + "]", problem));
  }
  return spec;
}

proxy::AccessFormat readAccessFormat(const Fields& fields) {
  const std::string name = fields.stringOf("accessFormat", 64);
  for (u32 i = 0; i < static_cast<u32>(proxy::AccessFormat::kCount); i++) {
    if (name == proxy::kAccessFormatNames[i]) return static_cast<proxy::AccessFormat>(i);
  }
  fields.wrong("accessFormat", "one of abi.http.accessFormats");
  return proxy::AccessFormat::kJson;
}

// Names of fields that filters see.
std::vector<std::string> readNames(const Fields& fields, const char* name) {
  const Napi::Array items = fields.arrayOf(name, kFilterNamesMax);
  std::vector<std::string> names;
  for (u32 i = 0; i < items.Length(); i++) {
    const Napi::Value item = items.Get(i);
    names.push_back(item.IsString() ? item.As<Napi::String>().Utf8Value() : std::string());
    if (names.back().empty() || names.back().size() > kFilterNameMax) {
      fields.wrong(name, "names of fields");
    }
  }
  return names;
}

codec::FramingField readFramingField(Napi::Value value, const std::string& path, Problem& problem) {
  const Fields fields(value, path, problem);
  codec::FramingField field;
  field.at = static_cast<u16>(fields.u32Of("at", codec::kFramingHeaderMax));
  field.size = static_cast<u8>(fields.u32Of("size", 8));
  return field;
}

codec::FramingVariant readFramingVariant(Napi::Value value, const std::string& path,
                                         Problem& problem) {
  const Fields fields(value, path, problem);
  codec::FramingVariant variant;
  variant.value = fields.u64Of("value");
  variant.header = static_cast<u16>(fields.u32Of("header", codec::kFramingHeaderMax));
  const Napi::Value plus = fields.valueOf("lengthPlus");
  if (!plus.IsNumber()) fields.wrong("lengthPlus", "a number");
  if (plus.IsNumber()) variant.lengthPlus = plus.As<Napi::Number>().Int32Value();
  const Napi::Array lengths = fields.arrayOf("length", codec::kFramingLengthsMax);
  for (u32 i = 0; i < lengths.Length() && problem.isNone(); i++) {
    variant.length[i] = readFramingField(lengths.Get(i), placeOf(path, "length", i), problem);
    variant.lengthCount++;
  }
  return variant;
}

codec::FramingSpec readFraming(Napi::Value value, const std::string& path, Problem& problem) {
  const Fields fields(value, path, problem);
  codec::FramingSpec framing;
  framing.frameBytesMax = fields.u32Of("frameBytesMax", codec::kFramingFrameMax);
  const std::string endian = fields.stringOf("endian", 8);
  framing.isLittleEndian = endian == "little" ? 1 : 0;
  if (endian != "big" && endian != "little") fields.wrong("endian", "big or little");
  const Napi::Array magic = fields.arrayOf("magic", codec::kFramingMagicMax);
  for (u32 i = 0; i < magic.Length() && problem.isNone(); i++) {
    framing.magic[i] = static_cast<u8>(magic.Get(i).ToNumber().Uint32Value());
    framing.magicBytes++;
  }
  const Napi::Value by = fields.valueOf("by");
  if (!by.IsNull()) framing.by = readFramingField(by, path + ".by", problem);
  const Napi::Array variants = fields.arrayOf("variants", codec::kFramingVariantsMax);
  for (u32 i = 0; i < variants.Length() && problem.isNone(); i++) {
    framing.variants[i] =
        readFramingVariant(variants.Get(i), placeOf(path, "variants", i), problem);
    framing.variantCount++;
  }
  if (problem.isNone() && !codec::isFramingValid(framing)) {
    fields.wrong("variants", "frames whose fields lie within their headers");
  }
  return framing;
}

proxy::FilterChainParts readFilterChain(Napi::Value value, const std::string& path,
                                        Problem& problem) {
  const Fields fields(value, path, problem);
  proxy::FilterChainParts chain;
  chain.id = fields.u32Of("id", proxy::kFilterChainMax);
  chain.mask = fields.u32Of("mask", proxy::kFilterNeeds);
  chain.messageBytesMax = fields.u32Of("messageBytesMax", proxy::kFilterMessageMax);
  const std::string oversize = fields.stringOf("oversize", 64);
  chain.isOversizeClosed = oversize == "close";
  if (oversize != "close" && oversize != "pass") fields.wrong("oversize", "pass or close");
  chain.requestFields = readNames(fields, "requestHeaders");
  chain.responseFields = readNames(fields, "responseHeaders");
  const Napi::Value framing = fields.valueOf("framing");
  if (!framing.IsNull()) chain.framing = {readFraming(framing, path + ".framing", problem)};
  return chain;
}

}  // namespace

proxy::SnapshotParts readSnapshot(Napi::Value value, Problem& problem) {
  const Fields fields(value, "snapshot", problem);
  proxy::SnapshotParts parts;
  parts.generation = fields.u64Of("generation");
  const Napi::Array listeners = fields.arrayOf("listeners", kListenersMax);
  for (u32 i = 0; i < listeners.Length() && problem.isNone(); i++) {
    const std::string path = "listeners[" + std::to_string(i) + "]";
    parts.listeners.push_back(readListener(listeners.Get(i), path, problem, parts.cidrs));
    parts.routes.push_back(readRoutes(listeners.Get(i), path, problem));
    parts.policies.push_back(readPolicies(
        Fields(listeners.Get(i), path, problem).valueOf("policies"), path + ".policies", problem));
    readHttp(Fields(listeners.Get(i), path, problem).valueOf("http"), path + ".http", problem,
             &parts.http.emplace_back());
  }
  const Napi::Array clusters = fields.arrayOf("clusters", kClustersMax);
  for (u32 i = 0; i < clusters.Length() && problem.isNone(); i++) {
    const std::string path = "clusters[" + std::to_string(i) + "]";
    parts.clusters.push_back(readCluster(clusters.Get(i), path, problem, parts.endpoints));
    const Fields cluster(clusters.Get(i), path, problem);
    parts.serverNames.push_back(cluster.stringOf("serverName", 255));
    readClusterHttp(cluster.valueOf("http"), path + ".http", problem,
                    &parts.clusterHttp.emplace_back());
  }
  const Napi::Array configs = fields.arrayOf("tls", proxy::kTlsConfigsMax);
  for (u32 i = 0; i < configs.Length() && problem.isNone(); i++) {
    proxy::TlsConfigParts& config = parts.tls.emplace_back();
    readTlsConfig(configs.Get(i), "tls[" + std::to_string(i) + "]", problem, &config);
  }
  parts.ticketKeys = readTicketKeys(fields);
  const Napi::Array chains = fields.arrayOf("filterChains", proxy::kFilterChainMax);
  for (u32 i = 0; i < chains.Length() && problem.isNone(); i++) {
    const std::string path = "filterChains[" + std::to_string(i) + "]";
    parts.filterChains.push_back(readFilterChain(chains.Get(i), path, problem));
  }
  if (fields.has("accessFormat")) {
    parts.accessFormat = readAccessFormat(fields);
    parts.accessTemplate = fields.stringOf("accessTemplate", http::kTemplateTextMax);
  }
  return parts;
}

}  // namespace holdfast::binding
