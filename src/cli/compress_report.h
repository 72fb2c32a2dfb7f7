// halfbyte compress --report: the result beside what it was made from and what rounding to nearest
// would have given, measured and written as one page.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/atomic_output.h"
#include "base/json.h"
#include "base/thread_pool.h"
#include "compress/compress.h"
#include "runtime/model.h"

namespace halfbyte {

// What was compressed, and how.
struct ReportRequest {
  const ModelFiles& source;
  const Tokenizer* tokenizer;  // nullptr where the source has none
  std::string source_path;
  std::string out;
  const CompressOptions& options;
  const CompressReport& report;
  std::string why;   // of what was chosen, "" where nothing was
  std::string text;  // to score on; "": no divergence and no perplexity
  ThreadPool& pool;
};

// Measures, generates and writes the page. The file is the caller's to commit: it was opened before
// the work began, so that a name that cannot be written is known then. Rounding to nearest is
// written beside `out` under a hidden name, and deleted.
void write_report(const ReportRequest& request, AtomicFile& page);

// What write_report shows: what report/page.js reads.
Json report_data(const ReportRequest& request);

// `text` without its last eighth, and that: what is scored must not be what was calibrated on. The
// cut is at the end of a line where one is near.
struct HeldOut {
  std::string rest;
  std::string held;
};
HeldOut hold_out(const std::string& text);

}  // namespace halfbyte
