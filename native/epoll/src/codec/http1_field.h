// The fields that the gateway knows by name, and what it does with each.
//
// A head's table of fields carries a FieldId for each, so that nothing above compares names.
// Invariant: classification is one hash and one comparison, and the hash has no collisions: the
// compiler looks for its multiplier and fails when there is none. At most 64, so that sets of them
// are one word. Does not know values.
#pragma once

#include <span>
#include <string_view>

#include "codec/http1_bytes.h"

namespace holdfast::http1 {

#define HF_HTTP1_FIELDS(FIELD)                                 \
  FIELD(kHost, "host")                                         \
  FIELD(kContentLength, "content-length")                      \
  FIELD(kTransferEncoding, "transfer-encoding")                \
  FIELD(kConnection, "connection")                             \
  FIELD(kKeepAlive, "keep-alive")                              \
  FIELD(kProxyConnection, "proxy-connection")                  \
  FIELD(kTe, "te")                                             \
  FIELD(kTrailer, "trailer")                                   \
  FIELD(kUpgrade, "upgrade")                                   \
  FIELD(kHttp2Settings, "http2-settings")                      \
  FIELD(kExpect, "expect")                                     \
  FIELD(kMaxForwards, "max-forwards")                          \
  FIELD(kAuthorization, "authorization")                       \
  FIELD(kProxyAuthorization, "proxy-authorization")            \
  FIELD(kProxyAuthenticate, "proxy-authenticate")              \
  FIELD(kProxyAuthenticationInfo, "proxy-authentication-info") \
  FIELD(kWwwAuthenticate, "www-authenticate")                  \
  FIELD(kCookie, "cookie")                                     \
  FIELD(kSetCookie, "set-cookie")                              \
  FIELD(kSecWebSocketKey, "sec-websocket-key")                 \
  FIELD(kSecWebSocketAccept, "sec-websocket-accept")           \
  FIELD(kSecWebSocketVersion, "sec-websocket-version")         \
  FIELD(kSecWebSocketProtocol, "sec-websocket-protocol")       \
  FIELD(kSecWebSocketExtensions, "sec-websocket-extensions")   \
  FIELD(kXForwardedFor, "x-forwarded-for")                     \
  FIELD(kXForwardedProto, "x-forwarded-proto")                 \
  FIELD(kXForwardedHost, "x-forwarded-host")                   \
  FIELD(kXForwardedPort, "x-forwarded-port")                   \
  FIELD(kXForwardedPrefix, "x-forwarded-prefix")               \
  FIELD(kXRealIp, "x-real-ip")                                 \
  FIELD(kXOriginalUrl, "x-original-url")                       \
  FIELD(kXRewriteUrl, "x-rewrite-url")                         \
  FIELD(kXHttpMethodOverride, "x-http-method-override")        \
  FIELD(kForwarded, "forwarded")                               \
  FIELD(kVia, "via")                                           \
  FIELD(kTraceparent, "traceparent")                           \
  FIELD(kTracestate, "tracestate")                             \
  FIELD(kXRequestId, "x-request-id")                           \
  FIELD(kUserAgent, "user-agent")                              \
  FIELD(kReferer, "referer")                                   \
  FIELD(kOrigin, "origin")                                     \
  FIELD(kAccept, "accept")                                     \
  FIELD(kAcceptEncoding, "accept-encoding")                    \
  FIELD(kAcceptLanguage, "accept-language")                    \
  FIELD(kContentType, "content-type")                          \
  FIELD(kContentEncoding, "content-encoding")                  \
  FIELD(kContentRange, "content-range")                        \
  FIELD(kCacheControl, "cache-control")                        \
  FIELD(kPragma, "pragma")                                     \
  FIELD(kDate, "date")                                         \
  FIELD(kEtag, "etag")                                         \
  FIELD(kLocation, "location")                                 \
  FIELD(kRange, "range")                                       \
  FIELD(kIfRange, "if-range")                                  \
  FIELD(kRetryAfter, "retry-after")                            \
  FIELD(kLastEventId, "last-event-id")

enum class FieldId : u8 {
  kOther,
#define HF_FIELD_ID(id, name) id,
  HF_HTTP1_FIELDS(HF_FIELD_ID)
#undef HF_FIELD_ID
      kCount,
};
inline constexpr size_t kFieldIdCount = static_cast<size_t>(FieldId::kCount);

// In lower case; empty for kOther.
inline constexpr std::string_view kFieldNames[] = {"",
#define HF_FIELD_NAME(id, name) name,
                                                   HF_HTTP1_FIELDS(HF_FIELD_NAME)
#undef HF_FIELD_NAME
};
static_assert(std::size(kFieldNames) == kFieldIdCount && kFieldIdCount <= 64);

// A set of known fields.
using FieldSet = u64;
template <typename... Ids>
[[nodiscard]] constexpr FieldSet setOf(Ids... ids) {
  return ((FieldSet{1} << static_cast<u32>(ids)) | ... | FieldSet{0});
}
[[nodiscard]] constexpr bool has(FieldSet set, FieldId id) {
  return (set >> static_cast<u32>(id) & 1) != 0;
}

// They belong to one connection (RFC 9110 7.6.1), to this hop's proxy, or say how the message is
// framed or where it goes. Never copied: what of them the next hop needs is written anew.
inline constexpr FieldSet kOwnFields =
    setOf(FieldId::kHost, FieldId::kContentLength, FieldId::kTransferEncoding, FieldId::kConnection,
          FieldId::kKeepAlive, FieldId::kProxyConnection, FieldId::kTe, FieldId::kUpgrade,
          FieldId::kHttp2Settings, FieldId::kProxyAuthorization, FieldId::kProxyAuthenticate,
          FieldId::kProxyAuthenticationInfo);

// Refused behind a body: whoever merged them would frame or route another message.
inline constexpr FieldSet kTrailerRefused =
    setOf(FieldId::kHost, FieldId::kContentLength, FieldId::kTransferEncoding, FieldId::kConnection,
          FieldId::kUpgrade);

// Dropped behind a body (RFC 9110 6.5.1): they steer how a message is handled before it is read.
inline constexpr FieldSet kTrailerDropped =
    kOwnFields |
    setOf(FieldId::kTrailer, FieldId::kExpect, FieldId::kMaxForwards, FieldId::kAuthorization,
          FieldId::kWwwAuthenticate, FieldId::kCookie, FieldId::kSetCookie,
          FieldId::kSecWebSocketKey, FieldId::kXForwardedFor, FieldId::kXForwardedProto,
          FieldId::kXForwardedHost, FieldId::kXForwardedPort, FieldId::kXForwardedPrefix,
          FieldId::kXRealIp, FieldId::kXOriginalUrl, FieldId::kXRewriteUrl,
          FieldId::kXHttpMethodOverride, FieldId::kForwarded, FieldId::kVia, FieldId::kTraceparent,
          FieldId::kTracestate, FieldId::kXRequestId, FieldId::kContentType,
          FieldId::kContentEncoding, FieldId::kContentRange, FieldId::kCacheControl,
          FieldId::kPragma, FieldId::kDate, FieldId::kLocation, FieldId::kRange, FieldId::kIfRange,
          FieldId::kRetryAfter);

// The field that `name` (tokens) is. O(length of the name).
[[nodiscard]] FieldId classifyField(std::span<const u8> name);

enum class Method : u8 {
  kOther,
  kGet,
  kHead,
  kPost,
  kPut,
  kDelete,
  kConnect,
  kOptions,
  kTrace,
  kPatch,
  kCount,
};
inline constexpr std::string_view kMethodNames[] = {
    "", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
};
static_assert(std::size(kMethodNames) == static_cast<size_t>(Method::kCount));

// Methods are case-sensitive (RFC 9110 9.1): `get` is another method.
[[nodiscard]] Method classifyMethod(std::span<const u8> name);

// Requests that may be sent again when nobody knows whether they arrived (RFC 9110 9.2.2).
[[nodiscard]] constexpr bool isIdempotent(Method method) {
  return method != Method::kOther && method != Method::kPost && method != Method::kPatch &&
         method != Method::kConnect;
}

}  // namespace holdfast::http1
