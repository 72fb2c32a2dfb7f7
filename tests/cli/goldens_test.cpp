// The golden models through the program: logits of every format that convert writes.
#include "support/goldens.h"

#include <gtest/gtest.h>

#include "program.h"

namespace halfbyte {
namespace {

using namespace test;

class Goldens : public testing::TestWithParam<std::string> {
 protected:
  double error_of(const std::string& model) const {
    const std::string input = model_path(GetParam()) + "/golden.safetensors";
    const Outcome outcome =
        program_.run({"logits", model, "--in", input, "-o", folder_ / "out.safetensors"});
    EXPECT_EQ(outcome.exit, 0) << outcome.err;
    if (outcome.exit != 0) return INFINITY;
    const TensorFile golden(input);
    const TensorFile result(folder_ / "out.safetensors");
    const std::string_view name = output_name(golden);
    EXPECT_EQ(result.shape(name), golden.shape(name));
    std::vector<std::int64_t> mask;
    if (name == "hidden") mask = golden.ints("attention_mask");
    return error_in_deviations(golden.floats(name), result.floats(name), mask,
                               golden.shape(name)[2]);
  }
  std::string convert(const std::string& source, const std::string& format,
                      const std::string& name) const {
    const Outcome outcome =
        program_.run({"convert", source, "-o", folder_ / name, "--to", format, "--dtype", "f32"});
    EXPECT_EQ(outcome.exit, 0) << outcome.err;
    return folder_ / name;
  }

  TemporaryFolder folder_;
  Program program_;
};

TEST_P(Goldens, FromEveryFormat) {
  const std::string source = model_path(GetParam());
  EXPECT_LT(error_of(source), kGoldenBound) << "folder";
  const std::string gguf = convert(source, "gguf", "m.gguf");
  EXPECT_LT(error_of(gguf), kGoldenBound) << "gguf";
  EXPECT_LT(error_of(convert(source, "bundle", "m.bundle")), kGoldenBound) << "bundle";
  EXPECT_LT(error_of(convert(gguf, "safetensors", "back")), kGoldenBound) << "gguf and back";
}

INSTANTIATE_TEST_SUITE_P(Models, Goldens, testing::ValuesIn(all_models()), [](const auto& param) {
  std::string name = param.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

// A description that llama.cpp's keys or a new config.json must carry: nothing may be lost.
class VariantFormats : public testing::TestWithParam<Variant> {};

TEST_P(VariantFormats, SameBitsFromEveryFormat) {
  const TemporaryFolder folder;
  const Program program;
  const std::string source = assemble(GetParam(), folder);
  const auto logits = [&](const std::string& model) {
    const Outcome outcome =
        program.run({"logits", model, "--in", variant_path(GetParam(), "golden.safetensors"), "-o",
                     folder / "logits.safetensors", "--ctx", "64"});
    EXPECT_EQ(outcome.exit, 0) << outcome.err;
    return outcome.exit == 0 ? TensorFile(folder / "logits.safetensors").floats("logits")
                             : std::vector<float>();
  };
  const std::vector<float> expected = logits(source);
  for (const char* format : {"gguf", "bundle"}) {
    const std::string out = folder / format + std::string(".") + format;
    const Outcome outcome = program.run({"convert", source, "-o", out, "--to", format});
    ASSERT_EQ(outcome.exit, 0) << outcome.err;
    EXPECT_LT(error_in_deviations(expected, logits(out)), 1e-5) << format;
  }
}

INSTANTIATE_TEST_SUITE_P(Configs, VariantFormats, testing::ValuesIn(kVariants),
                         [](const auto& param) {
                           std::string name = param.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace halfbyte
