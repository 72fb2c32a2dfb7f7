// Descriptions that contradict what their model is: an error or a result, never a crash. The
// golden models are written as bundles whose description is changed.
#include <cmath>
#include <functional>

#include <gtest/gtest.h>

#include "base/atomic_output.h"
#include "formats/bundle.h"
#include "run.h"

namespace halfbyte {
namespace {

using namespace test;

// The golden model `name` as a bundle with another description; gives its path.
std::string lying_bundle(const TemporaryFolder& folder, std::string_view name,
                         const std::function<void(ModelSpec&)>& change) {
  const ModelFiles source(model_path(name));
  ModelSpec spec = source.spec();
  change(spec);
  const std::string path = folder / "bundle";
  AtomicFolder output(path);
  BundleWriter writer(output);
  writer.begin_file("weights");
  for (const ModelTensor& tensor : source.tensors())
    writer.add({tensor.name, tensor.dtype, tensor.shape, "rows", tensor.data});
  writer.finish({{"format", "halfbyte-bundle"}, {"model", spec_to_json(spec)}});
  output.commit();
  return path;
}

TEST(LyingSpec, AnEncoderMayRotate) {
  const TemporaryFolder folder;
  ThreadPool pool(2);
  const auto model = Model::open(lying_bundle(folder, "bert",
                                              [](ModelSpec& spec) {
                                                spec.encoder->position = PositionKind::rope;
                                                spec.encoder->ropes.emplace_back().dim = 8;
                                              }),
                                 pool);
  Session session(*model);
  const std::vector<TokenId> tokens = {1, 2, 3, 4, 5};
  const auto hidden = session.encode(tokens, {});
  EXPECT_EQ(hidden.size(), tokens.size() * model->spec().width);
  EXPECT_TRUE(std::isfinite(hidden.back()));
}

TEST(LyingSpec, LogitsWithoutAHead) {
  const TemporaryFolder folder;
  ThreadPool pool(2);
  const auto model = Model::open(
      lying_bundle(folder, "llama", [](ModelSpec& spec) { spec.has_head = false; }), pool);
  Session session(*model);
  const std::vector<TokenId> tokens = {1, 2, 3};
  std::vector<float> logits(model->spec().vocab);
  EXPECT_EQ(outcome_of([&] { session.append(tokens, 1, logits.data()); }),
            "usage: this model gives no logits");
  session.append(tokens, 0, nullptr);
  EXPECT_EQ(session.position(), tokens.size());
}

TEST(LyingSpec, StacksShareTheEmbeddingsNorm) {
  const TemporaryFolder folder;
  const auto change = [](ModelSpec& spec) {
    spec.embedding_norm = true;
    spec.encoder->norm = NormKind::layer;
  };
  const std::string path = lying_bundle(folder, "t5", change);
  EXPECT_EQ(outcome_of([&] { ModelFiles{path}; }),
            "malformed: " + path + ": encoder and decoder norm in different ways");
}

TEST(LyingSpec, AnEncoderHasNoCrossAttention) {
  const TemporaryFolder folder;
  const std::string path =
      lying_bundle(folder, "bert", [](ModelSpec& spec) { spec.encoder->cross_attention = true; });
  EXPECT_EQ(outcome_of([&] { ModelFiles{path}; }),
            "malformed: " + path + ": an encoder has no cross-attention");
}

TEST(LyingSpec, TheDefaultContextHasPositions) {
  ModelSpec spec = ModelFiles(model_path("gpt2")).spec();
  spec.context_length = 1u << 20;
  EXPECT_EQ(default_context(spec, DType::f16, std::uint64_t{1} << 40), spec.learned_positions);
}

}  // namespace
}  // namespace halfbyte
