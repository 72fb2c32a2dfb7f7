// Checkpoint: one way in for every format, and clear refusals for the rest.
#include "formats/checkpoint.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.h"

namespace halfbyte {
namespace {

using test::data_path;
using test::error_of;
using test::outcome_of;
using test::read_file;
using test::TemporaryFolder;
using testing::HasSubstr;

class CheckpointFolder : public testing::Test {
 protected:
  void put_weights(std::string_view name) const {
    folder_.put(name, read_file(data_path("python.safetensors")));
  }
  std::string outcome() const {
    return outcome_of([&] { Checkpoint::open(folder_.path()); });
  }
  TemporaryFolder folder_;
};

TEST_F(CheckpointFolder, WithOneWeightFile) {
  put_weights("model.safetensors");
  put_weights("other.safetensors");  // model.safetensors goes first
  folder_.put("config.json", R"({"model_type":"llama"})");
  folder_.put("tokenizer.json", "{}");
  const Checkpoint checkpoint = Checkpoint::open(folder_.path());
  EXPECT_EQ(checkpoint.format(), Format::kFolder);
  EXPECT_EQ(checkpoint.tensors().size(), 5u);
  EXPECT_EQ(checkpoint.config().at("model_type"), "llama");
  EXPECT_TRUE(checkpoint.generation_config().is_null());
  EXPECT_EQ(checkpoint.bytes(), read_file(data_path("python.safetensors")).size());
  EXPECT_EQ(checkpoint.file("tokenizer.json"), folder_ / "tokenizer.json");
  EXPECT_EQ(checkpoint.file("vocab.json"), std::nullopt);
  EXPECT_EQ(checkpoint.file("../x"), std::nullopt);
  EXPECT_EQ(checkpoint.bundle(), nullptr);
  ASSERT_NE(checkpoint.find("ramp"), nullptr);
  EXPECT_EQ(checkpoint.find("ramp")->shape, (Shape{3, 4}));
  EXPECT_EQ(checkpoint.find("romp"), nullptr);
  checkpoint.release(*checkpoint.find("ramp"));
  EXPECT_EQ(std::to_integer<int>(checkpoint.find("ramp")->data[7]), 0x3f);  // 1.0f: still there
}

TEST_F(CheckpointFolder, WithASingleOtherName) {
  put_weights("adapter.safetensors");
  EXPECT_EQ(outcome(), "ok");
  put_weights("second.safetensors");
  EXPECT_EQ(outcome(), "malformed");
}

TEST_F(CheckpointFolder, WithAnIndex) {
  put_weights("model-00001-of-00001.safetensors");
  put_weights("stray.safetensors");
  folder_.put("model.safetensors.index.json", R"({"weight_map":{
    "ramp":"model-00001-of-00001.safetensors","half":"model-00001-of-00001.safetensors",
    "ids":"model-00001-of-00001.safetensors","scalar":"model-00001-of-00001.safetensors",
    "empty":"model-00001-of-00001.safetensors"}})");
  EXPECT_EQ(Checkpoint::open(folder_.path()).tensors().size(), 5u);
}

TEST_F(CheckpointFolder, OfTokenizerFilesOnly) {
  folder_.put("tokenizer_config.json", "{}");
  const Checkpoint checkpoint = Checkpoint::open(folder_.path());
  EXPECT_TRUE(checkpoint.tensors().empty());
  EXPECT_TRUE(checkpoint.config().is_null());
  EXPECT_EQ(checkpoint.bytes(), 0u);
  EXPECT_TRUE(checkpoint.file("tokenizer_config.json"));
}

TEST_F(CheckpointFolder, OfPickleOrOnnxIsUnsupported) {
  for (const char* name : {"pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "model.onnx"}) {
    const TemporaryFolder folder;
    folder.put("config.json", "{}");
    const std::string file = folder.put(name, "x");
    const auto error = error_of([&] { Checkpoint::open(folder.path()); });
    ASSERT_TRUE(error) << name;
    EXPECT_EQ(error->code(), ErrorCode::kUnsupported);
    EXPECT_THAT(error->what(), HasSubstr("later version"));
    EXPECT_EQ(outcome_of([&] { Checkpoint::open(file); }), "unsupported");
  }
}

TEST_F(CheckpointFolder, Refusals) {
  EXPECT_EQ(outcome(), "malformed");  // empty
  EXPECT_EQ(outcome_of([&] { Checkpoint::open(folder_ / "nothing"); }), "failed");
  EXPECT_EQ(outcome_of([&] { Checkpoint::open(folder_ / "nothing.bin"); }), "failed");
  EXPECT_EQ(outcome_of([&] { Checkpoint::open(folder_.put("text", "hello")); }), "malformed");
  put_weights("model.safetensors");
  folder_.put("config.json", "[]");
  EXPECT_EQ(outcome(), "malformed");
  folder_.put("config.json", "{\"a\":");
  EXPECT_EQ(outcome(), "malformed");
}

TEST(Checkpoint, OpensGguf) {
  const Checkpoint checkpoint = Checkpoint::open(data_path("split-00001-of-00003.gguf"));
  EXPECT_EQ(checkpoint.format(), Format::kGguf);
  EXPECT_EQ(format_name(checkpoint.format()), "gguf");
  EXPECT_EQ(checkpoint.tensors().size(), 5u);
  EXPECT_EQ(checkpoint.metadata().get_string("general.architecture"), "llama");
  EXPECT_TRUE(checkpoint.config().is_null());
  EXPECT_EQ(checkpoint.file("python.gguf"), std::nullopt);
  checkpoint.release(checkpoint.tensors().back());
}

TEST(Checkpoint, OpensASafetensorsFileWithItsFolder) {
  const TemporaryFolder folder;
  folder.put("config.json", R"({"a":1})");
  const std::string path =
      folder.put("weights.safetensors", read_file(data_path("python.safetensors")));
  const Checkpoint checkpoint = Checkpoint::open(path);
  EXPECT_EQ(checkpoint.tensors().size(), 5u);
  EXPECT_EQ(checkpoint.config().at("a"), 1);
}

TEST(Checkpoint, OpensABundle) {
  const TemporaryFolder parent;
  AtomicFolder folder(parent / "b");
  BundleWriter(folder).finish({{"model", 1}});
  folder.commit();
  const Checkpoint checkpoint = Checkpoint::open(parent / "b");
  EXPECT_EQ(checkpoint.format(), Format::kBundle);
  ASSERT_NE(checkpoint.bundle(), nullptr);
  EXPECT_TRUE(checkpoint.tensors().empty());
}

}  // namespace
}  // namespace halfbyte
