#include "base/error.h"

#include <cerrno>
#include <cstring>
#include <system_error>

#include <fmt/format.h>

namespace halfbyte {

namespace {

// Messages may quote bytes of hostile files; a control character must not break the one line.
std::string one_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return text;
}

}  // namespace

Error::Error(ErrorCode code, std::string file, std::string what,
             std::optional<std::uint64_t> offset)
    : code_(code), file_(std::move(file)), message_(std::move(what)), offset_(offset) {
  line_ = one_line(file_.empty() ? message_ : fmt::format("{}: {}", file_, message_));
  if (offset_) line_ += fmt::format(" at byte {}", *offset_);
}

std::string_view error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kFailed:
      return "failed";
    case ErrorCode::kUsage:
      return "usage";
    case ErrorCode::kMalformed:
      return "malformed";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kInterrupted:
      return "interrupted";
  }
  return "failed";
}

void fail_malformed(std::string_view file, std::string what, std::optional<std::uint64_t> offset) {
  throw Error(ErrorCode::kMalformed, std::string(file), std::move(what), offset);
}

void fail_unsupported(std::string_view file, std::string what) {
  throw Error(ErrorCode::kUnsupported, std::string(file), std::move(what));
}

void fail_usage(std::string what) {
  throw Error(ErrorCode::kUsage, "", std::move(what));
}

void fail_io(std::string_view file, std::string what) {
  throw Error(ErrorCode::kFailed, std::string(file), std::move(what));
}

void fail_errno(std::string_view file, std::string_view doing) {
  const int error = errno;
  throw Error(ErrorCode::kFailed, std::string(file),
              fmt::format("{}: {}", doing, std::generic_category().message(error)));
}

}  // namespace halfbyte
