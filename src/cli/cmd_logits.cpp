// halfbyte logits: what a model gives for token ids, tensor file in, tensor file out.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/atomic_output.h"
#include "base/error.h"
#include "cli/app.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "formats/safetensors.h"

namespace halfbyte {

namespace {

struct LogitsOptions {
  std::string model;
  std::string in;
  std::string out;
  RuntimeOptions runtime;
};

// A [rows, columns] tensor of integers.
struct Ids {
  std::uint64_t rows = 0;
  std::uint64_t columns = 0;
  std::vector<std::int64_t> values;

  std::vector<TokenId> row(std::uint64_t index) const {
    const auto begin = values.begin() + static_cast<std::ptrdiff_t>(index * columns);
    std::vector<TokenId> ids;
    for (auto it = begin; it != begin + static_cast<std::ptrdiff_t>(columns); ++it) {
      if (*it < 0 || *it > INT32_MAX)
        fail_usage(fmt::format("token {} is not in the vocabulary", *it));
      ids.push_back(static_cast<TokenId>(*it));
    }
    return ids;
  }
};

template <typename T>
std::vector<std::int64_t> widen(ByteView bytes) {
  std::vector<std::int64_t> values(bytes.size() / sizeof(T));
  for (std::size_t i = 0; i < values.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    values[i] = static_cast<std::int64_t>(value);
  }
  return values;
}

std::optional<Ids> read_ids(const SafetensorsFile& file, const std::string& path,
                            std::string_view name) {
  for (const TensorView& tensor : file.tensors()) {
    if (tensor.name != name) continue;
    if (tensor.shape.size() != 2)
      fail_malformed(path, fmt::format("'{}' is not two-dimensional", name));
    Ids ids{tensor.shape[0], tensor.shape[1], {}};
    if (tensor.dtype == DType::i64) {
      ids.values = widen<std::int64_t>(tensor.data);
    } else if (tensor.dtype == DType::i32) {
      ids.values = widen<std::int32_t>(tensor.data);
    } else {
      fail_malformed(path, fmt::format("'{}' is not of 64-bit or 32-bit integers", name));
    }
    return ids;
  }
  return std::nullopt;
}

class Runner {
 public:
  Runner(const LogitsOptions& options, const Model& model) : options_(options), model_(model) {
    const SafetensorsFile file = SafetensorsFile::open(options.in);
    auto input = read_ids(file, options.in, "input_ids");
    if (!input || input->values.empty())
      fail_malformed(options.in, "'input_ids' is missing or empty");
    input_ = *std::move(input);
    mask_ = read_ids(file, options.in, "attention_mask");
    decoder_input_ = read_ids(file, options.in, "decoder_input_ids");
    if (mask_ && mask_->values.size() != input_.values.size()) {
      fail_malformed(options.in, "'attention_mask' and 'input_ids' differ in shape");
    }
  }

  void run() {
    const ModelSpec& spec = model_.spec();
    std::uint64_t longest = input_.columns;
    if (decoder_input_) longest = std::max(longest, decoder_input_->columns);
    SessionOptions session_options = options_.runtime.session_options();
    if (session_options.context == 0) session_options.context = longest;
    Session session(model_, session_options);
    if (spec.encoder && spec.decoder) {
      if (!decoder_input_ || decoder_input_->rows != input_.rows || decoder_input_->columns == 0) {
        fail_malformed(options_.in, "'decoder_input_ids' is missing or does not fit 'input_ids'");
      }
      write("dec_logits", decoder_input_->columns, spec.vocab, [&](std::uint64_t row, float* out) {
        session.encode(input_.row(row), mask_row(row));
        session.append(decoder_input_->row(row), decoder_input_->columns, out);
      });
    } else if (spec.encoder) {
      write("hidden", input_.columns, spec.width, [&](std::uint64_t row, float* out) {
        const auto hidden = session.encode(input_.row(row), mask_row(row));
        std::copy(hidden.begin(), hidden.end(), out);
      });
    } else {
      write("logits", input_.columns, spec.vocab, [&](std::uint64_t row, float* out) {
        session.rewind(0);
        session.append(input_.row(row), input_.columns, out);
      });
    }
  }

 private:
  std::vector<std::uint8_t> mask_row(std::uint64_t row) const {
    std::vector<std::uint8_t> mask;
    if (!mask_) return mask;
    for (std::uint64_t i = 0; i < input_.columns; ++i)
      mask.push_back(mask_->values[row * input_.columns + i] != 0);
    return mask;
  }

  template <typename Fill>
  void write(const char* name, std::uint64_t length, std::uint64_t width, Fill fill) {
    AtomicFile output(options_.out);
    SafetensorsWriter writer(output.file(), {{name, DType::f32, {input_.rows, length, width}}});
    std::vector<float> values(length * width);
    for (std::uint64_t row = 0; row < input_.rows; ++row) {
      check_interrupt();
      fill(row, values.data());
      writer.write(std::as_bytes(std::span(values)));
    }
    writer.finish();
    output.commit();
  }

  const LogitsOptions& options_;
  const Model& model_;
  Ids input_;
  std::optional<Ids> mask_;
  std::optional<Ids> decoder_input_;
};

void run(const LogitsOptions& options) {
  const LoadedModel loaded = load_model(options.model, options.runtime);
  Runner(options, *loaded.model).run();
}

}  // namespace

std::function<void()> setup_logits(CLI::App& app) {
  auto options = std::make_shared<LogitsOptions>();
  app.add_option("MODEL", options->model,
                 "A folder (tokenizer files are not needed), a .gguf file or a bundle")
      ->required();
  app.add_option("--in", options->in,
                 "safetensors with input_ids [B,T] and, where the model has them, attention_mask, "
                 "decoder_input_ids")
      ->required();
  app.add_option("-o,--out", options->out, "safetensors to write: logits, hidden or dec_logits")
      ->required();
  options->runtime.declare(app);
  return [options] { run(*options); };
}

}  // namespace halfbyte
