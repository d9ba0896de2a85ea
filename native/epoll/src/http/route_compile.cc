// compileRouteTable: checks every part, then ranks the routes and builds names, paths and trees.
//
// Everything that is wrong is told at once; only what is right is laid out. Lists of candidates are
// in the order of their ranks, so a reader stops at the first that fits.
// Invariant: what leaves here passes the check of RouteTable::attach.
#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <numeric>
#include <string>

#include "http/route_forms.h"
#include "http/route_layout.h"
#include "http/route_table.h"

namespace holdfast::http {

namespace {

// A route with what the compiler found out about it.
struct Draft {
  const RouteParts* parts = nullptr;
  FlatRoute flat{};
  std::string fixed{};  // what the path begins with
};

// Tells whether route `a` goes before `b` by specificity; equal ones stay as listed.
bool isMoreSpecific(const Draft& a, const Draft& b) {
  const auto kindOf = [](const Draft& draft) {
    return draft.parts->pathKind == PathKind::kExact ? 0 : 1;
  };
  if (kindOf(a) != kindOf(b)) return kindOf(a) < kindOf(b);
  if (kindOf(a) != 0 && a.fixed.size() != b.fixed.size()) return a.fixed.size() > b.fixed.size();
  const auto formOf = [](const Draft& draft) {
    const PathKind kind = draft.parts->pathKind;
    return kind == PathKind::kRegex ? 0 : kind == PathKind::kSegments ? 1 : 2;
  };
  if (formOf(a) != formOf(b)) return formOf(a) < formOf(b);
  if (a.parts->pathKind == PathKind::kRegex) return false;
  const bool hasMethodsA = a.parts->methods != 0;
  const bool hasMethodsB = b.parts->methods != 0;
  if (hasMethodsA != hasMethodsB) return hasMethodsA;
  if (a.parts->headers.size() != b.parts->headers.size()) {
    return a.parts->headers.size() > b.parts->headers.size();
  }
  return a.parts->query.size() > b.parts->query.size();
}

class Compiler {
 public:
  Compiler(const RouteTableParts& parts, std::vector<RouteFault>* faults)
      : parts_(parts), faults_(faults) {}

  bool run(std::vector<u8>* bytes) {
    addHosts();
    if (faults_->empty()) {
      buildSlots();
      layFlat(bytes);
    }
    return faults_->empty();
  }

 private:
  // --- What is wrong -------------------------------------------------------------------------

  RouteFault& fail(RouteFaultKind kind, RoutePlace place, size_t index = 0) {
    RouteFault fault;
    fault.kind = kind;
    fault.place = place;
    fault.host = host_;
    fault.route = route_;
    fault.index = static_cast<u32>(index);
    faults_->push_back(fault);
    return faults_->back();
  }

  void failForm(const FormFault& fault, RoutePlace place) {
    if (!fault.isNone()) fail(fault.kind, place).regex.position = fault.position;
  }

  void failRegex(const RegexError& error, RoutePlace place, size_t index) {
    fail(RouteFaultKind::kRegex, place, index).regex = error;
  }

  TextRef addText(std::string_view text) {
    const TextRef ref{static_cast<u32>(text_.size()), static_cast<u32>(text.size())};
    text_.insert(text_.end(), text.begin(), text.end());
    return ref;
  }

  // Equal patterns are compiled once. Returns kNoIndex after a fault.
  u32 addRegex(const std::string& pattern, RegexUse use, RoutePlace place, size_t index) {
    const auto key = std::make_pair(pattern, use);
    if (const auto known = regexOf_.find(key); known != regexOf_.end()) return known->second;
    CompiledRegex compiled;
    RegexError error;
    if (!compileRegex(pattern, use, &compiled, &error)) {
      failRegex(error, place, index);
      return kNoIndex;
    }
    const u32 position = static_cast<u32>(regexes_.size());
    regexes_.push_back(
        {static_cast<u32>(regexBytes_.size()), static_cast<u32>(compiled.bytes.size())});
    regexBytes_.insert(regexBytes_.end(), compiled.bytes.begin(), compiled.bytes.end());
    literals_.push_back(std::move(compiled.literal));
    groups_.push_back(compiled.groups);
    regexOf_.emplace(key, position);
    return position;
  }

