#include "compress/calibrate/block_task.h"

#include "compress/calibrate/matrix_values.h"

namespace halfbyte {

bool BlockWeights::has(int weight) const {
  return weight != kNoWeight &&
         files_.find(plan_.weights[static_cast<std::size_t>(weight)].name) != nullptr;
}

std::vector<float>& BlockWeights::values(int weight) {
  const auto [place, fresh] = values_.try_emplace(weight);
  if (!fresh) return place->second;
  const WeightRef& ref = plan_.weights[static_cast<std::size_t>(weight)];
  const ModelTensor& tensor = files_.need(ref.name);
  const std::string& file = files_.checkpoint().path();
  place->second = ref.kind == WeightKind::vector ? vector_values(tensor, file)
                                                 : matrix_values(tensor, file, pool_);
  return place->second;
}

void BlockWeights::replace_in(ModelFiles& files) const {
  for (const auto& [weight, values] : values_) {
    const WeightRef& ref = plan_.weights[static_cast<std::size_t>(weight)];
    const Shape shape = ref.kind == WeightKind::vector ? Shape{ref.n} : Shape{ref.n, ref.k};
    files.replace({ref.name, DType::f32, shape, "rows", false, std::as_bytes(std::span(values))});
  }
}

}  // namespace halfbyte
