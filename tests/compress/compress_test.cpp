// Compressed tensors are what the encoders make of each source row; types follow the policy; bytes
// do not depend on threads.
#include "compress/compress.h"

#include <cmath>
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compress/convert.h"
#include "compress/methods.h"
#include "compress/types.h"
#include "formats/gguf.h"
#include "model/config_gguf.h"
#include "model/rope.h"
#include "support.h"

namespace halfbyte {
namespace {

using test::golden_model;
using test::rows_of;
using test::TemporaryFolder;
using test::values_of;

class Compress : public testing::Test {
 protected:
  CompressReport run(const std::string& from, const std::string& out, CompressOptions options) {
    return compress(ModelFiles(from), nullptr, folder_ / out, options, pool_);
  }
  CompressReport to_gguf(const std::string& from, const std::string& out, const std::string& type) {
    return run(from, out, {.type = type, .to = "gguf"});
  }
  TemporaryFolder folder_;
  ThreadPool pool_{2};
};

// q and k of a Llama file in GGUF's order, written out as the definition has it: in each head,
// element i of the first half goes to 2i, of the second half to 2i + 1.
std::vector<float> interleave(const std::vector<float>& w, std::size_t head_dim, std::size_t k) {
  std::vector<float> out(w.size());
  for (std::size_t row = 0; row < w.size() / k; ++row) {
    const std::size_t head = row / head_dim;
    const std::size_t i = row % head_dim;
    const std::size_t half = head_dim / 2;
    const std::size_t to = head * head_dim + (i < half ? 2 * i : 2 * (i - half) + 1);
    std::copy_n(&w[row * k], k, &out[to * k]);
  }
  return out;
}

class EncodedRows : public Compress, public testing::WithParamInterface<const char*> {};

TEST_P(EncodedRows, EqualTheEncoders) {
  const ModelFiles source(golden_model("llama"));
  to_gguf(golden_model("llama"), "a.gguf", GetParam());
  const ModelFiles result(folder_ / "a.gguf");
  int compared = 0;
  for (const ModelTensor& tensor : result.tensors()) {
    std::vector<float> w = values_of(source.need(tensor.name));
    const std::size_t k = tensor.shape.back();
    const bool rotated = tensor.name.find("attn_q.") != std::string::npos ||
                         tensor.name.find("attn_k.") != std::string::npos;
    if (rotated) w = interleave(w, source.spec().decoder->head_dim, k);
    std::vector<std::byte> expected(tensor.data.size());
    for (std::size_t row = 0; row < w.size() / k; ++row) {
      const std::size_t bytes = row_bytes(tensor.dtype, k).value();
      info(tensor.dtype).encode(&w[row * k], &expected[row * bytes], k);
    }
    EXPECT_EQ(expected, rows_of(tensor)) << tensor.name;
    ++compared;
  }
  EXPECT_EQ(compared, static_cast<int>(source.tensors().size()));
  EXPECT_EQ(name(result.need("blk.0.attn_q.weight").dtype), GetParam());
}

INSTANTIATE_TEST_SUITE_P(Types, EncodedRows,
                         testing::Values("q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "f16", "bf16",
                                         "f32"),
                         [](const auto& test) { return std::string(test.param); });

TEST_F(Compress, ChoosesTypesByRole) {
  const CompressReport report = to_gguf(golden_model("llama"), "a.gguf", "q4_0");
  const ModelFiles result(folder_ / "a.gguf");
  EXPECT_EQ(result.need("token_embd.weight").dtype, DType::q4_0);
  EXPECT_EQ(result.need("output.weight").dtype, DType::q8_0);
  EXPECT_EQ(result.need("blk.1.ffn_up.weight").dtype, DType::q4_0);
  EXPECT_EQ(result.need("blk.1.attn_norm.weight").dtype, DType::f32);
  // 176 inputs are 5.5 blocks.
  EXPECT_EQ(result.need("blk.1.ffn_down.weight").dtype, DType::f16);
  // Told once for all of them.
  EXPECT_THAT(report.notes, testing::Contains(testing::HasSubstr("ffn_down.weight and 2 more")));
  EXPECT_EQ(result.checkpoint().metadata().get_uint("general.file_type"), 2u);
  EXPECT_EQ(result.checkpoint().metadata().get_uint("general.quantization_version"), 2u);
}

TEST_F(Compress, TakesTypesOfEmbeddingAndHead) {
  run(golden_model("llama"), "a.gguf",
      {.type = "q4_0", .embedding_type = "q5_1", .head_type = "f16", .to = "gguf"});
  const ModelFiles result(folder_ / "a.gguf");
  EXPECT_EQ(result.need("token_embd.weight").dtype, DType::q5_1);
  EXPECT_EQ(result.need("output.weight").dtype, DType::f16);
  // Where the head is the embedding, either name sets its type.
  run(golden_model("llama-tied"), "b.gguf", {.type = "q4_0", .head_type = "q4_1", .to = "gguf"});
  EXPECT_EQ(ModelFiles(folder_ / "b.gguf").need("token_embd.weight").dtype, DType::q4_1);
  EXPECT_EQ(ModelFiles(folder_ / "b.gguf").find("output.weight"), nullptr);
}

TEST_F(Compress, SmallTablesStayF32) {
  to_gguf(golden_model("bert"), "bert.gguf", "q8_0");
  const ModelFiles bert(folder_ / "bert.gguf");
  EXPECT_EQ(bert.need("position_embd.weight").dtype, DType::f32);
  EXPECT_EQ(bert.need("token_types.weight").dtype, DType::f32);
  to_gguf(golden_model("t5"), "t5.gguf", "q8_0");
  const ModelFiles t5(folder_ / "t5.gguf");
  EXPECT_EQ(t5.need("dec.blk.0.attn_rel_b.weight").dtype, DType::f32);
  EXPECT_EQ(t5.need("dec.blk.0.cross_attn_q.weight").dtype, DType::q8_0);
}

TEST_F(Compress, ReportsBitsAndErrors) {
  const ModelFiles source(golden_model("llama-tied"));
  const CompressReport report =
      run(golden_model("llama-tied"), "a.gguf", {.type = "q8_0", .to = "gguf"});
  const ModelFiles result(folder_ / "a.gguf");
  EXPECT_DOUBLE_EQ(report.bits_per_weight, 8.0 * static_cast<double>(result.weight_bytes()) /
                                               static_cast<double>(result.parameters()));
  EXPECT_EQ(report.bytes_in, source.checkpoint().bytes());
  EXPECT_EQ(report.bytes_out, test::read_file(folder_ / "a.gguf").size());
  ASSERT_FALSE(report.layers.empty());
  EXPECT_EQ(report.layers.front().name, "token_embd.weight");
  for (const LayerReport& layer : report.layers) {
    const std::vector<float> w = values_of(source.need(layer.name));
    std::vector<float> q(w.size());
    std::vector<std::byte> encoded(tensor_bytes(layer.type, {w.size()}).value());
    info(layer.type).encode(w.data(), encoded.data(), w.size());
    info(layer.type).decode(encoded.data(), q.data(), w.size());
    double difference = 0.0, weight = 0.0;
    for (std::size_t i = 0; i < w.size(); ++i) {
      difference += (double{w[i]} - q[i]) * (double{w[i]} - q[i]);
      weight += double{w[i]} * w[i];
    }
    EXPECT_NEAR(layer.error, std::sqrt(difference / weight), 1e-12) << layer.name;
  }
}

TEST_F(Compress, RequantizesBlocks) {
  to_gguf(golden_model("llama"), "a.gguf", "q4_1");
  to_gguf(folder_ / "a.gguf", "b.gguf", "q4_0");
  const ModelFiles a(folder_ / "a.gguf");
  const ModelFiles b(folder_ / "b.gguf");
  for (const ModelTensor& tensor : b.tensors()) {
    const std::vector<float> w = values_of(a.need(tensor.name));
    std::vector<std::byte> expected(tensor.data.size());
    info(tensor.dtype).encode(w.data(), expected.data(), w.size());
    EXPECT_EQ(expected, rows_of(tensor)) << tensor.name;
  }
}

TEST_F(Compress, BytesDoNotDependOnThreads) {
  for (const std::string to : {"gguf", "bundle"}) {
    std::string first;
    for (const std::size_t threads : {1, 2, 3, 5}) {
      ThreadPool pool(threads);
      compress(ModelFiles(golden_model("gpt2")), nullptr, folder_ / to, {.to = to}, pool);
      const std::string bytes = test::all_bytes(folder_ / to);
      if (first.empty()) first = bytes;
      EXPECT_EQ(first, bytes) << to << " with " << threads << " threads";
    }
  }
}

TEST_F(Compress, GgufHoldsRopeDivisorsOnce) {
  const ModelFiles source(golden_model("llama3-rope"));
  to_gguf(golden_model("llama3-rope"), "a.gguf", "q8_0");
  const GgufFile file(folder_ / "a.gguf");
  const auto* table = &file.tensors().front();
  for (const TensorView& tensor : file.tensors()) {
    if (tensor.name == "rope_freqs.weight") table = &tensor;
  }
  ASSERT_EQ(table->name, "rope_freqs.weight");
  std::vector<float> divisors(table->columns());
  decode_rows(*table, 0, 1, divisors.data());
  EXPECT_EQ(divisors, llama3_divisors(source.spec().decoder->ropes[0]));
  const ModelFiles back(folder_ / "a.gguf");
  EXPECT_TRUE(back.spec().decoder->ropes[0].divisors.empty());
  EXPECT_EQ(rope_frequencies(back.spec().decoder->ropes[0], 0),
            rope_frequencies(source.spec().decoder->ropes[0], 0));
}

// A GGUF file of another program has no halfbyte.model, only the table; a published config needs
// llama3's parameters.
TEST_F(Compress, RecoversLlama3ScalingFromItsTable) {
  ModelFiles source(golden_model("llama3-rope"));
  ModelSpec spec = source.spec();
  Metadata metadata;
  spec_to_gguf(gguf_spec(spec), metadata);
  metadata.erase("halfbyte.model");
  to_gguf(golden_model("llama3-rope"), "a.gguf", "f32");
  const GgufFile file(folder_ / "a.gguf");
  std::vector<GgufWriter::Tensor> tensors;
  for (const TensorView& t : file.tensors()) tensors.push_back({t.name, t.dtype, t.shape});
  OutputFile out(folder_ / "foreign.gguf");
  GgufWriter writer(out, metadata, tensors);
  for (const TensorView& t : file.tensors()) writer.write(t.data);
  writer.finish();
  out.close();
  run(folder_ / "foreign.gguf", "back", {.type = "f32", .to = "safetensors"});
  const RopeSpec rope = ModelFiles(folder_ / "back").spec().decoder->ropes[0];
  EXPECT_EQ(rope.scaling, RopeScaling::llama3);
  EXPECT_DOUBLE_EQ(rope.factor, 8.0);
  EXPECT_EQ(rope.original_context, 64u);
}

TEST_F(Compress, BundleHasAFileForEachBlock) {
  run(golden_model("t5"), "t5", {.type = "q8_0"});
  const ModelFiles t5(folder_ / "t5");
  const Json& description = t5.checkpoint().bundle()->description();
  std::vector<std::string> files;
  for (const Json& file : description["files"]) files.push_back(file["name"]);
  EXPECT_THAT(files,
              testing::ElementsAre("embedding", "enc_block_000", "enc_block_001", "enc_block_002",
                                   "dec_block_000", "dec_block_001", "head"));
  EXPECT_EQ(description["quantization"]["type"], "q8_0");
  EXPECT_EQ(description["source"]["name"], "t5");
  EXPECT_TRUE(description["calibration"].is_null());
  EXPECT_EQ(t5.need("enc.blk.0.attn_q.weight").layout, "p16");
  EXPECT_EQ(t5.need("enc.blk.0.attn_norm.weight").layout, "rows");
  EXPECT_EQ(t5.need("token_embd.weight").layout, "p16");  // it is the head, too
  run(golden_model("llama"), "llama", {.type = "q8_0"});
  const ModelFiles llama(folder_ / "llama");
  EXPECT_EQ(llama.need("token_embd.weight").layout, "rows");
  EXPECT_EQ(llama.need("output.weight").layout, "p16");
}

TEST_F(Compress, KeepsMetadataOfAGgufSource) {
  to_gguf(golden_model("llama"), "a.gguf", "f16");
  const GgufFile file(folder_ / "a.gguf");
  Metadata metadata = file.metadata();
  metadata.set_string("general.license", "apache-2.0");
  metadata.set_string("general.name", "Tiny");
  metadata.set_string("tokenizer.ggml.model", "gpt2");
  metadata.set_strings("tokenizer.ggml.tokens", {"a", "b"});
  std::vector<GgufWriter::Tensor> tensors;
  for (const TensorView& t : file.tensors()) tensors.push_back({t.name, t.dtype, t.shape});
  OutputFile out(folder_ / "b.gguf");
  GgufWriter writer(out, metadata, tensors);
  for (const TensorView& t : file.tensors()) writer.write(t.data);
  writer.finish();
  out.close();
  // Through a bundle, whose tokenizer file carries them, to GGUF again.
  run(folder_ / "b.gguf", "bundle", {.type = "q8_0"});
  to_gguf(folder_ / "bundle", "c.gguf", "q4_0");
  const GgufFile last(folder_ / "c.gguf");
  EXPECT_EQ(last.metadata().get_string("general.license"), "apache-2.0");
  EXPECT_EQ(last.metadata().get_string("general.name"), "Tiny");
  EXPECT_EQ(last.metadata().get_string("tokenizer.ggml.model"), "gpt2");
  EXPECT_EQ(last.metadata().get_strings("tokenizer.ggml.tokens").size(), 2u);
  EXPECT_EQ(last.metadata().get_uint("general.file_type"), 2u);
}

TEST(Tables, AreConsistent) {
  EXPECT_NE(find_method("rtn"), nullptr);
  EXPECT_EQ(find_method("magic"), nullptr);
}

}  // namespace
}  // namespace halfbyte
