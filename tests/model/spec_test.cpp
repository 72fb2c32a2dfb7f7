// Descriptions: JSON and back, what is refused, reading of configs and of GGUF keys.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/config_gguf.h"
#include "model/config_hf.h"
#include "model/model_files.h"
#include "support/goldens.h"

namespace halfbyte {
namespace {

using namespace test;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

ModelSpec golden_spec(const std::string& name) {
  return ModelFiles(model_path(name)).spec();
}

Json config_of(const std::string& name) {
  return read_json_file(model_path(name) + "/config.json");
}

std::string read_outcome(const Json& config) {
  return outcome_of([&] { spec_from_config(config, nullptr, "config.json"); });
}

class SpecOf : public testing::TestWithParam<std::string> {};

TEST_P(SpecOf, JsonAndBack) {
  const Json json = spec_to_json(golden_spec(GetParam()));
  EXPECT_EQ(spec_to_json(spec_from_json(json, "x")), json);
  EXPECT_EQ(spec_to_json(spec_from_json(parse_json(json.dump(), "x"), "x")), json);
}

TEST_P(SpecOf, EveryFieldIsNeeded) {
  const Json json = spec_to_json(golden_spec(GetParam()));
  for (const auto& [key, value] : json.items()) {
    Json less = json;
    less.erase(key);
    EXPECT_THAT(outcome_of([&] { spec_from_json(less, "bundle.json"); }),
                AllOf(StartsWith("malformed: bundle.json"), HasSubstr(key)));
    Json other = json;
    other[key] = Json{{"a", "table"}};
    EXPECT_THAT(outcome_of([&] { spec_from_json(other, "bundle.json"); }),
                StartsWith("malformed: bundle.json"))
        << key;
  }
}

// What llama.cpp's keys can say must come back from them, without our own description.
TEST_P(SpecOf, GgufKeysAlone) {
  ModelSpec spec = gguf_spec(golden_spec(GetParam()));
  Metadata metadata;
  metadata.file = "m.gguf";
  spec_to_gguf(spec, metadata);
  EXPECT_EQ(spec_to_json(spec_from_gguf(metadata, {})), spec_to_json(spec));
  metadata.erase("halfbyte.model");
  GgufFacts facts;
  facts.vocab = spec.vocab;
  facts.positions = spec.learned_positions;
  facts.token_types = spec.token_types;
  facts.has_output = spec.has_head && !spec.tied_head;
  facts.gated = spec.main_stack().gated;
  if (spec.main_stack().experts) facts.dense_layers = spec.main_stack().experts->dense_layers;
  ModelSpec read = spec_from_gguf(metadata, facts);
  // Special tokens are the tokenizer's keys; llama3's scaling is a tensor.
  read.bos = spec.bos;
  read.eos = spec.eos;
  read.pad = spec.pad;
  // A tied head without T5's scale is not in llama.cpp's vocabulary either.
  if (GetParam() == "t5-gated") read.logit_scale = spec.logit_scale;
  for (ModelSpec* one : {&spec, &read}) {
    if (GetParam() == "llama3-rope") one->decoder->ropes[0] = RopeSpec();
  }
  EXPECT_EQ(spec_to_json(read).dump(1), spec_to_json(spec).dump(1));
}

INSTANTIATE_TEST_SUITE_P(Models, SpecOf, testing::ValuesIn(all_models()), [](const auto& param) {
  std::string name = param.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

// Rope scalings, windows and biases through GGUF's keys.
TEST(GgufKeys, ScalingsAndWindows) {
  for (const Variant& variant : kVariants) {
    const std::string name = variant.name;
    // Not in llama.cpp's vocabulary: dynamic scaling, windows of some of a Qwen2's layers, yarn's
    // ramp ends in fractions. halfbyte.model says them.
    if (name.find("dynamic") != std::string::npos || name.starts_with("qwen2-") ||
        name == "llama-yarn-mscale" || name.find("llama3") != std::string::npos) {
      continue;
    }
    SCOPED_TRACE(name);
    const TemporaryFolder folder;
    const ModelSpec spec = gguf_spec(ModelFiles(assemble(variant, folder)).spec());
    Metadata metadata;
    metadata.file = "m.gguf";
    spec_to_gguf(spec, metadata);
    metadata.erase("halfbyte.model");
    GgufFacts facts;
    facts.vocab = spec.vocab;
    facts.has_output = !spec.tied_head;
    const ModelSpec read = spec_from_gguf(metadata, facts);
    const StackSpec& a = *spec.decoder;
    const StackSpec& b = *read.decoder;
    for (std::size_t i = 0; i < a.layers.size(); ++i) {
      EXPECT_EQ(a.layers[i].window, b.layers[i].window) << i;
      EXPECT_EQ(a.layers[i].rope, b.layers[i].rope) << i;
    }
    ASSERT_EQ(a.ropes.size(), b.ropes.size());
    for (std::size_t i = 0; i < a.ropes.size(); ++i) {
      EXPECT_EQ(a.ropes[i].scaling, b.ropes[i].scaling);
      EXPECT_DOUBLE_EQ(a.ropes[i].factor, b.ropes[i].factor);
      EXPECT_DOUBLE_EQ(a.ropes[i].theta, b.ropes[i].theta);
      EXPECT_NEAR(a.ropes[i].attention_factor, b.ropes[i].attention_factor, 1e-6);
      EXPECT_DOUBLE_EQ(a.ropes[i].beta_fast, b.ropes[i].beta_fast);
    }
    EXPECT_NEAR(a.attention_scale, b.attention_scale, 1e-7);
    EXPECT_DOUBLE_EQ(spec.logit_softcap, read.logit_softcap);
  }
}

TEST(GgufKeys, WhatIsMissingOrUnknown) {
  Metadata metadata;
  metadata.file = "m.gguf";
  const auto outcome = [&] {
    return outcome_of([&] {
      GgufFacts facts;
      facts.vocab = 384;
      spec_from_gguf(metadata, facts);
    });
  };
  EXPECT_THAT(outcome(), AllOf(StartsWith("malformed: m.gguf"), HasSubstr("architecture")));
  metadata.set_string("general.architecture", "hal9000");
  EXPECT_THAT(outcome(), AllOf(StartsWith("unsupported: m.gguf"), HasSubstr("hal9000")));
  spec_to_gguf(gguf_spec(golden_spec("llama")), metadata);
  metadata.erase("halfbyte.model");
  EXPECT_EQ(outcome(), "ok");
  for (const char* key :
       {"llama.embedding_length", "llama.block_count", "llama.attention.head_count"}) {
    Metadata less = metadata;
    less.erase(key);
    EXPECT_THAT(outcome_of([&] { spec_from_gguf(less, {}); }), StartsWith("malformed: m.gguf"))
        << key;
  }
  metadata.set_u32("llama.expert_count", 8);
  EXPECT_THAT(outcome(), AllOf(StartsWith("malformed"), HasSubstr("expert_used_count")));
  for (const std::uint32_t used : {0u, 9u}) {
    metadata.set_u32("llama.expert_used_count", used);
    EXPECT_THAT(outcome(), AllOf(StartsWith("malformed"), HasSubstr("experts used by a row")));
  }
  metadata.set_u32("llama.expert_used_count", 2);
  EXPECT_EQ(outcome(), "ok");
  metadata.set_u32("llama.expert_count", 1u << 30);
  EXPECT_THAT(outcome(), AllOf(StartsWith("malformed"), HasSubstr("experts is 1073741824")));
  metadata.set_string("general.architecture", "qwen2");
  metadata.set_u32("qwen2.expert_count", 8);
  EXPECT_THAT(outcome(), AllOf(StartsWith("unsupported"), HasSubstr("'qwen2' with experts")));
}

struct Refusal {
  const char* key;
  Json value;
  const char* starts;
};

TEST(Config, WhatIsRefused) {
  const Refusal cases[] = {
      {"hidden_size", nullptr, "malformed"},
      {"hidden_size", "64", "malformed"},
      {"hidden_size", -64, "malformed"},
      {"hidden_size", 0, "malformed"},
      {"hidden_size", 6.5, "malformed"},
      {"vocab_size", nullptr, "malformed"},
      {"vocab_size", 1e12, "malformed"},
      {"num_hidden_layers", nullptr, "malformed"},
      {"num_hidden_layers", 0, "malformed"},
      {"num_hidden_layers", 4000000000u, "malformed"},
      {"num_attention_heads", nullptr, "malformed"},
      {"num_attention_heads", 0, "malformed"},
      {"num_key_value_heads", 3, "malformed"},
      {"num_key_value_heads", 0, "malformed"},
      {"head_dim", 0, "malformed"},
      {"head_dim", 15, "malformed"},
      {"intermediate_size", 0, "malformed"},
      {"rms_norm_eps", "tiny", "malformed"},
      {"rms_norm_eps", -1.0, "malformed"},
      {"hidden_act", 5, "malformed"},
      {"hidden_act", "wobbly", "unsupported"},
      {"tie_word_embeddings", "yes", "malformed"},
      {"rope_parameters", "fast", "malformed"},
      {"rope_parameters", {{"rope_type", "spiral"}}, "unsupported"},
      {"rope_parameters", {{"rope_type", "linear"}, {"factor", 0.0}}, "malformed"},
      {"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 0.5}}, "malformed"},
      {"eos_token_id", "</s>", "malformed"},
      {"model_type", nullptr, "malformed"},
      {"model_type", "hal9000", "unsupported"},
      {"num_local_experts", 8, "unsupported"},
      {"query_pre_attn_scalar", 0, "malformed"},
      {"max_position_embeddings", 0, "malformed"},
  };
  ASSERT_EQ(read_outcome(config_of("llama")), "ok");
  for (const auto& [key, value, starts] : cases) {
    Json config = config_of("llama");
    config[key] = value;
    EXPECT_THAT(read_outcome(config), StartsWith(std::string(starts) + ": config.json"))
        << key << " " << value;
  }
  EXPECT_THAT(read_outcome(Json::array()), StartsWith("malformed: config.json"));
  Json unknown = config_of("llama");
  unknown["model_type"] = "hal9000";
  EXPECT_THAT(read_outcome(unknown), HasSubstr("hal9000"));
}

TEST(Config, LayerTypesMustFit) {
  Json config = config_of("gemma3");
  config["layer_types"] = {"full_attention"};
  EXPECT_THAT(read_outcome(config), StartsWith("malformed"));
  config = config_of("gemma3");
  config["layer_types"][0] = "chunked_attention";
  EXPECT_THAT(read_outcome(config),
              AllOf(StartsWith("unsupported"), HasSubstr("chunked_attention")));
}

// Gemma 3 4B as published says this much and no more.
TEST(Config, GemmasTextPartInItsShortForm) {
  const Json config = parse_json(R"({"model_type": "gemma3", "eos_token_id": [1, 106],
    "text_config": {"hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text",
      "num_hidden_layers": 34, "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
      "sliding_window": 1024}, "vision_config": {"hidden_size": 1152}})",
                                 "x");
  const ModelSpec spec = spec_from_config(config, nullptr, "config.json");
  const StackSpec& stack = *spec.decoder;
  EXPECT_EQ(spec.vocab, 262208u);
  EXPECT_EQ(stack.heads, 8u);
  EXPECT_EQ(stack.kv_heads, 4u);
  EXPECT_EQ(stack.head_dim, 256u);
  EXPECT_DOUBLE_EQ(stack.attention_scale, 1.0 / 16);
  EXPECT_EQ(stack.layers[0].window, 1024u);
  EXPECT_EQ(stack.layers[5].window, 0u);
  EXPECT_EQ(stack.ropes[0].scaling, RopeScaling::linear);
  EXPECT_EQ(stack.ropes[1].scaling, RopeScaling::none);
  EXPECT_EQ(stack.ropes[0].theta, 1e6);
  EXPECT_EQ(stack.ropes[1].theta, 1e4);
  EXPECT_EQ(spec.eos, (std::vector<std::int64_t>{1, 106}));
}

TEST(Config, WindowsThatAreLeftOut) {
  Json config = config_of("llama");
  config["model_type"] = "mistral";
  const auto window = [&] {
    return spec_from_config(config, nullptr, "x").decoder->layers[0].window;
  };
  EXPECT_EQ(window(), 4096u);
  config["sliding_window"] = nullptr;
  EXPECT_EQ(window(), 0u);
  config["model_type"] = "qwen2";
  config["sliding_window"] = 16;
  EXPECT_EQ(window(), 0u);
  config["use_sliding_window"] = true;
  EXPECT_EQ(window(), 0u);  // from layer 28 on
  config["max_window_layers"] = 0;
  EXPECT_EQ(window(), 16u);
}

TEST(Config, EndTokensOfTheGenerationConfigCount) {
  Json config = config_of("llama");
  const Json generation = {{"eos_token_id", {7, 8}}};
  EXPECT_EQ(spec_from_config(config, generation, "x").eos, (std::vector<std::int64_t>{7, 8}));
  EXPECT_EQ(spec_from_config(config, nullptr, "x").eos, (std::vector<std::int64_t>{2}));
}

}  // namespace
}  // namespace halfbyte
