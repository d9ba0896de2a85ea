// Runs the tests of this directory when Node loads them as an addon, on Node's own OpenSSL.
//
// Invariant: the exit code is the tests' own.
// Node-API wants this one function; the tests need nothing of it. The process ends with the result.
#include <cstdlib>

int checkMain(int argc, char** argv);

extern "C" __attribute__((visibility("default"))) void* napi_register_module_v1(void*, void*);

extern "C" void* napi_register_module_v1(void*, void*) {
  char name[] = "holdfast_tls_test";
  char filter[256] = "";
  if (const char* wanted = std::getenv("FILTER"); wanted != nullptr) {
    for (std::size_t i = 0; i + 1 < sizeof(filter) && wanted[i] != '\0'; ++i) filter[i] = wanted[i];
  }
  char* arguments[] = {name, filter, nullptr};
  std::_Exit(checkMain(filter[0] == '\0' ? 1 : 2, arguments));
}
