// Metadata of a GGUF file: typed key-value pairs, in file order. Also what a writer takes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/bytes.h"

namespace halfbyte {

// GGUF value types, with their ids.
enum class MetaType : std::uint32_t {
  u8 = 0,
  i8 = 1,
  u16 = 2,
  i16 = 3,
  u32 = 4,
  i32 = 5,
  f32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  u64 = 10,
  i64 = 11,
  f64 = 12,
};
constexpr std::uint32_t kMetaTypes = 13;

std::string_view meta_type_name(MetaType type);  // "u32", "string", "array"
// Bytes of one value of a fixed size (numbers, booleans); 0 for strings and arrays.
std::size_t meta_type_bytes(MetaType type);

// An array of numbers or booleans keeps its bytes as they stand in the file (little-endian, maybe
// unaligned); an array of strings is a list of strings. Nested arrays are refused.
struct MetaArray {
  MetaType element = MetaType::u8;
  std::uint64_t count = 0;
  ByteView raw;                           // numbers; a view into the mapped file or into `owned`
  std::vector<std::string_view> strings;  // strings; views likewise
};

class MetaValue {
 public:
  MetaType type = MetaType::u8;
  std::variant<std::uint64_t, std::int64_t, double, bool, std::string_view, MetaArray> value;
};

// Values read from a file are views that die with it. Setters copy what they are given into storage
// that lives as long as the Metadata, so a Metadata can be copied for writing only while its source
// lives.
class Metadata {
 public:
  struct Entry {
    std::string key;
    MetaValue value;
  };

  const std::vector<Entry>& entries() const { return entries_; }
  bool contains(std::string_view key) const { return find(key) != nullptr; }
  const MetaValue* find(std::string_view key) const;

  // Typed look-ups: nullopt where the key is absent; fail with kMalformed (naming `file` and the
  // key) where it is present with another kind of value or does not fit. Any integer type serves as
  // an integer; integers and floats serve as a number.
  std::optional<std::uint64_t> get_uint(std::string_view key) const;
  std::optional<std::int64_t> get_int(std::string_view key) const;
  std::optional<double> get_number(std::string_view key) const;
  std::optional<bool> get_bool(std::string_view key) const;
  std::optional<std::string_view> get_string(std::string_view key) const;
  const MetaArray* get_array(std::string_view key) const;
  // Arrays as vectors; empty where absent.
  std::vector<std::string_view> get_strings(std::string_view key) const;
  std::vector<std::int64_t> get_ints(std::string_view key) const;
  std::vector<float> get_floats(std::string_view key) const;

  // Setting a key that exists replaces its value.
  void set_u32(std::string_view key, std::uint32_t value);
  void set_u64(std::string_view key, std::uint64_t value);
  void set_i32(std::string_view key, std::int32_t value);
  void set_f32(std::string_view key, float value);
  void set_bool(std::string_view key, bool value);
  void set_string(std::string_view key, std::string_view value);
  void set_strings(std::string_view key, const std::vector<std::string>& values);
  void set_i32s(std::string_view key, const std::vector<std::int32_t>& values);
  void set_f32s(std::string_view key, const std::vector<float>& values);
  void set_u8s(std::string_view key, const std::vector<std::uint8_t>& values);
  void set_bools(std::string_view key, const std::vector<bool>& values);
  // Takes a value (views and all) from another Metadata.
  void set(std::string_view key, const MetaValue& value);
  void erase(std::string_view key);

  std::string file;  // for messages

 private:
  MetaValue& slot(std::string_view key);
  std::string_view keep(std::string_view text);
  void set_raw_array(std::string_view key, MetaType element, std::uint64_t count,
                     std::string_view raw);

  std::vector<Entry> entries_;
  std::unordered_map<std::string, std::size_t> index_;
  std::vector<std::shared_ptr<const std::string>> owned_;  // what setters copied
};

}  // namespace halfbyte
