// The scalar linear kernels: the reference for all others, and what runs on unknown processors.
// One function serves all types, by the layout table.
#pragma once

#include "kernels/linear.h"

namespace halfbyte {

void reference_linear_int8(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end,
                           const QuantizedRows& x, const LinearOutput& out,
                           std::byte* scratch) noexcept;
void reference_linear_f32(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end,
                          const float* x, std::size_t x_stride, std::size_t rows,
                          const LinearOutput& out, std::byte* scratch) noexcept;

void reference_linear_token(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end,
                            const TokenRows& x, const LinearOutput& out,
                            std::byte* scratch) noexcept;

}  // namespace halfbyte
