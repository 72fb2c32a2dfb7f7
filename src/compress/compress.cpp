#include "compress/compress.h"

#include <fmt/format.h>

#include "base/error.h"
#include "compress/mixes.h"
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

// The type asked for the embedding, "" for none; a tied head asks for it, too.
std::string asked_embedding(const CompressOptions& options, bool tied_head) {
  if (!tied_head || options.head_type.empty()) return options.embedding_type;
  if (!options.embedding_type.empty() && options.embedding_type != options.head_type) {
    fail_usage("this model's head is its embedding: they cannot have two types");
  }
  return options.head_type;
}

TypePolicy policy_of(const CompressOptions& options, const ModelSpec& spec, bool wide_vectors) {
  const OutputType& type = need_output_type(options.type);
  const std::string embedding = asked_embedding(options, spec.tied_head);
  TypePolicy policy = mix_policy(type, spec, false);  // no method has an importance matrix yet
  if (!embedding.empty()) policy.embedding = need_weight_type(embedding);
  if (!options.head_type.empty()) policy.head = need_weight_type(options.head_type);
  policy.table = policy.vector = wide_vectors ? DType::f32 : type.matrix;
  return policy;
}

}  // namespace

CompressReport compress(const ModelFiles& source, const Tokenizer* tokenizer,
                        const std::string& out, const CompressOptions& options, ThreadPool& pool,
                        const ProgressSink& progress) {
  const Method& method = need_method(options.method);
  const Target& target = need_target(options.to);
  const TypePolicy policy = policy_of(options, source.spec(), target.wide_vectors);
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
