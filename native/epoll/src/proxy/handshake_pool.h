// HandshakePool: threads that do the handshakes of clients on behalf of one shard.
//
// Optional. A shard gives away the bytes of a handshake and gets back what is to be sent and, at
// the end, the keys; so neither private keys nor key exchange take time of its connections. A
// handshake stays on one thread, which has TLS configs of its own.
// Invariant: what is asked comes back in order for each handshake, exactly one answer for a step;
// after a release nothing comes any more that the shard has not been given already. The shard's
// thread is woken through its descriptor. Only handshakes that end detached can be done here.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "proxy/tls_table.h"

namespace holdfast::proxy {

inline constexpr u32 kHandshakeThreadsMax = 16;

// What became of one step.
struct HandshakeAnswer {
  Handle conn;
  HfTlsStep step = HF_TLS_FAILED;
  std::vector<u8> output;                   // to be sent, whatever the step is
  std::vector<u8> rest;                     // with DONE: what came behind the handshake
  std::unique_ptr<HfTlsNegotiated> agreed;  // with DONE
  tls::RecordKeys keys{};                   // with DONE; whoever takes it wipes it
  char reason[HF_TLS_REASON_BYTES_MAX + 1] = {};

  HandshakeAnswer() = default;
  HandshakeAnswer(HandshakeAnswer&&) = default;
  HandshakeAnswer& operator=(HandshakeAnswer&&) = default;
  HandshakeAnswer(const HandshakeAnswer&) = delete;
  HandshakeAnswer& operator=(const HandshakeAnswer&) = delete;
  ~HandshakeAnswer() { tls::wipe(&keys); }
};

class HandshakePool {
 public:
  // `wakeFd` is signalled when answers are there. Both outlive the pool.
  HandshakePool(const tls::TlsLibrary* library, int wakeFd) : library_(library), wakeFd_(wakeFd) {}
  HandshakePool(const HandshakePool&) = delete;
  HandshakePool& operator=(const HandshakePool&) = delete;
  // Ends the threads; what is under way is dropped.
  ~HandshakePool();

  // Starts so many threads.
  void start(u32 threads);
  // What comes later is done with this snapshot: one descriptor of it for each thread, which are
  // the pool's from here on.
  void applySnapshot(std::span<const int> copies);

  // The thread with the least to do.
  [[nodiscard]] u8 choose() const;
  // Takes a copy of the bytes. The first step of a handshake says which config it is with.
  void step(u8 thread, Handle conn, u32 config, std::span<const u8> bytes);
  // Forgets a handshake.
  void release(u8 thread, Handle conn);
  // Moves answers that are there behind `out`. Costs one load when there are none.
  void collect(std::vector<HandshakeAnswer>* out);

 private:
  struct Task {
    enum class Kind : u8 { kStep, kRelease, kSnapshot, kStop };
    Kind kind = Kind::kStop;
    Handle conn;
    u32 config = 0;  // kSnapshot: the descriptor
    std::vector<u8> bytes;
  };
  struct UnderWay {
    tls::Handshake handshake;
    std::vector<u8> input;
  };
  struct Thread {
    std::thread thread;
    std::mutex mutex;
    std::condition_variable isWanted;
    std::deque<Task> tasks;
    std::atomic<u32> load{0};
    std::unique_ptr<TlsTable> table;
    std::unordered_map<u64, UnderWay> underWay;
  };

  void give(Thread& thread, Task task);
  void run(Thread& thread);
  void runStep(Thread& thread, const Task& task);
  static void finish(UnderWay& underWay, HandshakeAnswer* answer);

  const tls::TlsLibrary* library_;
  int wakeFd_;
  std::vector<std::unique_ptr<Thread>> threads_;
  std::mutex answersMutex_;
  std::vector<HandshakeAnswer> answers_;
  std::atomic<bool> hasAnswers_{false};
};

}  // namespace holdfast::proxy
