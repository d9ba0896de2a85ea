// Lists are cut at commas; no member of these fields has quoted texts with commas that matter.
#include "codec/content_coding.h"

#include <algorithm>

namespace holdfast::codec {
namespace {

constexpr u16 kWeightMax = 1000;

char lowered(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool isSame(std::string_view text, std::string_view lower) {
  return text.size() == lower.size() && std::equal(text.begin(), text.end(), lower.begin(),
                                                   [](char a, char b) { return lowered(a) == b; });
}

std::string_view trimmed(std::string_view text) {
  const auto isSpace = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && isSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && isSpace(text.back())) text.remove_suffix(1);
  return text;
}

// Takes the text up to `mark`, without the space around it, off the front of `rest`.
std::string_view cut(std::string_view* rest, char mark) {
  const size_t end = std::min(rest->find(mark), rest->size());
  const std::string_view part = trimmed(rest->substr(0, end));
  rest->remove_prefix(std::min(end + 1, rest->size()));
  return part;
}

// `0`, `0.5`, `1.000` (RFC 9110 12.4.2); 0 for everything else.
u16 weightOfText(std::string_view text) {
  const bool isShort = !text.empty() && text.size() <= 5;
  if (!isShort || (text[0] != '0' && text[0] != '1')) return 0;
  if (text.size() > 1 && text[1] != '.') return 0;
  u32 thousandths = static_cast<u32>(text[0] - '0') * kWeightMax;
  u32 unit = 100;
  for (const char digit : text.substr(std::min<size_t>(2, text.size()))) {
    if (digit < '0' || digit > '9') return 0;
    thousandths += unit * static_cast<u32>(digit - '0');
    unit /= 10;
  }
  return thousandths > kWeightMax ? u16{0} : static_cast<u16>(thousandths);
}

// Of what follows the name of a member.
u16 weightOfParameters(std::string_view rest, bool hasParameters) {
  if (!hasParameters) return kWeightMax;
  const std::string_view parameter = trimmed(rest);
  const bool isWeight = parameter.size() > 2 && lowered(parameter[0]) == 'q' && parameter[1] == '=';
  return isWeight ? weightOfText(parameter.substr(2)) : u16{0};
}

}  // namespace

void AcceptedCodings::take(std::string_view line) {
  while (!line.empty()) takeMember(cut(&line, ','));
}

void AcceptedCodings::takeMember(std::string_view member) {
  const bool hasParameters = member.find(';') != std::string_view::npos;
  const std::string_view name = cut(&member, ';');
  const u16 weight = weightOfParameters(member, hasParameters);
  const auto note = [weight](u16* said) { *said = std::min(*said, weight); };
  if (name == "*") return note(&others_);
  if (isSame(name, "identity")) return note(&identity_);
  // An old name of the same (RFC 9110 8.4.1.3).
  if (isSame(name, "x-gzip")) return note(&weights_[static_cast<u32>(ContentCoding::kGzip)]);
  for (u32 i = 0; i < kContentCodings; i++) {
    if (isSame(name, kContentCodingNames[i])) return note(&weights_[i]);
  }
}

u32 AcceptedCodings::weightOf(ContentCoding coding) const {
  const u16 said = weights_[static_cast<u32>(coding)];
  if (said != kUnsaid) return said;
  return others_ == kUnsaid ? 0 : others_;
}

u32 AcceptedCodings::weightOfIdentity() const {
  if (identity_ != kUnsaid) return identity_;
  // Acceptable unless it is ruled out, and liked less than what is named.
  return others_ == 0 ? 0 : 1;
}

ContentCoding AcceptedCodings::choose(std::span<const ContentCoding> offered) const {
  ContentCoding best = ContentCoding::kCount;
  u32 most = 0;
  for (const ContentCoding coding : offered) {
    const u32 weight = weightOf(coding);
    if (weight <= most) continue;
    best = coding;
    most = weight;
  }
  return most != 0 && most >= weightOfIdentity() ? best : ContentCoding::kCount;
}

bool listHas(std::string_view list, std::string_view member) {
  while (!list.empty()) {
    std::string_view each = cut(&list, ',');
    if (isSame(cut(&each, ';'), member)) return true;
  }
  return false;
}

bool isTypeListed(std::string_view contentType, std::string_view types) {
  const std::string_view type = cut(&contentType, ';');
  const size_t slash = type.find('/');
  if (slash == std::string_view::npos) return false;
  while (!types.empty()) {
    const std::string_view listed = cut(&types, '\n');
    const bool isKind = listed.ends_with("/*");
    if (!isKind && isSame(type, listed)) return true;
    if (isKind && isSame(type.substr(0, slash + 1), listed.substr(0, listed.size() - 1))) {
      return true;
    }
  }
  return false;
}

}  // namespace holdfast::codec
