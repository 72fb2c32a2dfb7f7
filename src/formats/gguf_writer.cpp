// GgufWriter: version 3, tensors streamed in the order they were announced in.
#include <array>
#include <bit>
#include <cassert>
#include <utility>

#include <fmt/format.h>

#include "formats/checks.h"
#include "formats/gguf.h"

namespace halfbyte {

namespace {

constexpr std::uint32_t kVersion = 3;
constexpr std::uint64_t kDefaultAlignment = 32;
constexpr std::size_t kMaxRank = 4;
// The format allows 64 bytes; its most used reader takes 63.
constexpr std::size_t kMaxNameBytes = 63;

template <typename T>
void put(std::string& out, T value) {
  std::array<char, sizeof(T)> bytes;
  std::memcpy(bytes.data(), &value, sizeof(T));
  out.append(bytes.data(), bytes.size());
}

void put_string(std::string& out, std::string_view text) {
  put(out, std::uint64_t{text.size()});
  out += text;
}

template <typename T>
void put_as(std::string& out, const MetaValue& value) {
  const auto convert = [](const auto& v) -> T {
    if constexpr (std::is_arithmetic_v<std::decay_t<decltype(v)>>) return static_cast<T>(v);
    throw Error(ErrorCode::kFailed, "", "a metadata value is not of its own type");
  };
  put(out, std::visit(convert, value.value));
}

void put_text(std::string& out, const MetaValue& value) {
  put_string(out, std::get<std::string_view>(value.value));
}

void put_array(std::string& out, const MetaValue& value) {
  const auto& array = std::get<MetaArray>(value.value);
  put(out, static_cast<std::uint32_t>(array.element));
  put(out, array.count);
  out += as_text(array.raw);
  for (const std::string_view text : array.strings) put_string(out, text);
}

// By type id.
using PutValue = void (*)(std::string&, const MetaValue&);
constexpr std::array<PutValue, kMetaTypes> kPutValue = {
    put_as<std::uint8_t>,
    put_as<std::int8_t>,
    put_as<std::uint16_t>,
    put_as<std::int16_t>,
    put_as<std::uint32_t>,
    put_as<std::int32_t>,
    put_as<float>,
    put_as<std::uint8_t>,
    put_text,
    put_array,
    put_as<std::uint64_t>,
    put_as<std::int64_t>,
    put_as<double>,
};

std::uint64_t bytes_of(const GgufWriter::Tensor& tensor, const std::string& path) {
  const auto bytes = tensor_bytes(tensor.dtype, tensor.shape);
  if (!bytes || info(tensor.dtype).ggml_type < 0 || tensor.shape.size() > kMaxRank) {
    fail_unsupported(
        path, fmt::format("GGUF cannot hold tensor {} of type {} and shape {}",
                          in_quotes(tensor.name), name(tensor.dtype), to_string(tensor.shape)));
  }
  return *bytes;
}

void put_tensor(std::string& out, const GgufWriter::Tensor& tensor, std::uint64_t offset,
                const std::string& path) {
  if (!is_clean_name(tensor.name) || tensor.name.size() > kMaxNameBytes) {
    fail_unsupported(path,
                     fmt::format("GGUF cannot hold a tensor named {}", in_quotes(tensor.name)));
  }
  put_string(out, tensor.name);
  put(out, static_cast<std::uint32_t>(tensor.shape.size()));
  for (auto it = tensor.shape.rbegin(); it != tensor.shape.rend(); ++it) put(out, *it);
  put(out, info(tensor.dtype).ggml_type);
  put(out, offset);
}

std::uint64_t padding(std::uint64_t size, std::uint64_t alignment) {
  return (alignment - size % alignment) % alignment;
}

}  // namespace

GgufWriter::GgufWriter(OutputFile& out, const Metadata& metadata, std::vector<Tensor> tensors)
    : out_(out),
      tensors_(std::move(tensors)),
      alignment_(metadata.get_uint("general.alignment").value_or(kDefaultAlignment)) {
  assert(out.size() == 0);
  if (!std::has_single_bit(alignment_)) fail_usage("general.alignment must be a power of two");
  std::string header = "GGUF";
  put(header, kVersion);
  put(header, std::uint64_t{tensors_.size()});
  put(header, std::uint64_t{metadata.entries().size()});
  for (const auto& [key, value] : metadata.entries()) {
    put_string(header, key);
    put(header, static_cast<std::uint32_t>(value.type));
    kPutValue[static_cast<std::size_t>(value.type)](header, value);
  }
  std::uint64_t offset = 0;
  for (const Tensor& tensor : tensors_) {
    put_tensor(header, tensor, offset, out.path());
    offset += bytes_of(tensor, out.path());
    offset += padding(offset, alignment_);
  }
  out_.write(header);
  out_.write_zeros(padding(header.size(), alignment_));
  end_full_tensors();
}

// Ends the current tensor if it has all its bytes, and any empty ones after it.
void GgufWriter::end_full_tensors() {
  while (current_ < tensors_.size() && written_ == bytes_of(tensors_[current_], out_.path())) {
    out_.write_zeros(padding(written_, alignment_));
    written_ = 0;
    ++current_;
  }
}

void GgufWriter::write(ByteView bytes) {
  if (bytes.empty()) return;
  if (current_ == tensors_.size() ||
      bytes.size() > bytes_of(tensors_[current_], out_.path()) - written_) {
    fail_io(out_.path(), "more data than its tensors hold");
  }
  out_.write(bytes);
  written_ += bytes.size();
  end_full_tensors();
}

void GgufWriter::finish() {
  if (current_ < tensors_.size()) {
    fail_io(out_.path(), fmt::format("tensor {} lacks data", in_quotes(tensors_[current_].name)));
  }
}

}  // namespace halfbyte
