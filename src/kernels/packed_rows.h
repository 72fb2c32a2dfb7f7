// Quantized inputs as weights: what a product of inputs with inputs needs (Gram matrices).
#pragma once

#include <cstddef>

#include "kernels/linear.h"

namespace halfbyte {

// Block `block` of x (kTokenRows rows, as many outputs as a panel has) as a panel of w8a8:
// panel_bytes() of a PackedMatrix of that type with x.k inputs. Outputs past the last row are zero.
void pack_token_block(const TokenRows& x, std::size_t block, std::byte* panel);

}  // namespace halfbyte
