// Any bytes as paths and authorities: a normal form is a fixed point, has no
// dot segments, is never longer, and is the same in place; a canonical
// authority is read as itself. The first byte of the input chooses the rules.
// Invariant: nothing that is accepted leaves the root or changes when it is
// normalised again.
#include <string>

#include "codec/http1_bytes.h"
#include "codec/http1_target.h"

#include "fuzz/fuzz.h"

namespace {

using namespace holdfast;
using namespace holdfast::http1;

void checkNormal(std::string_view path, const PathRules& rules) {
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at + 1), path.size());
    const std::string_view segment = path.substr(at + 1, end - at - 1);
    FUZZ_CHECK(segment != "." && segment != "..");
    FUZZ_CHECK(!segment.starts_with(".;") && !segment.starts_with("..;"));
    FUZZ_CHECK(!rules.isSlashMerged || !segment.empty() || end == path.size());
    at = end;
  }
}

void checkPath(std::string_view path, const PathRules& rules) {
  std::string output(path.size(), '\0');
  const std::span<u8> room(reinterpret_cast<u8*>(output.data()), output.size());
  const NormalPath normal = normalizePath(bytesOf(path), rules, room);
  std::string place(path);
  const std::span<u8> same(reinterpret_cast<u8*>(place.data()), place.size());
  const NormalPath inPlace = normalizePath(same, rules, same);
  FUZZ_CHECK(inPlace.violation == normal.violation && inPlace.isChanged == normal.isChanged);
  if (normal.violation != Violation::kNone) return;
  FUZZ_CHECK(inPlace.length == normal.length && normal.length <= path.size());
  const std::string form = normal.isChanged ? output.substr(0, normal.length) : std::string(path);
  if (normal.isChanged) FUZZ_CHECK(place.substr(0, inPlace.length) == form);
  FUZZ_CHECK(!form.empty() && form[0] == '/');
  FUZZ_CHECK(skipClass(bytesOf(form), 0, kPathByte) == form.size());
  FUZZ_CHECK(normal.hasParameters == (form.find(';') != std::string::npos));
  checkNormal(form, rules);
  std::string again(form.size(), '\0');
  const std::span<u8> roomAgain(reinterpret_cast<u8*>(again.data()), again.size());
  const NormalPath second = normalizePath(bytesOf(form), rules, roomAgain);
  FUZZ_CHECK(second.violation == Violation::kNone);
  if (second.isChanged) FUZZ_CHECK(again.substr(0, second.length) == form);
  const size_t stripped = stripParameters(bytesOf(form), roomAgain);
  FUZZ_CHECK(again.substr(0, stripped).find(';') == std::string::npos);
}

void checkAuthority(std::string_view text) {
  Authority authority;
  if (!parseAuthority(bytesOf(text), &authority)) return;
  std::string form(authority.hostText());
  FUZZ_CHECK(!form.empty());
  if (authority.port != 0) form += ':' + std::to_string(authority.port);
  Authority again;
  FUZZ_CHECK(parseAuthority(bytesOf(form), &again));
  FUZZ_CHECK(isSameAuthority(authority, again, 80));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t length) {
  if (length < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(bytes + 1), length - 1);
  checkAuthority(text);
  const PathRules rules{.isSlashMerged = (bytes[0] & 1) == 0,
                        .isEscapedSlashAllowed = (bytes[0] & 2) != 0};
  // Paths come out of a head that has looked at their bytes.
  if (text[0] != '/' || skipClass(bytesOf(text), 0, kPathByte) != text.size()) return 0;
  checkPath(text, rules);
  return 0;
}
