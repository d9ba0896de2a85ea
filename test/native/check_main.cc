// Runs the registered tests and reports them; see check.h.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "check.h"

namespace holdfast::check {
namespace {

Case* firstCase = nullptr;
Case** lastLink = &firstCase;
std::atomic<std::size_t> failuresOfTest{0};

// The path from the project's root on, wherever the build ran.
const char* shortPath(const char* file) {
  const char* start = std::strstr(file, "test/");
  return start != nullptr ? start : file;
}

bool isWanted(const Case& testCase, int argc, char** argv) {
  if (argc <= 1) return true;
  const std::string fullName = std::string(shortPath(testCase.file)) + ":" + testCase.name;
  for (int i = 1; i < argc; ++i) {
    if (fullName.find(argv[i]) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

void addCase(Case* newCase) {
  *lastLink = newCase;
  lastLink = &newCase->next;
}

void fail(const char* file, int line, std::string_view message) {
  failuresOfTest.fetch_add(1, std::memory_order_relaxed);
  std::fprintf(stderr, "%s:%d: %.*s\n", shortPath(file), line, static_cast<int>(message.size()),
               message.data());
}

std::size_t failures() { return failuresOfTest.load(std::memory_order_relaxed); }

bool isAborting(void (*body)()) {
  const pid_t child = fork();
  if (child == 0) {
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(null, STDERR_FILENO);
    // A sanitizer must not turn the abort into a report of its own.
    std::signal(SIGABRT, SIG_DFL);
    body();
    _exit(0);
  }
  int outcome = 0;
  if (child < 0 || waitpid(child, &outcome, 0) != child) return false;
  return WIFSIGNALED(outcome) && WTERMSIG(outcome) == SIGABRT;
}

}  // namespace holdfast::check

int main(int argc, char** argv) {
  using namespace holdfast::check;
  std::size_t passed = 0;
  std::size_t failed = 0;
  for (Case* testCase = firstCase; testCase != nullptr; testCase = testCase->next) {
    if (!isWanted(*testCase, argc, argv)) continue;
    failuresOfTest.store(0, std::memory_order_relaxed);
    testCase->body();
    const bool isOk = failures() == 0;
    (isOk ? passed : failed) += 1;
    std::printf("%s %s:%d %s\n", isOk ? "ok  " : "FAIL", shortPath(testCase->file), testCase->line,
                testCase->name);
    std::fflush(stdout);
  }
  std::printf("%zu passed, %zu failed\n", passed, failed);
  return failed == 0 && passed != 0 ? 0 : 1;
}
