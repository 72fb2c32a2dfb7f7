// parse_safetensors: the header of one safetensors image.
//
// A u64 N, N bytes of JSON ({name: {dtype, shape, data_offsets: [begin, end]}, ...,
// "__metadata__": {text: text}}), then data. The ranges, sorted, cover the data without gap or
// overlap. Only the header is read; tensor data is not touched.
#include <algorithm>
#include <array>
#include <numeric>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "formats/checks.h"
#include "formats/json_cursor.h"
#include "formats/safetensors.h"

namespace halfbyte {

namespace {

constexpr std::uint64_t kMaxHeader = 100'000'000;
constexpr std::uint64_t kMaxNameBytes = 4096;
constexpr std::size_t kMaxMetadata = 65536;

// Published types that halfbyte does not read, with their bits an element.
struct UnreadType {
  std::string_view name;
  std::uint64_t bits;
};
constexpr std::array kUnreadTypes = {
    UnreadType{"U16", 16},        UnreadType{"U32", 32},        UnreadType{"U64", 64},
    UnreadType{"C64", 64},        UnreadType{"F8_E4M3", 8},     UnreadType{"F8_E5M2", 8},
    UnreadType{"F8_E8M0", 8},     UnreadType{"F6_E2M3", 6},     UnreadType{"F6_E3M2", 6},
    UnreadType{"F8_E4M3FNUZ", 8}, UnreadType{"F8_E5M2FNUZ", 8}, UnreadType{"F4", 4},
};

class SafetensorsParser {
 public:
  SafetensorsParser(ByteView bytes, std::string_view file)
      : bytes_(bytes), file_(file), json_(header_text(bytes, file), file, kLengthBytes) {
    data_ = bytes.subspan(kLengthBytes + header_text(bytes, file).size());
  }

  SafetensorsImage parse() {
    json_.expect('{');
    if (!json_.accept('}')) {
      do read_entry();
      while (json_.next_element('}'));
    }
    json_.expect_end();
    refuse_duplicates();
    place_tensors();
    // Last, so that a file that is broken as well is called broken.
    if (!unsupported_.empty()) fail_unsupported(file_, unsupported_);
    return std::move(image_);
  }

 private:
  static constexpr std::uint64_t kLengthBytes = 8;

  struct Record {
    TensorView tensor;
    std::uint64_t begin = 0;  // in the data
    std::uint64_t end = 0;
    std::uint64_t bits = 0;  // of an element
    std::uint64_t at = 0;    // of the record in the file, for messages
  };

  static std::string_view header_text(ByteView bytes, std::string_view file) {
    ByteReader reader(bytes, file);
    const auto length = reader.read<std::uint64_t>("header length");
    if (length > kMaxHeader) {
      fail_malformed(file, fmt::format("header of {} bytes, at most {}", length, kMaxHeader), 0);
    }
    const std::string_view text = as_text(reader.take(length, "header"));
    if (!text.starts_with('{'))
      fail_malformed(file, "header does not begin with '{'", kLengthBytes);
    return text;
  }

  [[noreturn]] void fail(const Record& record, std::string_view what) const {
    fail_malformed(file_, fmt::format("tensor {}: {}", in_quotes(record.tensor.name), what),
                   record.at);
  }

  void read_entry() {
    Record record;
    record.at = json_.offset();
    record.tensor.name = json_.string(kMaxNameBytes);
    json_.expect(':');
    if (record.tensor.name == "__metadata__") return read_metadata();
    if (!is_clean_name(record.tensor.name)) fail(record, "name is empty or not clean text");
    if (records_.size() >= kMaxTensors)
      json_.fail(fmt::format("more than {} tensors", kMaxTensors));
    read_tensor(record);
    records_.push_back(std::move(record));
  }

  void read_metadata() {
    if (std::exchange(has_metadata_, true)) json_.fail("__metadata__ occurs twice");
    json_.expect('{');
    if (json_.accept('}')) return;
    do {
      std::string key = json_.string(kMaxHeader);
      json_.expect(':');
      std::string value = json_.string(kMaxHeader);
      if (image_.metadata.size() >= kMaxMetadata) json_.fail("too many entries in __metadata__");
      if (!image_.metadata.emplace(std::move(key), std::move(value)).second) {
        json_.fail("a key of __metadata__ occurs twice");
      }
    } while (json_.next_element('}'));
  }

