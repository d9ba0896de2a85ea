// Counts allocations of a whole process, for the gate: loaded with LD_PRELOAD into the product.
//
// The counts are in the file that HF_ALLOCATIONS names, shared by all threads and readable from
// outside while the process runs: one 64-bit number. Does not change what is allocated.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* memory, size_t size);
void* __libc_memalign(size_t alignment, size_t size);

static _Atomic uint64_t before_start;
static _Atomic uint64_t* count = &before_start;

__attribute__((constructor)) static void map_counts(void) {
  const char* path = getenv("HF_ALLOCATIONS");
  if (path == NULL) return;
  const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return;
  if (ftruncate(fd, sizeof(uint64_t)) == 0) {
    void* memory = mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory != MAP_FAILED) count = memory;
  }
  close(fd);
}

static void add(void) { atomic_fetch_add_explicit(count, 1, memory_order_relaxed); }

void* malloc(size_t size) {
  add();
  return __libc_malloc(size);
}

void* calloc(size_t items, size_t size) {
  add();
  return __libc_calloc(items, size);
}

void* realloc(void* memory, size_t size) {
  add();
  return __libc_realloc(memory, size);
}

void* aligned_alloc(size_t alignment, size_t size) {
  add();
  return __libc_memalign(alignment, size);
}

void* memalign(size_t alignment, size_t size) {
  add();
  return __libc_memalign(alignment, size);
}

int posix_memalign(void** memory, size_t alignment, size_t size) {
  add();
  *memory = __libc_memalign(alignment, size);
  return *memory == NULL ? 12 : 0;
}
