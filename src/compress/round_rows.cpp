#include "compress/round_rows.h"

namespace halfbyte {

RoundRow::RoundRow(DType dtype, std::span<const float> importance, std::span<const float> factors)
    : type_(info(dtype)),
      factors_(factors),
      importance_(importance.begin(), importance.end()),
      scaled_(factors.size()),
      encoded_(row_bytes(dtype, factors.size()).value()) {
  for (std::size_t j = 0; j < factors.size(); ++j) importance_[j] /= factors[j] * factors[j];
}

void RoundRow::difference(const float* w, float* difference) {
  const std::size_t k = factors_.size();
  for (std::size_t j = 0; j < k; ++j) scaled_[j] = w[j] * factors_[j];
  if (type_.encode_weighted != nullptr) {
    type_.encode_weighted(scaled_.data(), importance_.data(), encoded_.data(), k);
  } else {
    type_.encode(scaled_.data(), encoded_.data(), k);
  }
  type_.decode(encoded_.data(), scaled_.data(), k);
  for (std::size_t j = 0; j < k; ++j) difference[j] = scaled_[j] / factors_[j] - w[j];
}

}  // namespace halfbyte
