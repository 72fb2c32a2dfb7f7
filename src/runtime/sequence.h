// What a model remembers of one text: keys and values, the position, and of an encoder-decoder the
// encoded source.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "runtime/execute.h"
#include "runtime/model.h"

namespace halfbyte {

class Sequence {
 public:
  // `context`: tokens that fit; 0: what the model and the memory allow, at most kDefaultContext.
  // `kv`: of the cache; nullopt: f32 for full-precision models, else f16. `model` must outlive the
  // sequence. Fails with kUsage for a context that the model cannot have.
  explicit Sequence(const Model& model, std::uint64_t context = 0,
                    std::optional<DType> kv = std::nullopt);

  std::uint64_t context() const { return context_; }
  std::uint64_t position() const { return position_; }  // tokens read so far
  std::uint64_t kv_bytes() const { return cache_.bytes(); }
  DType kv_type() const { return cache_.dtype(); }

  // Forgets everything from `position` on. What is left stays as it was read: with dynamic scaling,
  // scaled for as long a text as was read with it.
  void rewind(std::uint64_t position);

  // Fails with kUsage where `tokens` more do not fit, naming both numbers.
  void check_room(std::uint64_t tokens) const;

  // For passes. prepare: `tokens` more, which fit, are going to be read as `phase` says. segment:
  // the next `rows` of them, as rows of a pass. advance: those rows have been run.
  void prepare(std::uint64_t tokens, Phase phase);
  Segment segment(std::uint64_t first_row, std::uint64_t rows);
  void advance(std::uint64_t rows) { position_ += rows; }

  // Begins anew after an encoded source of `length` positions, of which `mask` (may be empty) hides
  // those where it is 0. The caller fills the memory.
  CrossMemory start_after(std::uint64_t length, std::span<const std::uint8_t> mask);

 private:
  CrossMemory cross();

  const Model* model_;
  std::uint64_t context_ = 0;
  std::uint64_t position_ = 0;
  KvCache cache_;
  RopeTable ropes_;
  RelativeBias bias_;
  std::vector<float> cross_;
  std::uint64_t cross_length_ = 0;
  std::vector<std::uint8_t> cross_mask_;
};

constexpr std::uint64_t kDefaultContext = 4096;

// What fits by default: the model's own context, at most kDefaultContext, and a KV cache of at most
// half of the memory that is free.
std::uint64_t default_context(const ModelSpec& spec, DType kv, std::uint64_t free_memory);

// Fails with kUsage where a token is not in the vocabulary.
void check_tokens(const ModelSpec& spec, std::span<const TokenId> tokens);

}  // namespace halfbyte
