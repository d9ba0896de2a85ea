// Building tables; see key_hash.h. Control code. Tables are at most half full.
#include "policy/key_hash.h"

#include <bit>
#include <set>
#include <vector>

#include "policy/flat_policies.h"

namespace holdfast::policy {
namespace {

// The sizes of networks follow from their ends.
u32 bitsOf(const FlatNet4& net) { return static_cast<u32>(std::countl_zero(net.first ^ net.last)); }
u32 bitsOf(const FlatNet6& net) {
  const u64 high = net.first.high ^ net.last.high;
  const u64 low = net.first.low ^ net.last.low;
  return static_cast<u32>(high != 0 ? std::countl_zero(high) : 64 + std::countl_zero(low));
}

// `hashes` are of the items from `first` on.
FlatHash addTable(const std::vector<u64>& hashes, const std::set<u32>& lengths, u32 first,
                  FlatPolicies* flat) {
  FlatHash table;
  if (hashes.empty() || lengths.size() > kProbedLengthsMax) return table;
  const u32 count = std::bit_ceil(static_cast<u32>(hashes.size()) * 2);
  table.slots = {static_cast<u32>(flat->slots.size()), count};
  table.lengths = {static_cast<u32>(flat->lengths.size()), static_cast<u32>(lengths.size())};
  flat->lengths.insert(flat->lengths.end(), lengths.begin(), lengths.end());
  flat->slots.resize(flat->slots.size() + count);
  FlatSlot* const slots = flat->slots.data() + table.slots.first;
  for (size_t i = 0; i < hashes.size(); ++i) {
    u32 at = static_cast<u32>(hashes[i]) & (count - 1);
    while (slots[at].item != kNoIndex) at = (at + 1) & (count - 1);
    slots[at] = {static_cast<u32>(hashes[i] >> 32), first + static_cast<u32>(i)};
  }
  return table;
}

template <typename Net>
FlatHash addNetTable(const std::vector<Net>& nets, const Range& range, FlatPolicies* flat) {
  std::vector<u64> hashes;
  std::set<u32> sizes;
  for (u32 at = range.first; at < range.first + range.count; ++at) {
    const u32 bits = bitsOf(nets[at]);
    hashes.push_back(hashNet(nets[at].first, bits));
    sizes.insert(bits);
  }
  return addTable(hashes, sizes, range.first, flat);
}

}  // namespace

FlatHash addKeyHash(const Range& range, FlatPolicies* flat) {
  std::vector<u64> hashes;
  std::set<u32> lengths;
  for (u32 at = range.first; at < range.first + range.count; ++at) {
    const FlatKey& key = flat->keys[at];
    const std::string_view text(reinterpret_cast<const char*>(flat->text.data()) + key.text.offset,
                                key.text.length);
    hashes.push_back(TextHash(text).upTo(text.size()));
    if (key.prefix.count != 0) lengths.insert(key.text.length);
  }
  return addTable(hashes, lengths, range.first, flat);
}

FlatHash addNet4Hash(const Range& range, FlatPolicies* flat) {
  return addNetTable(flat->nets4, range, flat);
}

FlatHash addNet6Hash(const Range& range, FlatPolicies* flat) {
  return addNetTable(flat->nets6, range, flat);
}

}  // namespace holdfast::policy