  // --- Hosts and names -----------------------------------------------------------------------

  void addHosts() {
    if (parts_.hosts.size() > kRouteHostsMax) {
      fail(RouteFaultKind::kTooMany, RoutePlace::kHost);
      return;
    }
    for (host_ = 0; host_ < parts_.hosts.size(); ++host_) {
      const HostParts& host = parts_.hosts[host_];
      route_ = kNoIndex;
      if (host.names.empty()) fail(RouteFaultKind::kEmpty, RoutePlace::kName);
      for (size_t i = 0; i < host.names.size(); ++i) addName(lowered(host.names[i]), i);
      addRoutes(host);
      if (text_.size() + regexBytes_.size() > kRouteTableBytesMax || routes_.size() > kRoutesMax) {
        fail(RouteFaultKind::kTooLarge, RoutePlace::kHost);
        return;
      }
    }
  }

  void addName(const std::string& name, size_t index) {
    if (name == "*") {
      if (defaultHost_ != kNoIndex) fail(RouteFaultKind::kHostTwice, RoutePlace::kName, index);
      defaultHost_ = host_;
      return;
    }
    const bool isWildcard = name.starts_with("*.");
    // Without the star, the dot in front tells a wildcard from a name.
    const std::string key = isWildcard ? name.substr(1) : name;
    const std::string_view plain = std::string_view(key).substr(isWildcard ? 1 : 0);
    if (!isHostName(plain)) {
      fail(RouteFaultKind::kHostName, RoutePlace::kName, index);
    } else if (!nameOf_.emplace(key, host_).second) {
      fail(RouteFaultKind::kHostTwice, RoutePlace::kName, index);
    } else if (names_.size() == kRouteNamesMax) {
      fail(RouteFaultKind::kTooMany, RoutePlace::kName, index);
    } else {
      names_.push_back({addText(key), host_, 0});
      const auto labels = 1 + std::count(plain.begin(), plain.end(), '.');
      if (isWildcard) wildcardLabelsMax_ = std::max(wildcardLabelsMax_, static_cast<u32>(labels));
    }
  }

  // --- Routes --------------------------------------------------------------------------------

  void addRoutes(const HostParts& host) {
    std::vector<Draft> drafts;
    drafts.reserve(host.routes.size());
    for (route_ = 0; route_ < host.routes.size(); ++route_) {
      drafts.push_back(draftOf(host.routes[route_]));
    }
    std::vector<u32> order(drafts.size());
    std::iota(order.begin(), order.end(), 0u);
    if (host.order == RouteOrder::kSpecificity) {
      std::stable_sort(order.begin(), order.end(),
                       [&drafts](u32 a, u32 b) { return isMoreSpecific(drafts[a], drafts[b]); });
    }
    for (u32 rank = 0; rank < order.size(); ++rank) drafts[order[rank]].flat.rank = rank;
    const u32 base = static_cast<u32>(routes_.size());
    for (const Draft& draft : drafts) routes_.push_back(draft.flat);
    hosts_.push_back({host.order, static_cast<u32>(nodes_.size())});
    placePaths(drafts, order, base);
  }

  Draft draftOf(const RouteParts& parts) {
    Draft draft;
    draft.parts = &parts;
    FlatRoute& flat = draft.flat;
    flat.pathKind = parts.pathKind;
    flat.methods = parts.methods;
    setPath(parts, &draft);
    flat.headers = addConditions(parts.headers, RoutePlace::kHeader);
    flat.query = addConditions(parts.query, RoutePlace::kQuery);
    flat.splits = addSplits(parts.splits);
    setRewrite(parts, &flat);
    return draft;
  }

