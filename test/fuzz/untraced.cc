// Where the library tells which basic blocks it runs, in programs that do not ask.
//
// Path: the asan preset's tests and worlds; fuzz targets have mutate_main.cc in its place. One
// library serves them all, so that it is compiled with sanitizers once.
// Invariant: does nothing, and as little of it as can be: it is called for every block.

extern "C" void __sanitizer_cov_trace_pc() {}
