// A file for what does not stay in memory: read and written at any place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.h"

namespace halfbyte {

// Every call fails with kFailed, naming the path, where the system refuses (a full disk, too).
class ScratchFile {
 public:
  // Opens `path`, which is made where there is none.
  explicit ScratchFile(std::string path);
  ~ScratchFile();
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  void write_at(std::uint64_t offset, ByteView bytes);
  // Fails too where the file ends before.
  void read_at(std::uint64_t offset, std::span<std::byte> bytes) const;
  void sync();  // returns when what was written is on the disk

 private:
  std::string path_;
  int fd_ = -1;
};

}  // namespace halfbyte
