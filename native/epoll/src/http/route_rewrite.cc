// What an endpoint gets instead of the path that came.
//
// A rewrite takes bytes out of a path that was normalised, so what is left may form a dot segment
// or an escape that nobody checked (`/.x./` without its x). Such results are refused, not
// normalised again: routing, filters and the endpoint would otherwise have judged different paths.
#include "http/route_layout.h"
#include "http/route_table.h"

namespace holdfast::http {

namespace {

std::span<const u8> bytesOf(std::string_view text) {
  return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

u32 hexValue(char byte) {
  if (byte >= '0' && byte <= '9') return static_cast<u32>(byte - '0');
  const char folded = static_cast<char>(byte | 0x20);
  return folded >= 'a' && folded <= 'f' ? static_cast<u32>(folded - 'a' + 10) : 16;
}

// False for an escape that is none, or that hides a dot, a separator or NUL.
bool isEscapeFine(std::string_view path, size_t at) {
  if (path.size() - at < 3) return false;
  const u32 high = hexValue(path[at + 1]);
  const u32 low = hexValue(path[at + 2]);
  if (high > 15 || low > 15) return false;
  const u32 byte = high << 4 | low;
  return byte != '.' && byte != '/' && byte != '\\' && byte != 0;
}

bool isPath(std::string_view path) {
  if (!path.starts_with('/')) return false;
  size_t segment = 1;
  for (size_t i = 1; i <= path.size(); ++i) {
    if (i < path.size() && path[i] == '%' && !isEscapeFine(path, i)) return false;
    if (i < path.size() && path[i] != '/') continue;
    const std::string_view text = path.substr(segment, i - segment);
    if (text == "." || text == "..") return false;
    segment = i + 1;
  }
  return true;
}

void putReplacement(std::string_view text, std::string_view path, const RegexGroups& groups,
                    codec::Writer* writer) {
  for (size_t i = 0; i < text.size(); ++i) {
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    if (text[i] != '\\') {
      writer->putU8(static_cast<u8>(text[i]));
    } else if (next >= '0' && next <= '9') {
      writer->put(bytesOf(groups.of(static_cast<u32>(next - '0'), path)));
      ++i;
    }
  }
}

}  // namespace

bool replaceMatches(const RegexView& regex, std::string_view text, std::string_view path,
                    RegexScratch* scratch, codec::Writer* writer) {
  size_t copied = 0;
  size_t from = 0;
  u32 matches = 0;
  RegexGroups groups;
  while (from <= path.size() && regex.find(path, from, scratch, &groups)) {
    const size_t begin = groups.slots[0];
    const size_t end = groups.slots[1];
    const bool isEmpty = begin == end;
    from = isEmpty ? end + 1 : end;
    // Nothing is put into the place where a match has just ended.
    if (isEmpty && matches > 0 && begin == copied) continue;
    if (++matches > kRewriteMatchesMax) return false;
    writer->put(bytesOf(path.substr(copied, begin - copied)));
    putReplacement(text, path, groups, writer);
    copied = end;
  }
  writer->put(bytesOf(path.substr(copied)));
  return !writer->isFailed();
}

bool RouteTable::rewritePath(u32 route, std::string_view path, RegexScratch* scratch,
                             codec::Writer* writer) const {
  if (route >= routeCount()) return false;
  const FlatRoute& flat = items<FlatRoute>(header().routes)[route];
  const size_t start = writer->size();
  if (flat.rewriteKind == RewriteKind::kRegex) {
    const RegexView view = regex(flat.rewriteSource);
    if (!replaceMatches(view, text(flat.rewriteText), path, scratch, writer)) return false;
  } else if (flat.rewriteKind == RewriteKind::kPrefix) {
    // A path with parameters, say, that was matched without them.
    if (!path.starts_with(text({flat.rewriteSource, flat.fixedBytes}))) return false;
    writer->put(bytesOf(text(flat.rewriteText)));
    writer->put(bytesOf(path.substr(flat.fixedBytes)));
    if (writer->size() == start) writer->putU8('/');
  } else {
    writer->put(bytesOf(path));
    return !writer->isFailed();
  }
  if (writer->isFailed()) return false;
  const std::span<const u8> written = writer->written().subspan(start);
  return isPath({reinterpret_cast<const char*>(written.data()), written.size()});
}

}  // namespace holdfast::http
