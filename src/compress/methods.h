// The table of quantization methods. Adding one is a row and the function that the row names.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compress/calibrate/input_stats.h"
#include "compress/linalg.h"
#include "tensor/group_types.h"

namespace halfbyte {

// dst = `rows` rows of src in `type`; called from many threads at once.
using EncodeWeights = void (*)(const DTypeInfo& type, ScaleRules rules, const float* src,
                               std::byte* dst, std::size_t rows, std::size_t columns);

// A matrix to quantize. All values are finite.
struct MatrixTask {
  std::string name;
  std::vector<float> weights;  // [n, k], the method may change them
  std::uint64_t n = 0;
  std::uint64_t k = 0;
  DType dtype = DType::f32;
  ScaleRules rules = {};  // for types that have groups
};
struct MatrixResult {
  std::vector<std::byte> rows;     // [n] rows in the format of the task's type
  double error = 0.0;              // of the outputs: |(w - q) x| over |w x|, rms over all samples
  std::vector<std::string> notes;  // one line each: what did not go as usual
};
// Matrices that have the same inputs (q, k and v), and what calibration saw of these, which the
// method may use up. A result for each matrix, in order.
using SolveMatrices = std::vector<MatrixResult> (*)(std::vector<MatrixTask>& matrices,
                                                    InputStats& inputs, DenseWorkers& workers);

// Changes a block's weights, on the way to being quantized, without changing what it computes.
struct BlockTask;
using TransformBlock = void (*)(BlockTask& task);

// Changes the codes of a quantized block, so that its outputs come closer to what they were.
struct RefineTask;
using RefineBlock = void (*)(RefineTask& task);

// A method that chooses codes has `solve`, and `encode` where it does without a text, too; one that
// prepares weights for the others has `transform`.
struct Method {
  std::string_view name;  // as --method spells it
  std::string_view summary;
  EncodeWeights encode = nullptr;
  SolveMatrices solve = nullptr;
  TransformBlock transform = nullptr;
  RefineBlock refine = nullptr;
  bool gram = false;           // needs the inputs' Gram matrix
  std::string_view type = "";  // the only one that it is a method for; "": any
};

std::span<const Method> all_methods();
const Method* find_method(std::string_view name);  // nullptr if unknown

constexpr std::string_view kBestMethod = "best";

// What `--method a,b,c` composes: transforms in their order, then one solver.
struct Recipe {
  std::vector<const Method*> transforms;
  const Method* solver = nullptr;
  const Method* refiner = nullptr;
  ScaleRules rules = {};  // for types that have groups

  bool needs_text() const {
    return !transforms.empty() || solver->encode == nullptr || refiner != nullptr;
  }
  bool needs_gram() const;
  bool only_rounds() const;
  // To the head the solver comes alone; and with 6 bits and more a large matrix is not worth its
  // time: rounding costs next to nothing.
  const Method& head_solver(DType dtype) const;
  std::string names() const;  // "awq,gptq"
  // The type to write where `asked` ("": nobody asked). Fails with kUsage where the method has
  // another one.
  std::string type(std::string_view asked) const;
};
// Round to nearest where only transforms are named. "best" is what proved best on every grid
// (docs/compression.md); whoever knows the model leaves its refinement out where refine_obstacle()
// says so. Fails with kUsage for an unknown name, two solvers, or a transform after the solver.
Recipe parse_recipe(std::string_view names);

}  // namespace halfbyte
