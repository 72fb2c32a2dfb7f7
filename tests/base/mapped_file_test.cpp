// Mapped files and small files read whole.
#include "base/mapped_file.h"

#include <string>
#include <utility>

#include <sys/stat.h>

#include "base/support.h"

namespace halfbyte {
namespace {

using test::put;
using test::TemporaryFolder;

TEST(MappedFile, ShowsTheBytes) {
  const TemporaryFolder folder;
  const std::string text(100000, 'm');
  put(folder / "x", text);
  const MappedFile file(folder / "x");
  EXPECT_TRUE(as_text(file.bytes()) == text);
  file.prefetch(file.bytes().subspan(5, 50000));
  file.release(file.bytes().subspan(5, 50000));
  file.release({});
  EXPECT_TRUE(as_text(file.bytes()) == text);  // pages come back
}

TEST(MappedFile, Moves) {
  const TemporaryFolder folder;
  put(folder / "x", "one");
  put(folder / "y", "two");
  MappedFile first(folder / "x");
  MappedFile second = std::move(first);
  EXPECT_EQ(as_text(second.bytes()), "one");
  second = MappedFile(folder / "y");
  EXPECT_EQ(as_text(second.bytes()), "two");
  EXPECT_EQ(second.path(), folder / "y");
}

TEST(MappedFile, EmptyFile) {
  const TemporaryFolder folder;
  put(folder / "x", "");
  EXPECT_TRUE(MappedFile(folder / "x").bytes().empty());
  EXPECT_EQ(read_text_file(folder / "x"), "");
}

TEST(MappedFile, OnlyRegularFiles) {
  const TemporaryFolder folder;
  ::mkfifo((folder / "pipe").c_str(), 0600);  // must not wait for a writer
  for (const char* name : {"", "pipe", "missing"}) {
    const std::string path = folder / name;
    EXPECT_EQ(test::error_of([&] { MappedFile file(path); })->code(), ErrorCode::kFailed);
    EXPECT_EQ(test::error_of([&] { read_text_file(path); })->file(), path);
  }
}

TEST(ReadTextFile, HasALimit) {
  const TemporaryFolder folder;
  put(folder / "x", "12345");
  EXPECT_EQ(read_text_file(folder / "x", 5), "12345");
  EXPECT_EQ(test::error_of([&] { read_text_file(folder / "x", 4); })->code(),
            ErrorCode::kMalformed);
}

}  // namespace
}  // namespace halfbyte
