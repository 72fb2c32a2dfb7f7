// What the tests of compress/ share: a folder that goes away, the golden models, tensors as f32.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "compress/calibrate/samples.h"
#include "model/model_files.h"

namespace halfbyte::test {

class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const;
  std::vector<std::string> names() const;  // of all that is in it, sorted

 private:
  std::string path_;
};

std::string golden_model(std::string_view name);  // path of tests/data/models/NAME
// All of them, by name.
std::vector<std::string> golden_models();

// Three short ones, the same each time.
std::vector<Sample> random_samples(const ModelSpec& spec);

std::string read_file(const std::string& path);
// name -> content of each file in a folder, or of the one file, concatenated in name order.
std::string all_bytes(const std::string& path);

// What `work` says as it fails with `code`.
std::string message(ErrorCode code, const std::function<void()>& work);

// A golden model with one weight changed, in a new folder. Row and column are those of the model's
// matrix, [outputs, inputs].
void copy_with_weight(std::string_view model, const std::string& path, std::string_view tensor,
                      std::uint64_t row, std::uint64_t column, float value);
void set_weight(const std::string& path, std::string_view tensor, std::uint64_t row,
                std::uint64_t column, float value);

// A tensor as f32 [outputs, inputs], whatever its layout and orientation.
std::vector<float> values_of(const ModelTensor& tensor);
// Its bytes as rows of its type, [outputs, inputs].
std::vector<std::byte> rows_of(const ModelTensor& tensor);

}  // namespace halfbyte::test
