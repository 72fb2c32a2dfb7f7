// A file mapped read-only into memory.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace halfbyte {

// Owns the mapping; views into bytes() die with it. Only regular files; an empty one is fine.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);  // fails with kFailed (cannot open) naming the path
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  ByteView bytes() const { return {data_, size_}; }

  // Hints for the kernel; errors are ignored. `release` drops the pages of a range that was read
  // and will not be needed soon, so that streaming through a big file keeps memory small.
  void prefetch(ByteView range) const;
  void release(ByteView range) const;

 private:
  std::string path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// The whole of a small file as text; fails above `max_bytes`.
std::string read_text_file(const std::string& path,
                           std::uint64_t max_bytes = std::uint64_t{256} << 20);

}  // namespace halfbyte
