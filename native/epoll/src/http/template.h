// Templates: texts with variables, `https://%{host}%{path}`, as header values, redirects, fixed
// answers and access records have them.
//
// Compiled by control code when a configuration is checked and again when a snapshot is laid flat;
// expanded by shards in place. Invariant: no text that a peer sent can end a line through one:
// literals of header values hold no control byte, and control bytes of values are left out.
// `%%` is a percent sign; a percent sign in front of anything but `{` and `%` stands for itself.
// Does not know where values come from: the exchange and the record answer.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "codec/bytes.h"
#include "runtime/base.h"

namespace holdfast::http {

// Where a variable has a value.
enum class VariableScope : u8 {
  kBoth,
  kRequest,  // not in access records: the head is gone by then
  kRecord,   // in access records only: it exists at the end of a request
};

// X(identifier, name, scope, sentence). A name that ends with a dot is followed by one of the
// user's.
#define HF_TEMPLATE_VARIABLES(X)                                                                   \
  X(ClientAddress, "client.address", kBoth,                                                        \
    "Address of the client, as a trusted PROXY header tells it.")                                  \
  X(ClientPort, "client.port", kBoth, "Port of the client.")                                       \
  X(Host, "host", kBoth, "Host of the request, lower case, without port.")                         \
  X(Method, "method", kBoth, "Method of the request.")                                             \
  X(Path, "path", kBoth, "Path of the request in normal form, before any rewrite.")                \
  X(Query, "query", kBoth, "Text behind the question mark; empty without.")                        \
  X(Target, "target", kBoth, "Path and query.")                                                    \
  X(Scheme, "scheme", kBoth, "http or https, as the client used it.")                              \
  X(Protocol, "protocol", kBoth, "HTTP/1.1 or HTTP/1.0.")                                          \
  X(RequestId, "request.id", kBoth, "Value of X-Request-Id.")                                      \
  X(TraceParent, "traceparent", kRequest, "Value of traceparent, as sent to the endpoint.")        \
  X(Route, "route", kBoth, "Name of the route.")                                                   \
  X(Cluster, "cluster", kBoth, "Name of the cluster.")                                             \
  X(Listener, "listener", kBoth, "Name of the listener.")                                          \
  X(TlsServerName, "tls.server_name", kBoth,                                                       \
    "Name that the client asked for in its TLS handshake.")                                        \
  X(TlsSubject, "tls.subject", kBoth, "Subject of the client's certificate.")                      \
  X(TlsVersion, "tls.version", kBoth, "TLS version on the client's side.")                         \
  X(Header, "header.", kBoth,                                                                      \
    "A field of the request; in records `user-agent` and `referer` only.")                         \
  X(Cookie, "cookie.", kRequest, "A cookie of the request.")                                       \
  X(QueryParameter, "query.", kBoth, "A parameter of the query, as it stands there.")              \
  X(Time, "time", kRecord, "When the request ended, RFC 3339 in UTC with milliseconds.")           \
  X(Event, "event", kRecord, "`request`, or of a WebSocket `tunnel` at its end, else `interval`.") \
  X(ConnectionId, "connection.id", kRecord,                                                        \
    "Id of the client's connection, as `holdfast conns` shows it.")                                \
  X(Status, "status", kRecord, "Status sent to the client; 0: none.")                              \
  X(Flags, "flags", kRecord, "Why it ended, a word of the table of flags.")                        \
  X(Violation, "violation", kRecord, "The rule that was broken; - for none.")                      \
  X(BytesIn, "bytes.in", kRecord, "Bytes of content from the client.")                             \
  X(BytesOut, "bytes.out", kRecord, "Bytes of content to the client.")                             \
  X(Duration, "duration", kRecord, "Microseconds from the head of the request to the end.")        \
  X(QueueTime, "duration.queue", kRecord, "Microseconds until an endpoint was chosen.")            \
  X(ConnectTime, "duration.connect", kRecord, "Microseconds to connect; 0 on a kept connection.")  \
  X(FirstByteTime, "duration.first_byte", kRecord, "Microseconds to the head of the response.")    \
  X(Attempts, "attempts", kRecord, "Endpoints that were tried.")                                   \
  X(Endpoint, "endpoint", kRecord, "Address of the endpoint.")                                     \
  X(MessagesIn, "messages.in", kRecord, "WebSocket messages from the client.")                     \
  X(MessagesOut, "messages.out", kRecord, "WebSocket messages from the endpoint.")                 \
  X(CloseCode, "close.code", kRecord, "Close code of a WebSocket; 0: none was seen.")              \
  X(Field, "field.", kRecord, "A field that a filter set for the record.")

#define HF_VARIABLE_IDENTIFIER(identifier, ...) k##identifier,
enum class Variable : u8 { HF_TEMPLATE_VARIABLES(HF_VARIABLE_IDENTIFIER) kCount };
#undef HF_VARIABLE_IDENTIFIER

struct VariableInfo {
  const char* name;
  VariableScope scope;
  const char* help;
};
#define HF_VARIABLE_ROW(identifier, name, scope, help) {name, VariableScope::scope, help},
inline constexpr VariableInfo kVariables[] = {HF_TEMPLATE_VARIABLES(HF_VARIABLE_ROW)};
#undef HF_VARIABLE_ROW

// What a template is for.
enum class TemplateUse : u8 {
  kHeader,   // a header value, Location among them
  kContent,  // an answer: line ends and tabs may stand in it
  kRecord,   // a line of the access log: tabs may stand in it
};

enum class TemplateProblem : u8 {
  kNone,
  kControlByte,
  kUnclosed,
  kUnknown,
  kName,
  kNotHere,
  kTooLong,
  kCount,
};
inline constexpr const char* kTemplateProblemTexts[] = {
    "no problem",
    "a control byte cannot stand here",
    "%{ without } behind it; %%{ stands for the characters themselves",
    "there is no such variable",
    "this is not a name, or a too long one",
    "this variable has no value here",
    "the template is too long",
};

inline constexpr size_t kTemplateTextMax = 4096;            // of header values and records
inline constexpr size_t kTemplateContentMax = 1024 * 1024;  // of answers
inline constexpr size_t kVariableNameMax = 64;              // of what follows `header.`
// Room that finders may use for a value that is not written anywhere: addresses, numbers.
inline constexpr size_t kTemplateValueRoom = 128;

struct TemplateFault {
  TemplateProblem problem = TemplateProblem::kNone;
  size_t position = 0;  // in the text, bytes
  size_t length = 0;    // of what is wrong
};

// Literal bytes stand as they are; a variable is kTemplateMark, its number, and for those with a
// name its length and the name. Empty on failure. Control code: allocates.
inline constexpr u8 kTemplateMark = 1;
[[nodiscard]] bool compileTemplate(std::string_view text, std::string* compiled,
                                   TemplateFault* fault, TemplateUse use = TemplateUse::kHeader);

// True when the bytes are what compileTemplate makes: to be asked once when they are mapped.
[[nodiscard]] bool isTemplateValid(std::string_view compiled);

// True when there are no variables: the bytes are the value.
[[nodiscard]] inline bool isPlain(std::string_view compiled) {
  return compiled.find(static_cast<char>(kTemplateMark)) == std::string_view::npos;
}

// One literal, or one variable.
struct TemplatePiece {
  bool isVariable = false;
  Variable variable = Variable::kCount;
  std::string_view text;  // the literal, or the name behind `header.`, `cookie.`, `query.`
};
// Takes the next piece off the front; false at the end, and where bytes are not valid.
[[nodiscard]] bool takePiece(std::string_view* compiled, TemplatePiece* piece);

// How values are asked for. What `find` returns may lie in `room` and is used before the next call.
struct TemplateValues {
  const void* owner = nullptr;
  std::string_view (*find)(const void* owner, Variable variable, std::string_view name,
                           std::span<char> room) = nullptr;
};

// False, and a failed writer, when there is no room.
[[nodiscard]] bool expandTemplate(std::string_view compiled, const TemplateValues& values,
                                  codec::Writer* writer);

// The parameter `name` of a query, raw, up to the next ampersand; empty when there is none.
[[nodiscard]] std::string_view findQueryParameter(std::string_view query, std::string_view name);

}  // namespace holdfast::http