  void setPath(const RouteParts& parts, Draft* draft) {
    if (parts.path.size() > kRoutePathMax) fail(RouteFaultKind::kTooLong, RoutePlace::kPath);
    if (parts.pathKind == PathKind::kRegex) {
      draft->flat.regex = addRegex(parts.path, RegexUse::kWhole, RoutePlace::kPath, 0);
      if (draft->flat.regex != kNoIndex) draft->fixed = literals_[draft->flat.regex];
    } else {
      draft->fixed = parts.path;
      failForm(canonicalizePath(parts.pathKind, &draft->fixed), RoutePlace::kPath);
    }
    while (parts.pathKind == PathKind::kSegments && draft->fixed.ends_with('/')) {
      draft->fixed.pop_back();
    }
    draft->flat.fixedBytes = static_cast<u32>(draft->fixed.size());
    if (parts.rewrite.kind == RewriteKind::kPrefix) {
      draft->flat.rewriteSource = addText(draft->fixed).offset;
    }
    // Every path begins with a slash, so that alone puts no route before another.
    if (parts.pathKind != PathKind::kExact && draft->fixed == "/") draft->fixed.clear();
  }

  Range addConditions(const std::vector<ConditionParts>& conditions, RoutePlace place) {
    if (conditions.size() > kRouteConditionsMax) fail(RouteFaultKind::kTooMany, place);
    const Range range{static_cast<u32>(conditions_.size()), static_cast<u32>(conditions.size())};
    for (size_t i = 0; i < conditions.size(); ++i) {
      const ConditionParts& parts = conditions[i];
      if (place == RoutePlace::kHeader && !isFieldName(parts.name)) {
        fail(RouteFaultKind::kFieldName, place, i);
      }
      if (parts.name.empty()) fail(RouteFaultKind::kEmpty, place, i);
      if (std::max(parts.name.size(), parts.value.size()) > kRouteTextMax) {
        fail(RouteFaultKind::kTooLong, place, i);
        continue;
      }
      FlatCondition flat;
      flat.kind = parts.kind;
      flat.isInverted = parts.isInverted ? 1 : 0;
      flat.name = addText(place == RoutePlace::kHeader ? lowered(parts.name) : parts.name);
      if (parts.kind == ConditionKind::kRegex) {
        flat.regex = addRegex(parts.value, RegexUse::kWhole, place, i);
      } else {
        flat.value = addText(parts.value);
      }
      conditions_.push_back(flat);
    }
    return range;
  }

  Range addSplits(const std::vector<SplitParts>& splits) {
    if (splits.size() > kRouteSplitsMax) fail(RouteFaultKind::kTooMany, RoutePlace::kSplit);
    const Range range{static_cast<u32>(splits_.size()), static_cast<u32>(splits.size())};
    u64 end = 0;
    for (const SplitParts& split : splits) {
      end += split.weight;
      splits_.push_back({split.cluster, static_cast<u32>(end)});
    }
    const bool isSum = end > 0 && end <= 0xffffffffu;
    if (!splits.empty() && !isSum) fail(RouteFaultKind::kWeight, RoutePlace::kSplit);
    return range;
  }

  void setRewrite(const RouteParts& parts, FlatRoute* flat) {
    const RewriteParts& rewrite = parts.rewrite;
    flat->rewriteKind = rewrite.kind;
    if (rewrite.kind == RewriteKind::kNone) return;
    std::string text = rewrite.text;
    u32 groups = 0;
    if (text.size() > kRoutePathMax) fail(RouteFaultKind::kTooLong, RoutePlace::kRewrite);
    if (rewrite.kind == RewriteKind::kRegex) {
      flat->rewriteSource = addRegex(rewrite.pattern, RegexUse::kReplace, RoutePlace::kRewrite, 0);
      if (flat->rewriteSource == kNoIndex) return;
      groups = groups_[flat->rewriteSource];
    } else if (parts.pathKind == PathKind::kRegex) {
      fail(RouteFaultKind::kRewriteRoute, RoutePlace::kRewrite);
    }
    failForm(checkRewriteText(rewrite.kind, text, groups), RoutePlace::kRewrite);
    // What follows a prefix by segment begins with a slash of its own, or is nothing.
    while (parts.pathKind == PathKind::kSegments && rewrite.kind == RewriteKind::kPrefix &&
           text.ends_with('/')) {
      text.pop_back();
    }
    flat->rewriteText = addText(text);
  }

