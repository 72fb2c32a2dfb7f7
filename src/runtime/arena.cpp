#include "runtime/arena.h"

#include <cassert>
#include <utility>

#include <fmt/format.h>
#include <sys/mman.h>

#include "base/error.h"

namespace halfbyte {

Arena::Arena(std::uint64_t bytes, bool large_pages) : size_(bytes) {
  if (bytes == 0) return;
  void* address = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED)
    fail_io("", fmt::format("cannot get {} MiB of memory", (bytes >> 20) + 1));
  data_ = static_cast<std::byte*>(address);
  if (large_pages) ::madvise(address, bytes, MADV_HUGEPAGE);  // a wish: it may be refused
}

Arena::~Arena() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

Arena::Arena(Arena&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      used_(std::exchange(other.used_, 0)) {}

Arena& Arena::operator=(Arena&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(used_, other.used_);
  return *this;
}

std::byte* Arena::take_bytes(std::uint64_t bytes) {
  const std::uint64_t cost_bytes = cost<std::byte>(bytes);
  assert(used_ + cost_bytes <= size_ && "more is taken than was counted");
  std::byte* place = data_ + used_;
  used_ += cost_bytes;
  return place;
}

}  // namespace halfbyte
