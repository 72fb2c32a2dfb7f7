// The table of kernels of generic/linear_token.inl and generic/linear_token_int4.inl.

constexpr LinearToken linear_token_of(RowInt8) {
  return linear_token;
}
constexpr LinearToken linear_token_of(RowInt4) {
  return linear_token_int4;
}

constexpr LinearRow kTokenRowsTable[] = {
#define HALFBYTE_ROW_SCALED(type, Codes)       \
  {HALFBYTE_ISA_NAME "." #type ".decode",      \
   DType::type,                                \
   false,                                      \
   nullptr,                                    \
   nullptr,                                    \
   nullptr,                                    \
   linear_token_of(Codes{})},                  \
      {HALFBYTE_ISA_NAME "." #type ".prefill", \
       DType::type,                            \
       true,                                   \
       nullptr,                                \
       nullptr,                                \
       nullptr,                                \
       linear_token_of(Codes{})},
#include "kernels/row_scaled_types.inc"
#undef HALFBYTE_ROW_SCALED
};
