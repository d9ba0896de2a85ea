// Texts of the harness; see messages.h.
//
// Made once, outside of what is counted. Does not read messages: it compares.
#include "messages.h"

#include <string>

namespace holdfast::gate {

namespace {

constexpr std::string_view kRequest =
    "GET /bytes/64 HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: "
    "harness\r\nAccept: */*\r\n\r\n";
constexpr std::string_view kHeadEnd = "\r\n\r\n";

const std::string& response() {
  static const std::string text = std::string(
                                      "HTTP/1.1 200 OK\r\nContent-Type: "
                                      "text/plain\r\nContent-Length: 64\r\n\r\n")
                                      .append(kContent);
  return text;
}

// A whole text frame, masked with zeros or not at all.
const std::string& frame(bool isMasked) {
  static const std::string plain = std::string("\x81\x40").append(kContent);
  static const std::string masked =
      std::string("\x81\xc0").append(std::string(4, '\0')).append(kContent);
  return isMasked ? masked : plain;
}

}  // namespace

Carried carriedOf(const char* name) {
  const std::string_view carried = name == nullptr ? "tcp" : name;
  if (carried == "tcp") return Carried::kTcp;
  return carried.starts_with("websocket") ? Carried::kWebSocket : Carried::kHttp;
}

std::string_view fromClient(Carried carried) {
  if (carried == Carried::kHttp) return kRequest;
  return carried == Carried::kWebSocket ? std::string_view(frame(true)) : kContent;
}

std::string_view fromEndpoint(Carried carried) {
  if (carried == Carried::kHttp) return response();
  return carried == Carried::kWebSocket ? std::string_view(frame(false)) : kContent;
}

bool isAtEndpoint(Carried carried, std::string_view text) {
  if (carried != Carried::kHttp) return text == fromClient(carried);
  return text.starts_with("GET /bytes/64 HTTP/1.1\r\n") && text.ends_with(kHeadEnd);
}

bool isAtClient(Carried carried, std::string_view text) {
  if (carried != Carried::kHttp) return text == fromEndpoint(carried);
  return text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with(kContent);
}

}  // namespace holdfast::gate
