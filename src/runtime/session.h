// One sequence being read and continued, with the memory that it works in.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "runtime/batch.h"

namespace halfbyte {

struct SessionOptions {
  // Tokens that fit; 0: what the model and the memory allow, at most kDefaultContext.
  std::uint64_t context = 0;
  // Of the KV cache; nullopt: f32 for full-precision models, else f16.
  std::optional<DType> kv;
  // Rows of a prefill chunk. Results do not depend on it.
  std::uint64_t chunk = 512;
};

class Session {
 public:
  // `model` must outlive the session. Fails with kUsage for a context that the model cannot have.
  explicit Session(const Model& model, const SessionOptions& options = {});

  const Model& model() const { return model_; }
  std::uint64_t context() const { return sequence_.context(); }
  std::uint64_t position() const { return sequence_.position(); }  // tokens read so far
  std::uint64_t kv_bytes() const { return sequence_.kv_bytes(); }
  DType kv_type() const { return sequence_.kv_type(); }
  std::uint64_t workspace_bytes() const { return batch_.workspace().bytes(); }

  // Times the steps of all passes from now on; nullptr: no longer. It must outlive them.
  void set_profile(Profile* profile) { batch_.set_profile(profile); }

  // Forgets everything from `position` on.
  void rewind(std::uint64_t position) { sequence_.rewind(position); }

  // Decoders: reads `tokens` (Batch::append).
  void append(std::span<const TokenId> tokens, std::uint64_t logit_rows, float* logits,
              std::optional<Phase> phase = std::nullopt) {
    batch_.append(sequence_, tokens, logit_rows, logits, phase);
  }

  // Encoders: reads a text at once. `mask` [tokens] hides positions where it is 0; may be empty.
  // The last hidden states, [tokens, width], stay valid until the next call.
  std::span<const float> encode(std::span<const TokenId> tokens,
                                std::span<const std::uint8_t> mask);

 private:
  const Model& model_;
  Sequence sequence_;
  Batch batch_;
  RopeTable encoder_ropes_;
  RelativeBias encoder_bias_;
  std::vector<float> encoded_;
};

}  // namespace halfbyte
