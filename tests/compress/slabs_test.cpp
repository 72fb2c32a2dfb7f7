// Tensors of many slabs, biases of rotated matrices, halves: a checkpoint made for the purpose.
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "compress/compress.h"
#include "formats/safetensors.h"
#include "support.h"

namespace halfbyte {
namespace {

using test::golden_model;
using test::rows_of;
using test::TemporaryFolder;
using test::values_of;

constexpr std::uint64_t kVocab = 70003;  // 4.5 million weights; no multiple of 16 rows
constexpr std::uint64_t kWidth = 64;

std::vector<std::byte> noise(std::uint64_t n, DType dtype) {
  std::vector<float> values(n);
  std::uint32_t state = 1;
  for (float& value : values) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(static_cast<std::int32_t>(state)) * 0x1p-31f;
  }
  std::vector<std::byte> bytes(tensor_bytes(dtype, {n}).value());
  info(dtype).encode(values.data(), bytes.data(), n);
  return bytes;
}

// llama-tied, which has biases, with a large vocabulary in f16.
void write_checkpoint(const std::string& folder) {
  const Checkpoint source = Checkpoint::open(golden_model("llama-tied"));
  Json config = source.config();
  config["vocab_size"] = kVocab;
  std::ofstream(folder + "/config.json") << config.dump();
  std::vector<SafetensorsWriter::Tensor> tensors;
  std::vector<std::vector<std::byte>> data;
  const auto add = [&](const std::string& name, DType dtype, const Shape& shape,
                       std::vector<std::byte> bytes) {
    tensors.push_back({name, dtype, shape});
    data.push_back(std::move(bytes));
  };
  for (const TensorView& t : source.tensors()) {
    if (t.name == "model.embed_tokens.weight") continue;
    add(t.name, t.dtype, t.shape, {t.data.begin(), t.data.end()});
  }
  add("model.embed_tokens.weight", DType::f16, {kVocab, kWidth},
      noise(kVocab * kWidth, DType::f16));
  OutputFile out(folder + "/model.safetensors");
  SafetensorsWriter writer(out, tensors);
  for (const auto& bytes : data) writer.write(bytes);
  writer.finish();
  out.close();
}

class Slabs : public testing::Test {
 protected:
  void SetUp() override { write_checkpoint(folder_.path()); }
  std::string run(const CompressOptions& options, std::size_t threads) {
    ThreadPool pool(threads);
    const std::string out = folder_ / "out";
    const CompressReport report = compress(ModelFiles(folder_.path()), nullptr, out, options, pool);
    error_ = report.layers.front().error;
    return out;
  }
  TemporaryFolder folder_;
  double error_ = 0.0;
};

TEST_F(Slabs, EqualTheEncoders) {
  const ModelFiles source(folder_.path());
  const std::vector<float> w = values_of(source.need("token_embd.weight"));
  for (const std::string type : {"q4_0", "f16", "f32"}) {
    const DType dtype = find_dtype(type)->dtype;
    std::vector<std::byte> expected(tensor_bytes(dtype, {w.size()}).value());
    info(dtype).encode(w.data(), expected.data(), w.size());
    for (const std::string to : {"gguf", "bundle"}) {
      double error = -1.0;
      for (const std::size_t threads : {1, 3}) {
        const std::string out = run({.type = "q8_0", .embedding_type = type, .to = to}, threads);
        EXPECT_TRUE(expected == rows_of(ModelFiles(out).need("token_embd.weight"))) << type << to;
        if (threads == 1) error = error_;
        EXPECT_EQ(error, error_);
        std::filesystem::remove_all(out);
      }
    }
  }
}

TEST_F(Slabs, BiasesFollowTheirRows) {
  const ModelFiles source(folder_.path());
  const std::string out = run({.type = "f32", .to = "gguf"}, 2);
  const ModelFiles gguf(out);
  const std::size_t half = source.spec().decoder->head_dim / 2;
  for (const std::string part : {"q", "k"}) {
    const std::string base = "blk.0.attn_" + part;
    const std::vector<float> w = values_of(source.need(base + ".weight"));
    const std::vector<float> b = values_of(source.need(base + ".bias"));
    const std::vector<float> moved_w = values_of(gguf.need(base + ".weight"));
    const std::vector<float> moved_b = values_of(gguf.need(base + ".bias"));
    // Rows 0 and half of a head become rows 0 and 1.
    EXPECT_EQ(moved_b[1], b[half]);
    EXPECT_EQ(moved_b[2 * half + 3], b[2 * half + half + 1]);
    EXPECT_EQ(moved_w[1 * kWidth], w[half * kWidth]);
  }
  // And back.
  ThreadPool pool(2);
  compress(gguf, nullptr, folder_ / "back", {.type = "f32", .to = "safetensors"}, pool);
  const ModelFiles back(folder_ / "back");
  EXPECT_EQ(values_of(back.need("blk.0.attn_q.bias")), values_of(source.need("blk.0.attn_q.bias")));
  EXPECT_EQ(back.checkpoint().config()["attention_bias"], true);
}

}  // namespace
}  // namespace halfbyte
