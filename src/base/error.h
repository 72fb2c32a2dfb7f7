// The one exception type of halfbyte, and the codes that become exit codes.
//
// An Error ends a request: a bad file, a bad argument, no memory. Expected outcomes are return
// values; our own bugs are asserts. Nothing in the library prints, exits or aborts on data.
#pragma once

#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

namespace halfbyte {

// The numeric value is the process exit code of the command line (see docs/cli.md).
enum class ErrorCode {
  kFailed = 1,       // I/O, memory, server
  kUsage = 2,        // wrong argument
  kMalformed = 3,    // the input file breaks its format
  kUnsupported = 4,  // well-formed, but not something halfbyte does (the message names it)
  kInterrupted = 130,
};

class Error : public std::exception {
 public:
  // `what` is one line: what is wrong, and where it helps what to do. `file` may be empty.
  Error(ErrorCode code, std::string file, std::string what,
        std::optional<std::uint64_t> offset = std::nullopt);

  ErrorCode code() const { return code_; }
  const std::string& file() const { return file_; }
  std::optional<std::uint64_t> offset() const { return offset_; }
  // The message without file and offset.
  const std::string& message() const { return message_; }
  // "FILE: MESSAGE [at byte N]", without the file where there is none.
  const char* what() const noexcept override { return line_.c_str(); }

 private:
  ErrorCode code_;
  std::string file_;
  std::string message_;
  std::optional<std::uint64_t> offset_;
  std::string line_;
};

// "malformed", "unsupported", ... as the `code` field of --json errors.
std::string_view error_code_name(ErrorCode code);

// Shorthands for the usual throws.
[[noreturn]] void fail_malformed(std::string_view file, std::string what,
                                 std::optional<std::uint64_t> offset = std::nullopt);
[[noreturn]] void fail_unsupported(std::string_view file, std::string what);
[[noreturn]] void fail_usage(std::string what);
[[noreturn]] void fail_io(std::string_view file, std::string what);
// As fail_io, with the text of errno appended.
[[noreturn]] void fail_errno(std::string_view file, std::string_view doing);

}  // namespace halfbyte
