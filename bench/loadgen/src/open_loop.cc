// The open-loop engine; see open_loop.h.
//
// Drives one fleet through warm-up, window and drain. Used by the modes open, storm and slow. Does
// not open or reopen connections.
#include "open_loop.h"

#include <algorithm>
#include <cstring>

#include "flags.h"
#include "json.h"

namespace holdfast::loadgen {

namespace {

// A send this much behind its time, on a socket that would have taken it, is the generator's own
// delay.
constexpr u64 kLateNs = kMillisecondNs;
// Above this share the generator was the limit and the run is void.
constexpr double kLateShareMax = 0.005;
// Above this rate the schedule lies on a grid, so that one wake-up sends several messages: on a
// virtual machine a wake-up costs as much as the message it is for.
constexpr u64 kGridAbovePerSecond = 20'000;
constexpr u64 kGridNs = 100'000;
constexpr u64 kSettleNs = 10 * kMillisecondNs;

}  // namespace

OpenLoopOptions OpenLoopOptions::fromFlags(Flags& flags, u32 connections) {
  OpenLoopOptions options;
  options.active =
      static_cast<u32>(std::min<u64>(flags.number("active", connections), connections));
  const u64 rate = std::max<u64>(1, flags.number("rate", 1000));
  options.perSecond = static_cast<double>(rate);
  const u64 gridNs = rate > kGridAbovePerSecond ? kGridNs : 0;
  options.gridNs = flags.number("grid-us", gridNs / 1000) * 1000;
  options.warmupNs = flags.number("warmup-ms", 500) * kMillisecondNs;
  options.durationNs = flags.number("duration-ms", 2000) * kMillisecondNs;
  options.drainNs = flags.number("drain-ms", 1000) * kMillisecondNs;
  options.seed = flags.number("seed", 1);
  options.rawPath = flags.text("raw", "");
  const std::string arrivals = flags.text("arrivals", "uniform");
  if (arrivals != "uniform" && arrivals != "poisson") fail("--arrivals is uniform or poisson");
  if (arrivals == "poisson") options.arrivals = Schedule::Arrivals::kPoisson;
  if (options.active == 0) fail("--active must be above 0");
  return options;
}

OpenLoop::OpenLoop(Loop& loop, OpenLoopOptions options)
    : loop_(loop),
      options_(std::move(options)),
      schedule_(
          {static_cast<u64>(options_.active / options_.perSecond * static_cast<double>(kSecondNs)),
           options_.gridNs, options_.arrivals, options_.seed}),
      response_(kPhasesMax) {
  if (options_.rawPath.empty()) return;
  raw_ = std::fopen(options_.rawPath.c_str(), "wb");
  if (raw_ == nullptr) fail("cannot write %s: %s", options_.rawPath.c_str(), std::strerror(errno));
}

OpenLoop::~OpenLoop() { closeRaw(); }

void OpenLoop::closeRaw() {
  if (raw_ != nullptr) std::fclose(raw_);
  raw_ = nullptr;
}

void OpenLoop::run(Fleet& fleet, const Usage& usage, Companion* companion) {
  fleet_ = &fleet;
  companion_ = companion;
  senders_.resize(fleet.goal());
  const u64 start = nowNs() + kSettleNs;
  windowStartNs_ = start + options_.warmupNs;
  windowEndNs_ = windowStartNs_ + options_.durationNs;
  std::vector<u32> order(fleet.goal());
  for (u32 index = 0; index < order.size(); ++index) order[index] = index;
  std::shuffle(order.begin(), order.end(), std::mt19937_64(options_.seed));
  for (u32 place = 0; place < options_.active; ++place) schedule_.start(order[place], start);

  const auto edgeNs = [&](u32 edge) {
    if (edge == 0) return windowStartNs_;
    return edge == 1 ? windowEndNs_ : windowEndNs_ + options_.drainNs;
  };
  for (u32 edge = 0; edge < 3; ++edge) {
    for (u64 now = nowNs(); now < edgeNs(edge); now = nowNs()) {
      sendDue(now);
      const u64 companionNs = companion == nullptr ? kNever : companion->work(now);
      if (edge == 2 && answered_ + unanswered_ == sent_ && schedule_.nextNs() >= windowEndNs_)
        break;
      const u64 nextNs =
          edge == 2 && schedule_.nextNs() >= windowEndNs_ ? kNever : schedule_.nextNs();
      loop_.turn(std::min({edgeNs(edge), nextNs, companionNs}));
    }
    if (edge == 0) before_ = usage.read();
    if (edge == 1) after_ = usage.read();
  }
  countLeftovers(nowNs());
  closeRaw();
}

void OpenLoop::sendDue(u64 now) {
  for (u32 sends = 0; sends < Loop::kEventsMax; ++sends) {
    const u64 atNs = schedule_.nextNs();
    if (atNs > now || atNs >= windowEndNs_) return;
    const u32 index = schedule_.next().index;
    Sender& sender = senders_[index];
    if (fleet_->send(index, Stamp{Kind::kEcho, atNs, now}) != Fleet::SendResult::kSent) {
      sender.blocked = schedule_.takeOut();
      continue;
    }
    schedule_.advance();
    sender.waiting.push_back(atNs);
    if (atNs >= windowStartNs_) {
      ++sent_;
      const u64 readyNs = std::max(atNs, sender.unblockedNs);
      const u64 behind = now > readyNs ? now - readyNs : 0;
      lateness_.record(behind);
      late_ += behind > kLateNs ? 1 : 0;
    }
    now = nowNs();
  }
}

void OpenLoop::writable(u32 index) {
  Sender& sender = senders_[index];
  if (sender.blocked.atNs == kNever) return;
  schedule_.putBack(sender.blocked);
  sender.blocked.atNs = kNever;
  sender.unblockedNs = nowNs();
}

void OpenLoop::message(u32 index, const Stamp& stamp, u64 now) {
  if (now >= windowStartNs_ && now < windowEndNs_) ++answeredInWindow_;
  Sender& sender = senders_[index];
  if (sender.waiting.size() == sender.waitingFrom ||
      sender.waiting[sender.waitingFrom] != stamp.intendedNs) {
    ++outOfOrder_;
    return;
  }
  if (++sender.waitingFrom == sender.waiting.size()) {
    sender.waiting.clear();
    sender.waitingFrom = 0;
  }
  if (stamp.intendedNs < windowStartNs_) return;
  ++answered_;
  record(stamp.intendedNs, now);
  service_.record(now - stamp.sentNs);
  if (raw_ != nullptr) {
    const u64 row[] = {stamp.intendedNs, stamp.sentNs, now};
    std::fwrite(row, sizeof row, 1, raw_);
  }
}

void OpenLoop::record(u64 intendedNs, u64 untilNs) {
  const u32 phase = companion_ == nullptr ? 0 : companion_->phaseOf(intendedNs);
  response_[phase].record(untilNs > intendedNs ? untilNs - intendedNs : 0);
}

void OpenLoop::lost(u32 index) { countUnanswered(senders_[index], nowNs()); }

void OpenLoop::countUnanswered(Sender& sender, u64 now) {
  for (std::size_t at = sender.waitingFrom; at < sender.waiting.size(); ++at) {
    if (sender.waiting[at] < windowStartNs_) continue;
    ++unanswered_;
    record(sender.waiting[at], now);
  }
  sender.waiting.clear();
  sender.waitingFrom = 0;
}

void OpenLoop::countLeftovers(u64 now) {
  for (Sender& sender : senders_) {
    countUnanswered(sender, now);
    if (sender.blocked.atNs != kNever) countMissed(sender.blocked.atNs, now);
  }
  while (!schedule_.isEmpty()) countMissed(schedule_.takeOut().atNs, now);
}

void OpenLoop::countMissed(u64 atNs, u64 now) {
  for (u64 left = schedule_.timesUntil(atNs, windowEndNs_); left > 0;
       --left, atNs += schedule_.periodNs()) {
    if (atNs < windowStartNs_) continue;
    ++missed_;
    record(atNs, now);
  }
}

void OpenLoop::report(JsonObject& result, const Usage& usage) const {
  const double own = Usage::ownShare(before_, after_);
  const double lateShare = sent_ == 0 ? 0 : static_cast<double>(late_) / static_cast<double>(sent_);
  const char* reason = "";
  if (own > kOwnShareMax) reason = kOwnLimit;
  if (lateShare > kLateShareMax) reason = "more than 0.5 % of the sends left over 1 ms late";
  result.number("sent", sent_)
      .number("answered", answered_)
      .number("answeredInWindow", answeredInWindow_);
  result.number("missed", missed_).number("unanswered", unanswered_).number("late", late_);
  result.number("outOfOrder", outOfOrder_).number("gridNs", std::max<u64>(1, options_.gridNs));
  result.flag("limited", *reason != '\0').text("limitedReason", reason);
  result.nested("usage", usage.json(before_, after_)).nested("response", response_[0].json());
  result.nested("service", service_.json()).nested("lateness", lateness_.json());
}

}  // namespace holdfast::loadgen
