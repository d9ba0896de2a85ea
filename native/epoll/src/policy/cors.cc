// See cors.h. Caches are told what an answer depends on, whether the origin was allowed or not.
#include "policy/cors.h"

#include "policy/conditions.h"

namespace holdfast::policy {
namespace {

using Kind = http1::FieldEdit::Kind;

// The only value of a field; a null view when there is none or more than one.
std::string_view onlyField(const Facts& facts, std::string_view name) {
  std::string_view value;
  std::string_view second;
  const http::HeaderLookup& headers = facts.headers;
  if (headers.find == nullptr || !headers.find(headers.owner, name, 0, &value)) return {};
  return headers.find(headers.owner, name, 1, &second) ? std::string_view() : value;
}

}  // namespace

CorsVerdict answerCors(const PolicyView& view, const FlatCors& cors, const Facts& facts,
                       http::RegexScratch* scratch, Outcome* outcome) {
  const bool isAny = cors.isAnyOrigin != 0;
  const std::string_view origin = onlyField(facts, "origin");
  const bool isOptions = facts.method == static_cast<u8>(http1::Method::kOptions);
  const std::string_view asked = onlyField(facts, "access-control-request-method");
  const bool isPreflight = isOptions && origin.data() != nullptr && asked.data() != nullptr;
  FieldEdits* const to = isPreflight ? &outcome->answerFields : &outcome->responseFields;
  if (!isAny) outcome->add(to, Kind::kAdd, "Vary", "Origin");
  const bool isAllowed =
      origin.data() != nullptr && (isAny || holds(view, cors.entry, facts, scratch));
  // What an endpoint says of its own is taken out: it would allow whom the configuration does not.
  const auto say = [&](std::string_view name, bool isSaid, std::string_view value) {
    if (isSaid) outcome->add(to, Kind::kSet, name, value);
    if (!isSaid && !isPreflight) outcome->add(to, Kind::kRemove, name, {});
  };
  say("Access-Control-Allow-Origin", isAllowed, isAny ? "*" : origin);
  say("Access-Control-Allow-Credentials", isAllowed && cors.hasCredentials != 0, "true");
  if (!isPreflight) {
    say("Access-Control-Expose-Headers", isAllowed && cors.exposed.length != 0,
        view.text(cors.exposed));
    return CorsVerdict::kPasses;
  }
  if (!isAllowed) return CorsVerdict::kForeign;
  outcome->add(to, Kind::kSet, "Access-Control-Allow-Methods", view.text(cors.methods));
  const std::string_view wanted = onlyField(facts, "access-control-request-headers");
  const bool isEchoed = cors.headers.length == 0;
  const std::string_view headers = isEchoed ? wanted : view.text(cors.headers);
  if (!headers.empty()) {
    outcome->add(to, Kind::kSet, "Access-Control-Allow-Headers", headers);
    if (isEchoed) outcome->add(to, Kind::kAdd, "Vary", "Access-Control-Request-Headers");
  }
  if (cors.maxAge.length != 0) {
    outcome->add(to, Kind::kSet, "Access-Control-Max-Age", view.text(cors.maxAge));
  }
  return CorsVerdict::kAnswered;
}

}  // namespace holdfast::policy