  // --- Paths ---------------------------------------------------------------------------------

  // Puts the routes of a host, in the order of their ranks, where a lookup finds them.
  void placePaths(const std::vector<Draft>& drafts, const std::vector<u32>& order, u32 base) {
    std::map<std::string_view, std::vector<u32>> exact;
    std::map<std::string_view, std::vector<u32>> fixed;
    for (const u32 at : order) {
      const Draft& draft = drafts[at];
      const bool isExact = draft.parts->pathKind == PathKind::kExact;
      (isExact ? exact : fixed)[draft.fixed].push_back(base + at);
    }
    for (const auto& [path, routes] : exact) {
      exacts_.push_back({addText(path), host_, 0, addCandidates(routes)});
    }
    std::vector<std::string_view> keys;
    std::vector<TextRef> texts;
    std::vector<Range> candidates;
    for (const auto& [path, routes] : fixed) {
      keys.push_back(path);
      texts.push_back(addText(path));
      candidates.push_back(addCandidates(routes));
    }
    growTree(keys, texts, candidates);
  }

  Range addCandidates(const std::vector<u32>& routes) {
    const Range range{static_cast<u32>(candidates_.size()), static_cast<u32>(routes.size())};
    candidates_.insert(candidates_.end(), routes.begin(), routes.end());
    return range;
  }

  // A node that waits for its label: the keys it covers and how much of them stands above it.
  struct Planned {
    u32 node;
    size_t low, high;
    size_t above;
    u32 ancestor;
  };

  // Level by level, so that children stand together and behind their parent. `keys` are sorted.
  void growTree(const std::vector<std::string_view>& keys, const std::vector<TextRef>& texts,
                const std::vector<Range>& candidates) {
    std::vector<Planned> planned{{addNode('\0'), 0, keys.size(), 0, kNoIndex}};
    for (size_t i = 0; i < planned.size(); ++i) {
      Planned now = planned[i];
      const bool isRoot = i == 0;
      size_t end = now.above;
      if (!isRoot) {
        // The first and the last of sorted keys differ earliest.
        const std::string_view first = keys[now.low];
        const std::string_view last = keys[now.high - 1];
        while (end < first.size() && end < last.size() && first[end] == last[end]) ++end;
        const TextRef& whole = texts[now.low];
        nodes_[now.node].label = {whole.offset + static_cast<u32>(now.above),
                                  static_cast<u32>(end - now.above)};
      }
      nodes_[now.node].ancestor = now.ancestor;
      if (now.low < now.high && keys[now.low].size() == end) {
        nodes_[now.node].candidates = candidates[now.low];
        now.ancestor = now.node;
        ++now.low;
      }
      nodes_[now.node].children.first = static_cast<u32>(nodes_.size());
      for (size_t low = now.low; low < now.high;) {
        size_t high = low;
        while (high < now.high && keys[high][end] == keys[low][end]) ++high;
        planned.push_back({addNode(keys[low][end]), low, high, end, now.ancestor});
        nodes_[now.node].children.count++;
        low = high;
      }
    }
  }

  u32 addNode(char firstByte) {
    nodes_.emplace_back();
    firstBytes_.push_back(static_cast<u8>(firstByte));
    return static_cast<u32>(nodes_.size() - 1);
  }

  // --- Flat bytes ----------------------------------------------------------------------------

  static std::vector<FlatSlot> slotsOf(const std::vector<u64>& hashes) {
    std::vector<FlatSlot> slots(std::bit_ceil(2 * hashes.size() + 1));
    for (u32 item = 0; item < hashes.size(); ++item) {
      size_t at = hashes[item] & (slots.size() - 1);
      while (slots[at].item != kNoIndex) at = (at + 1) & (slots.size() - 1);
      slots[at] = {static_cast<u32>(hashes[item] >> 32), item};
    }
    return slots;
  }

