// The types that llama.cpp's llama-quantize gives each matrix, over models of many shapes.
#include "compress/mixes.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "compress/compress.h"
#include "compress/support.h"
#include "model/config_hf.h"
#include "model/plan.h"

namespace halfbyte {
namespace {

// A golden of tools/make_mix_goldens.py.
struct Golden {
  Json json;
  ModelSpec spec;

  // The type of a tensor where it is listed.
  static std::string type_in(const Json& types, std::string_view tensor) {
    std::string part(tensor.substr(0, tensor.rfind('.')));
    unsigned layer = 0;
    if (const std::size_t block = part.find("blk."); block != std::string::npos) {
      const std::size_t end = part.find('.', block + 4);
      std::from_chars(part.data() + block + 4, part.data() + end, layer);
      part.erase(block, end + 1 - block);
    }
    const Json& entry = types.at(part);
    return entry.is_array() ? entry.at(layer) : entry;
  }

  // What llama-quantize chose; with an importance matrix it is listed where it is something else.
  const Json& types_of(std::string_view type, bool importance) const {
    const std::string name(type);
    const Json& weighed = json["importance"];
    return importance && weighed.contains(name) ? weighed[name] : json["types"].at(name);
  }
};

Golden read_golden(const std::string& path) {
  Golden golden{Json::parse(test::read_file(path)), {}};
  golden.spec = spec_from_config(golden.json.at("config"), nullptr, path);
  return golden;
}

std::vector<std::string> goldens() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(HALFBYTE_TEST_DATA "/mixes")) {
    names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<Role> role_of(const WeightRef& ref) {
  if (ref.name == "token_embd.weight") return Role::embedding;
  if (ref.name == "output.weight") return Role::head;
  return ref.kind == WeightKind::matrix ? std::optional(Role::matrix) : std::nullopt;
}

class Mixes : public testing::TestWithParam<std::string> {};

TEST_P(Mixes, AreThoseOfLlamaQuantize) {
  const Golden golden = read_golden(HALFBYTE_TEST_DATA "/mixes/" + GetParam() + ".json");
  const Plan plan = make_plan(golden.spec);
  for (const OutputType& type : all_output_types()) {
    if (!is_quantized(type.matrix) || info(type.matrix).ggml_type < 0) continue;
    for (const bool importance : {false, true}) {
      const Json& expected = golden.types_of(type.name, importance);
      const TypePolicy policy = mix_policy(type, golden.spec, importance);
      EXPECT_EQ(policy.file_type, type.file_type);
      for (const WeightRef& ref : plan.weights) {
        const std::optional<Role> role = role_of(ref);
        if (!role) continue;
        const DType chosen = fitting_type(policy.of(*role, ref.name).value(), ref.k);
        EXPECT_EQ(name(chosen), Golden::type_in(expected, ref.name))
            << type.name << " " << ref.name << (importance ? ", importance" : "");
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Goldens, Mixes, testing::ValuesIn(goldens()), [](const auto& test) {
  std::string name = test.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(OutputTypes, HaveTheIdsOfLlamaCpp) {
  std::set<std::uint32_t> ids;
  for (const OutputType& type : all_output_types()) {
    EXPECT_EQ(find_output_type(type.name), &type);
    const std::string_view matrix = name(type.matrix);
    const std::size_t same = type.by_row ? matrix.find('g') : matrix.size();
    EXPECT_TRUE(type.name.starts_with(matrix.substr(0, same))) << type.name;
    if (info(type.matrix).ggml_type < 0) continue;  // no GGUF holds it
    EXPECT_TRUE(ids.insert(type.file_type).second) << type.name;
  }
  EXPECT_EQ(need_output_type("q4_k_m").file_type, 15u);
  EXPECT_EQ(need_output_type("q2_k_s").file_type, 21u);
  EXPECT_EQ(gguf_file_type(DType::q3_k), 12u);  // the medium mix
  EXPECT_EQ(gguf_file_type(DType::bf16), 32u);
}

class MixFile : public testing::Test {
 protected:
  test::TemporaryFolder folder_;
  ThreadPool pool_{2};
};

// Rows of 64 hold no block of 256: the types that stand in can be written, and run.
TEST_F(MixFile, SaysWhichMixItIs) {
  const ModelFiles source(test::golden_model("llama"));
  const CompressReport report =
      compress(source, nullptr, folder_ / "a.gguf", {.type = "q4_k_m", .to = "gguf"}, pool_);
  const ModelFiles result(folder_ / "a.gguf");
  EXPECT_EQ(result.checkpoint().metadata().get_uint("general.file_type"), 15u);
  EXPECT_EQ(result.need("blk.1.attn_q.weight").dtype, DType::q5_0);
  EXPECT_EQ(result.need("blk.2.attn_v.weight").dtype, DType::q8_0);
  EXPECT_EQ(result.need("token_embd.weight").dtype, DType::q5_0);
  EXPECT_EQ(result.need("output.weight").dtype, DType::q8_0);
  EXPECT_THAT(report.notes,
              testing::Contains(testing::HasSubstr(
                  "rows of 64 are no multiple of q4_k's block of 256; kept as q5_0")));
}

TEST_F(MixFile, YieldsToTypesThatAreAskedFor) {
  const ModelFiles source(test::golden_model("llama"));
  compress(source, nullptr, folder_ / "a.gguf",
           {.type = "q5_k_m", .embedding_type = "q4_1", .head_type = "f16", .to = "gguf"}, pool_);
  const ModelFiles result(folder_ / "a.gguf");
  EXPECT_EQ(result.need("token_embd.weight").dtype, DType::q4_1);
  EXPECT_EQ(result.need("output.weight").dtype, DType::f16);
}

}  // namespace
}  // namespace halfbyte
