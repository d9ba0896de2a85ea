// Phrases of statuses (RFC 9110 15) and the whole responses that end a connection: text that is
// ready to be sent, chosen without formatting anything.
// Invariant: every status of a violation has its response, which the tests see to.
#include <iterator>

#include "codec/http1_write.h"

namespace holdfast::http1 {

namespace {

struct StatusText {
  u16 status;
  std::string_view reason;
  std::string_view closing;  // empty where a connection never ends with this status
};

#define HF_PLAIN(status, reason) \
  { status, reason, "" }
#define HF_CLOSING(status, reason)                                                          \
  {                                                                                         \
    status, reason,                                                                         \
        "HTTP/1.1 " #status " " reason "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" \
  }

constexpr StatusText kStatusTexts[] = {
    HF_PLAIN(100, "Continue"),
    HF_PLAIN(101, "Switching Protocols"),
    HF_PLAIN(103, "Early Hints"),
    HF_PLAIN(200, "OK"),
    HF_PLAIN(201, "Created"),
    HF_PLAIN(202, "Accepted"),
    HF_PLAIN(204, "No Content"),
    HF_PLAIN(206, "Partial Content"),
    HF_PLAIN(301, "Moved Permanently"),
    HF_PLAIN(302, "Found"),
    HF_PLAIN(303, "See Other"),
    HF_PLAIN(304, "Not Modified"),
    HF_PLAIN(307, "Temporary Redirect"),
    HF_PLAIN(308, "Permanent Redirect"),
    HF_CLOSING(400, "Bad Request"),
    HF_PLAIN(401, "Unauthorized"),
    HF_CLOSING(403, "Forbidden"),
    HF_CLOSING(404, "Not Found"),
    HF_CLOSING(405, "Method Not Allowed"),
    HF_CLOSING(408, "Request Timeout"),
    HF_PLAIN(409, "Conflict"),
    HF_PLAIN(410, "Gone"),
    HF_CLOSING(413, "Content Too Large"),
    HF_CLOSING(414, "URI Too Long"),
    HF_PLAIN(415, "Unsupported Media Type"),
    HF_CLOSING(417, "Expectation Failed"),
    HF_CLOSING(421, "Misdirected Request"),
    HF_CLOSING(426, "Upgrade Required"),
    HF_CLOSING(429, "Too Many Requests"),
    HF_CLOSING(431, "Request Header Fields Too Large"),
    HF_CLOSING(500, "Internal Server Error"),
    HF_CLOSING(501, "Not Implemented"),
    HF_CLOSING(502, "Bad Gateway"),
    HF_CLOSING(503, "Service Unavailable"),
    HF_CLOSING(504, "Gateway Timeout"),
    HF_CLOSING(505, "HTTP Version Not Supported"),
};

#undef HF_PLAIN
#undef HF_CLOSING

const StatusText* findStatus(u16 status) {
  for (const StatusText& text : kStatusTexts) {
    if (text.status == status) return &text;
  }
  return nullptr;
}

}  // namespace

std::string_view reasonOf(u16 status) {
  const StatusText* const text = findStatus(status);
  return text == nullptr ? std::string_view() : text->reason;
}

std::string_view closingResponse(u16 status) {
  const StatusText* const text = findStatus(status);
  return text == nullptr || text->closing.empty() ? findStatus(400)->closing : text->closing;
}

}  // namespace holdfast::http1
