// Several sequences on one model and one workspace. Each pass reads the weights once for the rows
// of all sequences that take part; any may join or leave between passes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "runtime/sequence.h"

namespace halfbyte {

// What one sequence reads in a pass.
struct Turn {
  Sequence* sequence = nullptr;
  std::span<const TokenId> tokens;
};

class Batch {
 public:
  // Passes of up to `rows` rows of sequences with contexts of at most `context`. `model` must
  // outlive the batch.
  Batch(const Model& model, std::uint64_t rows, std::uint64_t context);

  const Model& model() const { return model_; }
  Workspace& workspace() { return workspace_; }
  const Workspace& workspace() const { return workspace_; }

  // Times the steps of all passes from now on; nullptr: no longer. It must outlive them.
  void set_profile(Profile* profile) { profile_ = profile; }

  // One sequence reads `tokens`, in as many passes as they take; `logits`, if not null, receives
  // those of the last `logit_rows` of them, [logit_rows, vocab]. Fails with kUsage where the
  // context is full (naming both numbers), a token is not in the vocabulary, or logits are asked of
  // a model without a head; then nothing was read.
  //
  // The phase says which kernels run, hence which bits come out: in Phase::decode those of reading
  // the tokens one by one, in Phase::prefill those of reading them all at once, in chunks of any
  // size. Without it one token is decoded and more are prefilled.
  void append(Sequence& sequence, std::span<const TokenId> tokens, std::uint64_t logit_rows,
              float* logits, std::optional<Phase> phase = std::nullopt);

  // All turns in one pass, in Phase::decode; `logits` [tokens of all turns, vocab], in their order.
  // Each sequence gets the bits that it gets alone. Fails with kUsage as append does, for a
  // sequence that comes twice, and for more tokens than rows; then nothing was read.
  void decode(std::span<const Turn> turns, float* logits);

 private:
  void check(const Sequence& sequence, std::span<const TokenId> tokens, bool wants_logits) const;
  Pass pass(std::span<const TokenId> tokens, std::span<const Segment> segments, Phase phase);

  const Model& model_;
  std::uint64_t context_;
  Workspace workspace_;
  std::vector<TokenId> tokens_;
  std::vector<Segment> segments_;
  Profile* profile_ = nullptr;
};

}  // namespace halfbyte
