// parse_gguf: the header, metadata and tensor table of one GGUF image.
//
// The order of the file: magic "GGUF", u32 version, u64 tensors, u64 pairs; the pairs (key, type,
// value); the tensor table (name, dimensions innermost first, type, offset); data, at a multiple of
// general.alignment. A string is a u64 length and its bytes. Only these are read; tensor data is
// not touched.
#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "formats/checks.h"
#include "formats/gguf.h"

namespace halfbyte {

namespace {

constexpr std::uint64_t kMaxPairs = 65536;
constexpr std::uint64_t kMaxKeyBytes = 65535;
constexpr std::uint64_t kMaxAllKeyBytes = std::uint64_t{8} << 20;
// Strings of all arrays together: a view of 16 bytes each. The largest vocabularies and their
// merges have under a million.
constexpr std::uint64_t kMaxStrings = std::uint64_t{1} << 21;
constexpr std::uint64_t kMaxTensorName = 64;
constexpr std::uint32_t kMaxRank = 4;
constexpr std::uint64_t kDefaultAlignment = 32;
// Smallest records: an empty key, type and one byte; an empty name, rank, type and offset.
constexpr std::uint64_t kMinPairBytes = 8 + 4 + 1;
constexpr std::uint64_t kMinTensorBytes = 8 + 4 + 4 + 8;
// Forks number their own types up to a few hundred; beyond that it is no type id at all.
constexpr std::uint32_t kMaxTypeId = 1024;

template <typename Stored, typename T>
void read_scalar(ByteReader& reader, MetaValue& value) {
  value.value = static_cast<Stored>(reader.read<T>("a metadata value"));
}

void read_bool(ByteReader& reader, MetaValue& value) {
  value.value = reader.read<std::uint8_t>("a metadata value") != 0;
}

std::string_view take_string(ByteReader& reader, std::string_view what) {
  const auto length = reader.read<std::uint64_t>(what);
  return as_text(reader.take(length, what));
}

void read_string(ByteReader& reader, MetaValue& value) {
  value.value = take_string(reader, "a metadata string");
}

// By type id; arrays are read by the parser, which counts their strings.
using ReadValue = void (*)(ByteReader&, MetaValue&);
constexpr std::array<ReadValue, kMetaTypes> kReadValue = {
    read_scalar<std::uint64_t, std::uint8_t>,
    read_scalar<std::int64_t, std::int8_t>,
    read_scalar<std::uint64_t, std::uint16_t>,
    read_scalar<std::int64_t, std::int16_t>,
    read_scalar<std::uint64_t, std::uint32_t>,
    read_scalar<std::int64_t, std::int32_t>,
    read_scalar<double, float>,
    read_bool,
    read_string,
    nullptr,
    read_scalar<std::uint64_t, std::uint64_t>,
    read_scalar<std::int64_t, std::int64_t>,
    read_scalar<double, double>,
};

class GgufParser {
 public:
  GgufParser(ByteView bytes, std::string_view file) : bytes_(bytes), reader_(bytes, file) {
    image_.metadata.file = std::string(file);
  }

  GgufImage parse() {
    read_header();
    for (std::uint64_t i = 0; i < pairs_; ++i) read_pair();
    read_alignment();
    image_.tensors.reserve(tensors_);
    records_.reserve(tensors_);
    for (std::uint64_t i = 0; i < tensors_; ++i) read_tensor();
    refuse_duplicate_tensors();
    place_tensors();
    // Last, so that a file that is broken as well is called broken.
    if (!unsupported_.empty()) fail_unsupported(reader_.file(), unsupported_);
    return std::move(image_);
  }

 private:
  // What the table says of a tensor, beyond its view.
  struct Record {
    std::uint32_t type;
    std::uint64_t offset;  // from the start of the data
    std::uint64_t at;      // of the record in the file, for messages
  };

  [[noreturn]] void fail(const std::string& what, std::uint64_t at) const {
    fail_malformed(reader_.file(), what, at);
  }

