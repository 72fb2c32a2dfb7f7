#include "compress/round_rows.h"

#include "compress/rtn.h"

namespace halfbyte {

RoundRow::RoundRow(DType dtype, ScaleRules rules, std::span<const float> importance,
                   std::span<const float> factors)
    : dtype_(dtype),
      rules_(rules),
      factors_(factors),
      importance_(importance.begin(), importance.end()),
      scaled_(factors.size()),
      encoded_(row_bytes(dtype, factors.size()).value()) {
  for (std::size_t j = 0; j < factors.size(); ++j) importance_[j] /= factors[j] * factors[j];
}

void RoundRow::difference(const float* w, float* difference) {
  const std::size_t k = factors_.size();
  for (std::size_t j = 0; j < k; ++j) scaled_[j] = w[j] * factors_[j];
  rtn_encode_row(dtype_, rules_, scaled_.data(), importance_.data(), encoded_.data(), k);
  info(dtype_).decode(encoded_.data(), scaled_.data(), k);
  for (std::size_t j = 0; j < k; ++j) difference[j] = scaled_[j] / factors_[j] - w[j];
}

}  // namespace halfbyte
