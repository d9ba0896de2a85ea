// SimFilters: a filter host in the simulation, which lets everything go on, now or later.
//
// It answers some records at once, parks others, and checks what it is told: records that are
// whole, one at a time for each holder, none after its end. What it decides changes nothing that a
// peer can see, so that a world with it is judged as one without. Invariant: whoever waits is
// answered some time, unless its end comes first.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "proxy/filter_host.h"
#include "proxy/shard.h"

#include "sim/world.h"

namespace holdfast::sim {

class SimFilters {
 public:
  SimFilters(World& owner, proxy::Shard& shard) : world_(owner), shard_(shard) {}
  SimFilters(const SimFilters&) = delete;
  SimFilters& operator=(const SimFilters&) = delete;

  void attach();
  // A chain that snapshots name from now on.
  void know(u32 chain, bool isSerial) { serial_[chain] = isSerial; }
  void retire(u32 chain);
  // Thinks for long: whoever waits meets ends, deadlines and drains meanwhile.
  void slowDown() { isSlow_ = true; }
  // Answers one that waits, or with `isAll` every one. True when there was one.
  bool answerLate(bool isAll);
  // Bytes of messages that it was shown: each once, so that seeing more is progress.
  [[nodiscard]] u64 shownBytes() const { return shownBytes_; }
  // How those ended that waited still, by the reason that filters were told.
  [[nodiscard]] const std::map<std::string, u64>& endsWaiting() const { return endsWaiting_; }
  // When the world is over: nobody waits, and what was retired is gone.
  void judge();

 private:
  // Holder and handle; messages have a direction too.
  struct Waiting {
    u32 what = 0;
    u32 index = 0;
    u32 generation = 0;
    bool isFromEndpoint = false;

    bool operator<(const Waiting& other) const;
  };

  void run(u32 words);
  void check(u32 at, u32 words);
  u32 write(u32 at, const Waiting& waiting, u32 record, proxy::FilterVerdict verdict);
  u32 putLogged(u32* answer);
  void takeEnd(u32 at);

  World& world_;
  proxy::Shard& shard_;
  std::vector<u32> inWords_, outWords_;
  std::vector<u8> inBytes_, outBytes_;
  std::set<Waiting> waiting_;
  std::map<u32, bool> serial_;
  std::set<u32> retired_;
  bool isSlow_ = false;
  u64 shownBytes_ = 0;
  std::map<std::string, u64> endsWaiting_;
};

}  // namespace holdfast::sim
