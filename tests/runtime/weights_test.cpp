// Loading weights that do not fit the description, and T5's buckets of distance.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "run.h"
#include "runtime/relative_bias.h"

namespace halfbyte {
namespace {

using namespace test;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

// The llama model with one tensor left out, or of another shape.
class Broken : public testing::Test {
 protected:
  std::string load(std::string_view left_out, std::string_view turned = "") {
    const std::string path = folder_.put("m/config.json", config_);
    const SafetensorsFile source = SafetensorsFile::open(model_path("llama/model.safetensors"));
    {
      std::vector<SafetensorsWriter::Tensor> tensors;
      for (const TensorView& t : source.tensors()) {
        Shape shape = t.shape;
        if (t.name == turned) std::reverse(shape.begin(), shape.end());
        if (t.name != left_out) tensors.push_back({t.name, t.dtype, shape});
      }
      AtomicFile out(folder_ / "m/model.safetensors");
      SafetensorsWriter writer(out.file(), tensors);
      for (const TensorView& t : source.tensors()) {
        if (t.name != left_out) writer.write(t.data);
      }
      writer.finish();
      out.commit();
    }
    return outcome_of([&] { Model::open(folder_ / "m", pool_); });
  }
  std::string config_ = read_file(model_path("llama/config.json"));
  TemporaryFolder folder_;
  ThreadPool pool_{1};
};

TEST_F(Broken, MissingTensorsAreNamed) {
  EXPECT_EQ(load(""), "ok");
  EXPECT_THAT(load("model.layers.1.mlp.up_proj.weight"),
              AllOf(StartsWith("malformed: " + folder_ / "m"), HasSubstr("'blk.1.ffn_up.weight'")));
  EXPECT_THAT(load("model.norm.weight"), HasSubstr("'output_norm.weight'"));
  EXPECT_THAT(load("lm_head.weight"), HasSubstr("'output.weight'"));
}

TEST_F(Broken, WrongShapesAreNamed) {
  EXPECT_THAT(load("", "model.layers.0.mlp.down_proj.weight"),
              AllOf(StartsWith("malformed"), HasSubstr("'blk.0.ffn_down.weight'"), HasSubstr("64"),
                    HasSubstr("176")));
  Json config = parse_json(config_, "x");
  config["vocab_size"] = 385;
  config_ = config.dump();
  EXPECT_THAT(load(""), AllOf(StartsWith("malformed"), HasSubstr("385")));
}

std::vector<float> row_of(const Weights& weights, int index, std::uint64_t row, std::uint64_t k) {
  std::vector<float> values(k);
  weights.lookup(index, row, values.data());
  return values;
}

// gpt2's matrices lie transposed in its files.
TEST(RoundedWeights, HoldWhatTheTypeMakesOfEachRow) {
  ThreadPool pool(2);
  for (const char* model : {"llama", "gpt2"}) {
    const ModelFiles files(model_path(model));
    const Plan plan = make_plan(files.spec());
    WeightsOptions options{detect_cpu_features(), Compute::f32, {}, {}};
    const Weights exact(files, plan, options, pool);
    for (const DType type : {DType::int8, DType::q8_0, DType::q4_k}) {
      options.rounded = type;
      const Weights rounded(files, plan, options, pool);
      for (std::size_t i = 0; i < plan.weights.size(); ++i) {
        const auto index = static_cast<int>(i);
        const WeightRef& ref = plan.weights[i];
        if (ref.kind != WeightKind::matrix || !exact[index].present) continue;
        SCOPED_TRACE(ref.name + " " + std::string(name(type)));
        const bool fits = ref.k % info(type).block == 0;  // no golden's rows are 256 long
        EXPECT_EQ(rounded[index].matrix.dtype, fits ? type : DType::f32);
        const LinearChoice best = choose_linear(fits ? type : DType::f32, {}, options.features);
        EXPECT_EQ(rounded[index].kernels.prefill, best.prefill);
        for (const std::uint64_t row : {std::uint64_t{0}, ref.n / 2 + 1, ref.n - 1}) {
          std::vector<float> values = row_of(exact, index, row, ref.k);
          if (fits) {
            std::vector<std::byte> encoded(row_bytes(type, ref.k).value());
            encode_whole_rows(info(type), values.data(), encoded.data(), 1, ref.k);
            decode_whole_rows(info(type), encoded.data(), values.data(), 1, ref.k);
          }
          EXPECT_EQ(row_of(rounded, index, row, ref.k), values);
        }
      }
    }
  }
}

// First distances of each bucket, as the reference library and ggml have them.
TEST(RelativeBucket, Edges) {
  const std::int64_t encoder[] = {1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91};
  const std::int64_t decoder[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16,
                                  19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113};
  std::uint32_t bucket = 0;
  for (const std::int64_t edge : encoder) {
    ++bucket;
    EXPECT_EQ(relative_bucket(-edge, false, 32, 128), bucket) << edge;
    EXPECT_EQ(relative_bucket(-edge + 1, false, 32, 128), bucket - 1) << edge;
    EXPECT_EQ(relative_bucket(edge, false, 32, 128), 16 + bucket) << edge;
  }
  bucket = 0;
  for (const std::int64_t edge : decoder) {
    ++bucket;
    EXPECT_EQ(relative_bucket(-edge, true, 32, 128), bucket) << edge;
    EXPECT_EQ(relative_bucket(-edge + 1, true, 32, 128), bucket - 1) << edge;
    EXPECT_EQ(relative_bucket(edge, true, 32, 128), 0u) << edge;  // the future
  }
  for (const std::int64_t far : {113, 128, 600, 100000, 1 << 27}) {
    EXPECT_EQ(relative_bucket(-far, true, 32, 128), 31u);
    EXPECT_EQ(relative_bucket(far, false, 32, 128), 31u);
    EXPECT_EQ(relative_bucket(-far, false, 32, 128), 15u);
  }
}

}  // namespace
}  // namespace halfbyte
