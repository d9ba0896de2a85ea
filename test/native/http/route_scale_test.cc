// Ten thousand routes: the same answers as a naive matcher, and no more work
// than ten.
#include "http/route_table.h"
#include "http/route_world.h"
#include "runtime/random.h"

namespace holdfast::http {
namespace {

const char* const kWords[] = {"api", "v1", "v2",     "users",  "user", "posts", "a", "b",
                              "img", "x",  "orders", "static", "ws",   "chat",  "v", "admin"};

std::string randomPath(Random& random, u32 segmentsMax) {
  std::string path;
  const u32 segments = 1 + random.below(segmentsMax);
  for (u32 i = 0; i < segments; ++i) {
    path += "/";
    path += kWords[random.below(std::size(kWords))];
    if (random.chance(1, 3)) path += std::to_string(random.below(8));
  }
  if (random.chance(1, 6)) path += "/";
  return path;
}

ConditionParts randomCondition(Random& random) {
  ConditionParts condition;
  condition.name = random.chance(1, 2) ? "x-a" : "x-b";
  condition.kind = static_cast<ConditionKind>(random.below(5));
  const char* const values[] = {"1", "2", "12", "21", ""};
  condition.value = values[random.below(std::size(values))];
  if (condition.kind == ConditionKind::kRegex)
    condition.value = random.chance(1, 2) ? "1.*" : "[12]";
  condition.isInverted = random.chance(1, 4);
  return condition;
}

RouteParts randomRoute(Random& random) {
  const char* const endings[] = {"[0-9]+", ".*", "(/.*)?", "[a-z]+/[a-z]*", ".*1", "(users|v[12])"};
  RouteParts route;
  route.pathKind = static_cast<PathKind>(random.below(4));
  route.path = random.chance(1, 30) ? "/" : randomPath(random, 4);
  if (route.pathKind == PathKind::kRegex) {
    if (random.chance(1, 20)) route.path.clear();
    route.path += endings[random.below(std::size(endings))];
  }
  if (random.chance(1, 4)) route.methods = 1 + random.below(7);
  while (random.chance(1, 4) && route.headers.size() < 3) {
    route.headers.push_back(randomCondition(random));
  }
  while (random.chance(1, 6) && route.query.size() < 3) {
    route.query.push_back(randomCondition(random));
  }
  return route;
}

TestRequest randomRequest(Random& random, const RouteTableParts& parts) {
  const char* const queries[] = {"", "x-a=1", "x-b=12&x-a=2", "x-a", "&&x-a=21&x-b=", "x-ab=1"};
  const char* const hosts[] = {"h0.example",     "h1.example", "h2.example", "x.h2.example",
                               "y.x.h3.example", "h3.example", "other",      ""};
  TestRequest request;
  request.host = hosts[random.below(std::size(hosts))];
  request.path = randomPath(random, 6);
  if (random.chance(1, 2)) {
    const auto& routes = parts.hosts[random.below(static_cast<u32>(parts.hosts.size()))].routes;
    const RouteParts& route = routes[random.below(static_cast<u32>(routes.size()))];
    if (route.pathKind != PathKind::kRegex) request.path = route.path;
    if (random.chance(1, 2)) request.path += random.chance(1, 2) ? "/more1" : "x";
  }
  request.query = queries[random.below(std::size(queries))];
  request.method = static_cast<u8>(random.below(4));
  while (random.chance(1, 2) && request.headers.size() < 4) {
    request.headers.emplace_back(random.chance(1, 2) ? "x-a" : "x-b", random.chance(1, 2)   ? "1"
                                                                      : random.chance(1, 2) ? "12"
                                                                                            : "");
  }
  return request;
}

RouteTableParts randomTable(Random& random, u32 routes) {
  RouteTableParts parts;
  parts.hosts = {hostOf({}, {"h0.example", "h1.example"}),
                 hostOf({}, {"*.h2.example", "h2.example"}),
                 hostOf({}, {"*.h3.example", "*.x.h3.example"}), hostOf({})};
  parts.hosts[2].order = RouteOrder::kListed;
  parts.hosts[3].order = RouteOrder::kListed;
  for (u32 i = 0; i < routes; ++i) parts.hosts[i % 4].routes.push_back(randomRoute(random));
  return parts;
}

// Returns how many requests found a route.
u32 compare(u64 seed, u32 routes, u32 requests) {
  Random random(seed);
  const RouteTableParts parts = randomTable(random, routes);
  TestTable table(parts);
  NaiveMatcher naive(parts);
  u32 found = 0;
  for (u32 i = 0; i < requests; ++i) {
    const TestRequest request = randomRequest(random, parts);
    const int route = table.routeOf(request);
    found += route >= 0 ? 1 : 0;
    if (!CHECK_EQ(route, naive.routeOf(request))) {
      check::fail(__FILE__, __LINE__,
                  request.host + " " + request.path + " ? " + request.query + ", seed " +
                      std::to_string(seed));
      return found;
    }
  }
  return found;
}

TEST(smallTablesAgreeWithANaiveMatcher) {
  u32 found = 0;
  for (u64 seed = 1; seed <= 100; ++seed) found += compare(seed, 24, 100);
  CHECK(found > 1000 && found < 9000);
}

TEST(tenThousandRoutesAgreeWithANaiveMatcher) { CHECK(compare(1000, 10000, 500) > 250); }

// Routes as services have them: exact paths, prefixes, regular expressions,
// each service its own.
HostParts services(u32 routes) {
  HostParts host = hostOf({});
  for (u32 i = 0; i < routes; ++i) {
    const std::string base = "/svc" + std::to_string(i) + "/api";
    if (i % 3 == 0) host.routes.push_back(routeTo(PathKind::kExact, base + "/health"));
    if (i % 3 == 1) host.routes.push_back(routeTo(PathKind::kSegments, base));
    if (i % 3 == 2) host.routes.push_back(routeTo(PathKind::kRegex, base + "/[0-9]+"));
  }
  return host;
}

TEST(moreRoutesAreNotMoreWork) {
  const u32 routes = 10000;
  TestTable table({{services(routes)}});
  for (u32 i = 0; i < routes; ++i) {
    TestRequest request;
    request.path = "/svc" + std::to_string(i) + "/api";
    if (i % 3 == 0) request.path += "/health";
    if (i % 3 == 2) request.path += "/17";
    const RouteMatch match = table.match(request);
    if (!CHECK_EQ(match.route, i)) return;
    // Besides the one that is taken, at most the prefix or pattern of a service
    // whose name begins this one's.
    CHECK(match.candidates <= 5);
    request.path += "/nothing-there/or-is-it";
    CHECK(table.match(request).candidates <= 5);
  }
}

TEST(manyHostsAreNotMoreWork) {
  RouteTableParts parts;
  for (u32 i = 0; i < 5000; ++i) {
    parts.hosts.push_back(hostOf({RouteParts{}}, {"h" + std::to_string(i) + ".example",
                                                  "*.w" + std::to_string(i) + ".example"}));
  }
  TestTable table(parts);
  for (u32 i = 0; i < 5000; ++i) {
    TestRequest request;
    request.host = "h" + std::to_string(i) + ".example";
    if (!CHECK_EQ(table.match(request).route, i)) return;
    request.host = "x.y.w" + std::to_string(i) + ".example";
    if (!CHECK_EQ(table.match(request).route, i)) return;
  }
}

}  // namespace
}  // namespace holdfast::http
