// Section by section, in the order of the header; each struct has one function that judges it.
#include "http/route_check.h"

#include <bit>

#include "http/route_layout.h"

namespace holdfast::http {

namespace {

class Checker : FlatTable<RouteTableHeader> {
 public:
  explicit Checker(std::span<const u8> bytes) : FlatTable(bytes) {}

  bool run() {
    if (!takeHeader(kRouteTableMagic, kRouteTableVersion, kRouteTableBytesMax)) return false;
    return hasSections() && hasItems();
  }

 private:
  [[nodiscard]] bool hasSections() const {
    const bool areSlots = std::has_single_bit(header_.nameSlots.count) &&
                          std::has_single_bit(header_.exactSlots.count);
    return areSlots && header_.firstBytes.count == header_.nodes.count &&
           lies<FlatHost>(header_.hosts) && lies<FlatName>(header_.names) &&
           lies<FlatSlot>(header_.nameSlots) && lies<FlatExact>(header_.exacts) &&
           lies<FlatSlot>(header_.exactSlots) && lies<FlatNode>(header_.nodes) &&
           lies<u8>(header_.firstBytes) && lies<u32>(header_.candidates) &&
           lies<FlatRoute>(header_.routes) && lies<FlatCondition>(header_.conditions) &&
           lies<FlatSplit>(header_.splits) && lies<FlatRegex>(header_.regexes) &&
           lies<u8>(header_.regexBytes) && lies<u8>(header_.text);
  }

  [[nodiscard]] static bool isItemOrNone(u32 item, const Section& section) {
    return item == kNoIndex || item < section.count;
  }

  [[nodiscard]] bool hasItems() const {
    const auto isSlotOf = [](const Section& section) {
      return [&section](const FlatSlot& slot, u32) { return isItemOrNone(slot.item, section); };
    };
    return isItemOrNone(header_.defaultHost, header_.hosts) &&
           all<FlatHost>(header_.hosts,
                         [this](const FlatHost& host, u32) {
                           return host.order < RouteOrder::kCount &&
                                  host.root < header_.nodes.count;
                         }) &&
           all<FlatName>(header_.names,
                         [this](const FlatName& name, u32) {
                           return isText(name.text) && name.host < header_.hosts.count;
                         }) &&
           all<FlatSlot>(header_.nameSlots, isSlotOf(header_.names)) &&
           all<FlatExact>(header_.exacts,
                          [this](const FlatExact& exact, u32) {
                            return isText(exact.path) && isIn(exact.candidates, header_.candidates);
                          }) &&
           all<FlatSlot>(header_.exactSlots, isSlotOf(header_.exacts)) &&
           all<FlatNode>(header_.nodes,
                         [this](const FlatNode& node, u32 at) { return isNode(node, at); }) &&
           all<u32>(header_.candidates,
                    [this](u32 route, u32) { return route < header_.routes.count; }) &&
           all<FlatRoute>(header_.routes,
                          [this](const FlatRoute& route, u32) { return isRoute(route); }) &&
           all<FlatCondition>(header_.conditions, [this](const FlatCondition& condition,
                                                         u32) { return isCondition(condition); }) &&
           all<FlatRegex>(header_.regexes,
                          [this](const FlatRegex& regex, u32) { return isRegex(regex); });
  }

  // Children behind their parents and ancestors in front: every walk ends.
  [[nodiscard]] bool isNode(const FlatNode& node, u32 at) const {
    const bool isForward = node.children.count == 0 || node.children.first > at;
    const bool isBackward = node.ancestor == kNoIndex || node.ancestor < at;
    return isForward && isBackward && isText(node.label) && isIn(node.children, header_.nodes) &&
           isIn(node.candidates, header_.candidates);
  }

  [[nodiscard]] bool isRoute(const FlatRoute& route) const {
    const bool hasRegex = route.pathKind != PathKind::kRegex || route.regex < header_.regexes.count;
    return route.pathKind < PathKind::kCount && hasRegex && isRewrite(route) &&
           route.headers.count <= kRouteConditionsMax && isIn(route.headers, header_.conditions) &&
           route.query.count <= kRouteConditionsMax && isIn(route.query, header_.conditions) &&
           route.splits.count <= kRouteSplitsMax && isIn(route.splits, header_.splits);
  }

  [[nodiscard]] bool isRewrite(const FlatRoute& route) const {
    switch (route.rewriteKind) {
      case RewriteKind::kNone:
        return true;
      case RewriteKind::kPrefix:
        return isText({route.rewriteSource, route.fixedBytes}) && isText(route.rewriteText);
      case RewriteKind::kRegex:
        return route.rewriteSource < header_.regexes.count && isText(route.rewriteText);
      default:
        return false;
    }
  }

  [[nodiscard]] bool isCondition(const FlatCondition& condition) const {
    const bool hasRegex =
        condition.kind != ConditionKind::kRegex || condition.regex < header_.regexes.count;
    return condition.kind < ConditionKind::kCount && hasRegex && isText(condition.name) &&
           isText(condition.value);
  }
};

}  // namespace

bool isRouteTable(std::span<const u8> bytes) { return Checker(bytes).run(); }

}  // namespace holdfast::http
