// The threads of a handshake pool and their queues.
#include "proxy/handshake_pool.h"

#include <algorithm>
#include <cstring>

#include "runtime/sys.h"

namespace holdfast::proxy {
namespace {

// One answer of an engine; a flight with a long chain takes several.
inline constexpr size_t kOutputBytes = 32 * 1024;

}  // namespace

HandshakePool::~HandshakePool() {
  for (const auto& thread : threads_) give(*thread, Task{});
  for (const auto& thread : threads_) thread->thread.join();
}

void HandshakePool::start(u32 threads) {
  for (u32 i = 0; i < std::min(threads, kHandshakeThreadsMax); i++) {
    Thread& thread = *threads_.emplace_back(std::make_unique<Thread>());
    thread.table = std::make_unique<TlsTable>(library_);
    thread.thread = std::thread([this, &thread] { run(thread); });
  }
}

void HandshakePool::applySnapshot(std::span<const int> copies) {
  HF_ASSERT(copies.size() == threads_.size());
  for (size_t i = 0; i < copies.size(); i++) {
    Task task;
    task.kind = Task::Kind::kSnapshot;
    task.config = static_cast<u32>(copies[i]);
    give(*threads_[i], std::move(task));
  }
}

u8 HandshakePool::choose() const {
  size_t best = 0;
  for (size_t i = 1; i < threads_.size(); i++) {
    if (threads_[i]->load.load() < threads_[best]->load.load()) best = i;
  }
  return static_cast<u8>(best);
}

void HandshakePool::step(u8 thread, Handle conn, u32 config, std::span<const u8> bytes) {
  Task task;
  task.kind = Task::Kind::kStep;
  task.conn = conn;
  task.config = config;
  task.bytes.assign(bytes.begin(), bytes.end());
  give(*threads_[thread], std::move(task));
}

void HandshakePool::release(u8 thread, Handle conn) {
  Task task;
  task.kind = Task::Kind::kRelease;
  task.conn = conn;
  give(*threads_[thread], std::move(task));
}

void HandshakePool::collect(std::vector<HandshakeAnswer>* out) {
  if (!hasAnswers_.load(std::memory_order_acquire)) return;
  const std::lock_guard lock(answersMutex_);
  hasAnswers_.store(false, std::memory_order_relaxed);
  for (HandshakeAnswer& answer : answers_) out->push_back(std::move(answer));
  answers_.clear();
}

void HandshakePool::give(Thread& thread, Task task) {
  thread.load.fetch_add(1);
  {
    const std::lock_guard lock(thread.mutex);
    thread.tasks.push_back(std::move(task));
  }
  thread.isWanted.notify_one();
}

void HandshakePool::run(Thread& thread) {
  for (;;) {
    Task task;
    {
      std::unique_lock lock(thread.mutex);
      thread.isWanted.wait(lock, [&thread] { return !thread.tasks.empty(); });
      task = std::move(thread.tasks.front());
      thread.tasks.pop_front();
    }
    switch (task.kind) {
      case Task::Kind::kStep:
        runStep(thread, task);
        break;
      case Task::Kind::kRelease:
        if (const auto found = thread.underWay.find(task.conn.pack());
            found != thread.underWay.end()) {
          found->second.handshake.free();
          thread.underWay.erase(found);
        }
        break;
      case Task::Kind::kSnapshot: {
        Snapshot snapshot;
        const int fd = static_cast<int>(task.config);
        // The shard has made the same configs. Where this thread cannot, its handshakes fail: what
        // it had before stands at other positions.
        const bool isApplied = snapshot.map(fd).isOk() && thread.table->apply(snapshot).isOk();
        if (!isApplied) thread.table->clear();
        sys::close(fd);
        break;
      }
      case Task::Kind::kStop:
        for (auto& [key, underWay] : thread.underWay) underWay.handshake.free();
        thread.underWay.clear();
        thread.table.reset();
        return;
    }
    thread.load.fetch_sub(1);
  }
}

void HandshakePool::runStep(Thread& thread, const Task& task) {
  HandshakeAnswer answer;
  answer.conn = task.conn;
  UnderWay& underWay = thread.underWay[task.conn.pack()];
  if (underWay.handshake.isEmpty() && task.config < thread.table->size()) {
    const TlsEntry& entry = thread.table->at(task.config);
    underWay.handshake = tls::Handshake::create(entry.engine, entry.config);
  }
  underWay.input.insert(underWay.input.end(), task.bytes.begin(), task.bytes.end());
  if (underWay.handshake.isEmpty()) {
    std::snprintf(answer.reason, sizeof(answer.reason), "no memory for a handshake");
  } else {
    HF_UNINITIALIZED u8 output[kOutputBytes];
    size_t taken = 0;
    HfTlsIo io;
    do {
      const std::span<const u8> input(underWay.input.data() + taken, underWay.input.size() - taken);
      answer.step = underWay.handshake.step(input, output, &io);
      taken += io.consumed;
      answer.output.insert(answer.output.end(), output, output + io.produced);
    } while (answer.step == HF_TLS_WANT_OUTPUT);
    underWay.input.erase(underWay.input.begin(),
                         underWay.input.begin() + static_cast<std::ptrdiff_t>(taken));
    finish(underWay, &answer);
  }
  if (answer.step != HF_TLS_WANT_INPUT) thread.underWay.erase(task.conn.pack());
  {
    const std::lock_guard lock(answersMutex_);
    answers_.push_back(std::move(answer));
    hasAnswers_.store(true, std::memory_order_release);
  }
  (void)sys::eventSignal(wakeFd_);
}

// Takes what the shard needs of a handshake that is over, and frees it.
void HandshakePool::finish(UnderWay& underWay, HandshakeAnswer* answer) {
  tls::Handshake& handshake = underWay.handshake;
  if (answer->step == HF_TLS_WANT_INPUT) return;
  if (answer->step == HF_TLS_DONE) {
    answer->agreed = std::make_unique<HfTlsNegotiated>();
    handshake.negotiated(answer->agreed.get());
    answer->rest = std::move(underWay.input);
    if (handshake.detach(&answer->keys) != HF_TLS_DONE) {
      answer->step = HF_TLS_FAILED;
      std::snprintf(answer->reason, sizeof(answer->reason),
                    "what was agreed on cannot leave the handshake's thread");
    }
  } else {
    HfTlsFailure failure;
    handshake.failure(&failure);
    std::memcpy(answer->reason, failure.reason, sizeof(answer->reason));
  }
  handshake.free();
}

}  // namespace holdfast::proxy
