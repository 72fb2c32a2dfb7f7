// One sequence being read and continued: its cache, its position, the memory it works in.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "runtime/execute.h"
#include "runtime/model.h"

namespace halfbyte {

struct SessionOptions {
  // Tokens that fit; 0: what the model and the memory allow, at most kDefaultContext.
  std::uint64_t context = 0;
  // Of the KV cache; nullopt: f32 for full-precision models, else f16.
  std::optional<DType> kv;
  // Rows of a prefill chunk. Results do not depend on it.
  std::uint64_t chunk = 512;
};

constexpr std::uint64_t kDefaultContext = 4096;

class Session {
 public:
  // `model` must outlive the session. Fails with kUsage for a context that the model cannot have.
  explicit Session(const Model& model, const SessionOptions& options = {});

  const Model& model() const { return model_; }
  std::uint64_t context() const { return context_; }
  std::uint64_t position() const { return position_; }  // tokens read so far
  std::uint64_t kv_bytes() const { return cache_.bytes(); }
  std::uint64_t workspace_bytes() const { return workspace_->bytes(); }

  // Times the steps of all passes from now on; nullptr: no longer. It must outlive them.
  void set_profile(Profile* profile) { profile_ = profile; }

  // Forgets everything from `position` on.
  void rewind(std::uint64_t position);

  // Decoders: reads `tokens`; `logits`, if not null, receives those of the last `logit_rows` of
  // them, [logit_rows, vocab]. Fails with kUsage where the context is full (naming both numbers), a
  // token is not in the vocabulary, or logits are asked of a model without a head.
  //
  // The phase says which kernels run, hence which bits come out: in Phase::decode those of reading
  // the tokens one by one, in Phase::prefill those of reading them all at once, in chunks of any
  // size. Without it one token is decoded and more are prefilled.
  void append(std::span<const TokenId> tokens, std::uint64_t logit_rows, float* logits,
              std::optional<Phase> phase = std::nullopt);

  // Encoders: reads a text at once. `mask` [tokens] hides positions where it is 0; may be empty.
  // The last hidden states, [tokens, width], stay valid until the next call.
  std::span<const float> encode(std::span<const TokenId> tokens,
                                std::span<const std::uint8_t> mask);

 private:
  void check_tokens(std::span<const TokenId> tokens) const;
  Pass pass(const StackPlan& stack, const RopeTable& ropes, std::span<const TokenId> tokens);
  void remember_encoded(std::uint64_t length);

  const Model& model_;
  std::uint64_t context_ = 0;
  std::uint64_t position_ = 0;
  KvCache cache_;
  std::optional<Workspace> workspace_;
  RopeTable ropes_;  // the decoder's
  RopeTable encoder_ropes_;
  RelativeBias decoder_bias_;
  RelativeBias encoder_bias_;
  std::vector<std::uint8_t> mask_;
  std::vector<float> encoded_;
  std::vector<float> cross_;
  std::uint64_t cross_length_ = 0;
  Profile* profile_ = nullptr;
};

// What fits by default: the model's own context, at most kDefaultContext, and a KV cache of at most
// half of the memory that is free.
std::uint64_t default_context(const ModelSpec& spec, DType kv, std::uint64_t free_memory);

}  // namespace halfbyte
