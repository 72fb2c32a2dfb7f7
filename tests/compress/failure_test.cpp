// A run that fails leaves nothing behind and nothing replaced; wrong requests say what is wrong.
#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "base/error.h"
#include "compress/compress.h"
#include "compress/convert.h"
#include "support.h"

namespace halfbyte {
namespace {

namespace fs = std::filesystem;
using test::golden_model;
using test::message;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Failure : public testing::Test {
 protected:
  std::string usage(const std::string& out, const CompressOptions& options) {
    return message(ErrorCode::kUsage,
                   [&] { compress(source_, nullptr, folder_ / out, options, pool_); });
  }
  test::TemporaryFolder folder_;
  ThreadPool pool_{2};
  ModelFiles source_{golden_model("llama")};
};

TEST_F(Failure, WrongOptionsNameTheChoices) {
  EXPECT_THAT(usage("a", {.method = "magic"}), HasSubstr("rtn"));
  EXPECT_THAT(usage("a", {.type = "q9"}), HasSubstr("q4_0 q4_1 q5_0 q5_1 q8_0 f16 bf16 f32"));
  EXPECT_THAT(usage("a", {.head_type = "q9"}), HasSubstr("q9"));
  EXPECT_THAT(usage("a", {.to = "zip"}), HasSubstr("bundle gguf safetensors"));
  EXPECT_THAT(usage("a", {.type = "q4_0", .to = "safetensors"}), HasSubstr("bf16"));
  EXPECT_THAT(usage("a", {.type = "w4g128", .to = "gguf"}),
              HasSubstr("gguf cannot hold w4g128: choose a type from q4_0 q4_1"));
  EXPECT_THAT(usage("a", {.type = "w4g128", .to = "gguf"}), HasSubstr("or a format from bundle"));
  EXPECT_THAT(message(ErrorCode::kUsage,
                      [&] {
                        convert(source_, nullptr, folder_ / "a", {"gguf", "q4_0"}, pool_);
                      }),
              HasSubstr("keep, f32, f16 or bf16"));
  EXPECT_THAT(folder_.names(), IsEmpty());
}

TEST_F(Failure, OneTypeForATiedHead) {
  const ModelFiles tied(golden_model("llama-tied"));
  const CompressOptions options{.embedding_type = "q4_0", .head_type = "q8_0"};
  EXPECT_THAT(
      message(ErrorCode::kUsage, [&] { compress(tied, nullptr, folder_ / "a", options, pool_); }),
      HasSubstr("two types"));
}

TEST_F(Failure, BlocksAreNotKeptInSafetensors) {
  compress(source_, nullptr, folder_ / "a.gguf", {.to = "gguf"}, pool_);
  const ModelFiles gguf(folder_ / "a.gguf");
  EXPECT_THAT(message(ErrorCode::kUsage,
                      [&] {
                        convert(gguf, nullptr, folder_ / "b", {"safetensors", "keep"}, pool_);
                      }),
              HasSubstr("ask for f16, bf16 or f32"));
  EXPECT_THAT(folder_.names(), ElementsAre("a.gguf"));
}

TEST_F(Failure, ZeroPointsAreNotKeptInGguf) {
  compress(source_, nullptr, folder_ / "a", {.type = "w4g32"}, pool_);
  const ModelFiles bundle(folder_ / "a");
  EXPECT_THAT(message(ErrorCode::kUsage,
                      [&] {
                        convert(bundle, nullptr, folder_ / "b.gguf", {"gguf", "keep"}, pool_);
                      }),
              HasSubstr("gguf cannot hold w4g32"));
  EXPECT_THAT(folder_.names(), ElementsAre("a"));
}

TEST_F(Failure, InputIsNotOverwritten) {
  compress(source_, nullptr, folder_ / "a.gguf", {.type = "f16", .to = "gguf"}, pool_);
  const std::string before = test::read_file(folder_ / "a.gguf");
  const ModelFiles gguf(folder_ / "a.gguf");
  const auto into = [&](const std::string& out, const std::string& to) {
    return message(ErrorCode::kUsage, [&] { compress(gguf, nullptr, out, {.to = to}, pool_); });
  };
  EXPECT_THAT(into(folder_ / "a.gguf", "gguf"), HasSubstr("is the input"));
  EXPECT_THAT(
      into(folder_ / "../" + fs::path(folder_.path()).filename().string() + "/a.gguf", "gguf"),
      HasSubstr("is the input"));
  EXPECT_THAT(into(folder_.path(), "bundle"), HasSubstr("holds the input"));
  EXPECT_EQ(before, test::read_file(folder_ / "a.gguf"));
}

TEST_F(Failure, FoldersOfOtherThingsAreNotReplaced) {
  fs::create_directory(folder_ / "photos");
  std::ofstream(folder_ / "photos/cat.jpg") << "cat";
  EXPECT_THAT(usage("photos", {}), HasSubstr("holds no model"));
  EXPECT_EQ(test::read_file(folder_ / "photos/cat.jpg"), "cat");
}

TEST_F(Failure, OldOutputIsReplacedWhole) {
  for (const std::string to : {"gguf", "bundle"}) {
    compress(source_, nullptr, folder_ / to, {.type = "f32", .to = to}, pool_);
    compress(source_, nullptr, folder_ / to, {.type = "q4_0", .to = to}, pool_);
    EXPECT_EQ(ModelFiles(folder_ / to).need("blk.0.attn_q.weight").dtype, DType::q4_0);
  }
  EXPECT_THAT(folder_.names(), ElementsAre("bundle", "gguf"));
}

// Interrupted at any tensor, or out of space at any point: no file of ours is left.
TEST_F(Failure, InterruptedRunLeavesNothing) {
  for (const std::string to : {"gguf", "bundle", "safetensors"}) {
    for (const int calls : {1, 5, 20}) {
      int left = calls;
      const ProgressSink stop = [&](std::string_view, std::uint64_t, std::uint64_t) {
        if (--left == 0) throw Error(ErrorCode::kInterrupted, "", "interrupted");
      };
      message(ErrorCode::kInterrupted, [&] {
        compress(source_, nullptr, folder_ / "out", {.type = "f16", .to = to}, pool_, stop);
      });
      EXPECT_THAT(folder_.names(), IsEmpty()) << to;
    }
  }
}

// A limit on file sizes fails writes as a full disk does.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit lower{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &lower);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit old_{};
  void (*handler_)(int);
};

TEST_F(Failure, FullDiskLeavesNothingAndKeepsTheOldFile) {
  for (const std::string to : {"gguf", "bundle", "safetensors"}) {
    const std::string out = folder_ / to;
    compress(source_, nullptr, out, {.type = "f32", .to = to}, pool_);
    const std::string before = test::all_bytes(out);
    {
      const FileSizeLimit limit(20000);
      EXPECT_THAT(
          message(ErrorCode::kFailed,
                  [&] { compress(source_, nullptr, out, {.type = "f16", .to = to}, pool_); }),
          HasSubstr("cannot write"));
    }
    EXPECT_EQ(before, test::all_bytes(out)) << to;
  }
  EXPECT_THAT(folder_.names(), ElementsAre("bundle", "gguf", "safetensors"));
}

// The place is that of the model's matrix, in whatever order and orientation it is written.
TEST_F(Failure, WeightsThatAreNotFiniteAreNamed) {
  struct Case {
    std::string model, tensor;
    std::uint64_t row, column;
  };
  const Case cases[] = {{"llama", "token_embd.weight", 100, 5},
                        {"llama", "blk.1.ffn_down.weight", 1, 3},
                        {"llama", "blk.0.attn_q.weight", 3, 1},
                        {"gpt2", "blk.0.ffn_up.weight", 2, 7},
                        {"llama", "blk.1.ffn_norm.weight", 0, 9}};
  for (const Case& c : cases) {
    const std::string path = folder_ / "model";
    test::copy_with_weight(c.model, path, c.tensor, c.row, c.column, -INFINITY);
    const std::string place =
        fmt::format("tensor '{}' holds -inf at [{}, {}]", c.tensor, c.row, c.column);
    for (const auto& [type, to] :
         {std::pair("q4_0", "gguf"), {"q8_0", "bundle"}, {"f32", "gguf"}, {"f16", "safetensors"}}) {
      const auto run = [&, type = type, to = to] {
        compress(ModelFiles(path), nullptr, folder_ / "out", {.type = type, .to = to}, pool_);
      };
      EXPECT_THAT(message(ErrorCode::kMalformed, run), HasSubstr(place)) << type << " in " << to;
    }
    EXPECT_THAT(folder_.names(), ElementsAre("model"));
    fs::remove_all(path);
  }
}

TEST_F(Failure, TheFirstBadWeightIsNamedWhateverTheThreads) {
  const std::string path = folder_ / "model";
  test::copy_with_weight("llama", path, "token_embd.weight", 380, 0, std::nanf(""));
  test::set_weight(path, "token_embd.weight", 7, 1, std::nanf(""));
  for (const std::size_t threads : {1u, 2u, 5u}) {
    ThreadPool pool(threads);
    EXPECT_THAT(message(ErrorCode::kMalformed,
                        [&] { compress(ModelFiles(path), nullptr, folder_ / "out", {}, pool); }),
                HasSubstr("at [7, 1]"));
  }
}

TEST_F(Failure, MissingAndMisshapenTensorsAreNamed) {
  fs::copy(golden_model("llama"), folder_ / "broken");
  // The description asks for another vocabulary than the tensors have.
  std::string config = test::read_file(folder_ / "broken/config.json");
  config.replace(config.find("\"vocab_size\": 384"), 17, "\"vocab_size\": 385");
  std::ofstream(folder_ / "broken/config.json") << config;
  EXPECT_THAT(
      message(
          ErrorCode::kMalformed,
          [&] { compress(ModelFiles(folder_ / "broken"), nullptr, folder_ / "out", {}, pool_); }),
      HasSubstr("token_embd.weight"));
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

// What the container cannot know, the bundle's reader of weights must check.
TEST_F(Failure, LyingBundlesAreRefused) {
  const std::string bundle = folder_ / "bundle";
  compress(source_, nullptr, bundle, {.type = "q8_0"}, pool_);
  const std::string good = test::read_file(bundle + "/bundle.json");
  const auto with = [&](std::string_view field, const std::string& value, std::string_view of) {
    std::string text = good;
    const std::size_t tensor = text.find("\"name\":\"" + std::string(of) + "\"");
    const std::size_t at = text.find("\"" + std::string(field) + "\":", tensor) + field.size() + 3;
    text.replace(at, text.find_first_of(",}", at) - at, value);
    std::ofstream(bundle + "/bundle.json") << text;
    compress(ModelFiles(bundle), nullptr, folder_ / "out.gguf", {.to = "gguf"}, pool_);
  };
  const std::string q = "blk.0.attn_q.weight";
  EXPECT_THAT(message(ErrorCode::kUnsupported, [&] { with("layout", "\"p99\"", q); }),
              HasSubstr("'p99'"));
  EXPECT_THAT(message(ErrorCode::kUnsupported,
                      [&] { with("layout", "\"p16\"", "blk.0.attn_norm.weight"); }),
              HasSubstr("attn_norm"));
  EXPECT_THAT(message(ErrorCode::kMalformed, [&] { with("bytes", "64", q); }),
              HasSubstr("its layout asks for"));
  EXPECT_THAT(folder_.names(), ElementsAre("bundle"));
}

}  // namespace
}  // namespace halfbyte
