// Responses, good and bad, with what the codec must make of them when they
// answer a GET.
//
// As http1_cases.h, for the side that a proxy trusts too easily: an endpoint
// that sends more than was asked for desynchronises everybody behind it
// (threats row C8). Invariant: the verdict is that of the bytes followed by the
// end of the connection.
#pragma once

#include "native/codec/http1_cases.h"

namespace holdfast::http1 {

#define HF_OK "HTTP/1.1 200 OK\r\n"

inline constexpr Case kResponseCases[] = {
    {"length", HF_OK "Content-Length: 5\r\n\r\nhello"sv, "200 5"sv},
    {"no content", HF_OK "Content-Length: 0\r\n\r\n"sv, "200 0"sv},
    {"chunked", HF_OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"sv, "200 5"sv},
    {"chunked with trailers", HF_OK "Transfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\n\r\n"sv,
     "200 0 trailers"sv},
    {"until close", HF_OK "\r\nhello"sv, "200 5 close"sv},
    {"until close, nothing", HF_OK "\r\n"sv, "200 0 close"sv},
    {"close with a length", HF_OK "Content-Length: 2\r\nConnection: close\r\n\r\nab"sv,
     "200 2 close"sv},
    {"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab"sv, "200 2 close"sv},
    {"HTTP/1.0 that stays",
     "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: Keep-Alive\r\n\r\nab"sv, "200 2"sv},
    {"no reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"sv, "200 0"sv},
    {"no reason and no space", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"sv, "200 0"sv},
    {"reason with odd bytes", "HTTP/1.1 404 Nicht\tgef\xfcnd: en\r\nContent-Length: 0\r\n\r\n"sv,
     "404 0"sv},
    {"underscore", HF_OK "X_Y: z\r\nContent-Length: 0\r\n\r\n"sv, "200 0"sv},
    {"204", "HTTP/1.1 204 No Content\r\n\r\n"sv, "204 0"sv},
    {"204 with length zero", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"sv, "204 0"sv},
    {"304 with a length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"sv, "304 0"sv},
    {"304 chunked", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"sv, "304 0"sv},
    {"interim",
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: "
     "x\r\n\r\n" HF_OK "Content-Length: 1\r\n\r\nx"sv,
     "100 0 | 103 0 | 200 1"sv},
    {"two responses", HF_OK "Content-Length: 1\r\n\r\nx" HF_OK "Content-Length: 1\r\n\r\ny"sv,
     "200 1 | 200 1"sv},
    {"cut in the head", HF_OK "Content-"sv, "!truncated"sv},
    {"cut in the content", HF_OK "Content-Length: 5\r\n\r\nhell"sv, "!truncated"sv},
    {"cut in a chunk", HF_OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhel"sv, "!truncated"sv},
    {"cut before the last chunk", HF_OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"sv,
     "!truncated"sv},
    {"cut before the last CRLF", HF_OK "Transfer-Encoding: chunked\r\n\r\n0\r\n"sv, "!truncated"sv},
    {"cut in the trailers", HF_OK "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n"sv,
     "!truncated"sv},
    {"204 with content", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"sv,
     "!forbidden-content"sv},
    {"204 chunked", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"sv,
     "!forbidden-content"sv},
    {"interim with content", "HTTP/1.1 103 Early Hints\r\nContent-Length: 1\r\n\r\nx"sv,
     "!forbidden-content"sv},
    {"interim chunked", "HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"sv,
     "!forbidden-content"sv},
    {"101 that nobody asked for",
     "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"sv,
     "!unexpected-switch"sv},
    {"CL and TE", HF_OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"sv,
     "!length-and-encoding"sv},
    {"CL twice", HF_OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"sv,
     "!content-length-duplicate"sv},
    {"CL list", HF_OK "Content-Length: 5, 5\r\n\r\nhello"sv, "!content-length"sv},
    {"TE gzip", HF_OK "Transfer-Encoding: gzip\r\n\r\nx"sv, "!transfer-encoding"sv},
    {"TE in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"sv,
     "!transfer-version"sv},
    {"bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"sv, "!line-end"sv},
    {"bare CR in the reason", "HTTP/1.1 200 O\rK\r\nContent-Length: 0\r\n\r\n"sv, "!line-end"sv},
    {"NUL in the reason", "HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n"sv, "!status-line"sv},
    {"folded field", HF_OK "X: a\r\n b\r\nContent-Length: 0\r\n\r\n"sv, "!field-fold"sv},
    {"space before the colon", HF_OK "Content-Length : 0\r\n\r\n"sv, "!field-name"sv},
    {"empty line in front", "\r\n" HF_OK "Content-Length: 0\r\n\r\n"sv, "!status-line"sv},
    {"status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"sv, "!status-line"sv},
    {"status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"sv, "!status-line"sv},
    {"status 099", "HTTP/1.1 099 No\r\nContent-Length: 0\r\n\r\n"sv, "!status-line"sv},
    {"status 600", "HTTP/1.1 600 No\r\nContent-Length: 0\r\n\r\n"sv, "!status-line"sv},
    {"two spaces before the status", "HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n"sv,
     "!status-line"sv},
    {"another version", "HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n"sv, "!version"sv},
    {"another protocol", "ICY 200 OK\r\nContent-Length: 0\r\n\r\n"sv, "!status-line"sv},
    {"HTTP/0.9", "<html>hello</html>\r\n"sv, "!status-line"sv},
};

#undef HF_OK

}  // namespace holdfast::http1
