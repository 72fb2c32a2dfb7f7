#include "compress/compress.h"

#include <algorithm>
#include <chrono>
#include <filesystem>

#include <fmt/format.h>

#include "base/error.h"
#include "compress/allocate/choice_file.h"
#include "compress/expert_notes.h"
#include "compress/mixes.h"
#include "compress/refine/refine.h"
#include "compress/rtn.h"
#include "compress/write_model.h"

namespace halfbyte {

namespace {

// The type asked for the embedding, "" for none; a tied head asks for it, too.
std::string asked_embedding(const CompressOptions& options, bool tied_head) {
  if (!tied_head || options.head_type.empty()) return options.embedding_type;
  if (!options.embedding_type.empty() && options.embedding_type != options.head_type) {
    fail_usage("this model's head is its embedding: they cannot have two types");
  }
  return options.head_type;
}

TypePolicy policy_of(const CompressOptions& options, const std::string& type_name,
                     const ModelSpec& spec, const Target& target) {
  // A budget names all but the small tensors, which every format can hold as f16.
  const OutputType& type = need_output_type(options.budget ? "f16" : type_name);
  const std::string embedding = asked_embedding(options, spec.tied_head);
  TypePolicy policy = mix_policy(type, spec, options.calibration.has_value());
  policy.rules = {.symmetric = options.symmetric,
                  .by_row = type.by_row,
                  .positive_zeros = target.positive_zeros};
  policy.table = policy.vector = target.wide_vectors ? DType::f32 : type.matrix;
  prescribe_types(target, policy);
  if (!embedding.empty()) policy.embedding = need_weight_type(embedding);
  if (!options.head_type.empty()) policy.head = need_weight_type(options.head_type);
  return policy;
}

// What is to be chosen for a budget; nothing where there is none.
std::optional<AllocationRequest> choice_for(const CompressOptions& options,
                                            const ModelFiles& source, const Target& target,
                                            const Recipe& recipe, const TypePolicy& policy) {
  if (!options.budget) return std::nullopt;
  if (!options.calibration) {
    fail_usage("types for a budget are chosen on a text: give one (--calib FILE)");
  }
  std::vector<Role> fixed;
  const ModelSpec& spec = source.spec();
  if (!asked_embedding(options, spec.tied_head).empty()) fixed.push_back(Role::embedding);
  if (!options.head_type.empty()) fixed.push_back(Role::head);
  const AllocationRequest request{
      source, target, policy, std::move(fixed), *options.budget, *options.calibration, recipe};
  check_allocation(request);
  return request;
}

// What an earlier run has chosen, where there is one to be resumed.
Allocation choice_of(const AllocationRequest& request, const BlockStore& store, ThreadPool& pool,
                     const ProgressSink& progress) {
  const std::string path = store.folder() + "/types.json";
  if (std::filesystem::exists(path)) return read_choice(path, request);
  Allocation allocation = allocate(request, store.folder(), pool, progress);
  write_choice(path, allocation);
  return allocation;
}

// What options cannot go with each other.
void check_options(const CompressOptions& options, const Target& target) {
  if (options.symmetric) {
    if (options.budget) fail_usage("--symmetric is for one type: it does not go with a budget");
    check_symmetric(target, need_output_type(options.type));
  }
  if (options.calibration && options.calibration->original_inputs &&
      options.calibration->sequential) {
    fail_usage(
        "--calib-original and --sequential exclude each other: either a block's matrices see what "
        "the original ones give, or what the quantized ones before them give");
  }
}

// Beside the output, hidden.
std::string work_folder(const std::string& out) {
  std::filesystem::path path(out);
  if (!path.has_filename()) path = path.parent_path();
  return (path.parent_path() / fmt::format(".{}.work", path.filename().string())).string();
}

// What tells whether an unfinished run was asked for the same.
Json key_of(const ModelFiles& source, const Json& options, const CalibrationOptions& calibration) {
  Json key = {{"source", std::filesystem::canonical(source.checkpoint().path()).string()},
              {"source_bytes", source.checkpoint().bytes()},
              {"parameters", source.parameters()},
              {"options", options},
              {"samples", digest_of(calibration.samples)},
              {"original_inputs", calibration.original_inputs},
              {"sequential", calibration.sequential}};
  return key;
}

std::unordered_map<std::string, DType> types_of(const std::vector<TensorJob>& jobs) {
  std::unordered_map<std::string, DType> types;
  for (const TensorJob& job : jobs) {
    if (job.role != Role::vector) types.emplace(job.own, job.dtype);
  }
  return types;
}

// Errors of the outputs in place of those of the weights, which were written as they were.
void take_layers(const std::vector<LayerReport>& from, std::vector<LayerReport>& to) {
  std::unordered_map<std::string_view, const LayerReport*> known;
  for (const LayerReport& layer : from) known.emplace(layer.name, &layer);
  for (LayerReport& layer : to) {
    const auto found = known.find(layer.name);
    if (found != known.end()) layer = *found->second;
  }
}

// `choice`: the types are still to be chosen.
CompressReport compress_calibrated(WriteRequest write,
                                   const std::optional<AllocationRequest>& choice,
                                   const Recipe& recipe, const CalibrationOptions& options,
                                   ThreadPool& pool, const ProgressSink& progress) {
  check_output(write.source.checkpoint().path(), write.out, write.target.folder);
  BlockStore store(work_folder(write.out), key_of(write.source, write.options, options),
                   options.resume);
  std::vector<std::string> notes;
  if (choice) {
    const Allocation allocation = choice_of(*choice, store, pool, progress);
    notes.push_back(note_of(*choice, allocation));
    write.policy = with_types(*choice, allocation);
    write.options["type"] = notes.front();
  }
  write.policy.named =
      types_of(make_jobs(write.source, write.target, write.target.conventions(write.source.spec()),
                         write.policy, notes));
  ModelFiles files(write.source.checkpoint().path());
  quantize_blocks(files, recipe, write.policy.named, options, store, pool, progress, notes);
  const WriteRequest last{.source = files,
                          .tokenizer = write.tokenizer,
                          .out = write.out,
                          .target = write.target,
                          .policy = write.policy,
                          .encode = write.encode,
                          .method_json = write.method_json,
                          .options = write.options,
                          .what = "writing",
                          .finite = write.finite};
  CompressReport report = write_model(last, pool, progress);
  const std::vector<LayerReport> calibrated = store.layers();
  take_layers(calibrated, report.layers);
  for (std::string& note : expert_notes(calibrated)) notes.push_back(std::move(note));
  report.notes.insert(report.notes.begin(), notes.begin(), notes.end());
  store.remove();
  return report;
}

// `best` does without what cannot be refined; whoever asks for refine is told.
void check_refiner(const CompressOptions& options, const ModelSpec& spec, const TypePolicy& policy,
                   Recipe& recipe) {
  if (recipe.refiner == nullptr) return;
  const std::string obstacle = refine_obstacle(make_plan(spec), *policy.matrix, policy.rules);
  if (obstacle.empty()) return;
  if (options.method != kBestMethod) {
    fail_unsupported("", fmt::format("refine cannot {} yet: leave it out", obstacle));
  }
  recipe.refiner = nullptr;
}

void check_text(const CompressOptions& options, const Recipe& recipe) {
  if (!recipe.needs_text() || options.calibration) return;
  fail_usage(fmt::format("method '{}' looks at the model at work: it needs a text (--calib FILE)",
                         recipe.names()));
}

Json json_of(const Budget& budget) {
  return budget.bytes ? Json{{"bytes", *budget.bytes}}
                      : Json{{"bits_per_weight", *budget.bits_per_weight}};
}

// What was asked for, as the output tells it.
Json asked(const CompressOptions& options, const Recipe& recipe, const std::string& type,
           const TypePolicy& policy) {
  Json json = {{"method", recipe.names()},
               {"type", type},
               {"embedding_type", name(*policy.embedding)},
               {"head_type", name(*policy.head)}};
  if (options.symmetric) json["symmetric"] = true;
  if (!options.budget) return json;
  json["type"] = json_of(*options.budget);
  json["to"] = options.to;  // sizes depend on it
  return json;
}

}  // namespace

CompressReport compress(const ModelFiles& source, const Tokenizer* tokenizer,
                        const std::string& out, const CompressOptions& options, ThreadPool& pool,
                        const ProgressSink& progress) {
  const auto start = std::chrono::steady_clock::now();
  Recipe recipe = parse_recipe(options.method);
  const Target& target = need_target(options.to);
  const std::string type = recipe.type(options.type);
  const TypePolicy policy = policy_of(options, type, source.spec(), target);
  recipe.rules = policy.rules;
  check_refiner(options, source.spec(), policy, recipe);
  check_holds(target, *policy.matrix);
  check_options(options, target);
  check_text(options, recipe);
  const auto choice = choice_for(options, source, target, recipe, policy);
  const WriteRequest request{.source = source,
                             .tokenizer = tokenizer,
                             .out = out,
                             .target = target,
                             .policy = policy,
                             .encode = rtn_encode,
                             .method_json = {{"name", recipe.names()}},
                             .options = asked(options, recipe, type, policy),
                             .what = "compressing",
                             .finite = true};
  if (!options.calibration) return write_model(request, pool, progress);
  CompressReport report =
      compress_calibrated(request, choice, recipe, *options.calibration, pool, progress);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  report.seconds = elapsed.count();
  return report;
}

}  // namespace halfbyte
