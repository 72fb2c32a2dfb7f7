#include "compress/compress.h"

#include <fmt/format.h>

#include "base/error.h"
#include "compress/write_model.h"

namespace halfbyte {

namespace {

const Method& need_method(std::string_view name) {
  const Method* method = find_method(name);
  if (method != nullptr) return *method;
  std::string known;
  for (const Method& row : all_methods()) known += fmt::format(" {}", row.name);
  fail_usage(fmt::format("'{}' is not a known method; choose from{}", name, known));
}

TypePolicy policy_of(const CompressOptions& options, bool tied_head, bool wide_vectors) {
  const DType matrix = need_weight_type(options.type);
  const OutputType& type = *find_output_type(options.type);
  std::string embedding = options.embedding_type;
  if (tied_head && !options.head_type.empty()) {
    if (!embedding.empty() && embedding != options.head_type) {
      fail_usage("this model's head is its embedding: they cannot have two types");
    }
    embedding = options.head_type;
  }
  const DType narrow = wide_vectors ? DType::f32 : matrix;
  TypePolicy policy;
  policy.matrix = matrix;
  policy.embedding = embedding.empty() ? type.embedding : need_weight_type(embedding);
  policy.head = options.head_type.empty() ? type.head : need_weight_type(options.head_type);
  policy.table = narrow;
  policy.vector = narrow;
  return policy;
}

}  // namespace

CompressReport compress(const ModelFiles& source, const Tokenizer* tokenizer,
                        const std::string& out, const CompressOptions& options, ThreadPool& pool,
                        const ProgressSink& progress) {
  const Method& method = need_method(options.method);
  const Target& target = need_target(options.to);
  const TypePolicy policy = policy_of(options, source.spec().tied_head, target.wide_vectors);
  if (!target.block_types && is_quantized(*policy.matrix)) {
    fail_usage(fmt::format("{} cannot hold {}: choose f16, bf16 or f32, or another format",
                           target.name, options.type));
  }
  const Json json = {{"method", options.method},
                     {"type", options.type},
                     {"embedding_type", name(*policy.embedding)},
                     {"head_type", name(*policy.head)}};
  return write_model({source,
                      tokenizer,
                      out,
                      target,
                      policy,
                      method,
                      {{"name", method.name}},
                      json,
                      "compressing"},
                     pool, progress);
}

}  // namespace halfbyte
