// Fields of access records: where they are kept from the filter that sets them to the last record.
//
// Connections and exchanges have a chain each in a table beside them, which is made when the first
// field is set; a WebSocket keeps those of the request that opened it, in the place of its
// connection. Invariant: an exchange begins with the fields of its connection; a chain has what
// codec::LogFields packs, and is empty when its owner is gone.
#include "codec/log_field.h"
#include "proxy/http_request.h"

namespace holdfast::proxy {

namespace {

u32 slotOfTunnel(u32 tunnel) { return 2 * tunnel; }
u32 slotOfExchange(u32 exchange) { return 2 * exchange + 1; }

}  // namespace

// Of an exchange, or, with kNoIndex, of a connection or WebSocket.
void Shard::readLogged(u32 tunnel, u32 exchange, codec::LogFields* fields) {
  if (logged_ == nullptr) return;
  const ChunkChain* chain = &logged_[slotOfTunnel(tunnel)];
  const bool hasOwn = exchange != kNoIndex && !logged_[slotOfExchange(exchange)].isEmpty();
  if (hasOwn) chain = &logged_[slotOfExchange(exchange)];
  if (!chain->isEmpty()) fields->attach(chunks_.copyTo(*chain, fields->room()));
}

void Shard::keepLogged(u32 tunnel, u32 exchange, const codec::LogFields& fields) {
  if (fields.isEmpty()) return;
  if (logged_ == nullptr) logged_ = static_cast<ChunkChain*>(sys::reserve(loggedBytes()));
  if (logged_ == nullptr) return bump(count(ShardCounter::kAccessFieldsDropped));
  const u32 slot = exchange == kNoIndex ? slotOfTunnel(tunnel) : slotOfExchange(exchange);
  dropLogged(slot);
  ChunkChain chain;
  const std::string_view packed = fields.packed();
  const auto* bytes = reinterpret_cast<const u8*>(packed.data());
  if (chunks_.append(chain, bytes, packed.size()) == packed.size()) {
    logged_[slot] = chain;
    return;
  }
  if (!chain.isEmpty()) chunks_.clear(chain);
  bump(count(ShardCounter::kAccessFieldsDropped));
}

void Shard::dropLogged(u32 slot) {
  ChunkChain& chain = logged_[slot];
  if (!chain.isEmpty()) chunks_.clear(chain);
}

// What an answer of filters sets.
void Shard::takeLogged(const FilterRecord& record, const FilterAnswer& answer) {
  u32 tunnel = record.handle.index;
  u32 exchange = kNoIndex;
  if (record.holder == FilterHolder::kExchange) {
    const Exchange* owner = exchangePool_.resolve(record.handle);
    if (owner == nullptr) return;
    exchange = record.handle.index;
    tunnel = owner->tunnel;
  } else {
    const Tunnel* owner = tunnels_.resolve(record.handle);
    if (owner == nullptr || owner->state == TunnelState::kClosed) return;
  }
  if ((tunnels_[tunnel].flags & kTunnelAccessLog) == 0) return;
  HF_UNINITIALIZED codec::LogFields fields;
  readLogged(tunnel, exchange, &fields);
  for (u32 i = 0; i < answer.logCount; i++) {
    const codec::LogField field = answer.logged(i);
    if (!fields.set(field.name, field.value)) bump(count(ShardCounter::kAccessFieldsDropped));
  }
  keepLogged(tunnel, exchange, fields);
}

// What the policies of the place that was asked set; empty values are left out.
void Shard::logByPolicies(const Request& request) {
  if ((tunnels_[request.tunnel].flags & kTunnelAccessLog) == 0) return;
  HF_UNINITIALIZED codec::LogFields fields;
  readLogged(request.tunnel, request.exchange, &fields);
  const size_t before = textLength_;
  for (u32 i = 0; i < outcome_.logCount; i++) {
    const codec::LogField& log = outcome_.logs[i];
    const std::string_view value = expand(request, log.value);
    const bool isKept = value.empty() || fields.set(log.name, value);
    if (!isKept) bump(count(ShardCounter::kAccessFieldsDropped));
    textLength_ = before;
  }
  keepLogged(request.tunnel, request.exchange, fields);
}

// The exchange was logged and ends; as a WebSocket its connection goes on with its fields.
void Shard::endLogged(u32 tunnel, u32 exchange) {
  ChunkChain& own = logged_[slotOfExchange(exchange)];
  if (own.isEmpty()) return;
  if (exchangePool_[exchange].status != 101) return chunks_.clear(own);
  dropLogged(slotOfTunnel(tunnel));
  logged_[slotOfTunnel(tunnel)] = std::exchange(own, ChunkChain{});
}

// The connection is over.
void Shard::endLogged(u32 tunnel) { dropLogged(slotOfTunnel(tunnel)); }

// O(records).
void Shard::assertLoggedConserved() {
  u32 held = 0;
  u32 owned = 0;
  for (u32 i = 0; i < exchangePool_.touched(); i++) {
    if (!logged_[slotOfExchange(i)].isEmpty()) held++;
  }
  for (u32 i = 0; i < tunnels_.touched(); i++) {
    const bool isEmpty = logged_[slotOfTunnel(i)].isEmpty();
    if (tunnels_[i].state == TunnelState::kClosed || tunnels_[i].state == TunnelState::kPooled) {
      HF_ASSERT(isEmpty);
      continue;
    }
    if (!isHttp(i) || httpOf(i).exchange == kNoIndex) continue;
    if (!logged_[slotOfExchange(httpOf(i).exchange)].isEmpty()) owned++;
  }
  HF_ASSERT(held == owned);
}

}  // namespace holdfast::proxy
