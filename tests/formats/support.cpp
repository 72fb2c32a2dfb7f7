#include "support.h"

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <new>

#include <gtest/gtest.h>
#include <malloc.h>

namespace {

// Bytes that are allocated now, and the most since the last reset.
std::atomic<std::size_t> live_bytes{0};
std::atomic<std::size_t> peak_bytes{0};

void* counted(std::size_t size) {
  void* p = std::malloc(size);
  if (p == nullptr) throw std::bad_alloc();
  const std::size_t now = live_bytes += malloc_usable_size(p);
  std::size_t peak = peak_bytes;
  while (now > peak && !peak_bytes.compare_exchange_weak(peak, now)) {
  }
  return p;
}

void release(void* p) {
  live_bytes -= malloc_usable_size(p);
  std::free(p);
}

}  // namespace

void* operator new(std::size_t size) {
  return counted(size);
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  try {
    return counted(size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void operator delete(void* p) noexcept {
  release(p);
}
void operator delete(void* p, std::size_t) noexcept {
  release(p);
}
void operator delete(void* p, const std::nothrow_t&) noexcept {
  release(p);
}

namespace halfbyte::test {

namespace fs = std::filesystem;

std::string data_path(std::string_view name) {
  return (fs::path(HALFBYTE_TEST_DATA) / "formats" / name).string();
}

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (fs::temp_directory_path() / "halfbyte-test-XXXXXX").string();
  path_ = ::mkdtemp(pattern.data());
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string TemporaryFolder::operator/(std::string_view name) const {
  return (fs::path(path_) / name).string();
}

std::string TemporaryFolder::put(std::string_view name, std::string_view content) const {
  const std::string path = *this / name;
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

Bytes& Bytes::raw(std::string_view text) {
  text_ += text;
  return *this;
}

Bytes& Bytes::string(std::string_view text) {
  return add(std::uint64_t{text.size()}).raw(text);
}

Bytes& Bytes::pad(std::size_t alignment) {
  while (text_.size() % alignment != 0) text_ += '\0';
  return *this;
}

std::string GgufParts::image() const {
  Bytes out;
  out.raw("GGUF").add(version);
  out.add(tensor_count.value_or(tensors.size())).add(pair_count.value_or(pairs.size()));
  for (const std::string& pair : pairs) out.raw(pair);
  for (const Tensor& tensor : tensors) {
    out.string(tensor.name).add(static_cast<std::uint32_t>(tensor.dims.size()));
    for (const std::uint64_t n : tensor.dims) out.add(n);
    out.add(tensor.type).add(tensor.offset);
  }
  return out.pad(32).raw(data).text();
}

std::string u32_pair(std::string_view key, std::uint32_t value) {
  return Bytes().string(key).add(std::uint32_t{4}).add(value).text();
}

std::string safetensors_image(std::string_view header, std::string_view data,
                              std::optional<std::uint64_t> length) {
  return Bytes().add(length.value_or(header.size())).raw(header).raw(data).text();
}

std::optional<Error> error_of(const std::function<void()>& work, std::uint64_t file_bytes) {
  constexpr std::size_t kAllowance = std::size_t{64} << 20;
  const std::size_t before = live_bytes;
  peak_bytes = before;
  std::optional<Error> error;
  try {
    work();
  } catch (const Error& caught) {
    error = caught;
  }
  EXPECT_LE(peak_bytes - before, file_bytes + kAllowance);
  if (error) {
    EXPECT_EQ(std::string_view(error->what()).find('\n'), std::string_view::npos);
    EXPECT_FALSE(error->message().empty());
  }
  return error;
}

std::string outcome_of(const std::function<void()>& work, std::uint64_t file_bytes) {
  const auto error = error_of(work, file_bytes);
  return error ? std::string(error_code_name(error->code())) : "ok";
}

}  // namespace halfbyte::test
