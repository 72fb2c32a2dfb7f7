// halfbyte inspect: what a model is made of, without loading its weights.
#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "cli/app.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "model/plan.h"

namespace halfbyte {

namespace {

struct InspectOptions {
  std::string model;
  bool tensors = false;
  bool kernels = false;
  bool steps = false;
  RuntimeOptions runtime;
};

// Long arrays (vocabularies) are shown by their length.
Json metadata_value(const MetaValue& value) {
  constexpr std::size_t kShown = 16;
  if (const auto* array = std::get_if<MetaArray>(&value.value)) {
    if (array->count > kShown || array->element != MetaType::string)
      return fmt::format("[{} values]", array->count);
    Json list = Json::array();
    for (const std::string_view text : array->strings) list.push_back(std::string(text));
    return list;
  }
  return std::visit(
      [](const auto& x) -> Json {
        using T = std::decay_t<decltype(x)>;
        if constexpr (std::is_same_v<T, MetaArray>) {
          return nullptr;
        } else if constexpr (std::is_same_v<T, std::string_view>) {
          return std::string(x);
        } else {
          return x;
        }
      },
      value.value);
}

Json metadata_of(const Checkpoint& checkpoint) {
  if (checkpoint.format() == Format::kFolder) return checkpoint.config();
  if (checkpoint.format() == Format::kBundle) {
    Json description = checkpoint.bundle()->description();
    description.erase("tensors");
    return description;
  }
  Json metadata = Json::object();
  for (const auto& [key, value] : checkpoint.metadata().entries())
    metadata[key] = metadata_value(value);
  return metadata;
}

Json tokenizer_of(const Checkpoint& checkpoint) {
  try {
    const std::optional<Tokenizer> tokenizer = Tokenizer::from_checkpoint(checkpoint);
    if (!tokenizer) return nullptr;
    return {{"kind", tokenizer_kind_name(tokenizer->kind())},
            {"vocab_size", tokenizer->vocab_size()}};
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported) throw;
    return {{"kind", "unsupported"}, {"reason", error.message()}};
  }
}

// Names of the kernels that would run, where the plan has the tensor as a matrix.
void add_kernels(const Plan& plan, const ModelTensor& tensor, const RuntimeOptions& runtime,
                 Json& row) {
  row["kernel_prefill"] = nullptr;
  row["kernel_decode"] = nullptr;
  for (std::size_t i = 0; i < plan.weights.size(); ++i) {
    const WeightRef& ref = plan.weights[i];
    const bool matrix = ref.kind == WeightKind::matrix || plan.head == static_cast<int>(i);
    if (ref.name != tensor.name || !matrix) continue;
    const LinearChoice kernels = choose_linear(tensor.dtype, runtime.compute(), runtime.features());
    if (kernels.prefill != nullptr) row["kernel_prefill"] = kernels.prefill->name;
    if (kernels.decode != nullptr) row["kernel_decode"] = kernels.decode->name;
  }
}

Json describe(const InspectOptions& options, const ModelFiles& files) {
  const ModelSpec& spec = files.spec();
  const std::uint64_t parameters = files.parameters();
  Json body;
  body["format"] = format_name(files.checkpoint().format());
  body["architecture"] = family_kind(files.family());
  body["family"] = spec.family;
  body["parameters"] = parameters;
  body["model_bytes"] = files.checkpoint().bytes();
  body["bits_per_weight"] = static_cast<double>(files.weight_bytes()) * 8.0 /
                            static_cast<double>(std::max<std::uint64_t>(1, parameters));
  body["context_length"] = spec.context_length;
  body["tokenizer"] = tokenizer_of(files.checkpoint());
  body["metadata"] = metadata_of(files.checkpoint());
  if (!options.tensors && !options.kernels) return body;
  const Plan plan = make_plan(spec);
  body["tensors"] = Json::array();
  for (const ModelTensor& tensor : files.tensors()) {
    Json row = {{"name", tensor.name},
                {"dtype", name(tensor.dtype)},
                {"shape", tensor.shape},
                {"bytes", tensor.data.size()}};
    if (options.kernels) add_kernels(plan, tensor, options.runtime, row);
    body["tensors"].push_back(std::move(row));
  }
  return body;
}

void print_types(const ModelFiles& files) {
  std::vector<std::pair<std::string, std::uint64_t>> types;
  for (const ModelTensor& tensor : files.tensors()) {
    const std::string type(name(tensor.dtype));
    auto found = std::find_if(types.begin(), types.end(),
                              [&](const auto& row) { return row.first == type; });
    if (found == types.end()) found = types.insert(types.end(), {type, 0});
    found->second += tensor.data.size();
  }
  for (const auto& [type, bytes] : types)
    print_line(fmt::format("  {:8} {}", type, human_bytes(bytes)));
}

void print_description(const Json& body, const ModelFiles& files) {
  print_line(fmt::format("{} ({}, {})", body["family"].get<std::string>(),
                         body["architecture"].get<std::string>(),
                         body["format"].get<std::string>()));
  print_line(fmt::format("parameters       {:.1f} M", body["parameters"].get<double>() / 1e6));
  print_line(fmt::format("size             {}, {:.2f} bits per weight",
                         human_bytes(body["model_bytes"].get<std::uint64_t>()),
                         body["bits_per_weight"].get<double>()));
  print_line(
      fmt::format("context          {} tokens", body["context_length"].get<std::uint64_t>()));
  const Json& tokenizer = body["tokenizer"];
  if (tokenizer.is_object())
    print_line(fmt::format("tokenizer        {}, {} tokens", tokenizer["kind"].get<std::string>(),
                           tokenizer.value("vocab_size", 0)));
  print_line("types");
  print_types(files);
  if (!body.contains("tensors")) return;
  for (const Json& row : body["tensors"]) {
    std::string line = fmt::format("{:40} {:7} {:>18} {:>12}", row["name"].get<std::string>(),
                                   row["dtype"].get<std::string>(), row["shape"].dump(),
                                   row["bytes"].get<std::uint64_t>());
    if (row.contains("kernel_decode") && row["kernel_decode"].is_string()) {
      line += fmt::format("  {}  {}", row["kernel_prefill"].get<std::string>(),
                          row["kernel_decode"].get<std::string>());
    }
    print_line(line);
  }
}

void run(const InspectOptions& options) {
  const ModelFiles files(options.model);
  const Json body = describe(options, files);
  if (options.runtime.json) {
    print_json(body);
    return;
  }
  print_description(body, files);
  if (!options.steps) return;
  const Plan plan = make_plan(files.spec());
  for (const auto* steps : {&plan.embed, &plan.encoder.steps, &plan.decoder.steps}) {
    for (const Step& step : *steps) print_line(to_string(plan, step));
  }
}

}  // namespace

std::function<void()> setup_inspect(CLI::App& app) {
  auto options = std::make_shared<InspectOptions>();
  app.add_option("MODEL", options->model, "A folder, a .gguf file or a bundle")->required();
  app.add_flag("--tensors", options->tensors, "List the tensors");
  app.add_flag("--kernels", options->kernels,
               "List the tensors with the kernels that run them here");
  app.add_flag("--steps", options->steps, "List the steps of the plan");
  options->runtime.declare(app, false);
  return [options] { run(*options); };
}

}  // namespace halfbyte