  void read_header() {
    if (as_text(reader_.take(std::min<std::uint64_t>(4, reader_.left()), "magic")) != "GGUF") {
      fail("not a GGUF file (no magic)", 0);
    }
    image_.version = reader_.read<std::uint32_t>("version");
    check_version();
    tensors_ = reader_.read<std::uint64_t>("tensor count");
    pairs_ = reader_.read<std::uint64_t>("metadata count");
    reader_.expect_records(pairs_, kMinPairBytes, "metadata pairs");
    reader_.expect_records(tensors_, kMinTensorBytes, "tensors");
    if (pairs_ > kMaxPairs)
      fail(fmt::format("{} metadata pairs, at most {}", pairs_, kMaxPairs), 16);
    if (tensors_ > kMaxTensors)
      fail(fmt::format("{} tensors, at most {}", tensors_, kMaxTensors), 8);
  }

  void check_version() const {
    const std::uint32_t version = image_.version;
    if (version == 2 || version == 3) return;
    // No version, nor one of a format that could still become one.
    const bool swapped = (version & 0xFFFFu) == 0;
    if (version == 0 || (version > 255 && !swapped))
      fail(fmt::format("GGUF version {}", version), 4);
    // A small number with its bytes swapped has nothing in the low half.
    if (swapped) {
      fail_unsupported(reader_.file(), "big-endian GGUF; convert it to little-endian");
    }
    fail_unsupported(reader_.file(), fmt::format("GGUF version {}; 2 and 3 are read", version));
  }

  void read_pair() {
    const std::uint64_t at = reader_.offset();
    const std::string_view key = take_string(reader_, "a metadata key");
    if (key.size() > kMaxKeyBytes) fail("a metadata key of more than 65535 bytes", at);
    key_bytes_ += key.size();
    if (key_bytes_ > kMaxAllKeyBytes) fail("metadata keys of more than 8 MiB in all", at);
    if (!is_clean_name(key)) fail("a metadata key is empty or not clean text", at);
    if (image_.metadata.contains(key)) {
      fail(fmt::format("metadata key {} occurs twice", in_quotes(key)), at);
    }
    image_.metadata.set(key, read_value(key));
  }

  MetaType read_type(std::string_view key) {
    const std::uint64_t at = reader_.offset();
    const auto id = reader_.read<std::uint32_t>("a metadata type");
    if (id >= kMetaTypes) fail(fmt::format("{} has the unknown type {}", in_quotes(key), id), at);
    return static_cast<MetaType>(id);
  }

  MetaValue read_value(std::string_view key) {
    MetaValue value;
    value.type = read_type(key);
    if (value.type == MetaType::array) {
      value.value = read_array(key);
    } else {
      kReadValue[static_cast<std::size_t>(value.type)](reader_, value);
    }
    return value;
  }

  MetaArray read_array(std::string_view key) {
    const std::uint64_t at = reader_.offset();
    MetaArray array;
    array.element = read_type(key);
    array.count = reader_.read<std::uint64_t>("an array length");
    if (array.element == MetaType::array) fail(fmt::format("{}: nested array", in_quotes(key)), at);
    if (array.element == MetaType::string) {
      read_strings(array);
    } else {
      const std::size_t bytes = meta_type_bytes(array.element);
      reader_.expect_records(array.count, bytes, "array elements");
      array.raw = reader_.take(array.count * bytes, "array elements");
    }
    return array;
  }

  void read_strings(MetaArray& array) {
    reader_.expect_records(array.count, sizeof(std::uint64_t), "strings");
    strings_ += array.count;
    if (strings_ > kMaxStrings) reader_.fail(fmt::format("more than {} strings", kMaxStrings));
    array.strings.reserve(array.count);
    for (std::uint64_t i = 0; i < array.count; ++i) {
      array.strings.push_back(take_string(reader_, "a string of an array"));
    }
  }

  void read_alignment() {
    alignment_ = image_.metadata.get_uint("general.alignment").value_or(kDefaultAlignment);
    if (!std::has_single_bit(alignment_)) {
      fail(fmt::format("general.alignment is {}, no power of two", alignment_), reader_.offset());
    }
  }

  void read_tensor() {
    Record record{0, 0, reader_.offset()};
    TensorView tensor;
    tensor.name = take_string(reader_, "a tensor name").substr(0, kMaxTensorName + 1);
    if (tensor.name.size() > kMaxTensorName || !is_clean_name(tensor.name)) {
      fail("a tensor name is empty, not clean text, or longer than 64 bytes", record.at);
    }
    tensor.shape = read_shape(tensor.name);
    record.type = reader_.read<std::uint32_t>("a tensor type");
    record.offset = reader_.read<std::uint64_t>("a tensor offset");
    image_.tensors.push_back(std::move(tensor));
    records_.push_back(record);
  }

