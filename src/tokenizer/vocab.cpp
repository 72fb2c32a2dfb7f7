// Open addressing with linear probing; tables stay at most half full.
#include "tokenizer/vocab.h"

#include <bit>
#include <functional>
#include <limits>

#include "base/error.h"

namespace halfbyte {
namespace {

std::uint32_t hash_text(std::string_view text) {
  const std::size_t h = std::hash<std::string_view>{}(text);
  return static_cast<std::uint32_t>(h ^ (h >> 32));
}

std::size_t hash_pair(std::uint64_t key) {
  key *= 0x9E3779B97F4A7C15u;
  return static_cast<std::size_t>(key ^ (key >> 29));
}

}  // namespace

void Vocab::reserve(std::size_t pieces, std::size_t bytes) {
  arena_.reserve(bytes);
  pieces_.reserve(pieces);
  if (pieces * 2 > slots_.size()) grow(std::bit_ceil(pieces * 2));
}

Vocab::Piece Vocab::keep(std::string_view text) {
  if (arena_.size() + text.size() > std::numeric_limits<std::uint32_t>::max()) {
    fail_unsupported("", "a vocabulary of more than 4 GiB");
  }
  const Piece piece{static_cast<std::uint32_t>(arena_.size()),
                    static_cast<std::uint32_t>(text.size()), true};
  arena_ += text;
  return piece;
}

std::size_t Vocab::slot_of(std::string_view text, std::uint32_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t i = hash & mask;
  while (slots_[i].id != kNone) {
    const Slot& slot = slots_[i];
    if (slot.hash == hash && std::string_view(arena_).substr(slot.offset, slot.length) == text) {
      break;
    }
    i = (i + 1) & mask;
  }
  return i;
}

void Vocab::grow(std::size_t slots) {
  std::vector<Slot> old(slots < 16 ? 16 : slots);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.id == kNone) continue;
    const std::string_view text = std::string_view(arena_).substr(slot.offset, slot.length);
    slots_[slot_of(text, slot.hash)] = slot;
  }
}

void Vocab::set(std::int32_t id, std::string_view text) {
  if ((used_ + 1) * 2 > slots_.size()) grow(slots_.size() * 2);
  const std::uint32_t hash = hash_text(text);
  Slot& slot = slots_[slot_of(text, hash)];
  Piece piece{slot.offset, slot.length, true};
  if (slot.id == kNone) {
    piece = keep(text);
    ++used_;
  }
  slot = {hash, piece.offset, piece.length, id};
  const auto index = static_cast<std::size_t>(id);
  if (index >= pieces_.size()) pieces_.resize(index + 1);
  pieces_[index] = piece;
}

void Vocab::set_hidden(std::int32_t id, std::string_view text) {
  const auto index = static_cast<std::size_t>(id);
  if (index >= pieces_.size()) pieces_.resize(index + 1);
  pieces_[index] = keep(text);
}

std::int32_t Vocab::find(std::string_view text) const {
  if (slots_.empty()) return kNone;
  return slots_[slot_of(text, hash_text(text))].id;
}

std::string_view Vocab::text(std::int32_t id) const {
  if (!contains(id)) return {};
  const Piece& piece = pieces_[static_cast<std::size_t>(id)];
  return std::string_view(arena_).substr(piece.offset, piece.length);
}

bool Vocab::contains(std::int32_t id) const {
  return id >= 0 && static_cast<std::size_t>(id) < pieces_.size() &&
         pieces_[static_cast<std::size_t>(id)].present;
}

void PairMap::reserve(std::size_t count) {
  if (count * 2 > slots_.size()) grow(std::bit_ceil(count * 2));
}

std::size_t PairMap::slot_of(std::uint64_t key) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t i = hash_pair(key) & mask;
  while (slots_[i].key != kFree && slots_[i].key != key) i = (i + 1) & mask;
  return i;
}

void PairMap::grow(std::size_t slots) {
  std::vector<Slot> old(slots < 16 ? 16 : slots);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.key != kFree) slots_[slot_of(slot.key)] = slot;
  }
}

void PairMap::set(std::uint32_t left, std::uint32_t right, Value value) {
  if ((used_ + 1) * 2 > slots_.size()) grow(slots_.size() * 2);
  const std::uint64_t key = (std::uint64_t{left} << 32) | right;
  Slot& slot = slots_[slot_of(key)];
  if (slot.key == kFree) ++used_;
  slot = {key, value};
}

const PairMap::Value* PairMap::find(std::uint32_t left, std::uint32_t right) const {
  if (slots_.empty()) return nullptr;
  const Slot& slot = slots_[slot_of((std::uint64_t{left} << 32) | right)];
  return slot.key == kFree ? nullptr : &slot.value;
}

}  // namespace halfbyte
