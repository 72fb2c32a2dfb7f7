#include "compress/convert.h"

#include <fmt/format.h>

#include "base/error.h"
#include "compress/mixes.h"
#include "compress/rtn.h"
#include "compress/write_model.h"

namespace halfbyte {

namespace {

TypePolicy policy_of(const std::string& asked, const Target& target) {
  TypePolicy policy;
  if (asked != "keep") {
    const OutputType* type = find_output_type(asked);
    if (type == nullptr || is_quantized(type->matrix)) {
      fail_usage(
          fmt::format("'{}' is not a dtype to convert to; choose keep, f32, f16 or bf16", asked));
    }
    policy = {type->matrix, type->matrix, type->matrix, type->matrix, type->matrix};
  }
  prescribe_types(target, policy);
  if (target.wide_vectors) {
    policy.vector = DType::f32;
    if (asked != "keep") policy.table = DType::f32;
  }
  return policy;
}

}  // namespace

CompressReport convert(const ModelFiles& source, const Tokenizer* tokenizer, const std::string& out,
                       const ConvertOptions& options, ThreadPool& pool,
                       const ProgressSink& progress) {
  const Target& target = need_target(options.to);
  return write_model({source,
                      tokenizer,
                      out,
                      target,
                      policy_of(options.dtype, target),
                      rtn_encode,
                      nullptr,
                      {{"dtype", options.dtype}},
                      "converting"},
                     pool, progress);
}

}  // namespace halfbyte
