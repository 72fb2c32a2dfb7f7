// Linear kernels of types with a scale a row: TDPBSUD, 32 rows x 2 panels at a time. Tiles are
// loaded from where codes lie: 64 inputs of a panel are one of weights (unsigned), of a block of
// rows one of inputs (signed). Sums of all inputs stay in tiles.
//
// Few rows, as in decoding, go to the kernels of avx512vnni, tuned to the memory of CPUs with AMX.
#include <cstring>

#include <immintrin.h>

#include "kernels/generic/compiler.h"
#include "kernels/iq4_codes.h"
#include "kernels/isa/amx/linear.h"

#define HALFBYTE_ISA_NAME "amx"

namespace halfbyte {
namespace {

// CPUs with AMX are Intel's, whose cores get 1.4 times as much from four streams of memory.
constexpr int kStreams = 4;
constexpr std::size_t kAhead = 2048;

// Each needs those before it.
// clang-format off
#include "kernels/generic/unroll.inl"
#include "kernels/isa/avx512vnni/vector.inl"
#include "kernels/generic/row_codes.inl"
#include "kernels/generic/linear_token.inl"
#include "kernels/generic/linear_token_int4.inl"
#include "kernels/isa/amx/config.inl"
#include "kernels/isa/amx/token_tiles.inl"
// clang-format on

constexpr LinearToken decode_of(RowInt8) {
  return linear_token;
}
constexpr LinearToken decode_of(RowInt4) {
  return linear_token_int4;
}
constexpr LinearToken prefill_of(RowInt8) {
  return linear_tiles;
}
constexpr LinearToken prefill_of(RowInt4) {
  return linear_tiles_int4;
}

constexpr LinearRow token_row(const char* name, DType type, bool prefill, LinearToken kernel) {
  return {name, type, prefill, nullptr, nullptr, nullptr, kernel};
}

constexpr LinearRow kTokenTileRows[] = {
#define HALFBYTE_ROW_SCALED(type, Codes)                                                    \
  token_row(HALFBYTE_ISA_NAME "." #type ".decode", DType::type, false, decode_of(Codes{})), \
      token_row(HALFBYTE_ISA_NAME "." #type ".prefill", DType::type, true, prefill_of(Codes{})),
#include "kernels/row_scaled_types.inc"
#undef HALFBYTE_ROW_SCALED
};

}  // namespace

LinearRows amx_token_rows() {
  return {kTokenTileRows, sizeof(kTokenTileRows) / sizeof(kTokenTileRows[0])};
}

}  // namespace halfbyte
