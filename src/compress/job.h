// What is written: one job a tensor, from a source tensor to the type, order and place it gets.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "compress/types.h"
#include "model/model_files.h"
#include "tensor/group_types.h"

namespace halfbyte {

struct Target;

// The order of a q or k matrix's rows inside each head: rotate-half (pairs i, i + rotated/2) or
// interleaved (pairs 2i, 2i + 1).
struct RowOrder {
  std::uint32_t head_dim = 0;  // 0: rows stay where they are
  std::uint32_t rotated = 0;   // the first elements of a head that rope turns
  bool to_interleaved = false;

  bool moves() const { return head_dim != 0; }
  // The source's row for row `row` of the output.
  std::uint64_t source_of(std::uint64_t row) const;
};

struct TensorJob {
  std::string name;  // as the output calls it
  std::string own;   // as we call it
  Role role = Role::matrix;
  DType dtype = DType::f32;
  Shape shape;                          // as written: [rows, columns], or a vector's
  const ModelTensor* source = nullptr;  // nullptr: `values` is the tensor
  std::vector<float> values;
  bool transpose = false;  // rows of the output are columns of the source as stored
  bool packed = false;     // written in the packed layout
  RowOrder order;
  float add = 0.0f;   // to every element (vectors only)
  ScaleRules rules;   // what its groups keep to, where it has some
  bool anew = false;  // encoded even where the source has its type: that does not keep to `rules`
  std::string file;   // the bundle's file
  std::string stack;  // the tensor that this is a part of, with those after it; "" for none

  std::uint64_t bytes() const;  // as written
};

// All tensors that the model's plan names, in the order embedding, blocks, head. Shapes are checked
// against the plan (kMalformed). `spec` is the description in the target's conventions. What the
// policy asks for and a tensor cannot have is told in `notes`.
std::vector<TensorJob> make_jobs(const ModelFiles& source, const Target& target,
                                 const ModelSpec& spec, const TypePolicy& policy,
                                 std::vector<std::string>& notes);

}  // namespace halfbyte
