// Byte classes are those of the HTTP/1.1 codec: a route cannot ask for what it lets through
// nowhere.
#include "http/route_forms.h"

#include <algorithm>

#include "codec/http1_bytes.h"

namespace holdfast::http {

namespace {

char lower(char byte) {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
}

bool isHostByte(char byte) {
  return (byte >= 'a' && byte <= 'z') || http1::isDigit(static_cast<u8>(byte)) || byte == '-' ||
         byte == '_' || byte == '.';
}

bool isUnreserved(u8 byte) {
  const char folded = lower(static_cast<char>(byte));
  return (folded >= 'a' && folded <= 'z') || http1::isDigit(byte) || byte == '-' || byte == '.' ||
         byte == '_' || byte == '~';
}

// Whether a segment ends behind `end` bytes, or the path does and has to match there.
bool hasDotSegment(PathKind kind, std::string_view path) {
  size_t begin = 1;
  for (size_t end = 1; end <= path.size(); ++end) {
    if (end < path.size() && path[end] != '/') continue;
    // A prefix may go on inside its last segment.
    if (end == path.size() && kind == PathKind::kPrefix) return false;
    const std::string_view segment = path.substr(begin, end - begin);
    if (segment == "." || segment == "..") return true;
    begin = end + 1;
  }
  return false;
}

}  // namespace

std::string lowered(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), lower);
  return text;
}

bool isHostName(std::string_view name) {
  if (name.empty() || name.size() > kRouteHostNameMax) return false;
  if (name.starts_with('[') && name.ends_with(']')) {
    return name.find_first_not_of("0123456789abcdef:.", 1) == name.size() - 1;
  }
  if (name.front() == '.' || name.back() == '.') return false;
  return name.find("..") == std::string_view::npos &&
         std::all_of(name.begin(), name.end(), isHostByte);
}

bool isFieldName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char byte) {
    return http1::isToken(static_cast<u8>(byte));
  });
}

FormFault canonicalizePath(PathKind kind, std::string* path) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  if (kind == PathKind::kExact && *path == "*") return {};
  if (!path->starts_with('/')) return {RouteFaultKind::kPathForm, 0};
  std::string form;
  for (size_t i = 0; i < path->size(); ++i) {
    const u8 byte = static_cast<u8>((*path)[i]);
    const u32 position = static_cast<u32>(i);
    if (!http1::isOf(byte, http1::kPathByte)) return {RouteFaultKind::kPathBytes, position};
    if (byte != '%') {
      form.push_back((*path)[i]);
      continue;
    }
    if (path->size() - i < 3) return {RouteFaultKind::kPathEscape, position};
    const int high = http1::hexValue(static_cast<u8>((*path)[i + 1]));
    const int low = http1::hexValue(static_cast<u8>((*path)[i + 2]));
    if (high < 0 || low < 0) return {RouteFaultKind::kPathEscape, position};
    const u8 plain = static_cast<u8>(high << 4 | low);
    if (plain == 0 || plain == '\\') return {RouteFaultKind::kPathEscape, position};
    if (isUnreserved(plain)) {
      form.push_back(static_cast<char>(plain));
    } else {
      form += {'%', kHex[plain >> 4], kHex[plain & 15]};
    }
    i += 2;
  }
  if (hasDotSegment(kind, form)) return {RouteFaultKind::kPathDots, 0};
  *path = std::move(form);
  return {};
}

FormFault checkRewriteText(RewriteKind kind, std::string_view text, u32 groups) {
  for (size_t i = 0; i < text.size(); ++i) {
    const u8 byte = static_cast<u8>(text[i]);
    const u32 position = static_cast<u32>(i);
    if (byte == '\\' && kind == RewriteKind::kRegex) {
      const char next = i + 1 < text.size() ? text[i + 1] : '\0';
      const bool isGroup = next >= '0' && next <= '9' && static_cast<u32>(next - '0') <= groups;
      if (!isGroup) return {RouteFaultKind::kRewriteText, position};
      ++i;
    } else if (!http1::isOf(byte, http1::kPathByte)) {
      return {RouteFaultKind::kPathBytes, position};
    }
  }
  const bool isBegun = kind != RewriteKind::kPrefix || text.starts_with('/');
  return isBegun ? FormFault{} : FormFault{RouteFaultKind::kPathForm, 0};
}

}  // namespace holdfast::http
