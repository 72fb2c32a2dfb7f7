// Memory of benchmarks: arrays on 64 bytes, with as much behind them.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>

namespace halfbyte {

struct Free {
  void operator()(void* p) const { std::free(p); }
};
template <typename T>
using Array = std::unique_ptr<T[], Free>;

template <typename T>
Array<T> allocate(std::size_t count) {
  const std::size_t bytes = (count * sizeof(T) + 63) / 64 * 64 + 64;
  return Array<T>(static_cast<T*>(std::aligned_alloc(64, bytes)));
}

}  // namespace halfbyte
