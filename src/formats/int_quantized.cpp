#include "formats/int_quantized.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "base/error.h"
#include "formats/checks.h"

namespace halfbyte {

namespace {

constexpr std::size_t kScaleBytes = sizeof(float);

class Reader {
 public:
  Reader(const Int8Module& tensors, const std::string& file, const std::string& module)
      : tensors_(tensors), file_(file), module_(module) {}

  // Nothing is allocated before all shapes agree.
  std::vector<std::byte> read() const {
    check();
    const std::uint64_t n = tensors_.weight->shape[0];
    const std::uint64_t k = tensors_.weight->shape[1];
    const std::vector<float> scales = read_scales();
    std::vector<std::byte> rows(n * (kScaleBytes + k));
    for (std::uint64_t row = 0; row < n; ++row) {
      std::byte* const at = &rows[row * (kScaleBytes + k)];
      std::memcpy(at, &scales[scales.size() == 1 ? 0 : row], kScaleBytes);
      std::memcpy(at + kScaleBytes, tensors_.weight->data.data() + row * k, k);
    }
    return rows;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    fail_malformed(file_, fmt::format("module {}: {}", in_quotes(module_), what));
  }
  [[noreturn]] void refuse(const std::string& what) const {
    fail_unsupported(file_, fmt::format("module {}: {}", in_quotes(module_), what));
  }

  void check() const {
    if (tensors_.weight == nullptr) fail("has no 'weight'");
    const TensorView& weight = *tensors_.weight;
    const bool matrix = weight.shape.size() == 2 && weight.shape[0] != 0 && weight.shape[1] != 0;
    if (weight.dtype != DType::i8 || !matrix) {
      fail(fmt::format("its weight is {} {}, not a matrix of i8", name(weight.dtype),
                       to_string(weight.shape)));
    }
    if (tensors_.scale == nullptr) fail("has no 'weight_scale'");
    check_scale(*tensors_.scale, weight.shape[0]);
    check_zeros();
  }

  void check_scale(const TensorView& scale, std::uint64_t n) const {
    const bool column = scale.shape == Shape{n, 1} || scale.shape == Shape{n};
    const bool one = scale.shape == Shape{1} || scale.shape == Shape{1, 1} || scale.shape.empty();
    if (is_float(scale.dtype) && (column || one)) return;
    fail(fmt::format("{} is {} {}, the weights ask for floats [{}, 1]", in_quotes(scale.name),
                     name(scale.dtype), to_string(scale.shape), n));
  }

  void check_zeros() const {
    if (tensors_.zero == nullptr) return;
    const ByteView bytes = tensors_.zero->data;
    const bool zeros = std::all_of(bytes.begin(), bytes.end(),
                                   [](std::byte byte) { return byte == std::byte{0}; });
    if (!zeros) refuse("has zero points; only symmetric int-quantized weights are read");
  }

  std::vector<float> read_scales() const {
    std::vector<float> scales(element_count(tensors_.scale->shape).value());
    info(tensors_.scale->dtype).decode(tensors_.scale->data.data(), scales.data(), scales.size());
    const bool finite =
        std::all_of(scales.begin(), scales.end(), [](float scale) { return std::isfinite(scale); });
    if (!finite) fail("has a scale that is not finite");
    return scales;
  }

  const Int8Module& tensors_;
  const std::string& file_;
  const std::string& module_;
};

std::vector<std::byte> weight_bytes(const std::byte* rows, std::uint64_t n, std::uint64_t k) {
  std::vector<std::byte> bytes(n * k);
  for (std::uint64_t row = 0; row < n; ++row) {
    std::memcpy(&bytes[row * k], rows + row * (kScaleBytes + k) + kScaleBytes, k);
  }
  return bytes;
}

std::vector<std::byte> scale_bytes(const std::byte* rows, std::uint64_t n, std::uint64_t k) {
  std::vector<std::byte> bytes(n * kScaleBytes);
  for (std::uint64_t row = 0; row < n; ++row) {
    std::memcpy(&bytes[row * kScaleBytes], rows + row * (kScaleBytes + k), kScaleBytes);
  }
  return bytes;
}

}  // namespace

std::vector<std::byte> read_int8_module(const Int8Module& tensors, const std::string& file,
                                        const std::string& module) {
  return Reader(tensors, file, module).read();
}

std::vector<Int8Tensor> int8_tensors(std::uint64_t n, std::uint64_t k) {
  return {{kInt8Weight, DType::i8, {n, k}, weight_bytes},
          {kInt8Scale, DType::f32, {n, 1}, scale_bytes}};
}

}  // namespace halfbyte
