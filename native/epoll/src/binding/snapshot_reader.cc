// From the snapshot object that TypeScript built to the parts that the core lays flat.
//
// Runs on the main thread when the configuration changes. Invariant: what leaves here was checked
// for type and range; the first mistake is named by its place in the object.
#include <cstring>

#include "binding/arguments.h"
#include "binding/objects.h"
#include "runtime/board.h"

namespace holdfast::binding {
namespace {

inline constexpr u32 kCidrsMax = 4096;  // of one listener

proxy::ListenerSpec readListener(Napi::Value value, const std::string& path, Problem& problem,
                                 std::vector<Cidr>& cidrs) {
  const Fields fields(value, path, problem);
  proxy::ListenerSpec spec;
  spec.id = fields.u32Of("id", kListenersMax - 1);
  spec.cluster = fields.u32Of("cluster", kClustersMax - 1);
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
  spec.socket = readSocketOptions(fields.valueOf("socket"), path + ".socket", problem);
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
  spec.balance = readBalance(fields);
  spec.connectMs = fields.u32Of("connectMs");
  spec.retries = fields.u32Of("retries", 255);
  spec.proxyProtocol = fields.u32Of("proxyProtocol", 2);
  spec.netnsFd = fields.fdOf("netnsFd");
  spec.slowStartMs = fields.u32Of("slowStartMs");
  spec.ejectAfter = fields.u32Of("ejectAfter");
  spec.ejectMs = fields.u32Of("ejectMs");
  spec.ejectMsMax = fields.u32Of("ejectMsMax");
  spec.ejectPercentMax = fields.u32Of("ejectPercentMax", 100);
  spec.panicPercent = fields.u32Of("panicPercent", 100);
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

}  // namespace

proxy::SnapshotParts readSnapshot(Napi::Value value, Problem& problem) {
  const Fields fields(value, "snapshot", problem);
  proxy::SnapshotParts parts;
  parts.generation = fields.u64Of("generation");
  const Napi::Array listeners = fields.arrayOf("listeners", kListenersMax);
  for (u32 i = 0; i < listeners.Length() && problem.isNone(); i++) {
    parts.listeners.push_back(readListener(listeners.Get(i), "listeners[" + std::to_string(i) + "]",
                                           problem, parts.cidrs));
  }
  const Napi::Array clusters = fields.arrayOf("clusters", kClustersMax);
  for (u32 i = 0; i < clusters.Length() && problem.isNone(); i++) {
    parts.clusters.push_back(readCluster(clusters.Get(i), "clusters[" + std::to_string(i) + "]",
                                         problem, parts.endpoints));
  }
  return parts;
}

}  // namespace holdfast::binding