  [[nodiscard]] std::string_view textAt(const TextRef& ref) const {
    return {reinterpret_cast<const char*>(text_.data()) + ref.offset, ref.length};
  }

  void buildSlots() {
    std::vector<u64> hashes;
    for (const FlatName& name : names_) hashes.push_back(hashOfName(textAt(name.text)));
    nameSlots_ = slotsOf(hashes);
    hashes.clear();
    for (const FlatExact& exact : exacts_) {
      hashes.push_back(hashOfPath(exact.host, textAt(exact.path)));
    }
    exactSlots_ = slotsOf(hashes);
  }

  template <typename T>
  static Section place(std::vector<u8>* bytes, const std::vector<T>& items) {
    const size_t offset = (bytes->size() + 7) & ~size_t{7};
    bytes->resize(offset + items.size() * sizeof(T));
    if (!items.empty()) std::memcpy(bytes->data() + offset, items.data(), items.size() * sizeof(T));
    return {static_cast<u32>(offset), static_cast<u32>(items.size())};
  }

  void layFlat(std::vector<u8>* bytes) {
    RouteTableHeader header;
    bytes->assign(sizeof(header), 0);
    header.magic = kRouteTableMagic;
    header.version = kRouteTableVersion;
    header.hosts = place(bytes, hosts_);
    header.names = place(bytes, names_);
    header.nameSlots = place(bytes, nameSlots_);
    header.exacts = place(bytes, exacts_);
    header.exactSlots = place(bytes, exactSlots_);
    header.nodes = place(bytes, nodes_);
    header.firstBytes = place(bytes, firstBytes_);
    header.candidates = place(bytes, candidates_);
    header.routes = place(bytes, routes_);
    header.conditions = place(bytes, conditions_);
    header.splits = place(bytes, splits_);
    header.regexes = place(bytes, regexes_);
    header.regexBytes = place(bytes, regexBytes_);
    header.text = place(bytes, text_);
    header.defaultHost = defaultHost_;
    header.wildcardLabelsMax = wildcardLabelsMax_;
    bytes->resize((bytes->size() + 7) & ~size_t{7});
    header.bytes = bytes->size();
    std::memcpy(bytes->data(), &header, sizeof(header));
    if (bytes->size() <= kRouteTableBytesMax) return;
    host_ = 0;
    route_ = kNoIndex;
    fail(RouteFaultKind::kTooLarge, RoutePlace::kHost);
    bytes->clear();
  }

  const RouteTableParts& parts_;
  std::vector<RouteFault>* faults_;
  u32 host_ = 0;  // those being compiled
  u32 route_ = kNoIndex;

  std::vector<FlatHost> hosts_;
  std::vector<FlatName> names_;
  std::vector<FlatSlot> nameSlots_;
  std::vector<FlatExact> exacts_;
  std::vector<FlatSlot> exactSlots_;
  std::vector<FlatNode> nodes_;
  std::vector<u8> firstBytes_;
  std::vector<u32> candidates_;
  std::vector<FlatRoute> routes_;
  std::vector<FlatCondition> conditions_;
  std::vector<FlatSplit> splits_;
  std::vector<FlatRegex> regexes_;
  std::vector<u8> regexBytes_;
  std::vector<u8> text_;
  std::vector<std::string> literals_;  // by regex
  std::vector<u32> groups_;            // by regex
  std::map<std::pair<std::string, RegexUse>, u32> regexOf_;
  std::map<std::string, u32> nameOf_;
  u32 defaultHost_ = kNoIndex;
  u32 wildcardLabelsMax_ = 0;
};

}  // namespace

bool compileRouteTable(const RouteTableParts& parts, std::vector<u8>* bytes,
                       std::vector<RouteFault>* faults) {
  bytes->clear();
  faults->clear();
  return Compiler(parts, faults).run(bytes);
}

}  // namespace holdfast::http