  Shape read_shape(std::string_view name) {
    const std::uint64_t at = reader_.offset();
    const auto rank = reader_.read<std::uint32_t>("a number of dimensions");
    if (rank > kMaxRank)
      fail(fmt::format("tensor {} has {} dimensions", in_quotes(name), rank), at);
    Shape shape(rank);
    // Innermost first in the file, outermost first here.
    for (auto it = shape.rbegin(); it != shape.rend(); ++it) {
      *it = reader_.read<std::uint64_t>("a dimension");
    }
    if (!is_sane_shape(shape)) {
      fail(fmt::format("tensor {} has too many elements: {}", in_quotes(name), to_string(shape)),
           at);
    }
    return shape;
  }

  void refuse_duplicate_tensors() const {
    std::unordered_set<std::string_view> seen;
    for (std::size_t i = 0; i < records_.size(); ++i) {
      if (!seen.insert(image_.tensors[i].name).second) {
        fail(fmt::format("tensor {} occurs twice", in_quotes(image_.tensors[i].name)),
             records_[i].at);
      }
    }
  }

  void place_tensors() {
    const auto start = checked_align(reader_.offset(), alignment_);
    for (std::size_t i = 0; i < records_.size(); ++i) {
      if (!start || *start > bytes_.size()) fail("the file ends before its data", bytes_.size());
      place(records_[i], image_.tensors[i], *start);
    }
  }

  // Tensors follow one another without gaps, each at the next multiple of the alignment.
  void place(const Record& record, TensorView& tensor, std::uint64_t start) {
    const std::string name = in_quotes(tensor.name);
    const bool in_order = next_exact_ ? record.offset == next_ : record.offset >= next_;
    if (!in_order || record.offset % alignment_ != 0) {
      fail(fmt::format("tensor {} is at offset {}, expected {}", name, record.offset, next_),
           record.at);
    }
    const DTypeInfo* type = find_ggml_type(record.type);
    if (type == nullptr) return note_unsupported(record, name, start);
    tensor.dtype = type->dtype;
    const auto bytes = tensor_bytes(tensor.dtype, tensor.shape);
    if (!bytes) {
      fail(fmt::format("tensor {}: {} does not divide into blocks of {} {}", name,
                       to_string(tensor.shape), type->block, type->name),
           record.at);
    }
    const std::uint64_t space = bytes_.size() - start;
    if (record.offset > space || *bytes > space - record.offset) {
      fail(fmt::format("file has {} bytes of data, tensor {} needs {} at offset {}", space, name,
                       *bytes, record.offset),
           record.at);
    }
    tensor.data = bytes_.subspan(start + record.offset, *bytes);
    next_ = checked_align(record.offset + *bytes, alignment_).value_or(UINT64_MAX);
    next_exact_ = true;
  }

  void note_unsupported(const Record& record, const std::string& name, std::uint64_t start) {
    if (record.type > kMaxTypeId) {
      fail(fmt::format("tensor {} has the unknown type {}", name, record.type), record.at);
    }
    if (record.offset > bytes_.size() - start) {
      fail(fmt::format("tensor {} begins past the end of the file", name), record.at);
    }
    if (unsupported_.empty()) {
      unsupported_ = fmt::format("tensor {} is of type {}, which is not supported", name,
                                 ggml_type_name(record.type));
    }
    next_ = record.offset;  // its size is not known
    next_exact_ = false;
  }

  ByteView bytes_;
  ByteReader reader_;
  GgufImage image_;
  std::vector<Record> records_;
  std::uint64_t tensors_ = 0;
  std::uint64_t pairs_ = 0;
  std::uint64_t key_bytes_ = 0;
  std::uint64_t strings_ = 0;
  std::uint64_t alignment_ = kDefaultAlignment;
  std::uint64_t next_ = 0;  // where the next tensor is expected
  bool next_exact_ = true;
  std::string unsupported_;  // message for the first tensor of such a type
};

}  // namespace

GgufImage parse_gguf(ByteView bytes, std::string_view file) {
  return GgufParser(bytes, file).parse();
}

}  // namespace halfbyte
