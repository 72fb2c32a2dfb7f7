// What each command prints: the fields of its JSON, the lines of its JSONL, help, scripts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/app.h"
#include "program.h"
#include "support/goldens.h"
#include "support/toy_tokenizer.h"

namespace halfbyte {
namespace {

using namespace test;
using testing::Contains;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kTemplate =
    "{% for m in messages %}<s>{{ m.role }}:{{ m.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<s>a:{% endif %}"
    "{% if messages[0].role == 'bad' %}{{ raise_exception('no such role') }}{% endif %}";

class Commands : public testing::Test {
 protected:
  // A golden model with the toy tokenizer.
  std::string model(const std::string& golden = "llama", std::string_view chat_template = "") {
    const std::string path = folder_ / golden;
    fs::copy(model_path(golden), path);
    folder_.put(golden + "/tokenizer.json", toy_tokenizer_json());
    folder_.put(golden + "/tokenizer_config.json", toy_tokenizer_config(chat_template));
    return path;
  }
  static void expect_keys(const Json& object, const std::vector<std::string>& keys) {
    for (const std::string& key : keys) EXPECT_TRUE(object.contains(key)) << key;
  }
  Json json_of(std::vector<std::string> arguments, const std::string& input = "") const {
    arguments.emplace_back("--json");
    const Outcome outcome = program_.run(arguments, input);
    EXPECT_EQ(outcome.exit, 0) << outcome.err;
    EXPECT_EQ(lines_of(outcome.out).size(), 1u);
    return outcome.json();
  }

