// The table of formats that are written. Adding one is a row and the Output that the row opens.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "compress/job.h"
#include "compress/report.h"
#include "model/spec.h"
#include "tokenizer/tokenizer.h"

namespace halfbyte {

struct OutputType;

// An output being written: nothing is under its final name before finish() returns.
class Output {
 public:
  virtual ~Output() = default;
  // The next tensor, in the order that was announced; then its bytes, in pieces.
  virtual void begin(const TensorJob& job) = 0;
  virtual void write(ByteView bytes) = 0;
  // Completes the output under its final name; gives its bytes.
  virtual std::uint64_t finish(const CompressReport& report) = 0;
};

// What an output is made from. All of it must outlive the Output.
struct OutputPlan {
  const Target& target;
  const ModelFiles& source;
  const Tokenizer* tokenizer;  // nullptr where the source has none
  std::string path;
  ModelSpec spec;  // in the target's conventions
  std::vector<TensorJob> jobs;
  DType main_type;          // of most weights
  std::uint32_t file_type;  // general.file_type of a GGUF file
  ScaleRules rules = {};    // what the groups of all matrices keep to
  Json method;              // how it was quantized: {"name": "rtn"} or null
  Json options;             // as asked for
};

struct Target {
  std::string_view name;  // as --to spells it
  ModelSpec (*conventions)(const ModelSpec&);
  bool folder;                 // the output is one
  bool published;              // tensors named and turned as in published checkpoints
  bool packs;                  // matrices in the packed layout
  bool wide_vectors;           // norms and biases are f32, whatever the matrices are
  bool rope_table;             // holds rope_freqs
  bool stacks;                 // the matrices of a layer's experts in one tensor
  bool (*holds)(DType dtype);  // of matrices
  // Of matrices of blocks, where they are stored in one (formats/group_layout.h); all else is f16.
  std::string_view group_layout;
  bool symmetric;       // can say that zero points are in the middle, or has no need to
  bool positive_zeros;  // has no good place for zero points of 0
  std::unique_ptr<Output> (*open)(const OutputPlan& plan, std::vector<std::string>& notes);
};

std::span<const Target> all_targets();
// Fails with kUsage naming the formats.
const Target& need_target(std::string_view name);
// A target cannot hold this type: a slip in the arguments (kUsage) where it is one of blocks; where
// rows have a scale, which formats of blocks have no place for, nothing that can be (kUnsupported).
[[noreturn]] void refuse_type(DType dtype, std::string what);
// refuse_type, naming types and formats to choose from, where `target` cannot hold matrices of this
// type.
void check_holds(const Target& target, DType dtype);
// Fails with kUsage, naming what to choose, where zero points cannot be kept in the middle.
void check_symmetric(const Target& target, const OutputType& type);
// Types that the target prescribes for what is no matrix of blocks take the place of the policy's,
// but for those that were asked for.
void prescribe_types(const Target& target, TypePolicy& policy);

// The rows' Outputs, one file each: output_gguf.cpp, output_bundle.cpp, output_safetensors.cpp.
std::unique_ptr<Output> open_gguf_output(const OutputPlan& plan, std::vector<std::string>& notes);
std::unique_ptr<Output> open_bundle_output(const OutputPlan& plan, std::vector<std::string>& notes);
std::unique_ptr<Output> open_safetensors_output(const OutputPlan& plan,
                                                std::vector<std::string>& notes);

}  // namespace halfbyte
