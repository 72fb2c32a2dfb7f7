// The rows of generic/linear_int8.inl, all types in both phases. Included after it.

constexpr LinearRow kInt8Rows[] = {
#define HALFBYTE_QUANTIZED(type)                                                                 \
  {HALFBYTE_ISA_NAME "." #type ".decode", DType::type, false, linear_decode<k_##type>, nullptr}, \
      {HALFBYTE_ISA_NAME "." #type ".prefill", DType::type, true, linear_prefill<k_##type>,      \
       nullptr},
#include "kernels/quantized_types.inc"
#undef HALFBYTE_QUANTIZED
};
constexpr LinearRow kStreamRows[] = {
#define HALFBYTE_QUANTIZED(type)                                      \
  {HALFBYTE_ISA_NAME "." #type ".decode.streams", DType::type, false, \
   linear_decode_streams<k_##type>, nullptr},
#include "kernels/quantized_types.inc"
#undef HALFBYTE_QUANTIZED
};
