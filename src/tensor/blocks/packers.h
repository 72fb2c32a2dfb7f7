// The packers of the block types: dst = the bytes of one block with these scales and codes (the
// level of a code is that of tensor/grid.h). Defined beside the codecs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/grid.h"

namespace halfbyte::blocks {

void pack_q4_0(const GridBlock& block, const std::uint8_t* codes, std::byte* dst);
void pack_q4_1(const GridBlock& block, const std::uint8_t* codes, std::byte* dst);
void pack_q5_0(const GridBlock& block, const std::uint8_t* codes, std::byte* dst);
void pack_q5_1(const GridBlock& block, const std::uint8_t* codes, std::byte* dst);
void pack_q8_0(const GridBlock& block, const std::uint8_t* codes, std::byte* dst);
void pack_q2_k(const GridBlock& block, const std::uint8_t* codes, std::byte* dst);
void pack_q3_k(const GridBlock& block, const std::uint8_t* codes, std::byte* dst);
void pack_q4_k(const GridBlock& block, const std::uint8_t* codes, std::byte* dst);
void pack_q5_k(const GridBlock& block, const std::uint8_t* codes, std::byte* dst);
void pack_q6_k(const GridBlock& block, const std::uint8_t* codes, std::byte* dst);
void pack_iq4_nl(const GridBlock& block, const std::uint8_t* codes, std::byte* dst);
void pack_iq4_xs(const GridBlock& block, const std::uint8_t* codes, std::byte* dst);

}  // namespace halfbyte::blocks
