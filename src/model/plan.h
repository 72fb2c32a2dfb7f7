// The plan: a model as a list of steps. This is the only place that knows what a transformer is;
// running, printing and counting are loops over the list.
//
// A step reads and writes row buffers (one row a token). Weights are named by index into
// Plan::weights, which is also what a loader loops over.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/spec.h"

namespace halfbyte {

// Row buffers, [rows, width of the buffer].
enum class Buffer : std::uint8_t {
  residual,  // the stream, `width` wide
  qkv,       // q heads, then k heads, then v heads
  attended,  // attention's output, heads * head_dim
  ffn,       // the FFN's first matrices: gate then up, or up alone
  branch,    // a block's output before it is normed and added
  mixed,     // what router and experts read: the residual, normed
  routes,    // the router's outputs, one an expert, then the shared expert's
};

enum class WeightKind : std::uint8_t {
  matrix,  // [n, k], packed for the linear kernels
  table,   // [n, k], rows are looked up; packed where it is the head, too
  vector,  // [n], f32 when loaded
};

struct WeightRef {
  std::string name;
  WeightKind kind = WeightKind::matrix;
  std::uint64_t n = 0;
  std::uint64_t k = 0;
  bool optional = false;  // biases: used where the checkpoint has them
  bool exact = false;     // routers: in floats, multiplied in f32
  double share = 1.0;     // of the rows that meet it: an expert's, where all are used alike
};

constexpr int kNoWeight = -1;
constexpr int kNoExpert = -1;

struct NormRef {
  int weight = kNoWeight;
  int bias = kNoWeight;
};

enum class Op : std::uint8_t {
  embed,        // residual = table[token] * scale (+ positions + token type)
  linear,       // out (+)= matrices x prologue(in)
  route,        // routes = matrices x in; chooses the experts of each row by them
  norm,         // out (+)= norm(in)
  rotate,       // qkv: norm of each q and k head, then rope
  store,        // qkv's k and v into the layer's cache
  attention,    // attended = softmax(q k) v over the layer's cache
  cross_store,  // the encoder's output through k and v matrices: the layer's cross keys and values
  cross_attention,  // as attention, over them
};

// What happens to a linear step's input rows on the way in.
enum class Prologue : std::uint8_t { none, norm, activation };

// One matrix of a linear step; its outputs go to columns [column, column + n) of the out buffer.
struct Piece {
  int weight = kNoWeight;
  int bias = kNoWeight;
  std::uint64_t column = 0;
};

struct Step {
  Op op = Op::linear;
  std::uint32_t layer = 0;
  Buffer in = Buffer::residual;
  Buffer out = Buffer::residual;
  Prologue prologue = Prologue::none;
  NormRef norm = {};               // of a norm step or prologue; rotate: weight = q's, bias = k's
  bool accumulate = false;         // add to `out` instead of replacing it
  std::vector<Piece> pieces = {};  // linear, route, cross_store
  // linear: takes the rows alone that the route step before it gave to this expert. They lie close
  // together in the ffn buffer, in others at their own places, where they are added, weighted.
  int expert = kNoExpert;
};

struct StackPlan {
  StackSpec spec;
  std::vector<Step> steps;
  int relative_bias = kNoWeight;  // table [buckets, heads] (T5)
};

struct Plan {
  ModelSpec spec;
  std::vector<WeightRef> weights;
  std::vector<Step> embed;  // run before whichever stack reads tokens
  StackPlan encoder;        // no steps where there is none
  StackPlan decoder;
  NormRef head_norm;     // before the head; weight kNoWeight for none
  int head = kNoWeight;  // the head's matrix; kNoWeight: hidden states are the output
  int head_bias = kNoWeight;

  std::uint64_t width_of(Buffer buffer) const;  // floats a row, over both stacks
  std::uint64_t widest_input() const;           // of any matrix
};

Plan make_plan(const ModelSpec& spec);

// One line a step, for people: "blk 3  linear  residual -> qkv  rms_norm, attn_q attn_k attn_v".
std::string to_string(const Plan& plan, const Step& step);

}  // namespace halfbyte
