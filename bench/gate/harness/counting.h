// What the harness counts while the core runs: allocations, and system calls by a tracing parent.
//
// `Counted` marks the time inside the core. Allocations are counted by the program's own malloc;
// system calls by a parent process that traces this one (`traceSyscalls`), which sees every call
// whatever library makes it. Under callgrind neither is used: its own toggle counts instructions.
// Invariant: what happens outside a Counted is never counted.
#pragma once

#include <cstdint>

namespace holdfast::gate {

struct Counts {
  std::uint64_t syscalls = 0;
  std::uint64_t allocations = 0;
};

// Inside it, this thread runs the core. Not nested.
class Counted {
 public:
  Counted();
  ~Counted();
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
};

// So far. System calls are 0 when nobody traces this process.
Counts counts();
bool isTraced();

// Runs `body` in a child that this process traces and returns its exit code. Where tracing is not
// allowed, runs it here.
int traceSyscalls(int (*body)(int, char**), int argc, char** argv);

}  // namespace holdfast::gate
