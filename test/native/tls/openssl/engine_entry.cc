// The built-in engine as a shared library, for the test that loads it into a process without
// OpenSSL.
//
// Linked from the same objects as the tests, bound at once like the addon.
#include "tls/handshake.h"

extern "C" __attribute__((visibility("default"))) const HfTlsEngine* holdfast_tls_engine_v1();

extern "C" const HfTlsEngine* holdfast_tls_engine_v1() { return holdfast::tls::opensslEngine(); }
