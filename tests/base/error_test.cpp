// What an Error says.
#include "base/error.h"

#include <cerrno>

#include "base/support.h"

namespace halfbyte {
namespace {

TEST(Error, LineNamesFileAndByte) {
  const Error error(ErrorCode::kMalformed, "a.gguf", "bad magic", 0);
  EXPECT_STREQ(error.what(), "a.gguf: bad magic at byte 0");
  EXPECT_EQ(error.message(), "bad magic");
  EXPECT_EQ(error.file(), "a.gguf");
  EXPECT_EQ(error.offset(), 0u);
}

TEST(Error, PartsMayBeMissing) {
  EXPECT_STREQ(Error(ErrorCode::kUsage, "", "no model given").what(), "no model given");
  EXPECT_STREQ(Error(ErrorCode::kFailed, "x", "y").what(), "x: y");
  EXPECT_EQ(Error(ErrorCode::kFailed, "x", "y").offset(), std::nullopt);
}

TEST(Error, HostileBytesStayOnOneLine) {
  const Error error(ErrorCode::kMalformed, "a\nb", "key '\x1b[2J\r\n\x7f' \xc3\xa9");
  EXPECT_STREQ(error.what(),
               "a?b: key '?[2J?"
               "?"
               "?' \xc3\xa9");  // (no trigraph)
}

TEST(Error, ShorthandsCarryTheirCodes) {
  EXPECT_EQ(test::error_of([] { fail_malformed("f", "w", 3); })->code(), ErrorCode::kMalformed);
  EXPECT_EQ(test::error_of([] { fail_unsupported("f", "w"); })->code(), ErrorCode::kUnsupported);
  EXPECT_EQ(test::error_of([] { fail_usage("w"); })->code(), ErrorCode::kUsage);
  EXPECT_EQ(test::error_of([] { fail_io("f", "w"); })->code(), ErrorCode::kFailed);
}

TEST(Error, ErrnoIsSpelledOut) {
  const auto error = test::error_of([] {
    errno = ENOENT;
    fail_errno("f", "cannot open");
  });
  EXPECT_STREQ(error->what(), "f: cannot open: No such file or directory");
}

TEST(Error, CodesAreExitCodes) {
  EXPECT_EQ(static_cast<int>(ErrorCode::kFailed), 1);
  EXPECT_EQ(static_cast<int>(ErrorCode::kUsage), 2);
  EXPECT_EQ(static_cast<int>(ErrorCode::kMalformed), 3);
  EXPECT_EQ(static_cast<int>(ErrorCode::kUnsupported), 4);
  EXPECT_EQ(static_cast<int>(ErrorCode::kInterrupted), 130);
  EXPECT_EQ(error_code_name(ErrorCode::kMalformed), "malformed");
  EXPECT_EQ(error_code_name(ErrorCode::kInterrupted), "interrupted");
}

}  // namespace
}  // namespace halfbyte
