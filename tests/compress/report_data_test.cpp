// What a report says of tensors: their place in the model, what they take, their errors.
#include "compress/report_data.h"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "compress/compress.h"
#include "support.h"

namespace halfbyte {
namespace {

const TensorFacts* find(const std::vector<TensorFacts>& all, std::string_view name) {
  const auto found = std::find_if(all.begin(), all.end(),
                                  [name](const TensorFacts& facts) { return facts.name == name; });
  return found == all.end() ? nullptr : &*found;
}

TEST(ReportData, SaysWhereTensorsAreAndWhatTheyTake) {
  test::TemporaryFolder folder;
  ThreadPool pool(2);
  for (const char* to : {"gguf", "bundle"}) {
    SCOPED_TRACE(to);
    const ModelFiles source(test::golden_model("t5"));
    const CompressReport report = compress(source, nullptr, folder / to, {.to = to}, pool);
    const std::vector<TensorFacts> all = tensor_facts(ModelFiles(folder / to), report);
    EXPECT_EQ(all.size(), source.tensors().size());
    const TensorFacts* const q = find(all, "enc.blk.1.attn_q.weight");
    ASSERT_NE(q, nullptr);
    EXPECT_EQ(q->kind, "enc.attn_q");
    EXPECT_EQ(q->layer, 1);
    EXPECT_EQ(q->type, DType::q4_0);
    EXPECT_EQ(q->bytes, q->elements / 32 * 18);
    EXPECT_GT(q->error, 0.0);
    const TensorFacts* const embedding = find(all, "token_embd.weight");
    ASSERT_NE(embedding, nullptr);
    EXPECT_EQ(embedding->kind, "token_embd");
    EXPECT_EQ(embedding->layer, -1);
    for (const TensorFacts& facts : all) {
      for (const LayerReport& layer : report.layers) {
        if (layer.name != facts.name) continue;
        EXPECT_EQ(layer.error, facts.error) << facts.name;
      }
    }
  }
}

TEST(ReportData, AnErrorThatIsNoNumberIsNull) {
  TensorFacts facts;
  facts.error = INFINITY;
  const Json json = to_json(std::vector{facts});
  EXPECT_TRUE(json[0]["error"].is_null());
  EXPECT_TRUE(json[0]["layer"].is_null());
}

}  // namespace
}  // namespace halfbyte
