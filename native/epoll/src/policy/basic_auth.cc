// See basic_auth.h.
#include "policy/basic_auth.h"

#include <algorithm>
#include <cstring>

#include "codec/sha256.h"

namespace holdfast::policy {
namespace {

using Kind = http1::FieldEdit::Kind;

int sextetOf(char byte) {
  if (byte >= 'A' && byte <= 'Z') return byte - 'A';
  if (byte >= 'a' && byte <= 'z') return byte - 'a' + 26;
  if (byte >= '0' && byte <= '9') return byte - '0' + 52;
  if (byte == '+') return 62;
  return byte == '/' ? 63 : -1;
}

// Decodes base64 (RFC 4648 4), padded or not. The length, or -1.
int decodeBase64(std::string_view text, char* out) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  if (text.size() % 4 == 1) return -1;
  u32 bits = 0;
  u32 held = 0;
  int length = 0;
  for (const char byte : text) {
    const int sextet = sextetOf(byte);
    if (sextet < 0) return -1;
    bits = bits << 6 | static_cast<u32>(sextet);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out[length++] = static_cast<char>(bits >> held);
  }
  return length;
}

bool isSameWord(std::string_view text, std::string_view lowerCase) {
  return text.size() == lowerCase.size() &&
         std::equal(text.begin(), text.end(), lowerCase.begin(), [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? a + ('a' - 'A') : a) == b;
         });
}

// What stands behind "Basic"; empty when it is something else, or when it was sent twice.
std::string_view credentialsOf(const Facts& facts) {
  std::string_view value;
  std::string_view second;
  const http::HeaderLookup& headers = facts.headers;
  if (headers.find == nullptr || !headers.find(headers.owner, "authorization", 0, &value)) {
    return {};
  }
  if (headers.find(headers.owner, "authorization", 1, &second)) return {};
  const size_t space = value.find(' ');
  if (space == std::string_view::npos || !isSameWord(value.substr(0, space), "basic")) return {};
  value.remove_prefix(space);
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  return value.size() > kCredentialsBytesMax ? std::string_view() : value;
}

}  // namespace

bool isKnownUser(const PolicyView& view, const FlatAuth& auth, const Facts& facts,
                 Outcome* outcome) {
  char decoded[kCredentialsBytesMax];
  const std::string_view credentials = credentialsOf(facts);
  const int length = credentials.empty() ? -1 : decodeBase64(credentials, decoded);
  const std::string_view pair(decoded, length < 0 ? 0 : static_cast<size_t>(length));
  const size_t colon = pair.find(':');
  if (colon == std::string_view::npos) {
    outcome->add(&outcome->answerFields, Kind::kSet, "WWW-Authenticate", view.text(auth.challenge));
    return false;
  }
  const std::string_view name = pair.substr(0, colon);
  const std::span users = view.items<FlatUser>(view.header().users, auth.users);
  const auto user = std::lower_bound(users.begin(), users.end(), name,
                                     [&view](const FlatUser& one, std::string_view wanted) {
                                       return view.text(one.name) < wanted;
                                     });
  const bool isListed = user != users.end() && view.text(user->name) == name;
  const std::string_view salt = isListed ? view.text(user->salt) : std::string_view();
  const codec::Sha256Digest derived = codec::pbkdf2Sha256(
      pair.substr(colon + 1), {reinterpret_cast<const u8*>(salt.data()), salt.size()},
      isListed ? user->rounds : auth.rounds);
  codec::Sha256Digest wanted = {};
  if (isListed) std::memcpy(wanted.data(), view.text(user->digest).data(), wanted.size());
  if (!codec::isSameDigest(derived, wanted) || !isListed) {
    outcome->add(&outcome->answerFields, Kind::kSet, "WWW-Authenticate", view.text(auth.challenge));
    return false;
  }
  if (auth.userHeader.length != 0) {
    outcome->add(&outcome->requestFields, Kind::kSet, view.text(auth.userHeader),
                 view.text(user->name));
  }
  if (auth.isHidden != 0) {
    outcome->add(&outcome->requestFields, Kind::kRemove, "Authorization", {});
  }
  return true;
}

}  // namespace holdfast::policy
