// Plans, names and files: every family's plan fits its checkpoint, and what does not fit is named.
#include "model/plan.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/model_files.h"
#include "model/names.h"
#include "support/goldens.h"

namespace halfbyte {
namespace {

using namespace test;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class PlanOf : public testing::TestWithParam<std::string> {
 protected:
  ModelFiles files_{model_path(GetParam())};
  Plan plan_ = make_plan(files_.spec());
};

TEST_P(PlanOf, NamesEveryTensorOnce) {
  std::set<std::string> names;
  for (const WeightRef& weight : plan_.weights) {
    EXPECT_TRUE(names.insert(weight.name).second) << weight.name;
    const ModelTensor* tensor = files_.find(weight.name);
    if (tensor == nullptr) {
      EXPECT_TRUE(weight.optional) << weight.name;
      continue;
    }
    if (weight.kind == WeightKind::vector) {
      EXPECT_EQ(element_count(tensor->shape), weight.n * weight.k) << weight.name;
    } else {
      EXPECT_EQ(tensor->shape, (Shape{weight.n, weight.k})) << weight.name;
    }
  }
  for (const ModelTensor& tensor : files_.tensors())
    EXPECT_TRUE(names.contains(tensor.name)) << tensor.name << " is never used";
}

TEST_P(PlanOf, PiecesFitTheirBuffers) {
  for (const auto* steps : {&plan_.encoder.steps, &plan_.decoder.steps}) {
    for (const Step& step : *steps) {
      if (step.op != Op::linear) continue;
      std::uint64_t column = 0;
      for (const Piece& piece : step.pieces) {
        const WeightRef& weight = plan_.weights[static_cast<std::size_t>(piece.weight)];
        EXPECT_EQ(piece.column, column) << weight.name;  // side by side, no gap
        column += weight.n;
        // The activation of gate and up leaves half of what it reads.
        EXPECT_LE(weight.k, plan_.width_of(step.in)) << weight.name;
      }
      EXPECT_LE(column, plan_.width_of(step.out));
      EXPECT_FALSE(to_string(plan_, step).empty());
    }
  }
}

TEST_P(PlanOf, PublishedNamesAndBack) {
  const bool gated = files_.spec().main_stack().gated;
  for (const ModelTensor& tensor : files_.tensors()) {
    const auto published = published_name(files_.family(), tensor.name, gated);
    ASSERT_TRUE(published) << tensor.name;
    const auto mapped = map_published_name(files_.family(), published->name);
    ASSERT_TRUE(mapped) << published->name;
    EXPECT_EQ(mapped->name, tensor.name);
    EXPECT_EQ(mapped->transposed, tensor.transposed);
    EXPECT_EQ(published->transposed, tensor.transposed);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, PlanOf, testing::ValuesIn(all_models()), [](const auto& param) {
  std::string name = param.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

std::string mapped(std::string_view family, std::string_view published) {
  const auto name = map_published_name(*find_family(family), published);
  if (!name) return "unknown";
  return name->name.empty() ? "unused" : name->name;
}

TEST(Names, Rules) {
  EXPECT_EQ(mapped("llama", "model.layers.12.self_attn.q_proj.weight"), "blk.12.attn_q.weight");
  EXPECT_EQ(mapped("llama", "model.layers.0.self_attn.rotary_emb.inv_freq"), "unused");
  EXPECT_EQ(mapped("llama", "model.layers.x.self_attn.q_proj.weight"), "unknown");
  EXPECT_EQ(mapped("llama", "model.layers.012.self_attn.q_proj.weight"), "unknown");
  EXPECT_EQ(mapped("llama", "model.layers.-1.self_attn.q_proj.weight"), "unknown");
  EXPECT_EQ(mapped("llama", "model.layers.99999999999.self_attn.q_proj.weight"), "unknown");
  EXPECT_EQ(mapped("llama", "model.layers..self_attn.q_proj.weight"), "unknown");
  EXPECT_EQ(mapped("llama", "model.layers.0.mlp.experts.weight"), "unknown");
  EXPECT_EQ(mapped("gemma3", "language_model.model.layers.1.mlp.up_proj.weight"),
            "blk.1.ffn_up.weight");
  EXPECT_EQ(mapped("gemma3", "model.language_model.layers.1.mlp.up_proj.weight"),
            "blk.1.ffn_up.weight");
  EXPECT_EQ(mapped("gemma3", "vision_tower.vision_model.post_layernorm.bias"), "unused");
  EXPECT_EQ(mapped("gpt2", "transformer.h.3.attn.c_attn.weight"), "blk.3.attn_qkv.weight");
  EXPECT_EQ(mapped("gpt2", "h.3.attn.bias"), "unused");
  EXPECT_EQ(mapped("bert", "bert.embeddings.LayerNorm.gamma"), "token_embd_norm.weight");
  EXPECT_EQ(mapped("bert", "bert.embeddings.LayerNorm.beta"), "token_embd_norm.bias");
  EXPECT_EQ(mapped("bert", "cls.predictions.bias"), "unused");
  EXPECT_EQ(mapped("t5", "encoder.embed_tokens.weight"), "token_embd.weight");
  EXPECT_EQ(mapped("t5", "decoder.block.0.layer.2.DenseReluDense.wi_0.weight"),
            "dec.blk.0.ffn_gate.weight");
}

TEST(Files, UnknownTensorsAreNamed) {
  const TemporaryFolder folder;
  fs::copy(model_path("llama"), folder / "m");
  Json config = read_json_file(folder / "m/config.json");
  config["model_type"] = "gpt2";
  for (const char* key : {"n_embd", "n_head", "n_layer", "n_positions"}) config[key] = 4;
  folder.put("m/config.json", config.dump());
  EXPECT_THAT(outcome_of([&] { ModelFiles(folder / "m"); }),
              AllOf(StartsWith("unsupported"), HasSubstr("tensor '")));
}

TEST(Families, TableIsConsistent) {
  std::set<std::string_view> names;
  for (const Family& family : all_families()) {
    EXPECT_TRUE(names.insert(family.name).second);
    EXPECT_TRUE(family.encoder != nullptr || family.decoder != nullptr);
    EXPECT_EQ(find_family(family.name), &family);
    for (const std::string_view type : family.config_types)
      EXPECT_EQ(find_family_of_config(type), &family);
    for (const std::string_view arch : family.gguf_archs)
      EXPECT_NE(find_family_of_gguf(arch, family.experts != nullptr), nullptr);
    EXPECT_FALSE(family.hf_class.empty());
    EXPECT_FALSE(family.names.empty());
  }
  EXPECT_EQ(find_family_of_config("hal9000"), nullptr);
}

}  // namespace
}  // namespace halfbyte
