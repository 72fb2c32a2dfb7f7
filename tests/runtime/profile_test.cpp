// A profile adds up to the time that passed, names every kind of step, and changes no result.
#include "runtime/profile.h"

#include <map>
#include <string>

#include <gtest/gtest.h>

#include "run.h"

namespace halfbyte {
namespace {

using namespace test;
using Clock = std::chrono::steady_clock;

class ProfileTest : public testing::TestWithParam<std::string> {
 protected:
  std::string path_ = model_path(GetParam());
  TensorFile golden_{path_ + "/golden.safetensors"};
  std::vector<TokenId> input_ = golden_.row("input_ids", 0);
  ThreadPool pool_{2};
};

TEST_P(ProfileTest, AddsUpToTheWallTime) {
  const auto model = Model::open(path_, pool_);
  Session session(*model);
  Profile profile;
  session.set_profile(&profile);
  for (const Phase phase : {Phase::prefill, Phase::decode}) {
    const auto outer = Clock::now();
    profile.start(phase);
    const auto inner = Clock::now();
    logits_of(session, phase == Phase::prefill ? input_ : std::vector<TokenId>{input_[0]});
    const std::chrono::duration<double> least = Clock::now() - inner;
    profile.stop();
    const std::chrono::duration<double> most = Clock::now() - outer;
    EXPECT_GE(profile.seconds(phase), least.count());
    EXPECT_LE(profile.seconds(phase), most.count());
  }
}

TEST_P(ProfileTest, CountsTheStepsOfThePlan) {
  const auto model = Model::open(path_, pool_);
  const std::size_t layers = model->spec().decoder->layers.size();
  Session session(*model);
  Profile profile;
  session.set_profile(&profile);
  profile.start(Phase::decode);
  for (int i = 0; i < 3; ++i) logits_of(session, {input_[0]});
  profile.stop();
  std::map<std::string, ProfileRow> rows;
  for (const ProfileRow& row : profile.rows(Phase::decode)) rows[std::string(row.op)] = row;
  for (const char* op :
       {"attention", "linear attn_qkv", "linear attn_out", "inputs attn_qkv", "store"}) {
    EXPECT_EQ(rows[op].calls, 3 * layers) << op;
  }
  // A row takes as many FFNs as it uses experts.
  std::size_t ffns = 0;
  std::size_t routers = 0;
  for (std::uint32_t i = 0; i < layers; ++i) {
    const StackSpec& stack = *model->spec().decoder;
    routers += stack.has_experts(i) ? 1 : 0;
    ffns += stack.has_experts(i) ? stack.experts->used : 1;
  }
  for (const char* op : {"linear ffn_up", "linear ffn_down", "inputs ffn_up", "inputs ffn_down"}) {
    EXPECT_EQ(rows[op].calls, 3 * ffns) << op;
  }
  EXPECT_EQ(rows["route"].calls, 3 * routers);
  for (const char* op : {"linear head", "inputs head"}) EXPECT_EQ(rows[op].calls, 3u) << op;
  EXPECT_EQ(rows["linear head"].step_class, StepClass::linear);
  EXPECT_EQ(rows["attention"].step_class, StepClass::matmul);
  EXPECT_EQ(rows["inputs ffn_down"].step_class, StepClass::memory);
  EXPECT_EQ(rows["outside steps"].step_class, StepClass::other);
  EXPECT_TRUE(profile.rows(Phase::prefill).empty());
}

TEST_P(ProfileTest, ChangesNoResult) {
  const auto model = Model::open(path_, pool_);
  const std::vector<float> plain = logits_of(*model, input_);
  Session session(*model);
  Profile profile;
  session.set_profile(&profile);
  profile.start(Phase::prefill);
  EXPECT_TRUE(logits_of(session, input_) == plain);
}

INSTANTIATE_TEST_SUITE_P(Models, ProfileTest, testing::ValuesIn(decoder_models()));

}  // namespace
}  // namespace halfbyte
