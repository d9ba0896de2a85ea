// Mode selftest: checks of the parts that can be checked without a network.
//
// Percentiles against sorted values, bucket edges, the schedule's spacing, and the payload's
// refusal of wrong bytes. What needs sockets is checked by the project's own tests, which run the
// modes.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>

#include "histogram.h"
#include "modes.h"
#include "origin_web.h"
#include "payload.h"
#include "schedule.h"
#include "websocket_text.h"

namespace holdfast::loadgen {

namespace {

u32 failures = 0;

void check(bool isTrue, const char* what) {
  if (isTrue) return;
  ++failures;
  std::fprintf(stderr, "loadgen: selftest failed: %s\n", what);
}

void checkHistogram() {
  for (u64 value = 1; value < Histogram::kHighestValue; value += value / 3 + 1) {
    const u32 index = Histogram::indexOf(value);
    check(Histogram::lowestOf(index) <= value && value <= Histogram::highestOf(index),
          "bucket edges");
    check(Histogram::indexOf(Histogram::lowestOf(index)) == index, "lowest value of a bucket");
    check(Histogram::indexOf(Histogram::highestOf(index)) == index, "highest value of a bucket");
  }
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> latencies(11, 1.2);
  Histogram histogram;
  std::vector<u64> values(100'000);
  for (u64& value : values) {
    value = static_cast<u64>(latencies(random)) + 1;
    histogram.record(value);
  }
  std::sort(values.begin(), values.end());
  for (const double percentile : {50.0, 90.0, 99.0, 99.9, 99.99}) {
    const double rank = std::ceil(percentile / 100 * static_cast<double>(values.size()));
    const double exact = static_cast<double>(values[static_cast<std::size_t>(rank) - 1]);
    const double found = static_cast<double>(histogram.valueAt(percentile));
    check(std::abs(found - exact) <= exact * 0.001 + 1, "percentile within three digits");
  }
}

void checkSchedule() {
  constexpr u64 kPeriodNs = kMillisecondNs;
  Schedule schedule({kPeriodNs, 1, Schedule::Arrivals::kUniform, 3});
  for (u32 index = 0; index < 100; ++index) schedule.start(index, 1000);
  std::vector<u64> last(100, 0);
  u64 before = 0;
  for (u32 step = 0; step < 10'000; ++step) {
    const Schedule::Due due = schedule.next();
    check(due.atNs >= before, "the schedule is in order");
    check(last[due.index] == 0 || due.atNs - last[due.index] == kPeriodNs,
          "each connection keeps its period");
    before = last[due.index] = due.atNs;
    schedule.advance();
  }
  check(schedule.timesUntil(1000, 1000) == 0, "no time before its own start");
  check(schedule.timesUntil(1000, 1001) == 1, "one time in the first period");
  check(schedule.timesUntil(1000, 1001 + kPeriodNs) == 2, "two times after one period");
}

void checkPayload() {
  const TcpPayload payload(64);
  char message[64];
  payload.encode(Stamp{Kind::kPublish, 0x123456789a, 42}, message);
  const Decoded decoded = payload.decode(message);
  check(decoded.state == Decoded::State::kMessage && decoded.consumed == 64, "a message decodes");
  check(decoded.stamp.intendedNs == 0x123456789a && decoded.stamp.kind == Kind::kPublish,
        "stamps survive");
  for (std::size_t size = 0; size < 64; ++size) {
    check(payload.decode(std::span<const char>(message, size)).state == Decoded::State::kNeedMore,
          "part");
  }
  message[63] = static_cast<char>(message[63] + 1);
  check(payload.decode(message).state == Decoded::State::kCorrupt, "a wrong last byte is seen");
}

// What a client's payload sends, the origin answers, and the payload understands.
void checkWeb() {
  const Stamp stamp{Kind::kEcho, 0xfedcba9876543210, 7};
  std::string answer;
  std::string event;
  const std::unique_ptr<Payload> http = createPayload("http", 100);
  std::string request(http->messageBytes(), '\0');
  http->encode(stamp, request);
  for (std::size_t size = 0; size < request.size(); ++size) {
    const std::span<const char> part(request.data(), size);
    check(answerRequest(part, answer, event).consumed == 0 && answer.empty(), "half a request");
  }
  check(answerRequest(request, answer, event).consumed == request.size(), "a request is answered");
  for (std::size_t size = 0; size < answer.size(); ++size) {
    check(
        http->decode(std::span<const char>(answer.data(), size)).state == Decoded::State::kNeedMore,
        "half an answer");
  }
  const Decoded decoded = http->decode(answer);
  check(decoded.state == Decoded::State::kMessage && decoded.consumed == answer.size() &&
            decoded.stamp.intendedNs == stamp.intendedNs && decoded.stamp.sentNs == stamp.sentNs,
        "a stamp survives HTTP");
  const std::string wrong = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
  check(http->decode(wrong).state == Decoded::State::kCorrupt, "a wrong status is seen");
  check(createPayload("http", 99)->decode(answer).state == Decoded::State::kCorrupt,
        "a wrong length is seen");
  answer.back() = '!';
  check(http->decode(answer).state == Decoded::State::kCorrupt, "a wrong last byte is seen");
}

void checkWebSocket() {
  // RFC 6455 1.3.
  check(acceptOf("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "the key's answer");
  std::string event;
  for (const u64 bytes : {64, 125, 126, 65535, 65536}) {
    const std::unique_ptr<Payload> payload = createPayload("websocket", bytes);
    std::string upgrade;
    const WebStep step = answerRequest(payload->greeting(), upgrade, event);
    check(step.next == WebStep::Next::kWebSocket, "an upgrade is answered");
    check(payload->decodeGreeting(upgrade).consumed == upgrade.size(), "and understood");
    std::string frame(payload->messageBytes(), '\0');
    payload->encode(Stamp{Kind::kEcho, 123456789, 42}, frame);
    check(frame.find("HF") == std::string::npos, "a client masks");
    std::string answer;
    check(answerFrame(frame, answer).consumed == frame.size(), "a frame is answered");
    const Decoded decoded = payload->decode(answer);
    check(decoded.state == Decoded::State::kMessage && decoded.consumed == answer.size() &&
              decoded.stamp.intendedNs == 123456789 && decoded.stamp.sentNs == 42,
          "a stamp survives WebSocket");
  }
}

void checkEvents() {
  const std::unique_ptr<Payload> payload = createPayload("events", 64);
  std::string request(payload->messageBytes(), '\0');
  std::string answer;
  std::string event;
  payload->encode(Stamp{Kind::kSubscribe, 1, 2}, request);
  check(answerRequest(request, answer, event).next == WebStep::Next::kStream, "a stream begins");
  payload->encode(Stamp{Kind::kPublish, 3, 4}, request);
  std::string published;
  check(answerRequest(request, published, event).next == WebStep::Next::kPublish, "is published");
  check(payload->decode(published).stamp.intendedNs == 3, "who publishes is answered");
  answer += event;
  const Decoded first = payload->decode(answer);
  check(first.stamp.intendedNs == 1, "the first event");
  const Decoded second = payload->decode(std::span<const char>(answer).subspan(first.consumed));
  check(second.state == Decoded::State::kMessage && second.stamp.intendedNs == 3, "the second");
}

}  // namespace

int runSelftest(Flags& flags) {
  flags.rejectUnknown();
  checkHistogram();
  checkSchedule();
  checkPayload();
  checkWeb();
  checkWebSocket();
  checkEvents();
  if (failures == 0) std::puts("selftest passed");
  return failures == 0 ? 0 : kExitFailed;
}

}  // namespace holdfast::loadgen
