// SafetensorsWriter: the header first, padded with spaces to a multiple of 8, then the tensors.
#include <array>

#include <fmt/format.h>

#include "base/json.h"
#include "formats/checks.h"
#include "formats/safetensors.h"

namespace halfbyte {

namespace {

std::string json_text(const std::string& text) {
  return Json(text).dump();
}

std::string metadata_text(const std::map<std::string, std::string>& metadata) {
  std::string text;
  for (const auto& [key, value] : metadata) {
    text += fmt::format("{}{}:{}", text.empty() ? "" : ",", json_text(key), json_text(value));
  }
  return fmt::format("\"__metadata__\":{{{}}}", text);
}

std::string shape_text(const Shape& shape) {
  std::string text;
  for (const std::uint64_t n : shape) text += fmt::format("{}{}", text.empty() ? "" : ",", n);
  return text;
}

std::uint64_t bytes_of(const SafetensorsWriter::Tensor& tensor, const std::string& path) {
  const auto bytes = tensor_bytes(tensor.dtype, tensor.shape);
  const bool storable = !info(tensor.dtype).safetensors.empty() && is_clean_name(tensor.name);
  if (!bytes || !storable) {
    fail_unsupported(
        path, fmt::format("safetensors cannot hold tensor {} of type {} and shape {}",
                          in_quotes(tensor.name), name(tensor.dtype), to_string(tensor.shape)));
  }
  return *bytes;
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(OutputFile& out, const std::vector<Tensor>& tensors,
                                     const std::map<std::string, std::string>& metadata)
    : out_(out) {
  std::string header = "{";
  if (!metadata.empty()) header += metadata_text(metadata);
  for (const Tensor& tensor : tensors) {
    const std::uint64_t end = expected_ + bytes_of(tensor, out.path());
    header += fmt::format(R"({}{}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                          header.size() == 1 ? "" : ",", json_text(tensor.name),
                          info(tensor.dtype).safetensors, shape_text(tensor.shape), expected_, end);
    expected_ = end;
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = header.size();
  std::array<std::byte, sizeof(length)> bytes;
  std::memcpy(bytes.data(), &length, sizeof(length));
  out_.write(ByteView(bytes));
  out_.write(header);
}

void SafetensorsWriter::write(ByteView bytes) {
  if (bytes.size() > expected_ - written_) fail_io(out_.path(), "more data than its tensors hold");
  out_.write(bytes);
  written_ += bytes.size();
}

void SafetensorsWriter::finish() {
  if (written_ != expected_) {
    fail_io(out_.path(), fmt::format("{} of {} bytes of tensors", written_, expected_));
  }
}

}  // namespace halfbyte
