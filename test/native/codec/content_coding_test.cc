// Accept-Encoding by the rules of RFC 9110 12.5.3 and 12.4.2, and the lists beside it.
#include "codec/content_coding.h"

#include "check.h"

namespace {

using namespace holdfast;
using namespace holdfast::codec;
using enum ContentCoding;

constexpr ContentCoding kOffered[] = {kZstd, kBrotli, kGzip};

ContentCoding chosen(std::initializer_list<std::string_view> lines) {
  AcceptedCodings accepted;
  for (const std::string_view line : lines) accepted.take(line);
  return accepted.choose(kOffered);
}

}  // namespace

TEST(contentCodingChoice) {
  struct Case {
    std::string_view line;
    ContentCoding coding;
  };
  constexpr Case kCases[] = {
      {"gzip", kGzip},
      {"gzip, br, zstd", kZstd},
      {"gzip;q=1.000,br;q=0.999", kGzip},
      {"br;q=0.1,gzip;q=0.1", kBrotli},
      {"*", kZstd},
      {"*;q=0", kCount},
      {"gzip;q=0, *", kZstd},
      {"zstd;q=0,br;q=0,*;q=0.3", kGzip},
      {"identity", kCount},
      {"identity;q=0.5, gzip;q=0.4", kCount},
      {"identity;q=0.5, gzip;q=0.5", kGzip},
      {"identity;q=0, gzip;q=0.001", kGzip},
      {"", kCount},
      {" , ,", kCount},
      {"GZIP", kGzip},
      {"x-gzip", kGzip},
      {"gzip ;\tq=0.5", kGzip},
      {"gzip;Q=1", kGzip},
      {"gzip;q=1.001", kCount},
      {"gzip;q=0.0000", kCount},
      {"gzip;q=", kCount},
      {"gzip;q=.5", kCount},
      {"gzip;q=-1", kCount},
      {"gzip;level=3", kCount},
      {"gzip;q=1;q=0", kCount},
      {"gzip, gzip;q=0", kCount},
      {"deflate, compress", kCount},
      {"gzip br", kCount},
  };
  for (const Case& each : kCases) CHECK(chosen({each.line}) == each.coding);
  CHECK(chosen({}) == kCount);
  CHECK(chosen({"gzip;q=0.5", "br"}) == kBrotli);
}

TEST(contentCodingLists) {
  CHECK(listHas("public, No-Transform", "no-transform"));
  CHECK(listHas("a;b=c,no-transform ; x", "no-transform"));
  CHECK(!listHas("no-transformed, x=no-transform", "no-transform"));
  CHECK(!listHas("", "*"));
  constexpr std::string_view kTypes = "text/*\napplication/json";
  CHECK(isTypeListed("text/html; charset=utf-8", kTypes));
  CHECK(isTypeListed("TEXT/Plain", kTypes));
  CHECK(isTypeListed(" application/JSON ;a", kTypes));
  CHECK(!isTypeListed("application/json5", kTypes));
  CHECK(!isTypeListed("textual/html", kTypes));
  CHECK(!isTypeListed("text", kTypes));
  CHECK(!isTypeListed("", kTypes));
  CHECK(!isTypeListed("text/html", ""));
}
