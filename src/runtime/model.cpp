#include "runtime/model.h"

namespace halfbyte {

Model::Model(ModelFiles files, ThreadPool& pool, const LoadOptions& options)
    : files_(std::move(files)),
      plan_(make_plan(files_.spec())),
      pool_(pool),
      features_(options.features),
      row_ops_(select_rows(options.features).ops),
      weights_(files_, plan_, {options.features, options.compute, options.progress, {}}, pool),
      attention_(options.compute, options.features) {
  // Attention does not round what nothing else rounds.
  if (!options.compute && is_full_precision()) attention_ = {Compute::f32, features_};
}

std::unique_ptr<Model> Model::open(const std::string& path, ThreadPool& pool,
                                   const LoadOptions& options) {
  return std::make_unique<Model>(ModelFiles(path), pool, options);
}

bool Model::is_full_precision() const {
  for (std::size_t i = 0; i < plan_.weights.size(); ++i) {
    const Weight& weight = weights_[static_cast<int>(i)];
    if (weight.matrix.data != nullptr && weight.matrix.dtype != DType::f32) return false;
  }
  return true;
}

}  // namespace halfbyte
