// Values of the template language: what Python calls objects, as far as a chat template meets them.
//
// A Value is 16 bytes and trivially copied. Everything with a size (strings, lists, ...) is an
// Object that a Heap owns until the render ends: no reference counts, so a namespace that contains
// itself leaks nothing, and freeing a deep nest of lists does not recurse.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace halfbyte::jinja {

enum class Kind : std::uint8_t {
  kUndefined,  // object: StringObject with the reason, or null
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kList,
  kTuple,
  kDict,
  kView,      // dict.keys(), .values(), .items(): sized and iterable, no subscripts
  kIterator,  // what a lazy filter returns: iterable once
  kRange,
  kNamespace,
  kMacro,
  kBuiltin,  // a global function or a method bound to its object
  kLoop,
  kCycler,
  kJoiner,
};

struct Object {
  Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  virtual ~Object() = default;
};

struct StringObject;
struct ListObject;
struct DictObject;

struct Value {
  Kind kind = Kind::kUndefined;
  union {
    bool boolean;
    std::int64_t integer;
    double real;
    Object* object;
  };

  Value() : object(nullptr) {}
  Value(Kind k, Object* o) : kind(k), object(o) {}
  static Value none() { return Value(Kind::kNone, nullptr); }
  static Value of(bool b) {
    Value v(Kind::kBool, nullptr);
    v.boolean = b;
    return v;
  }
  static Value of(std::int64_t i) {
    Value v(Kind::kInt, nullptr);
    v.integer = i;
    return v;
  }
  static Value of(double d) {
    Value v(Kind::kFloat, nullptr);
    v.real = d;
    return v;
  }

  bool is(Kind k) const { return kind == k; }
  bool undefined() const { return kind == Kind::kUndefined; }
  bool string() const { return kind == Kind::kString; }
  // Python's bool is an int.
  bool integral() const { return kind == Kind::kInt || kind == Kind::kBool; }
  bool number() const { return integral() || kind == Kind::kFloat; }
  std::int64_t as_int() const { return kind == Kind::kBool ? boolean : integer; }
  double as_double() const { return kind == Kind::kFloat ? real : static_cast<double>(as_int()); }
  template <typename T>
  T& as() const {
    return *static_cast<T*>(object);
  }
  std::string_view text() const;            // kString only
  const std::vector<Value>& items() const;  // kList, kTuple, kView only
};

struct StringObject : Object {
  explicit StringObject(std::string t, bool m = false) : text(std::move(t)), markup(m) {}
  std::string text;
  bool markup;  // made by `safe` or `escape`: adding plain text to it escapes that text
};

struct ListObject : Object {
  std::vector<Value> items;
  const char* view = "";  // kView: "dict_keys", ...; kTuple: "group" for the pairs of groupby
};

struct IteratorObject : Object {
  std::vector<Value> items;
  std::size_t next = 0;
};

struct RangeObject : Object {
  std::int64_t start = 0;
  std::int64_t stop = 0;
  std::int64_t step = 1;
  std::int64_t size() const;
};

// Keeps insertion order. `find` is linear for small dicts and hashed for larger ones.
struct DictObject : Object {
  std::vector<std::pair<Value, Value>> entries;

  // The key must be hashable (see hash_key in operators.h); `code` is its hash_key.
  const Value* find(const std::string& code) const;
  const Value* find_text(std::string_view key) const;
  void set(const std::string& code, Value key, Value value);

 private:
  std::unordered_map<std::string, std::size_t> index_;
};

using NamespaceObject = DictObject;

struct CyclerObject : Object {
  std::vector<Value> items;
  std::size_t next = 0;
};

struct JoinerObject : Object {
  Value separator;
  bool used = false;
};

struct Builtin;

struct BuiltinObject : Object {
  const Builtin* row = nullptr;
  Value self;
};

// Owns the objects of one render and counts their bytes.
class Heap {
 public:
  explicit Heap(std::uint64_t max_bytes) : left_(max_bytes) {}

  template <typename T, typename... A>
  T& make(A&&... args) {
    charge(sizeof(T) + 32);
    auto object = std::make_unique<T>(std::forward<A>(args)...);
    T& result = *object;
    objects_.push_back(std::move(object));
    return result;
  }
  // Throws kMalformed once the template holds more than it may.
  void charge(std::uint64_t bytes);

 private:
  std::uint64_t left_;
  std::deque<std::unique_ptr<Object>> objects_;
};

// "str", "list", ... for messages.
const char* type_name(const Value& value);

}  // namespace halfbyte::jinja
