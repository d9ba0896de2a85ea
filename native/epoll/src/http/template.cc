// Compiling templates, and putting values in.
#include "http/template.h"

#include <algorithm>
#include <iterator>

#include "codec/log_field.h"

namespace holdfast::http {
namespace {

static_assert(std::size(kVariables) == static_cast<size_t>(Variable::kCount));
static_assert(std::size(kTemplateProblemTexts) == static_cast<size_t>(TemplateProblem::kCount));
static_assert(kVariableNameMax <= 255);

constexpr bool isControl(char byte) {
  const u8 value = static_cast<u8>(byte);
  return value < 0x20 || value == 0x7f;
}

bool isAllowed(char byte, TemplateUse use) {
  if (!isControl(byte)) return true;
  if (byte == '\t') return use != TemplateUse::kHeader;
  return use == TemplateUse::kContent && (byte == '\n' || byte == '\r');
}

constexpr bool hasName(Variable variable) {
  return std::string_view(kVariables[static_cast<size_t>(variable)].name).ends_with('.');
}

bool isTokenByte(char byte) {
  const bool isAlphanumeric =
      (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
  return isAlphanumeric || std::string_view("!#$%&'*+-.^_`|~").find(byte) != std::string_view::npos;
}

bool isName(std::string_view name, Variable variable) {
  if (name.empty() || name.size() > kVariableNameMax) return false;
  if (variable == Variable::kField) return codec::isLogFieldName(name);
  if (variable == Variable::kQueryParameter) {
    return std::none_of(name.begin(), name.end(),
                        [](char byte) { return isControl(byte) || byte == '&' || byte == '='; });
  }
  return std::all_of(name.begin(), name.end(), isTokenByte);
}

// The head is gone when a record is written; these two texts are kept for it.
bool isRecordHeader(std::string_view name) { return name == "user-agent" || name == "referer"; }

bool isInScope(Variable variable, std::string_view name, TemplateUse use) {
  const bool isRecord = use == TemplateUse::kRecord;
  if (isRecord && variable == Variable::kHeader) return isRecordHeader(name);
  const VariableScope scope = kVariables[static_cast<size_t>(variable)].scope;
  return scope == VariableScope::kBoth || (scope == VariableScope::kRecord) == isRecord;
}

std::string lowered(std::string_view text) {
  std::string lower(text);
  for (char& byte : lower) {
    if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte | 0x20);
  }
  return lower;
}

// Finds what stands between the braces; appends it to `compiled`.
TemplateProblem compileVariable(std::string_view text, TemplateUse use, std::string* compiled) {
  for (u8 i = 0; i < static_cast<u8>(Variable::kCount); i++) {
    const Variable variable = static_cast<Variable>(i);
    const std::string_view known = kVariables[i].name;
    if (hasName(variable) ? !text.starts_with(known) : text != known) continue;
    std::string name;
    if (hasName(variable)) {
      name = text.substr(known.size());
      if (variable == Variable::kHeader) name = lowered(name);
      if (!isName(name, variable)) return TemplateProblem::kName;
    }
    if (!isInScope(variable, name, use)) return TemplateProblem::kNotHere;
    compiled->push_back(static_cast<char>(kTemplateMark));
    compiled->push_back(static_cast<char>(i));
    if (hasName(variable)) {
      compiled->push_back(static_cast<char>(name.size()));
      compiled->append(name);
    }
    return TemplateProblem::kNone;
  }
  return TemplateProblem::kUnknown;
}

// Leaves out what could end a line or worse.
void putWithoutControls(std::string_view value, codec::Writer* writer) {
  while (!value.empty()) {
    const auto end = std::find_if(value.begin(), value.end(), isControl);
    const auto length = static_cast<size_t>(end - value.begin());
    writer->putText(value.data(), length);
    value.remove_prefix(end == value.end() ? length : length + 1);
  }
}

}  // namespace

bool compileTemplate(std::string_view text, std::string* compiled, TemplateFault* fault,
                     TemplateUse use) {
  compiled->clear();
  *fault = TemplateFault{};
  const auto refuse = [&](TemplateProblem problem, size_t position, size_t length) {
    compiled->clear();
    *fault = TemplateFault{problem, position, length};
    return false;
  };
  const size_t most = use == TemplateUse::kContent ? kTemplateContentMax : kTemplateTextMax;
  if (text.size() > most) return refuse(TemplateProblem::kTooLong, most, text.size() - most);
  size_t at = 0;
  while (at < text.size()) {
    const std::string_view rest = text.substr(at);
    if (rest.starts_with("%%")) {
      compiled->push_back('%');
      at += 2;
    } else if (rest.starts_with("%{")) {
      const size_t end = rest.find('}');
      if (end == std::string_view::npos) return refuse(TemplateProblem::kUnclosed, at, 2);
      const TemplateProblem problem = compileVariable(rest.substr(2, end - 2), use, compiled);
      if (problem != TemplateProblem::kNone) return refuse(problem, at, end + 1);
      at += end + 1;
    } else {
      if (!isAllowed(text[at], use)) return refuse(TemplateProblem::kControlByte, at, 1);
      compiled->push_back(text[at++]);
    }
  }
  return true;
}

bool takePiece(std::string_view* compiled, TemplatePiece* piece) {
  if (compiled->empty()) return false;
  const size_t mark = compiled->find(static_cast<char>(kTemplateMark));
  if (mark != 0) {
    const size_t length = std::min(mark, compiled->size());
    *piece = TemplatePiece{false, Variable::kCount, compiled->substr(0, length)};
    compiled->remove_prefix(length);
    return true;
  }
  if (compiled->size() < 2) return false;
  const u8 number = static_cast<u8>((*compiled)[1]);
  if (number >= static_cast<u8>(Variable::kCount)) return false;
  const Variable variable = static_cast<Variable>(number);
  size_t used = 2;
  std::string_view name;
  if (hasName(variable)) {
    if (compiled->size() < 3) return false;
    const size_t length = static_cast<u8>((*compiled)[2]);
    if (length == 0 || length > compiled->size() - 3) return false;
    name = compiled->substr(3, length);
    used += 1 + length;
  }
  *piece = TemplatePiece{true, variable, name};
  compiled->remove_prefix(used);
  return true;
}

bool isTemplateValid(std::string_view compiled) {
  TemplatePiece piece;
  while (!compiled.empty()) {
    if (!takePiece(&compiled, &piece)) return false;
    if (!piece.isVariable || !hasName(piece.variable)) continue;
    if (!isName(piece.text, piece.variable)) return false;
  }
  return true;
}

bool expandTemplate(std::string_view compiled, const TemplateValues& values,
                    codec::Writer* writer) {
  TemplatePiece piece;
  HF_UNINITIALIZED char room[kTemplateValueRoom];
  while (takePiece(&compiled, &piece)) {
    if (piece.isVariable) {
      const std::span<char> space(room, sizeof(room));
      putWithoutControls(values.find(values.owner, piece.variable, piece.text, space), writer);
    } else {
      writer->putText(piece.text.data(), piece.text.size());
    }
  }
  return !writer->isFailed();
}

std::string_view findQueryParameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    if (pair.starts_with(name)) {
      if (pair.size() == name.size()) return {};
      if (pair[name.size()] == '=') return pair.substr(name.size() + 1);
    }
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return {};
}

}  // namespace holdfast::http
