// Checks of names and shapes that all readers share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tensor/view.h"

namespace halfbyte {

// Most tensors that one file may hold: bounds what a small hostile header makes a reader allocate.
constexpr std::uint64_t kMaxTensors = 65536;
constexpr std::size_t kMaxDimensions = 8;

// Well-formed UTF-8, not empty, no control characters (NUL ends strings in other programs, a line
// break would break messages).
bool is_clean_name(std::string_view name);

// A name that stays in its folder: clean, at most 255 bytes, no separator, not "." or "..".
bool is_plain_file_name(std::string_view name);

// True if the product of the dimensions, zeros left out, fits in 63 bits: then rows, columns and
// element counts of the shape cannot overflow.
bool is_sane_shape(const Shape& shape);

// The start of a name, for messages.
std::string in_quotes(std::string_view name);

}  // namespace halfbyte
