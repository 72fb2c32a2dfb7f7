// Errors: exit codes, one line on stderr, the error object, and nothing half-written.
#include <chrono>
#include <csignal>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program.h"
#include "support/goldens.h"

namespace halfbyte {
namespace {

using namespace test;
using testing::HasSubstr;
using testing::StartsWith;

class Errors : public testing::Test {
 protected:
  // The exit code, and a single line about `file`.
  void expect(int exit, const std::vector<std::string>& arguments, const std::string& file = "") {
    const Outcome outcome = program_.run(arguments);
    EXPECT_EQ(outcome.exit, exit) << outcome.err;
    EXPECT_EQ(lines_of(outcome.err).size(), 1u) << outcome.err;
    EXPECT_THAT(outcome.err, StartsWith("halfbyte: " + file));
    EXPECT_TRUE(outcome.out.empty()) << outcome.out;
  }
  std::string with_config(std::string_view key, const Json& value) {
    Json config = read_json_file(model_path("llama/config.json"));
    config[std::string(key)] = value;
    folder_.put("m/config.json", config.dump());
    fs::copy_file(model_path("llama/model.safetensors"), folder_ / "m/model.safetensors",
                  fs::copy_options::overwrite_existing);
    return folder_ / "m";
  }

  TemporaryFolder folder_;
  Program program_;
};

TEST_F(Errors, WrongUsage) {
  const std::string model = model_path("llama");
  const std::vector<std::string> cases[] = {
      {},
      {"nonsense"},
      {"run"},
      {"run", model, "a", "--no-such-option"},
      {"run", model, "a", "--temp", "warm"},
      {"run", model, "a", "--kv", "q2"},
      {"run", model, "a", "--isa", "mmx"},
      {"inspect", model, "--threads", "0"},
      {"compress", model},
      {"compress", model, "-o", folder_ / "o", "--type", "q1"},
      {"compress", model, "-o", folder_ / "o", "--method", "magic"},
      {"convert", model, "-o", folder_ / "o", "--to", "floppy"},
      {"eval", model, "--text", "x", "--convention", "mine"},
      {"completion", "tcsh"},
      {"tokenize", model, "a", "--file", "b"},
  };
  for (const auto& arguments : cases) {
    SCOPED_TRACE(fmt::format("{}", fmt::join(arguments, " ")));
    expect(2, arguments);
  }
  EXPECT_EQ(folder_.entries(), 0u);
}

TEST_F(Errors, MissingFiles) {
  const std::string missing = folder_ / "missing.gguf";
  for (const char* command : {"inspect", "bench", "tokenize"}) {
    SCOPED_TRACE(command);
    expect(1, {command, missing}, missing);
  }
  expect(1, {"run", missing, "a"}, missing);
  expect(1, {"eval", model_path("llama"), "--text", missing}, missing);
}

TEST_F(Errors, MalformedFiles) {
  const std::string junk = folder_.put("junk.gguf", std::string("GGUF\3\0\0\0too short", 17));
  const std::string other = folder_.put("other.gguf", "hello");
  for (const std::string& file : {junk, other}) {
    expect(3, {"inspect", file}, file + ":");
    expect(3, {"run", file, "a"}, file + ":");
    expect(3, {"compress", file, "-o", folder_ / "out.gguf", "--to", "gguf"}, file + ":");
  }
  EXPECT_FALSE(fs::exists(folder_ / "out.gguf"));
  expect(3, {"inspect", with_config("hidden_size", "wide")}, folder_ / "m");
  expect(3, {"inspect", with_config("num_attention_heads", 0)}, folder_ / "m");
}

TEST_F(Errors, UnsupportedModels) {
  expect(4, {"inspect", with_config("model_type", "hal9000")}, folder_ / "m");
  EXPECT_THAT(program_.run({"inspect", folder_ / "m"}).err, HasSubstr("hal9000"));
  const Json quantization = {{"quant_method", "gptq"}};
  expect(4, {"run", with_config("quantization_config", quantization), "a"}, folder_ / "m");
  EXPECT_THAT(program_.run({"run", folder_ / "m", "a"}).err, HasSubstr("quantization_config"));
}

TEST_F(Errors, AsJson) {
  const std::string missing = folder_ / "missing.gguf";
  const Outcome outcome = program_.run({"inspect", missing, "--json"});
  EXPECT_EQ(outcome.exit, 1);
  EXPECT_EQ(lines_of(outcome.err).size(), 1u);
  ASSERT_EQ(lines_of(outcome.out).size(), 1u);
  const Json error = outcome.json()["error"];
  EXPECT_EQ(error["code"], "failed");
  EXPECT_EQ(error["file"], missing);
  EXPECT_FALSE(error["message"].get<std::string>().empty());
  EXPECT_EQ(program_.run({"run", "--json"}).json()["error"]["code"], "usage");
  const std::string junk = folder_.put("junk.gguf", "GGUF");
  EXPECT_EQ(program_.run({"inspect", junk, "--json"}).json()["error"]["code"], "malformed");
  EXPECT_EQ(
      program_.run({"inspect", with_config("model_type", "x"), "--json"}).json()["error"]["code"],
      "unsupported");
}

TEST_F(Errors, OutputThatCannotBeWritten) {
  const Outcome outcome = program_.run(
      {"convert", model_path("llama"), "-o", folder_ / "no/such/folder/m.gguf", "--to", "gguf"});
  EXPECT_EQ(outcome.exit, 1) << outcome.err;
  if (fs::exists("/dev/full")) {
    EXPECT_EQ(shell(fmt::format("{} man > /dev/full", HALFBYTE_PROGRAM)).exit, 1);
  }
}

TEST_F(Errors, TooLongPromptsNameBothNumbers) {
  const Outcome outcome =
      program_.run({"logits", model_path("llama"), "--in", model_path("llama/golden.safetensors"),
                    "-o", folder_ / "out.safetensors", "--ctx", "16"});
  EXPECT_EQ(outcome.exit, 2);
  EXPECT_THAT(outcome.err, HasSubstr("40"));
  EXPECT_THAT(outcome.err, HasSubstr("16"));
  EXPECT_EQ(folder_.entries(), 0u);
}

// A model large enough that compressing it can be interrupted: the golden one with a head of many
// rows, a hole in its file.
class Interrupted : public testing::TestWithParam<int> {
 protected:
  std::string large_model() const {
    constexpr std::uint64_t kVocab = 400000;
    Json config = read_json_file(model_path("llama/config.json"));
    config["vocab_size"] = kVocab;
    folder_.put("m/config.json", config.dump());
    const SafetensorsFile source = SafetensorsFile::open(model_path("llama/model.safetensors"));
    Json header = Json::object();
    std::uint64_t offset = 0;
    for (const TensorView& tensor : source.tensors()) {
      Shape shape = tensor.shape;
      if (shape[0] == 384) shape[0] = kVocab;
      const std::uint64_t bytes = element_count(shape).value() * 4;
      header[tensor.name] = {
          {"dtype", "F32"}, {"shape", shape}, {"data_offsets", {offset, offset + bytes}}};
      offset += bytes;
    }
    const std::string text = header.dump();
    const std::uint64_t size = text.size();
    const std::string path =
        folder_.put("m/model.safetensors",
                    std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + text);
    fs::resize_file(path, sizeof(size) + size + offset);
    return folder_ / "m";
  }
  TemporaryFolder folder_;
  Program program_;
};

TEST_P(Interrupted, LeavesNothingUnderTheFinalName) {
  const std::string model = large_model();
  for (const char* format : {"gguf", "bundle"}) {
    fs::create_directory(folder_ / format);
    const std::string out = folder_ / format + std::string("/out");
    const int process = program_.start(
        {"compress", model, "-o", out, "--to", format, "--type", "q4_0", "--threads", "1"});
    // As soon as something is being written.
    for (int i = 0; i < 2000 && fs::is_empty(folder_ / format); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ::kill(process, GetParam());
    const Outcome outcome = program_.finish(process);
    EXPECT_EQ(outcome.exit, GetParam() == SIGKILL ? 128 + SIGKILL : 130) << outcome.err;
    EXPECT_FALSE(fs::exists(out)) << format;
    if (GetParam() == SIGKILL) continue;
    EXPECT_TRUE(fs::is_empty(folder_ / format)) << format;
    EXPECT_EQ(lines_of(outcome.err).size(), 1u) << outcome.err;
  }
}

INSTANTIATE_TEST_SUITE_P(Signals, Interrupted, testing::Values(SIGINT, SIGKILL),
                         [](const auto& param) {
                           return std::string(param.param == SIGINT ? "Interrupt" : "Kill");
                         });

}  // namespace
}  // namespace halfbyte