  void read_tensor(Record& record) {
    constexpr std::array<std::string_view, 3> kFields = {"dtype", "shape", "data_offsets"};
    std::array<bool, 3> seen{};
    json_.expect('{');
    do {
      const std::string field = json_.string(kMaxNameBytes);
      json_.expect(':');
      const auto which = static_cast<std::size_t>(std::find(kFields.begin(), kFields.end(), field) -
                                                  kFields.begin());
      if (which == kFields.size()) fail(record, fmt::format("unknown field {}", in_quotes(field)));
      if (std::exchange(seen[which], true)) fail(record, fmt::format("two fields '{}'", field));
      read_field(record, which);
    } while (json_.next_element('}'));
    if (!seen[0] || !seen[1] || !seen[2]) fail(record, "lacks dtype, shape or data_offsets");
  }

  void read_field(Record& record, std::size_t which) {
    if (which == 0) return read_dtype(record);
    if (which == 1) return read_shape(record);
    json_.expect('[');
    record.begin = json_.unsigned_integer();
    json_.expect(',');
    record.end = json_.unsigned_integer();
    json_.expect(']');
  }

  void read_dtype(Record& record) {
    const std::string name = json_.string(kMaxNameBytes);
    if (const DTypeInfo* type = find_safetensors_dtype(name); type != nullptr && !name.empty()) {
      record.tensor.dtype = type->dtype;
      record.bits = std::uint64_t{type->block_bytes} * 8;
      return;
    }
    const auto* unread = std::find_if(kUnreadTypes.begin(), kUnreadTypes.end(),
                                      [&](const UnreadType& type) { return type.name == name; });
    if (unread == kUnreadTypes.end())
      fail(record, fmt::format("unknown dtype {}", in_quotes(name)));
    record.bits = unread->bits;
    if (unsupported_.empty()) {
      unsupported_ = fmt::format("tensor {} is of type {}, which is not supported",
                                 in_quotes(record.tensor.name), name);
    }
  }

  void read_shape(Record& record) {
    Shape& shape = record.tensor.shape;
    json_.expect('[');
    if (json_.accept(']')) return;
    do {
      if (shape.size() == kMaxDimensions) fail(record, "more than 8 dimensions");
      shape.push_back(json_.unsigned_integer());
    } while (json_.next_element(']'));
    if (!is_sane_shape(shape)) fail(record, "too many elements");
  }

  void refuse_duplicates() const {
    std::unordered_set<std::string_view> seen;
    for (const Record& record : records_) {
      if (!seen.insert(record.tensor.name).second) fail(record, "occurs twice");
    }
  }

  void place_tensors() {
    std::stable_sort(records_.begin(), records_.end(), [](const Record& a, const Record& b) {
      return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
    std::uint64_t next = 0;
    image_.tensors.reserve(records_.size());
    for (Record& record : records_) {
      place(record, next);
      next = record.end;
      image_.tensors.push_back(std::move(record.tensor));
    }
    if (next != data_.size()) {
      fail_malformed(file_,
                     fmt::format("{} bytes of data, the header describes {}", data_.size(), next),
                     bytes_.size() - data_.size());
    }
  }

  void place(Record& record, std::uint64_t expected) const {
    if (record.begin != expected) {
      fail(record, fmt::format("begins at {}, expected {}", record.begin, expected));
    }
    if (record.end < record.begin || record.end > data_.size()) {
      fail(record, fmt::format("ends at {} of {} bytes of data", record.end, data_.size()));
    }
    const auto bits = checked_mul(*element_count(record.tensor.shape), record.bits);
    if (!bits || *bits % 8 != 0 || *bits / 8 != record.end - record.begin) {
      fail(record, fmt::format("its shape {} does not fill bytes {} to {}",
                               to_string(record.tensor.shape), record.begin, record.end));
    }
    record.tensor.data = data_.subspan(record.begin, record.end - record.begin);
  }

  ByteView bytes_;
  std::string_view file_;
  JsonCursor json_;
  ByteView data_;
  SafetensorsImage image_;
  std::vector<Record> records_;
  bool has_metadata_ = false;
  std::string unsupported_;  // message for the first tensor of such a type
};

}  // namespace

SafetensorsImage parse_safetensors(ByteView bytes, std::string_view file) {
  return SafetensorsParser(bytes, file).parse();
}

}  // namespace halfbyte
