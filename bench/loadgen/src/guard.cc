// Mode guard: runs a command in a process group of its own and sees to it that nothing of it stays.
//
// Whoever starts a peer starts it through this and holds the guard's stdin open: when that end
// closes, for whatever reason, the group gets SIGTERM and, two seconds later, SIGKILL. Children
// that outlive their parent come to the guard and are ended too.
// Prints the command's process id as the first line. Does not touch the command's output.
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "json.h"
#include "modes.h"

namespace holdfast::loadgen {

namespace {

constexpr int kPollMs = 20;
constexpr u64 kGraceNs = 2 * kSecondNs;

volatile std::sig_atomic_t isStopping = 0;

void stop(int) { isStopping = 1; }

// Collects ended children; true when the command itself or all its descendants are gone.
bool collect(pid_t command, bool& isCommandGone) {
  for (;;) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid == command) isCommandGone = true;
    if (pid == 0) return false;
    if (pid < 0) return errno == ECHILD;
  }
}

bool hasParentGone() {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  if (poll(&input, 1, kPollMs) <= 0) return false;
  char bytes[64];
  return read(STDIN_FILENO, bytes, sizeof bytes) <= 0;
}

}  // namespace

int runGuard(int argc, char** argv) {
  if (argc < 3) fail("guard wants a command");
  std::signal(SIGTERM, stop);
  std::signal(SIGINT, stop);
  std::signal(SIGHUP, stop);
  prctl(PR_SET_CHILD_SUBREAPER, 1UL, 0UL, 0UL, 0UL);
  const pid_t command = fork();
  if (command < 0) fail("cannot start a process: %s", std::strerror(errno));
  if (command == 0) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM, 0UL, 0UL, 0UL);
    const int nothing = open("/dev/null", O_RDONLY);
    dup2(nothing, STDIN_FILENO);
    execvp(argv[2], argv + 2);
    std::fprintf(stderr, "loadgen: cannot run %s: %s\n", argv[2], std::strerror(errno));
    std::_Exit(127);
  }
  setpgid(command, command);
  printLine(JsonObject().text("event", "started").number("pid", static_cast<u64>(command)));
  bool isCommandGone = false;
  while (isStopping == 0 && !hasParentGone()) {
    if (collect(command, isCommandGone)) return 0;
  }
  kill(-command, SIGTERM);
  for (const u64 until = nowNs() + kGraceNs; nowNs() < until; usleep(5000)) {
    if (collect(command, isCommandGone)) return 0;
  }
  kill(-command, SIGKILL);
  return 0;
}

}  // namespace holdfast::loadgen
