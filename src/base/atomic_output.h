// Output that appears under its final name only when it is whole.
//
// A file or folder is written beside its final place under a hidden temporary name, synced, and
// renamed on commit. Without commit() the destructor removes what was written. A killed process
// leaves at most the hidden temporary, never an incomplete final name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace halfbyte {

// A file written from start to end, with positional writes allowed for a header known last.
class OutputFile {
 public:
  // Creates `path`, which must not exist (O_EXCL).
  explicit OutputFile(std::string path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(ByteView bytes);  // append
  void write(std::string_view text) { write(as_bytes(text)); }
  void write_zeros(std::uint64_t count);                // append padding
  void write_at(std::uint64_t offset, ByteView bytes);  // overwrite earlier bytes
  std::uint64_t size() const { return size_; }
  // Flushes, syncs and closes; errors (a full disk, too) fail with kFailed.
  void close();
  const std::string& path() const { return path_; }

 private:
  void flush();
  std::string path_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
  std::string buffer_;
};

class AtomicFile {
 public:
  explicit AtomicFile(std::string final_path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  OutputFile& file() { return file_; }
  void commit();  // close, rename over the final name, sync the folder

 private:
  std::string final_path_;
  OutputFile file_;
  bool committed_ = false;
};

class AtomicFolder {
 public:
  // Fails if `final_path` exists and is not an (old) folder; an old folder is replaced on commit.
  explicit AtomicFolder(const std::string& final_path);
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  // The path to create `name` at (a plain file name) while writing.
  std::string path_of(std::string_view name) const;
  void commit();

 private:
  std::string final_path_;
  std::string temporary_;
  bool committed_ = false;
};

}  // namespace halfbyte
