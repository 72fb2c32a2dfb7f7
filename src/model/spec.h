// The resolved description of a model: everything that `plan` needs to know, as plain data.
//
// It is made from a family row and a config (config.json or GGUF metadata), and is written as JSON
// into bundles, so that a bundle runs without either.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "tensor/activation.h"

namespace halfbyte {

enum class NormKind : std::uint8_t { rms, layer };
enum class PositionKind : std::uint8_t { none, learned, rope, relative };
enum class RopeScaling : std::uint8_t { none, linear, dynamic, llama3, yarn };

// Rotary embedding (RoFormer; scalings as the transformers library computes them).
struct RopeSpec {
  double theta = 10000.0;
  std::uint32_t dim = 0;  // rotated elements of a head, even
  RopeScaling scaling = RopeScaling::none;
  double factor = 1.0;
  std::uint32_t original_context = 0;
  double low_freq_factor = 1.0;   // llama3
  double high_freq_factor = 4.0;  // llama3
  double beta_fast = 32.0;        // yarn
  double beta_slow = 1.0;         // yarn
  double attention_factor = 0.0;  // yarn: multiplies cos and sin; 0 = from the factor
  bool truncate = true;           // yarn: whole dimensions as the ramp's ends
  // Divisors of the frequencies, [dim/2] (the rope_freqs tensor of a GGUF file); empty for none.
  std::vector<float> divisors;
};

struct LayerSpec {
  std::uint32_t window = 0;  // sliding window in tokens, 0 = all
  std::uint32_t rope = 0;    // index into StackSpec::ropes
};

// A mixture of experts in place of the FFN: a router gives each row to some of them, and their
// outputs are added up, weighted by the router's softmax.
struct ExpertSpec {
  std::uint32_t count = 0;
  std::uint32_t used = 0;  // by each row
  std::uint32_t ffn = 0;   // width of one
  bool normalize = true;   // the weights of those used add up to 1
  std::uint32_t shared_ffn =
      0;  // width of one more that all rows use, weighted by a sigmoid; 0: none
  std::vector<std::uint32_t> dense_layers;  // that have a plain FFN instead
};

// One stack of blocks: an encoder, a decoder, or the only one there is.
struct StackSpec {
  std::vector<LayerSpec> layers;
  NormKind norm = NormKind::rms;
  double norm_eps = 1e-5;
  float norm_offset = 0.0f;  // 1 where weights are stored as w - 1 (Gemma)
  bool pre_norm = true;      // false: norm after the residual sum (BERT)
  bool sandwich_norm =
      false;             // also a norm after attention and after the FFN, before the sum (Gemma)
  bool qk_norm = false;  // RMSNorm on each head of q and k
  bool final_norm = true;
  std::uint32_t heads = 0;
  std::uint32_t kv_heads = 0;
  std::uint32_t head_dim = 0;
  double attention_scale = 0.0;  // multiplies q.k
  double attention_softcap = 0.0;
  bool causal = true;
  bool cross_attention = false;
  PositionKind position = PositionKind::rope;
  bool rope_interleaved = false;  // pairs (2i, 2i+1) instead of (i, i + dim/2)
  std::vector<RopeSpec> ropes;
  std::uint32_t relative_buckets = 0;
  std::uint32_t relative_max_distance = 0;
  std::uint32_t ffn = 0;
  Activation activation = Activation::silu;
  bool gated = true;
  std::optional<ExpertSpec> experts;

  bool has_experts(std::uint32_t layer) const;
};

struct ModelSpec {
  std::string family;  // a row of the family table
  std::uint32_t vocab = 0;
  std::uint32_t width = 0;  // of the residual stream
  std::uint32_t context_length = 0;
  std::optional<StackSpec> encoder;
  std::optional<StackSpec> decoder;
  bool has_head = true;    // logits; without it the last hidden states are the output
  bool tied_head = false;  // the head is the token embedding
  double embedding_scale = 1.0;
  double logit_scale = 1.0;  // multiplies the hidden states before the head
  double logit_softcap = 0.0;
  bool embedding_norm = false;          // a norm after the embeddings (BERT)
  std::uint32_t learned_positions = 0;  // rows of the position table
  std::uint32_t token_types = 0;        // rows of the token type table; row 0 is added
  std::int64_t decoder_start = -1;
  std::int64_t bos = -1;
  std::vector<std::int64_t> eos;
  std::int64_t pad = -1;

  const StackSpec& main_stack() const { return decoder ? *decoder : *encoder; }
};

Json spec_to_json(const ModelSpec& spec);
// Fails with kMalformed naming `file` and the field.
ModelSpec spec_from_json(const Json& json, std::string_view file);

// Every dimension is within sane bounds and they fit each other; fails with kMalformed otherwise.
// Called on every spec that comes from a file, before anything is computed from it.
void check_spec(const ModelSpec& spec, std::string_view file);

}  // namespace halfbyte
