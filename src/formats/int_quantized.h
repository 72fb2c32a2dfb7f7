// compressed-tensors' int-quantized modules (W8A8): the weight as signed bytes with one scale an
// output, inputs quantized by token while running. Between them and rows of w8a8
// (tensor/blocks/row_int8.cpp).
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/view.h"

namespace halfbyte {

constexpr std::string_view kInt8Weight = ".weight";           // i8 [n, k]
constexpr std::string_view kInt8Scale = ".weight_scale";      // f32, f16 or bf16 [n, 1], [n] or [1]
constexpr std::string_view kInt8Zero = ".weight_zero_point";  // where some writers put zeros

// A module's tensors; nullptr: absent.
struct Int8Module {
  const TensorView* weight = nullptr;
  const TensorView* scale = nullptr;
  const TensorView* zero = nullptr;
};
// Rows of w8a8: a scale and k bytes each, also where k is no multiple of the type's block. Fails
// with kMalformed where tensors are missing, contradict each other or a scale is not finite, with
// kUnsupported for zero points. `file` and `module` are for messages.
std::vector<std::byte> read_int8_module(const Int8Module& tensors, const std::string& file,
                                        const std::string& module);

struct Int8Tensor {
  std::string_view suffix;
  DType dtype;
  Shape shape;
  std::vector<std::byte> (*bytes)(const std::byte* rows, std::uint64_t n, std::uint64_t k);
};
// The tensors that a matrix [n, k] is written as, in order.
std::vector<Int8Tensor> int8_tensors(std::uint64_t n, std::uint64_t k);

}  // namespace halfbyte
