// Bundles: what is written is read back; what does not fit is refused.
#include "formats/bundle.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.h"

namespace halfbyte {
namespace {

using test::error_of;
using test::outcome_of;
using test::TemporaryFolder;
using testing::HasSubstr;

void write_bundle(const std::string& path) {
  AtomicFolder folder(path);
  OutputFile tokenizer(folder.path_of("tokenizer"));
  tokenizer.write("words");
  tokenizer.close();
  BundleWriter writer(folder);
  const std::string floats(24, 'f');
  writer.begin_file("embedding");
  writer.add({"embed", DType::f32, {2, 3}, "rows", as_bytes(floats)});
  writer.begin_file("block_000");
  writer.add({"norm", DType::f32, {3}, "rows", as_bytes(floats).first(12)});
  writer.begin_tensor({"packed", DType::q4_0, {16, 32}, "p16x4", {}}, 100);
  writer.write(as_bytes(std::string(60, 'p')));
  writer.write(as_bytes(std::string(40, 'q')));
  writer.register_file("tokenizer");
  writer.finish({{"model", {{"family", "llama"}}}, {"source", "x"}});
  folder.commit();
}

class BundleTest : public testing::Test {
 protected:
  BundleTest() : path_(folder_ / "m.bundle") { write_bundle(path_); }
  std::string json_path() const { return path_ + "/bundle.json"; }
  // Replaces text in bundle.json, then opens.
  std::string outcome(std::string_view from, std::string_view to) const {
    std::string text = test::read_file(json_path());
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    folder_.put("m.bundle/bundle.json", text);
    return outcome_of([&] { Bundle bundle(path_); });
  }
  TemporaryFolder folder_;
  std::string path_;
};

TEST_F(BundleTest, IsReadBack) {
  EXPECT_TRUE(Bundle::is_bundle(path_));
  EXPECT_FALSE(Bundle::is_bundle(folder_.path()));
  const Bundle bundle(path_);
  EXPECT_EQ(bundle.description().at("model").at("family"), "llama");
  ASSERT_EQ(bundle.tensors().size(), 3u);
  const BundleTensor& packed = bundle.tensors()[2];
  EXPECT_EQ(packed.name, "packed");
  EXPECT_EQ(packed.layout, "p16x4");
  EXPECT_EQ(packed.dtype, DType::q4_0);
  EXPECT_EQ(packed.shape, (Shape{16, 32}));
  EXPECT_EQ(as_text(packed.data), std::string(60, 'p') + std::string(40, 'q'));
  EXPECT_EQ(bundle.tokenizer_path(), path_ + "/tokenizer");
  for (const BundleTensor& tensor : bundle.tensors()) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.data.data()) % 64, 0u);
  }
  bundle.verify();
}

TEST_F(BundleTest, VerifyNamesTheFileThatChanged) {
  std::string content = test::read_file(path_ + "/block_000");
  content[70] ^= 1;
  folder_.put("m.bundle/block_000", content);
  const Bundle bundle(path_);
  const auto error = error_of([&] { bundle.verify(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::kMalformed);
  EXPECT_THAT(error->what(), HasSubstr("block_000"));
}

TEST_F(BundleTest, TruncatedAndMissingFiles) {
  folder_.put("m.bundle/block_000", "short");
  EXPECT_EQ(outcome_of([&] { Bundle bundle(path_); }), "malformed");
  std::filesystem::remove(path_ + "/block_000");
  EXPECT_EQ(outcome_of([&] { Bundle bundle(path_); }), "failed");
}

TEST_F(BundleTest, NewerVersionIsUnsupported) {
  EXPECT_EQ(outcome("\"version\": 1", "\"version\": 2"), "unsupported");
}

struct Edit {
  const char* from;
  const char* to;
};

TEST_F(BundleTest, LiesAreMalformed) {
  const std::string sound = test::read_file(json_path());
  const Edit edits[] = {
      {"halfbyte-bundle", "other"},
      {"\"version\": 1", "\"version\": \"1\""},
      {"\"version\": 1", "\"version\": 0"},
      {"\"name\":\"embedding\"", "\"name\":\"../m.bundle/embedding\""},
      {"\"name\":\"embedding\"", "\"name\":\"/etc/passwd\""},
      {"\"name\":\"embedding\"", "\"name\":\"block_000\""},
      {"\"name\":\"embedding\"", "\"nome\":\"embedding\""},
      {"\"bytes\":64", "\"bytes\":65"},
      {"\"bytes\":64", "\"bytes\":-1"},
      {"\"offset\":64", "\"offset\":65"},
      {"\"offset\":64", "\"offset\":640"},
      {"\"offset\":64", "\"offset\":18446744073709551552"},
      {"\"bytes\":100", "\"bytes\":18446744073709551615"},
      {"\"bytes\":24", "\"bytes\":25"},
      {"\"shape\":[2,3]", "\"shape\":[2,4]"},
      {"\"shape\":[2,3]", "\"shape\":[4294967296,4294967296,2,3]"},
      {"\"shape\":[2,3]", "\"shape\":\"23\""},
      {"\"shape\":[2,3]", "\"shape\":[1,1,1,1,1,1,1,2,3]"},
      {"\"dtype\":\"f32\"", "\"dtype\":\"f33\""},
      {"\"file\":\"block_000\"", "\"file\":\"tokenizer2\""},
      {"\"name\":\"packed\"", "\"name\":\"norm\""},
      {"\"name\":\"packed\"", "\"name\":\"\""},
      {"\"files\": [", "\"files\": 1, \"old\": ["},
      {"\"tensors\"", "\"tensor\""},
      {"}\n", "\n"},
  };
  for (const Edit& edit : edits) {
    EXPECT_EQ(outcome(edit.from, edit.to), "malformed") << edit.from << " -> " << edit.to;
    folder_.put("m.bundle/bundle.json", sound);
  }
}

TEST(BundleWriter, RefusesWrongNamesAndMissingData) {
  const TemporaryFolder parent;
  AtomicFolder folder(parent / "b");
  BundleWriter writer(folder);
  for (const char* name : {"../x", "a/b", "", "bundle.json"}) {
    EXPECT_EQ(outcome_of([&] { writer.begin_file(name); }), "usage") << name;
  }
  const BundleTensor tensor{"t", DType::f32, {2}, "rows", {}};
  EXPECT_EQ(outcome_of([&] { writer.begin_tensor(tensor, 8); }), "usage");
  writer.begin_file("a");
  writer.begin_tensor(tensor, 8);
  EXPECT_EQ(outcome_of([&] { writer.write(as_bytes("123456789")); }), "failed");
  EXPECT_EQ(outcome_of([&] { writer.begin_tensor(tensor, 8); }), "failed");
  EXPECT_EQ(outcome_of([&] { writer.finish(Json::object()); }), "failed");
}

}  // namespace
}  // namespace halfbyte
