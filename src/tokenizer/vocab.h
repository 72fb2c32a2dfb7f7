// Pieces and ids: a string arena, the piece of each id, and a hash table from piece to id.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace halfbyte {

class Vocab {
 public:
  static constexpr std::int32_t kNone = -1;

  void reserve(std::size_t pieces, std::size_t bytes);
  // Gives `text` the id and `id` the text; what either had before is replaced. 0 <= id < 2^22.
  void set(std::int32_t id, std::string_view text);
  // Gives `id` a text that no look-up finds.
  void set_hidden(std::int32_t id, std::string_view text);
  std::int32_t find(std::string_view text) const;
  // "" for an id without a piece, also for one out of range.
  std::string_view text(std::int32_t id) const;
  bool contains(std::int32_t id) const;
  std::size_t size() const { return pieces_.size(); }  // ids are below it
  std::size_t count() const { return used_; }          // different texts

 private:
  struct Piece {
    std::uint32_t offset = 0;
    std::uint32_t length = 0;
    bool present = false;
  };
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t offset = 0;
    std::uint32_t length = 0;
    std::int32_t id = kNone;  // kNone: a free slot
  };
  Piece keep(std::string_view text);
  void grow(std::size_t slots);
  std::size_t slot_of(std::string_view text, std::uint32_t hash) const;

  std::string arena_;
  std::vector<Piece> pieces_;
  std::vector<Slot> slots_;  // a power of two, at most half full
  std::size_t used_ = 0;
};

// A hash table from a pair of ids to a 64-bit value, for BPE merges and tries.
class PairMap {
 public:
  struct Value {
    std::uint32_t first = 0;
    std::int32_t second = 0;
  };
  void reserve(std::size_t count);
  void set(std::uint32_t left, std::uint32_t right, Value value);
  const Value* find(std::uint32_t left, std::uint32_t right) const;

 private:
  struct Slot {
    std::uint64_t key = kFree;
    Value value;
  };
  static constexpr std::uint64_t kFree = ~std::uint64_t{0};
  std::size_t slot_of(std::uint64_t key) const;
  void grow(std::size_t slots);

  std::vector<Slot> slots_;
  std::size_t used_ = 0;
};

}  // namespace halfbyte
