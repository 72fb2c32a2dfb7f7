// A matrix or vector of a checkpoint as f32, whatever its type and layout.
#pragma once

#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "model/model_files.h"

namespace halfbyte {

// [outputs, inputs], row-major. Fails with kMalformed, naming tensor and place, where a value is
// not finite.
std::vector<float> matrix_values(const ModelTensor& tensor, std::string_view file,
                                 ThreadPool& pool);
std::vector<float> vector_values(const ModelTensor& tensor, std::string_view file);

// The tensor's pages in the mapped file, once it has been read: they would add up to the whole
// model.
void release_pages(const ModelFiles& files, const ModelTensor& tensor);

}  // namespace halfbyte