  TemporaryFolder folder_;
  Program program_;
};

TEST_F(Commands, EachHasHelp) {
  for (const Command& command : all_commands()) {
    const Outcome outcome = program_.run({std::string(command.name), "--help"});
    EXPECT_EQ(outcome.exit, 0) << command.name;
    EXPECT_THAT(outcome.out, HasSubstr(std::string(command.name)));
    EXPECT_TRUE(outcome.err.empty());
  }
  const Outcome whole = program_.run({"--help"});
  EXPECT_EQ(whole.exit, 0);
  for (const Command& command : all_commands())
    EXPECT_THAT(whole.out, HasSubstr(std::string(command.name)));
  EXPECT_THAT(program_.run({"--version"}).out, StartsWith("halfbyte "));
}

TEST_F(Commands, CompletionAndManPage) {
  for (const char* name : {"bash", "zsh", "fish"}) {
    const Outcome outcome = program_.run({"completion", name});
    EXPECT_EQ(outcome.exit, 0);
    EXPECT_THAT(outcome.out, HasSubstr("tokenize"));
    const std::string script = folder_.put(name, outcome.out);
    if (shell(fmt::format("command -v {}", name)).exit != 0) continue;
    const Outcome parsed = shell(fmt::format("{} -n {}", name, script));
    EXPECT_EQ(parsed.exit, 0) << parsed.err;
  }
  const Outcome completed = shell(fmt::format(
      "bash -c '. {}; COMP_WORDS=(halfbyte insp); COMP_CWORD=1; _halfbyte; echo ${{COMPREPLY[@]}}'",
      folder_ / "bash"));
  EXPECT_EQ(completed.out, "inspect\n") << completed.err;
  const Outcome manual = program_.run({"man"});
  EXPECT_EQ(manual.exit, 0);
  EXPECT_THAT(manual.out, StartsWith(".TH HALFBYTE 1"));
  for (const Command& command : all_commands())
    EXPECT_THAT(manual.out, HasSubstr(fmt::format(".SS {}\n", command.name)));
}

TEST_F(Commands, Inspect) {
  const Json body = json_of({"inspect", model(), "--tensors", "--kernels"});
  expect_keys(body, {"format", "architecture", "family", "parameters", "model_bytes",
                     "bits_per_weight", "context_length", "tokenizer", "metadata", "tensors"});
  EXPECT_EQ(body["format"], "safetensors");
  EXPECT_EQ(body["architecture"], "decoder-only");
  EXPECT_EQ(body["family"], "llama");
  EXPECT_EQ(body["bits_per_weight"], 32.0);
  EXPECT_EQ(body["context_length"], 256);
  EXPECT_EQ(body["tokenizer"]["kind"], "bpe");
  EXPECT_EQ(body["tokenizer"]["vocab_size"], 261);
  EXPECT_EQ(body["model_bytes"], fs::file_size(model_path("llama/model.safetensors")));
  std::uint64_t elements = 0;
  for (const Json& tensor : body["tensors"]) {
    expect_keys(tensor, {"name", "dtype", "shape", "bytes", "kernel_prefill", "kernel_decode"});
    std::uint64_t count = 1;
    for (const Json& extent : tensor["shape"]) count *= extent.get<std::uint64_t>();
    EXPECT_EQ(tensor["bytes"], count * 4);
    elements += count;
  }
  EXPECT_EQ(body["parameters"], elements);
  EXPECT_EQ(program_.run({"inspect", folder_ / "llama", "--steps"}).exit, 0);
}

TEST_F(Commands, InspectNamesOtherKernelsOfOtherLevels) {
  const std::string path = model();
  const Json scalar = json_of({"inspect", path, "--kernels", "--isa", "scalar"});
  for (const Json& tensor : scalar["tensors"]) {
    if (tensor["kernel_decode"].is_null()) continue;
    EXPECT_THAT(tensor["kernel_decode"].get<std::string>(), StartsWith("scalar."));
  }
  EXPECT_EQ(program_.run({"inspect", path, "--kernels", "--isa", "nothing"}).exit, 2);
}

TEST_F(Commands, Run) {
  const std::string path = model();
  const std::vector<std::string> arguments = {"run", path, "ab cd", "-n", "9", "--seed", "5"};
  const Json body = json_of(arguments);
  expect_keys(body, {"text", "tokens", "prompt_tokens", "finish_reason", "prefill_tok_s",
                     "decode_tok_s", "load_s", "peak_rss_bytes"});
  EXPECT_EQ(body["prompt_tokens"], 3);
  EXPECT_THAT((std::vector<std::string>{"stop", "length"}),
              Contains(body["finish_reason"].get<std::string>()));
  EXPECT_LE(body["tokens"].size(), 9u);
  EXPECT_EQ(json_of(arguments)["tokens"], body["tokens"]);  // same seed
  for (const char* threads : {"1", "3"}) {
    std::vector<std::string> more = arguments;
    more.insert(more.end(), {"--threads", threads});
    EXPECT_EQ(json_of(more)["tokens"], body["tokens"]) << threads;
  }
  EXPECT_FALSE(body.contains("lookup"));
  std::vector<std::string> ahead = arguments;
  ahead.emplace_back("--lookup");
  const Json looked_up = json_of(ahead);
  EXPECT_EQ(looked_up["tokens"], body["tokens"]);
  expect_keys(looked_up["lookup"], {"drafted", "accepted"});
  const Outcome plain = program_.run({"run", path, "-n", "9", "--seed", "5"}, "ab cd");
  EXPECT_EQ(plain.out, body["text"].get<std::string>() + "\n");  // the prompt from stdin
}

TEST_F(Commands, RunUsesTheChatTemplateUnlessRaw) {
  const std::string path = model("llama", kTemplate);
  const Json chat = json_of({"run", path, "ab", "-n", "1"});
  const Json raw = json_of({"run", path, "ab", "-n", "1", "--raw"});
  EXPECT_EQ(chat["prompt_tokens"], 1 + 5 + 1 + 1 + 3);  // <s> user: ab </s> <s> a:
  EXPECT_EQ(raw["prompt_tokens"], 1);
}

TEST_F(Commands, Chat) {
  const Outcome outcome =
      program_.run({"chat", model("llama", kTemplate), "-n", "3", "--temp", "0"}, "ab\n\ncd\n");
  EXPECT_EQ(outcome.exit, 0) << outcome.err;
  const Outcome again =
      program_.run({"chat", folder_ / "llama", "-n", "3", "--temp", "0"}, "ab\n\ncd\n");
  EXPECT_EQ(outcome.out, again.out);
  const std::vector<std::string> greedy = {"chat", folder_ / "llama", "-n", "60", "--temp", "0"};
  std::vector<std::string> ahead = greedy;
  ahead.emplace_back("--lookup");
  EXPECT_EQ(program_.run(ahead, "ab\ncd\nab\n").out, program_.run(greedy, "ab\ncd\nab\n").out);
  EXPECT_FALSE(outcome.out.empty());
}

TEST_F(Commands, ChatRefusesABaseModel) {
  const Outcome outcome = program_.run({"chat", model()}, "hello\n");
  EXPECT_EQ(outcome.exit, 2);
  EXPECT_THAT(outcome.err, HasSubstr("no chat template"));
  EXPECT_EQ(lines_of(outcome.err).size(), 1u);
}

TEST_F(Commands, RunOnAnEncoderSaysWhatToUse) {
  const Outcome outcome = program_.run({"run", model("bert"), "hello"});
  EXPECT_EQ(outcome.exit, 2);
  EXPECT_THAT(outcome.err, HasSubstr("halfbyte logits"));
}

TEST_F(Commands, RunOnAnEncoderDecoder) {
  const Json body = json_of({"run", model("t5"), "ab", "-n", "4", "--temp", "0"});
  EXPECT_EQ(body["prompt_tokens"], 1);
  EXPECT_LE(body["tokens"].size(), 4u);
}

TEST_F(Commands, Eval) {
  const std::string path = model();
  std::string text;
  for (int i = 0; i < 400; ++i) text += static_cast<char>('!' + i * 7 % 90);
  const std::string file = folder_.put("text", text);
  const Json body = json_of({"eval", path, "--text", file, "--ctx", "64", "--chunks", "3"});
  expect_keys(body, {"perplexity", "perplexity_stderr", "tokens", "ctx", "chunks", "convention",
                     "bits_per_weight", "model_bytes", "seconds"});
  EXPECT_EQ(body["tokens"], 3 * 31);
  EXPECT_EQ(body["ctx"], 64);
  EXPECT_EQ(body["chunks"], 3);
  EXPECT_EQ(body["convention"], "llamacpp");
  EXPECT_FALSE(body.contains("kld_mean"));
  const Json both = json_of(
      {"eval", path, "--text", file, "--ctx", "64", "--against", path, "--convention", "gptq"});
  expect_keys(both, {"kld_mean", "kld_median", "kld_p99", "top1_agreement", "ref_perplexity"});
  EXPECT_EQ(both["kld_mean"], 0.0);
  EXPECT_EQ(both["top1_agreement"], 1.0);
  EXPECT_EQ(both["convention"], "gptq");
  EXPECT_EQ(both["perplexity"], both["ref_perplexity"]);
  EXPECT_EQ(program_.run({"eval", path, "--text", file, "--ctx", "4096"}).exit, 2);  // too short
}

TEST_F(Commands, Bench) {
  const Json body = json_of({"bench", model(), "-p", "16", "-n", "4", "-r", "2", "-t", "2"});
  expect_keys(body, {"prefill", "decode", "load_s", "first_token_s", "peak_rss_bytes", "threads",
                     "isa", "model_bytes"});
  for (const char* phase : {"prefill", "decode"}) {
    expect_keys(body[phase],
                {"tokens", "tok_s", "tok_s_median", "gflops", "weight_gbps", "fraction_of_limit"});
    EXPECT_EQ(body[phase]["tok_s"].size(), 2u);
  }
  EXPECT_EQ(body["prefill"]["tokens"], 16);
  EXPECT_EQ(body["decode"]["tokens"], 4);
  EXPECT_EQ(body["threads"], 2);
  EXPECT_EQ(json_of({"bench", folder_ / "llama", "-p", "8", "-n", "2", "-r", "1", "--depth",
                     "20"})["decode"]["tokens"],
            2);
  EXPECT_EQ(body["batch"], 1);
  const Json batch = json_of({"bench", folder_ / "llama", "-p", "0", "-n", "2", "-r", "3",
                              "--depth", "20", "--batch", "5"});
  EXPECT_EQ(batch["batch"], 5);
  EXPECT_EQ(batch["decode"]["tok_s"].size(), 3u);
}

TEST_F(Commands, BenchLimits) {
  const Json body = json_of({"bench", model(), "-p", "16", "-n", "4", "-r", "1", "-t", "2"});
  for (const char* phase : {"prefill", "decode"}) {
    const Json& row = body[phase];
    const auto fraction = row["fraction_of_limit"].get<double>();
    EXPECT_GT(fraction, 0.0);
    EXPECT_NEAR(fraction, row["tok_s_median"].get<double>() / row["limit_tok_s"].get<double>(),
                1e-6 * fraction);
    EXPECT_TRUE(row["limited_by"] == "compute" || row["limited_by"] == "read");
  }
  EXPECT_GT(body["limits"]["read_gbps"].get<double>(), 0.0);
  EXPECT_EQ(body["limits"]["read_from"], "L3");  // a tiny model
  EXPECT_GT(body["limits"]["gops"]["f32"].get<double>(), 0.0);
}

TEST_F(Commands, BenchOps) {
  const Json body = json_of(
      {"bench", model(), "-p", "16", "-n", "4", "-r", "3", "-t", "2", "--batch", "2", "--ops"});
  for (const char* phase : {"prefill", "decode"}) {
    double share = 0.0;
    double ms = 0.0;
    for (const Json& row : body["ops"]) {
      if (row["phase"] != phase) continue;
      share += row["share"].get<double>();
      ms += row["ms"].get<double>();
      EXPECT_TRUE(Json({"Linear", "MatMul", "Memory", "Other"})
                      .dump()
                      .find(row["class"].get<std::string>()) != std::string::npos);
    }
    EXPECT_NEAR(share, 1.0, 1e-9);
    // Of all repetitions; decode counts the tokens of both sequences.
    const double tokens = body[phase]["tokens"].get<double>() * (phase == Json("decode") ? 2 : 1);
    double wall = 0.0;
    for (const Json& rate : body[phase]["tok_s"]) wall += 1e3 * tokens / rate.get<double>();
    EXPECT_LE(ms, wall);
    EXPECT_GT(ms, 0.5 * wall);  // the clock's own time and interruptions are not in a step
  }
}

TEST_F(Commands, BenchPlot) {
  const std::string file = folder_ / "speed.svg";
  const Json body = json_of({"bench", model(), "-p", "8", "-n", "2", "-r", "2", "-t", "1", "--ctx",
                             "1100", "--plot", file});
  ASSERT_EQ(body["depths"].size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(body["depths"][i]["depth"], Json({0, 512, 1024})[i]);
    expect_keys(body["depths"][i]["prefill"], {"tok_s_median", "limit_tok_s"});
    expect_keys(body["depths"][i]["decode"], {"tok_s_median", "limit_tok_s"});
  }
  const std::string svg = read_file(file);
  EXPECT_TRUE(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
  // Measured and limit of two phases, and a point for every depth.
  const auto count = [&](const std::string& what) {
    int found = 0;
    for (std::size_t at = svg.find(what); at != std::string::npos; at = svg.find(what, at + 1))
      ++found;
    return found;
  };
  EXPECT_EQ(count("<polyline"), 4);
  EXPECT_EQ(count("<circle"), 6 + 1);  // one in the legend
}

TEST_F(Commands, BenchMachine) {
  const Json body = json_of({"bench", "--machine", "-t", "2"});
  EXPECT_EQ(body["threads"], 2);
  ASSERT_FALSE(body["multiply"].empty());
  for (const Json& row : body["multiply"]) {
    EXPECT_GT(row["gops"]["one"].get<double>(), 0.0) << row;
    EXPECT_GT(row["gops"]["all"].get<double>(), 0.0) << row;
  }
  ASSERT_EQ(body["read"].size(), 4u);
  EXPECT_EQ(body["read"][0]["level"], "L1");
  EXPECT_EQ(body["read"][3]["level"], "memory");
  // Near caches are faster on every machine.
  EXPECT_GT(body["read"][0]["gbps"]["one"].get<double>(),
            body["read"][3]["gbps"]["one"].get<double>());
  EXPECT_EQ(program_.run({"bench"}).exit, 2);
  EXPECT_EQ(program_.run({"bench", model(), "--machine"}).exit, 2);
}

TEST_F(Commands, Tokenize) {
  const std::string path = model();
  const Json body = json_of({"tokenize", path, "ab!"});
  EXPECT_EQ(body["ids"], Json({259, toy_id('!')}));
  EXPECT_EQ(body["tokens"], Json({"ab", "!"}));
  const std::string file = folder_.put("text", "cd");
  EXPECT_EQ(json_of({"tokenize", path, "--file", file})["ids"], Json({260}));
  EXPECT_EQ(json_of({"tokenize", path + "/tokenizer.json", "cd"})["ids"], Json({260}));
  const std::string jsonl = folder_.put("lines.jsonl", "{\"text\":\"ab\"}\n\n{\"text\":\"\"}\n");
  const Outcome outcome = program_.run({"tokenize", path, "--jsonl", jsonl});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  const std::vector<Json> lines = outcome.json_lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0], (Json{{"ids", {259}}, {"ids_special", {259}}, {"decoded", "ab"}}));
  EXPECT_EQ(lines[1]["ids"], Json::array());
  const std::string bad = folder_.put("bad.jsonl", "{\"text\":\"ab\"}\n{\"text\":1}\n");
  EXPECT_EQ(program_.run({"tokenize", path, "--jsonl", bad}).exit, 3);
  folder_.put("bad.jsonl", "{\"text\":\n");
  EXPECT_EQ(program_.run({"tokenize", path, "--jsonl", bad}).exit, 3);
}

TEST_F(Commands, Template) {
  const std::string jsonl = folder_.put(
      "lines.jsonl",
      R"({"messages":[{"role":"user","content":"hi"}],"add_generation_prompt":true,"tools":null})"
      "\n"
      R"({"messages":[{"role":"bad","content":"hi"}],"add_generation_prompt":false})"
      "\n");
  folder_.put("only/tokenizer_config.json", toy_tokenizer_config(kTemplate));
  for (const std::string& source : {model("llama", kTemplate), folder_ / "only"}) {
    const Outcome outcome = program_.run({"template", source, "--jsonl", jsonl});
    ASSERT_EQ(outcome.exit, 0) << outcome.err;
    const std::vector<Json> lines = outcome.json_lines();
    ASSERT_EQ(lines.size(), 2u);
    EXPECT_EQ(lines[0], (Json{{"text", "<s>user:hi</s><s>a:"}}));
    EXPECT_THAT(lines[1]["error"].get<std::string>(), HasSubstr("no such role"));
  }
}

TEST_F(Commands, Compress) {
  const std::string out = folder_ / "small.gguf";
  const Json body = json_of(
      {"compress", model(), "-o", out, "--type", "q8_0", "--to", "gguf", "--method", "rtn"});
  expect_keys(body, {"method", "type", "out", "bytes_in", "bytes_out", "bits_per_weight", "seconds",
                     "peak_rss_bytes", "layers"});
  EXPECT_EQ(body["method"], "rtn");
  EXPECT_EQ(body["type"], "q8_0");
  EXPECT_EQ(body["out"], out);
  EXPECT_LT(body["bytes_out"].get<double>(), body["bytes_in"].get<double>() / 2);
  ASSERT_FALSE(body["layers"].empty());
  for (const Json& layer : body["layers"]) {
    expect_keys(layer, {"name", "type", "error"});
    EXPECT_LT(layer["error"].get<double>(), 0.02);
  }
  const Json run = json_of({"run", out, "ab", "-n", "3"});  // the tokenizer came along
  EXPECT_EQ(run["prompt_tokens"], 1);
  const Json info = json_of({"inspect", out});
  EXPECT_EQ(info["format"], "gguf");
  EXPECT_LT(info["bits_per_weight"].get<double>(), 10.0);
  const std::string bundle = folder_ / "small.bundle";
  json_of({"compress", folder_ / "llama", "-o", bundle, "--type", "q4_0", "--to", "bundle"});
  EXPECT_EQ(json_of({"run", bundle, "ab", "-n", "3"})["prompt_tokens"], 1);
  EXPECT_EQ(json_of({"inspect", bundle})["format"], "bundle");
}

TEST_F(Commands, CompressChoosesAndSaysWhy) {
  const std::string source = model();
  const std::string out = folder_ / "small.gguf";
  const Outcome outcome = program_.run({"compress", source, "-o", out, "--json"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  const Json body = outcome.json();
  EXPECT_THAT(outcome.err, HasSubstr(body["why"].get<std::string>()));
  EXPECT_THAT(outcome.err, HasSubstr("--calib TEXT --method best"));
  EXPECT_EQ(body["method"], "rtn");
  EXPECT_FALSE(body["type"].get<std::string>().empty());
  EXPECT_EQ(json_of({"inspect", out})["format"], "gguf");
  const std::string ids = folder_.put("ids", "1 2 3 4 5\n6 7 8 9 10\n");
  const Json asked = json_of({"compress", source, "-o", out, "--calib-ids", ids, "--type", "q4_0"});
  EXPECT_EQ(asked["method"], "best");
  EXPECT_THAT(asked["why"].get<std::string>(), HasSubstr("text"));
  EXPECT_FALSE(json_of({"compress", source, "-o", out, "--type", "q4_0"}).contains("why"));
}

}  // namespace
}  // namespace halfbyte
