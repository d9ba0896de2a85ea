// Route tables: hosts, paths, conditions, their order, splits, rewrites, and
// what is refused.
#include "http/route_table.h"

#include <set>

#include "http/route_world.h"
#include "runtime/random.h"

namespace holdfast::http {
namespace {

int pathRoute(TestTable& table, const std::string& path) {
  TestRequest request;
  request.path = path;
  return table.routeOf(request);
}

int hostRoute(TestTable& table, const std::string& host) {
  TestRequest request;
  request.host = host;
  return table.routeOf(request);
}

TEST(hostsAreExactThenTheLongestWildcardThenTheDefault) {
  const std::vector<RouteParts> any = {RouteParts{}};
  TestTable table(
      {{hostOf(any, {"a.example", "B.Example"}), hostOf(any, {"*.example"}),
        hostOf(any, {"*.sub.example"}), hostOf(any, {"*"}), hostOf(any, {"[2001:db8::1]"}),
        hostOf(any, {"*.very.long.name.of.a.host.example", "sub.example"})}});
  CHECK_EQ(hostRoute(table, "a.example"), 0);
  CHECK_EQ(hostRoute(table, "b.example"), 0);
  CHECK_EQ(hostRoute(table, "c.example"), 1);
  CHECK_EQ(hostRoute(table, "x.a.example"), 1);
  CHECK_EQ(hostRoute(table, "sub.example"), 5);
  CHECK_EQ(hostRoute(table, "x.sub.example"), 2);
  CHECK_EQ(hostRoute(table, "x.y.sub.example"), 2);
  CHECK_EQ(hostRoute(table, "example"), 3);
  CHECK_EQ(hostRoute(table, ".example"), 3);
  CHECK_EQ(hostRoute(table, "xexample"), 3);
  CHECK_EQ(hostRoute(table, ""), 3);
  CHECK_EQ(hostRoute(table, "[2001:db8::1]"), 4);
  CHECK_EQ(hostRoute(table, "x.very.long.name.of.a.host.example"), 5);
  std::string deep = "sub.example";
  for (int i = 0; i < 100; ++i) deep = "x." + deep;
  CHECK_EQ(hostRoute(table, deep), 2);
}

TEST(withoutADefaultOtherHostsHaveNoRoute) {
  TestTable table({{hostOf({RouteParts{}}, {"a.example"}),
                    hostOf({routeTo(PathKind::kExact, "/x")}, {"b.example"})}});
  CHECK_EQ(hostRoute(table, "c.example"), -1);
  CHECK(!table.match({"c.example"}).isFound());
  // A host without a matching route does not fall back to another one.
  const RouteMatch match = table.match({"b.example", "/y"});
  CHECK(!match.isFound());
  CHECK_EQ(match.host, 1);
  TestTable empty({});
  CHECK_EQ(hostRoute(empty, "a.example"), -1);
  CHECK(!RouteTable().match({}, nullptr).isFound());
}

TEST(prefixesMatchByBytesOrBySegments) {
  TestTable table(
      {{hostOf({routeTo(PathKind::kPrefix, "/api"), routeTo(PathKind::kSegments, "/seg"),
                routeTo(PathKind::kSegments, "/cut/"), routeTo(PathKind::kExact, "/e/"),
                routeTo(PathKind::kRegex, "/r/[0-9]+")})}});
  CHECK_EQ(pathRoute(table, "/api"), 0);
  CHECK_EQ(pathRoute(table, "/apix/y"), 0);
  CHECK_EQ(pathRoute(table, "/ap"), -1);
  CHECK_EQ(pathRoute(table, "/seg"), 1);
  CHECK_EQ(pathRoute(table, "/seg/"), 1);
  CHECK_EQ(pathRoute(table, "/seg/x"), 1);
  CHECK_EQ(pathRoute(table, "/segx"), -1);
  CHECK_EQ(pathRoute(table, "/cut"), 2);
  CHECK_EQ(pathRoute(table, "/cut/x"), 2);
  CHECK_EQ(pathRoute(table, "/cutx"), -1);
  CHECK_EQ(pathRoute(table, "/e/"), 3);
  CHECK_EQ(pathRoute(table, "/e"), -1);
  CHECK_EQ(pathRoute(table, "/r/12"), 4);
  CHECK_EQ(pathRoute(table, "/r/12/"), -1);
  CHECK_EQ(pathRoute(table, ""), -1);
}

TEST(theAsteriskIsAPathOfItsOwn) {
  TestTable table({{hostOf(
      {RouteParts{}, routeTo(PathKind::kSegments, "/"), routeTo(PathKind::kExact, "*")})}});
  CHECK_EQ(pathRoute(table, "*"), 2);
  CHECK_EQ(pathRoute(table, "/"), 1);
  TestTable without({{hostOf({RouteParts{}, routeTo(PathKind::kSegments, "/")})}});
  CHECK_EQ(pathRoute(without, "*"), -1);
}

TEST(specificityOrdersRoutes) {
  RouteParts post = routeTo(PathKind::kPrefix, "/api/v1");
  post.methods = 1u << 2;
  RouteParts header = routeTo(PathKind::kPrefix, "/api/v1");
  header.headers = {{"x-a", ConditionKind::kPresent}};
  RouteParts twoHeaders = header;
  twoHeaders.headers.push_back({"x-b", ConditionKind::kPresent});
  RouteParts query = routeTo(PathKind::kPrefix, "/api/v1");
  query.query = {{"q", ConditionKind::kPresent}};
  std::vector<RouteParts> routes = {
      routeTo(PathKind::kPrefix, "/"),  // 0
      routeTo(PathKind::kRegex,
              ".*\\.png"),                     // 1: before the prefix /, which says nothing
      routeTo(PathKind::kPrefix, "/api"),      // 2
      routeTo(PathKind::kRegex, "/api/.*/x"),  // 3: longer than /api
      routeTo(PathKind::kSegments, "/api"),    // 4: before the plain /api
      routeTo(PathKind::kPrefix, "/api/v1"),   // 5
      query,                                   // 6
      header,                                  // 7
      twoHeaders,                              // 8
      post,                                    // 9
      routeTo(PathKind::kExact, "/api/v1"),    // 10
      routeTo(PathKind::kRegex,
              "/api/v1.*"),  // 11: as long as the prefix, so before it
      routeTo(PathKind::kRegex,
              "/api/v1[a-z]"),  // 12: the same, but listed later
  };
  TestTable table({{hostOf(routes)}});
  CHECK_EQ(pathRoute(table, "/a.png"), 1);
  CHECK_EQ(pathRoute(table, "/a.gif"), 0);
  CHECK_EQ(pathRoute(table, "/api"), 4);
  CHECK_EQ(pathRoute(table, "/apix"), 2);
  CHECK_EQ(pathRoute(table, "/api/y.png"), 4);
  CHECK_EQ(pathRoute(table, "/api/y/x"), 3);
  CHECK_EQ(pathRoute(table, "/api/v1"), 10);
  CHECK_EQ(pathRoute(table, "/api/v1z"), 11);

  routes.resize(11);
  TestTable plain({{hostOf(routes)}});
  TestRequest request;
  request.path = "/api/v1/x";
  CHECK_EQ(plain.routeOf(request), 5);
  request.query = "q";
  CHECK_EQ(plain.routeOf(request), 6);
  request.headers = {{"x-a", ""}};
  CHECK_EQ(plain.routeOf(request), 7);
  request.headers.emplace_back("x-b", "");
  CHECK_EQ(plain.routeOf(request), 8);
  request.method = 2;
  CHECK_EQ(plain.routeOf(request), 9);
  request.path = "/api/v1";
  CHECK_EQ(plain.routeOf(request), 10);
}

TEST(listedRoutesAreTakenInTheirOrder) {
  HostParts host =
      hostOf({routeTo(PathKind::kRegex, ".*\\.png"), routeTo(PathKind::kPrefix, "/api"),
              routeTo(PathKind::kPrefix, "/api/v1"), routeTo(PathKind::kExact, "/api/v1"),
              routeTo(PathKind::kExact, "/e"), routeTo(PathKind::kPrefix, "/")});
  host.order = RouteOrder::kListed;
  TestTable table({{host}});
  CHECK_EQ(pathRoute(table, "/api/v1/x.png"), 0);
  CHECK_EQ(pathRoute(table, "/api/v1"), 1);
  CHECK_EQ(pathRoute(table, "/e"), 4);
  CHECK_EQ(pathRoute(table, "/ex"), 5);
}

int conditionRoute(ConditionParts condition, const TestRequest& request, bool isQuery = false) {
  RouteParts route;
  (isQuery ? route.query : route.headers).push_back(std::move(condition));
  TestTable table({{hostOf({route})}});
  return table.routeOf(request);
}

TEST(conditionsHoldForAnyValueOfTheName) {
  TestRequest request;
  request.headers = {{"x-a", "one"}, {"other", "x"}, {"x-a", "two"}};
  request.query = "a=1&b=2&a=3&flag&c=&d=x=y";
  struct Row {
    ConditionParts condition;
    bool isQuery;
    bool isFulfilled;
  };
  using K = ConditionKind;
  const Row rows[] = {
      {{"X-A", K::kExact, "one"}, false, true},  {{"x-a", K::kExact, "two"}, false, true},
      {{"x-a", K::kExact, "ONE"}, false, false}, {{"x-a", K::kExact, "on"}, false, false},
      {{"x-a", K::kPrefix, "tw"}, false, true},  {{"x-a", K::kSuffix, "ne"}, false, true},
      {{"x-a", K::kSuffix, "on"}, false, false}, {{"x-a", K::kRegex, "t.o"}, false, true},
      {{"x-a", K::kRegex, "t"}, false, false},   {{"x-a", K::kPresent}, false, true},
      {{"x-b", K::kPresent}, false, false},      {{"x-b", K::kExact, ""}, false, false},
      {{"a", K::kExact, "1"}, true, true},       {{"a", K::kExact, "3"}, true, true},
      {{"a", K::kExact, "2"}, true, false},      {{"A", K::kPresent}, true, false},
      {{"flag", K::kPresent}, true, true},       {{"flag", K::kExact, ""}, true, true},
      {{"fla", K::kPresent}, true, false},       {{"c", K::kExact, ""}, true, true},
      {{"d", K::kExact, "x=y"}, true, true},     {{"d", K::kRegex, "x=[yz]"}, true, true},
      {{"1", K::kPresent}, true, false},
  };
  for (const Row& row : rows) {
    CHECK_EQ(conditionRoute(row.condition, request, row.isQuery), row.isFulfilled ? 0 : -1);
    ConditionParts inverted = row.condition;
    inverted.isInverted = true;
    CHECK_EQ(conditionRoute(inverted, request, row.isQuery), row.isFulfilled ? -1 : 0);
  }
}

TEST(methodsAreBits) {
  RouteParts route;
  route.methods = 1u << 0 | 1u << 31;
  TestTable table({{hostOf({route})}});
  for (u8 method = 0; method < kMethodsMax; ++method) {
    TestRequest request;
    request.method = method;
    CHECK_EQ(table.routeOf(request), method == 0 || method == 31 ? 0 : -1);
  }
}

TEST(splitsFollowTheirWeights) {
  RouteParts route;
  route.splits = {{7, 1}, {8, 0}, {9, 3}};
  RouteParts single;
  single.splits = {{4, 100}};
  TestTable table({{hostOf({route, single, RouteParts{}})}});
  CHECK_EQ(table.table().routeCount(), 3);
  CHECK_EQ(table.table().pickCluster(0, 0), 7);
  CHECK_EQ(table.table().pickCluster(0, 0x3fffffff), 7);
  CHECK_EQ(table.table().pickCluster(0, 0x40000000), 9);
  CHECK_EQ(table.table().pickCluster(0, 0xffffffff), 9);
  CHECK_EQ(table.table().pickCluster(1, 0xffffffff), 4);
  CHECK_EQ(table.table().pickCluster(2, 5), kNoIndex);
  CHECK_EQ(table.table().pickCluster(3, 5), kNoIndex);
  Random random(3);
  u32 first = 0;
  for (u32 i = 0; i < 4000; ++i)
    first += table.table().pickCluster(0, random.nextU32()) == 7 ? 1 : 0;
  CHECK(first > 850 && first < 1150);
}

RouteParts rewriting(PathKind kind, std::string path, RewriteKind how, std::string text,
                     std::string pattern = "") {
  RouteParts parts = routeTo(kind, std::move(path));
  parts.rewrite = {how, std::move(pattern), std::move(text)};
  return parts;
}

TEST(pathsAreRewritten) {
  const RewriteKind prefix = RewriteKind::kPrefix;
  const RewriteKind regex = RewriteKind::kRegex;
  TestTable table({{hostOf({
      rewriting(PathKind::kPrefix, "/api", prefix, "/v2"),   // 0
      rewriting(PathKind::kSegments, "/api/", prefix, "/"),  // 1
      rewriting(PathKind::kSegments, "/", prefix, "/v2/"),   // 2
      rewriting(PathKind::kExact, "/old", prefix, "/new"),   // 3
      rewriting(PathKind::kPrefix, "/", regex, "/\\2/\\1",
                "^/([^/]*)/([^/]*)"),                     // 4
      rewriting(PathKind::kPrefix, "/", regex, "", "x"),  // 5
      rewriting(PathKind::kPrefix, "/", prefix, "/v2/"),  // 6
      RouteParts{},                                       // 7
  })}});
  CHECK_EQ(table.rewritten(0, "/api/x"), "/v2/x");
  CHECK_EQ(table.rewritten(0, "/apix"), "/v2x");
  CHECK_EQ(table.rewritten(1, "/api/x"), "/x");
  CHECK_EQ(table.rewritten(1, "/api"), "/");
  CHECK_EQ(table.rewritten(1, "/api/"), "/");
  CHECK_EQ(table.rewritten(2, "/x"), "/v2/x");
  CHECK_EQ(table.rewritten(3, "/old"), "/new");
  CHECK_EQ(table.rewritten(4, "/a/b/c"), "/b/a/c");
  CHECK_EQ(table.rewritten(6, "/a"), "/v2/a");
  CHECK_EQ(table.rewritten(7, "/a%2Fb/../c"), "/a%2Fb/../c");
  CHECK_EQ(table.rewritten(8, "/a"), "failed");
  CHECK_EQ(table.rewritten(0, "/a"), "failed");
  CHECK_EQ(table.rewritten(0, "/a;v/pi"), "failed");
  CHECK_EQ(table.rewritten(7, "/" + std::string(256, 'a')), "failed");
  // What is left must be a path that nobody has to normalise.
  CHECK_EQ(table.rewritten(5, "/ax/b"), "/a/b");
  CHECK_EQ(table.rewritten(5, "/.x./b"), "failed");
  CHECK_EQ(table.rewritten(5, "/a/.x"), "failed");
  CHECK_EQ(table.rewritten(5, "/a/.x/b"), "failed");
  CHECK_EQ(table.rewritten(5, "/a/..xb"), "/a/..b");
  CHECK_EQ(table.rewritten(5, "/%x2e"), "failed");
  CHECK_EQ(table.rewritten(5, "/%2xF"), "failed");
  CHECK_EQ(table.rewritten(5, "/%x5c"), "failed");
  CHECK_EQ(table.rewritten(5, "/%x00"), "failed");
  CHECK_EQ(table.rewritten(5, "/%x"), "failed");
  CHECK_EQ(table.rewritten(5, "/%2x0"), "/%20");
  CHECK_EQ(table.rewritten(4, "//b/c"), "/b//c");
}

TEST(everyFaultIsToldWithItsPlace) {
  RouteParts bad;
  bad.pathKind = PathKind::kRegex;
  bad.path = "/a(";
  bad.headers = {{"x y", ConditionKind::kPresent}, {"ok", ConditionKind::kRegex, "*"}};
  bad.query = {{"", ConditionKind::kPresent}};
  bad.splits = {{0, 0}};
  bad.rewrite = {RewriteKind::kPrefix, "", "/x"};
  RouteParts form = routeTo(PathKind::kPrefix, "api");
  form.rewrite = {RewriteKind::kRegex, "(a)", "/\\2"};
  RouteParts bytes;
  bytes.rewrite = {RewriteKind::kPrefix, "", "/a?b"};
  RouteParts weights;
  weights.splits = {{0, 0xffffffff}, {1, 1}};
  RouteParts many;
  many.headers.resize(kRouteConditionsMax + 1, {"a", ConditionKind::kPresent});
  RouteParts relative;
  relative.rewrite = {RewriteKind::kPrefix, "", "x"};
  RouteTableParts parts;
  parts.hosts = {hostOf({bad, form, bytes, weights, many, relative}, {"a.example", "a..b"}),
                 hostOf({}, {"*", "A.example"}), hostOf({}, {"*"}), hostOf({}, {})};
  std::vector<u8> flat;
  std::vector<RouteFault> faults;
  CHECK(!compileRouteTable(parts, &flat, &faults));
  CHECK(flat.empty());
  std::multiset<std::string> told;
  for (const RouteFault& fault : faults) {
    told.insert(std::to_string(fault.host) + "/" + std::to_string(static_cast<int>(fault.route)) +
                "/" + std::to_string(static_cast<int>(fault.place)) + "/" +
                std::to_string(fault.index) + " " + std::to_string(static_cast<int>(fault.kind)) +
                "@" + std::to_string(fault.regex.position));
  }
  const auto row = [](int host, int route, RoutePlace place, int index, RouteFaultKind kind,
                      int position = 0) {
    return std::to_string(host) + "/" + std::to_string(route) + "/" +
           std::to_string(static_cast<int>(place)) + "/" + std::to_string(index) + " " +
           std::to_string(static_cast<int>(kind)) + "@" + std::to_string(position);
  };
  using P = RoutePlace;
  using F = RouteFaultKind;
  const std::multiset<std::string> expected = {
      row(0, -1, P::kName, 1, F::kHostName),
      row(0, 0, P::kPath, 0, F::kRegex, 2),
      row(0, 0, P::kHeader, 0, F::kFieldName),
      row(0, 0, P::kHeader, 1, F::kRegex),
      row(0, 0, P::kQuery, 0, F::kEmpty),
      row(0, 0, P::kSplit, 0, F::kWeight),
      row(0, 0, P::kRewrite, 0, F::kRewriteRoute),
      row(0, 1, P::kPath, 0, F::kPathForm),
      row(0, 1, P::kRewrite, 0, F::kRewriteText, 1),
      row(0, 2, P::kRewrite, 0, F::kPathBytes, 2),
      row(0, 3, P::kSplit, 0, F::kWeight),
      row(0, 4, P::kHeader, 0, F::kTooMany),
      row(0, 5, P::kRewrite, 0, F::kPathForm),
      row(1, -1, P::kName, 1, F::kHostTwice),
      row(2, -1, P::kName, 0, F::kHostTwice),
      row(3, -1, P::kName, 0, F::kEmpty),
  };
  CHECK_EQ(told.size(), expected.size());
  for (const std::string& line : expected) {
    if (!CHECK(told.count(line) == 1)) check::fail(__FILE__, __LINE__, line);
  }
}

TEST(pathsAreKeptInTheFormOfRequests) {
  TestTable table(
      {{hostOf({routeTo(PathKind::kExact, "/caf%c3%a9"), routeTo(PathKind::kPrefix, "/%61pi%2f"),
                routeTo(PathKind::kPrefix, "/."), routeTo(PathKind::kSegments, "/a%20b"),
                routeTo(PathKind::kExact, "/.well-known/...")})}});
  CHECK_EQ(pathRoute(table, "/caf%C3%A9"), 0);
  CHECK_EQ(pathRoute(table, "/api%2Fx"), 1);
  CHECK_EQ(pathRoute(table, "/.git"), 2);
  CHECK_EQ(pathRoute(table, "/a%20b/c"), 3);
  CHECK_EQ(pathRoute(table, "/.well-known/..."), 4);
  struct Row {
    const char* path;
    PathKind kind;
    RouteFaultKind fault;
    u32 position;
  };
  using F = RouteFaultKind;
  const Row rows[] = {
      {"", PathKind::kPrefix, F::kPathForm, 0},
      {"*", PathKind::kPrefix, F::kPathForm, 0},
      {"/a b", PathKind::kPrefix, F::kPathBytes, 2},
      {"/a?b", PathKind::kExact, F::kPathBytes, 2},
      {"/#", PathKind::kExact, F::kPathBytes, 1},
      {"/caf\xc3\xa9", PathKind::kSegments, F::kPathBytes, 4},
      {"/a\\b", PathKind::kExact, F::kPathBytes, 2},
      {"/%", PathKind::kPrefix, F::kPathEscape, 1},
      {"/a%2", PathKind::kPrefix, F::kPathEscape, 2},
      {"/a%2g", PathKind::kPrefix, F::kPathEscape, 2},
      {"/%00", PathKind::kPrefix, F::kPathEscape, 1},
      {"/%5c", PathKind::kPrefix, F::kPathEscape, 1},
      {"/..", PathKind::kExact, F::kPathDots, 0},
      {"/a/./b", PathKind::kPrefix, F::kPathDots, 0},
      {"/a/%2e%2E", PathKind::kSegments, F::kPathDots, 0},
  };
  for (const Row& row : rows) {
    std::vector<u8> flat;
    std::vector<RouteFault> faults;
    CHECK(!compileRouteTable({{hostOf({routeTo(row.kind, row.path)})}}, &flat, &faults));
    const bool isOne = CHECK_EQ(faults.size(), 1) && CHECK_EQ(faults[0].kind, row.fault) &&
                       CHECK_EQ(faults[0].regex.position, row.position);
    if (!isOne) check::fail(__FILE__, __LINE__, row.path);
  }
}

TEST(hostNamesHaveTheirForm) {
  for (const char* name : {"a", "a-b.c_d", "1.2.3.4", "[::1]", "*.a", "*", "A.B"}) {
    TestTable table({{hostOf({RouteParts{}}, {name})}});
  }
  for (const std::string& name :
       {std::string(""), std::string("a.*"), std::string("*a.b"), std::string("a b"),
        std::string("a:80"), std::string("."), std::string(".a"), std::string("a."),
        std::string("*."), std::string("*.*"), std::string("**"), std::string("["),
        std::string("[::1"), std::string("[x]"), std::string(256, 'a'), std::string("\xc3\xa9")}) {
    std::vector<u8> flat;
    std::vector<RouteFault> faults;
    const bool isCompiled = compileRouteTable({{hostOf({}, {name})}}, &flat, &faults);
    if (!CHECK(!isCompiled)) check::fail(__FILE__, __LINE__, name);
  }
}

TEST(aTableIsPositionIndependentAndCheckedWhole) {
  RouteParts route = routeTo(PathKind::kRegex, "/a(b|c)*");
  route.headers = {{"x", ConditionKind::kRegex, "y+"}};
  route.rewrite = {RewriteKind::kRegex, "(a)", "/\\1"};
  TestTable table({{hostOf({route, routeTo(PathKind::kExact, "/x")}, {"a.example", "*.b"})}});
  const std::vector<u8> moved = table.bytes();
  RouteTable other;
  CHECK(other.attach(moved));
  CHECK_EQ(other.match({"a.example", "/x"}, nullptr).route, 1);
  for (size_t length = 0; length < moved.size(); length += 8) {
    RouteTable cut;
    CHECK(!cut.attach(std::span(moved).first(length)));
    CHECK(cut.isEmpty());
  }
  // A failed check leaves the table as it was.
  CHECK(!other.attach({}));
  CHECK_EQ(other.routeCount(), 2);
  RouteTable again;
  again.attachChecked(moved);
  CHECK_EQ(again.routeCount(), 2);
}

}  // namespace
}  // namespace holdfast::http
