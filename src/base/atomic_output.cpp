#include "base/atomic_output.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace halfbyte {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

void write_fully(int fd, const std::string& path, std::string_view data, std::uint64_t offset) {
  while (!data.empty()) {
    const ssize_t n = ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_errno(path, "cannot write");
    data.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

// A rename is only durable when the folder that holds it is synced too.
void sync_folder(const fs::path& folder) {
  const int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

fs::path without_trailing_slash(const std::string& path) {
  fs::path p(path);
  return p.has_filename() ? p : p.parent_path();
}

std::string temporary_name(const std::string& final_path) {
  const fs::path p = without_trailing_slash(final_path);
  if (p.filename().empty()) fail_usage("the output needs a file name");
  // A killed process may have left its temporary behind, and in a container the next process often
  // gets the same id; so the first free name is taken (and creating it is exclusive).
  std::error_code ignored;
  for (int attempt = 0;; ++attempt) {
    const std::string suffix = attempt == 0 ? "" : fmt::format(".{}", attempt);
    fs::path name =
        p.parent_path() / fmt::format(".{}.{}{}.tmp", p.filename().string(), ::getpid(), suffix);
    if (!fs::exists(fs::symlink_status(name, ignored))) return name.string();
  }
}

void rename_folder(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) fail_errno(to, "cannot rename to");
}

// Both names at once, so that a killed process leaves either folder under the final name. False
// where the file system cannot do that.
bool swap_names(const std::string& a, const std::string& b) {
  if (::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0) return true;
  if (errno != EINVAL && errno != ENOSYS) fail_errno(b, "cannot rename to");
  return false;
}

}  // namespace

OutputFile::OutputFile(std::string path) : path_(std::move(path)) {
  fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd_ < 0) fail_errno(path_, "cannot create");
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) ::close(fd_);
}

void OutputFile::flush() {
  write_fully(fd_, path_, buffer_, size_ - buffer_.size());
  buffer_.clear();
}

void OutputFile::write(ByteView bytes) {
  const std::string_view text = as_text(bytes);
  if (buffer_.size() + text.size() > kBufferBytes) flush();
  if (text.size() > kBufferBytes) {
    write_fully(fd_, path_, text, size_);
  } else {
    buffer_ += text;
  }
  size_ += text.size();
}

void OutputFile::write_zeros(std::uint64_t count) {
  static constexpr std::array<std::byte, 4096> kZeros{};
  while (count > 0) {
    const std::uint64_t n = std::min<std::uint64_t>(count, kZeros.size());
    write(ByteView(kZeros).first(n));
    count -= n;
  }
}

void OutputFile::write_at(std::uint64_t offset, ByteView bytes) {
  flush();
  write_fully(fd_, path_, as_text(bytes), offset);
}

void OutputFile::close() {
  flush();
  if (::fsync(fd_) != 0) fail_errno(path_, "cannot sync");
  const int fd = std::exchange(fd_, -1);
  if (::close(fd) != 0) fail_errno(path_, "cannot close");
}

AtomicFile::AtomicFile(std::string final_path)
    : final_path_(std::move(final_path)), file_([&] {
        std::error_code ignored;
        if (fs::is_directory(final_path_, ignored))
          fail_io(final_path_, "is a folder; name a file");
        return temporary_name(final_path_);
      }()) {}

AtomicFile::~AtomicFile() {
  if (!committed_) ::unlink(file_.path().c_str());
}

void AtomicFile::commit() {
  file_.close();
  if (::rename(file_.path().c_str(), final_path_.c_str()) != 0)
    fail_errno(final_path_, "cannot rename to");
  committed_ = true;
  sync_folder(fs::path(final_path_).parent_path());
}

AtomicFolder::AtomicFolder(const std::string& final_path)
    : final_path_(without_trailing_slash(final_path).string()),
      temporary_(temporary_name(final_path)) {
  std::error_code ignored;
  if (fs::exists(final_path_, ignored) && !fs::is_directory(final_path_, ignored)) {
    fail_io(final_path_, "exists and is not a folder");
  }
  if (::mkdir(temporary_.c_str(), 0755) != 0) fail_errno(temporary_, "cannot create");
}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  if (!committed_) fs::remove_all(temporary_, ignored);
}

std::string AtomicFolder::path_of(std::string_view name) const {
  return (fs::path(temporary_) / name).string();
}

void AtomicFolder::commit() {
  sync_folder(temporary_);
  std::error_code ignored;
  std::string old;
  if (!fs::exists(final_path_, ignored)) {
    rename_folder(temporary_, final_path_);
  } else if (swap_names(temporary_, final_path_)) {
    old = temporary_;
  } else {
    // rename() replaces only an empty folder, so the old one is moved aside first.
    old = temporary_name(temporary_);
    rename_folder(final_path_, old);
    try {
      rename_folder(temporary_, final_path_);
    } catch (const Error&) {
      ::rename(old.c_str(), final_path_.c_str());
      throw;
    }
  }
  committed_ = true;
  if (!old.empty()) fs::remove_all(old, ignored);
  sync_folder(fs::path(final_path_).parent_path());
}

}  // namespace halfbyte
