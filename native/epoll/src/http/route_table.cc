// The lookup: host, exact path, tree from its deepest node up, conditions of what is left.
//
// In a host ordered by specificity the first route that fits is the answer, because candidates are
// met in the order of their ranks; in a listed one all places are asked for something better.
#include "http/route_table.h"

#include <algorithm>
#include <cstring>

#include "http/route_check.h"
#include "http/route_layout.h"

namespace holdfast::http {

namespace {

// The item of a slot whose tag fits and for which `isSame` holds; kNoIndex when there is none.
template <typename Judge>
u32 findSlot(const FlatSlot* slots, u32 count, u64 hash, Judge isSame) {
  const u32 tag = static_cast<u32>(hash >> 32);
  u32 at = static_cast<u32>(hash) & (count - 1);
  for (u32 probes = 0; probes < count; ++probes) {
    if (slots[at].item == kNoIndex) return kNoIndex;
    if (slots[at].tag == tag && isSame(slots[at].item)) return slots[at].item;
    at = (at + 1) & (count - 1);
  }
  return kNoIndex;
}

// Where the longest ending of a host begins that a wildcard could name: at a dot, or nowhere.
size_t firstWildcardDot(std::string_view host, u32 labelsMax) {
  size_t dot = std::string_view::npos;
  size_t end = host.size();
  for (u32 labels = 0; labels < labelsMax && end > 0; ++labels) {
    const size_t found = host.rfind('.', end - 1);
    if (found == std::string_view::npos) break;
    dot = end = found;
  }
  return dot;
}

}  // namespace

struct RouteTable::Search {
  const RouteRequest& request;
  RegexScratch* scratch;
  RouteOrder order;
  u32 rank = kNoIndex;  // of the best one so far
  RouteMatch match{};
};

bool RouteTable::attach(std::span<const u8> bytes) {
  if (!isRouteTable(bytes)) return false;
  bytes_ = bytes;
  return true;
}

void RouteTable::attachChecked(std::span<const u8> bytes) { bytes_ = bytes; }

const RouteTableHeader& RouteTable::header() const {
  return *reinterpret_cast<const RouteTableHeader*>(bytes_.data());
}

std::string_view RouteTable::text(const TextRef& ref) const {
  return {items<char>(header().text) + ref.offset, ref.length};
}

RegexView RouteTable::regex(u32 index) const {
  const FlatRegex& regex = items<FlatRegex>(header().regexes)[index];
  return RegexView(bytes_.subspan(header().regexBytes.offset + regex.offset, regex.length));
}

u32 RouteTable::routeCount() const { return isEmpty() ? 0 : header().routes.count; }

RouteMatch RouteTable::match(const RouteRequest& request, RegexScratch* scratch) const {
  if (isEmpty()) return {};
  const u32 host = findHost(request.host);
  if (host == kNoIndex) return {};
  const FlatHost& flat = items<FlatHost>(header().hosts)[host];
  Search search{request, scratch, flat.order};
  search.match.host = host;
  if (takeCandidates(findExact(host, request.path), &search)) return search.match;
  const FlatNode* const nodes = items<FlatNode>(header().nodes);
  for (u32 at = findNode(flat.root, request.path); at != kNoIndex; at = nodes[at].ancestor) {
    if (takeCandidates(nodes[at].candidates, &search)) break;
  }
  return search.match;
}

u32 RouteTable::findHost(std::string_view host) const {
  // What begins with a dot is no host, and would be taken for a wildcard.
  if (header().names.count == 0 || host.starts_with('.')) return header().defaultHost;
  if (const u32 name = findName(host); name != kNoIndex) {
    return items<FlatName>(header().names)[name].host;
  }
  size_t dot = firstWildcardDot(host, header().wildcardLabelsMax);
  while (dot != std::string_view::npos) {
    const u32 name = findName(host.substr(dot));
    if (name != kNoIndex) return items<FlatName>(header().names)[name].host;
    dot = host.find('.', dot + 1);
  }
  return header().defaultHost;
}

u32 RouteTable::findName(std::string_view name) const {
  const FlatName* const names = items<FlatName>(header().names);
  const Section& slots = header().nameSlots;
  return findSlot(items<FlatSlot>(slots), slots.count, hashOfName(name),
                  [this, names, name](u32 item) { return text(names[item].text) == name; });
}

Range RouteTable::findExact(u32 host, std::string_view path) const {
  if (header().exacts.count == 0) return {};
  const FlatExact* const exacts = items<FlatExact>(header().exacts);
  const Section& slots = header().exactSlots;
  const u32 item = findSlot(items<FlatSlot>(slots), slots.count, hashOfPath(host, path),
                            [this, exacts, host, path](u32 at) {
                              return exacts[at].host == host && text(exacts[at].path) == path;
                            });
  return item == kNoIndex ? Range{} : exacts[item].candidates;
}

// The deepest node with candidates whose whole label chain the path begins with.
u32 RouteTable::findNode(u32 root, std::string_view path) const {
  const FlatNode* const nodes = items<FlatNode>(header().nodes);
  const u8* const firstBytes = items<u8>(header().firstBytes);
  u32 at = root;
  while (!path.empty() && nodes[at].children.count != 0) {
    const Range& children = nodes[at].children;
    const void* const found =
        std::memchr(firstBytes + children.first, static_cast<u8>(path[0]), children.count);
    if (found == nullptr) break;
    const u32 child = static_cast<u32>(static_cast<const u8*>(found) - firstBytes);
    const TextRef& label = nodes[child].label;
    // The first byte is known; where there are many routes, most labels have no other.
    if (label.length != 1 && !path.starts_with(text(label))) break;
    path.remove_prefix(label.length);
    at = child;
  }
  return nodes[at].candidates.count != 0 ? at : nodes[at].ancestor;
}

bool RouteTable::takeCandidates(const Range& range, Search* search) const {
  const u32* const candidates = items<u32>(header().candidates) + range.first;
  const FlatRoute* const routes = items<FlatRoute>(header().routes);
  for (u32 i = 0; i < range.count; ++i) {
    const FlatRoute& route = routes[candidates[i]];
    if (route.rank >= search->rank) return false;
    search->match.candidates++;
    if (!fits(route, search->request, search->scratch)) continue;
    search->rank = route.rank;
    search->match.route = candidates[i];
    return search->order == RouteOrder::kSpecificity;
  }
  return false;
}

bool RouteTable::fits(const FlatRoute& route, const RouteRequest& request,
                      RegexScratch* scratch) const {
  if (route.methods != 0 && (route.methods >> (request.method & 31) & 1) == 0) return false;
  const std::string_view path = request.path;
  switch (route.pathKind) {
    case PathKind::kPrefix:
      // The asterisk of OPTIONS begins with no prefix, not even with the empty one.
      if (!path.starts_with('/')) return false;
      break;
    case PathKind::kSegments: {
      const u32 end = route.fixedBytes;
      if (path.size() > end ? path[end] != '/' : path.size() < end) return false;
      break;
    }
    case PathKind::kRegex:
      if (!regex(route.regex).matchesWhole(path, scratch)) return false;
      break;
    default:
      break;
  }
  const FlatCondition* const conditions = items<FlatCondition>(header().conditions);
  for (u32 i = 0; i < route.headers.count; ++i) {
    if (!fitsHeader(conditions[route.headers.first + i], request.headers, scratch)) return false;
  }
  for (u32 i = 0; i < route.query.count; ++i) {
    if (!fitsQuery(conditions[route.query.first + i], request.query, scratch)) return false;
  }
  return true;
}

bool RouteTable::fitsHeader(const FlatCondition& condition, const HeaderLookup& headers,
                            RegexScratch* scratch) const {
  const std::string_view name = text(condition.name);
  bool isFulfilled = false;
  std::string_view value;
  for (u32 nth = 0; nth < kHeaderFieldsLookedAt && !isFulfilled; ++nth) {
    if (headers.find == nullptr || !headers.find(headers.owner, name, nth, &value)) break;
    isFulfilled = fitsValue(condition, value, scratch);
  }
  return isFulfilled != (condition.isInverted != 0);
}

bool RouteTable::fitsQuery(const FlatCondition& condition, std::string_view query,
                           RegexScratch* scratch) const {
  const std::string_view name = text(condition.name);
  bool isFulfilled = false;
  while (!query.empty() && !isFulfilled) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (!pair.starts_with(name)) continue;
    const std::string_view rest = pair.substr(name.size());
    // A parameter without an equals sign has an empty value.
    if (!rest.empty() && rest[0] != '=') continue;
    isFulfilled = fitsValue(condition, rest.substr(rest.empty() ? 0 : 1), scratch);
  }
  return isFulfilled != (condition.isInverted != 0);
}

bool RouteTable::fitsValue(const FlatCondition& condition, std::string_view value,
                           RegexScratch* scratch) const {
  switch (condition.kind) {
    case ConditionKind::kExact:
      return value == text(condition.value);
    case ConditionKind::kPrefix:
      return value.starts_with(text(condition.value));
    case ConditionKind::kSuffix:
      return value.ends_with(text(condition.value));
    case ConditionKind::kRegex:
      return regex(condition.regex).matchesWhole(value, scratch);
    default:
      return true;
  }
}

u32 RouteTable::pickCluster(u32 route, u32 random) const {
  if (route >= routeCount()) return kNoIndex;
  const Range& range = items<FlatRoute>(header().routes)[route].splits;
  if (range.count == 0) return kNoIndex;
  const FlatSplit* const splits = items<FlatSplit>(header().splits) + range.first;
  const u32 sum = splits[range.count - 1].end;
  const u32 point = static_cast<u32>(u64{random} * sum >> 32);
  u32 at = 0;
  while (at + 1 < range.count && splits[at].end <= point) ++at;
  return splits[at].cluster;
}

}  // namespace holdfast::http
