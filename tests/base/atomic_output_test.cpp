// Output is whole or absent: nothing is left behind, and an old output survives a failure.
#include "base/atomic_output.h"

#include <csignal>
#include <filesystem>
#include <set>
#include <stdexcept>
#include <string>

#include <sys/resource.h>
#include <unistd.h>

#include "base/support.h"

namespace halfbyte {
namespace {

namespace fs = std::filesystem;
using Names = std::set<std::string>;
using test::content;
using test::put;
using test::TemporaryFolder;

TEST(OutputFile, AppendsPadsAndPatches) {
  const TemporaryFolder folder;
  OutputFile file(folder / "x");
  file.write("head");
  file.write_zeros(5000);
  file.write("tail");
  file.write_at(1, as_bytes("AD"));
  EXPECT_EQ(file.size(), 5008u);
  file.write("!");
  file.close();
  EXPECT_EQ(content(file.path()), "hADd" + std::string(5000, '\0') + "tail!");
}

TEST(OutputFile, WritesPastTheBuffer) {
  const TemporaryFolder folder;
  const std::string big(3 << 20, 'b');
  const std::string part(700000, 'p');
  OutputFile file(folder / "x");
  file.write("a");
  file.write(big);
  file.write(part);
  file.write(part);
  file.write_at(0, as_bytes("A"));
  file.close();
  EXPECT_TRUE(content(file.path()) == "A" + big + part + part);
}

TEST(OutputFile, NeverOverwrites) {
  const TemporaryFolder folder;
  put(folder / "x", "old");
  EXPECT_EQ(test::error_of([&] { OutputFile(folder / "x"); })->code(), ErrorCode::kFailed);
  ::symlink("target", (folder / "link").c_str());
  EXPECT_EQ(test::error_of([&] { OutputFile(folder / "link"); })->code(), ErrorCode::kFailed);
  EXPECT_EQ(content(folder / "x"), "old");
}

// A limit on file sizes stands in for a full disk.
class SizeLimit {
 public:
  explicit SizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~SizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, handler_);
  }
  SizeLimit(const SizeLimit&) = delete;
  SizeLimit& operator=(const SizeLimit&) = delete;

 private:
  rlimit old_{};
  void (*handler_)(int) = nullptr;
};

TEST(AtomicFile, FullDiskLeavesTheOldFileAndNothingElse) {
  const TemporaryFolder folder;
  put(folder / "x", "old");
  {
    AtomicFile file(folder / "x");
    file.file().write(std::string(100000, 'x'));
    const SizeLimit limit(65536);
    EXPECT_EQ(test::error_of([&] { file.commit(); })->code(), ErrorCode::kFailed);
  }
  EXPECT_EQ(content(folder / "x"), "old");
  EXPECT_EQ(folder.names(), Names{"x"});
}

TEST(AtomicFile, AppearsOnCommitOnly) {
  const TemporaryFolder folder;
  {
    AtomicFile file(folder / "x");
    file.file().write("new");
    EXPECT_FALSE(fs::exists(folder / "x"));
    file.commit();
    EXPECT_EQ(folder.names(), Names{"x"});
  }
  EXPECT_EQ(content(folder / "x"), "new");
  EXPECT_EQ(folder.names(), Names{"x"});
}

TEST(AtomicFile, ReplacesAnOldFile) {
  const TemporaryFolder folder;
  put(folder / "x", "old");
  AtomicFile file(folder / "x");
  file.file().write("new");
  EXPECT_EQ(content(folder / "x"), "old");
  file.commit();
  EXPECT_EQ(content(folder / "x"), "new");
}

TEST(AtomicFile, ErrorLeavesTheOldFileAndNothingElse) {
  const TemporaryFolder folder;
  put(folder / "x", "old");
  EXPECT_THROW(
      {
        AtomicFile file(folder / "x");
        file.file().write("half of it");
        throw std::runtime_error("disk on fire");
      },
      std::runtime_error);
  EXPECT_EQ(content(folder / "x"), "old");
  EXPECT_EQ(folder.names(), Names{"x"});
}

TEST(AtomicFile, FailedCommitLeavesNothing) {
  const TemporaryFolder folder;
  {
    AtomicFile file(folder / "x");
    fs::create_directories(folder / "x/in the way");
    EXPECT_EQ(test::error_of([&] { file.commit(); })->code(), ErrorCode::kFailed);
  }
  EXPECT_EQ(folder.names(), Names{"x"});
}

TEST(AtomicFile, LeftoverOfAKilledProcessIsNoObstacle) {
  const TemporaryFolder folder;
  const std::string pid = std::to_string(::getpid());
  put(folder / (".x." + pid + ".tmp"), "left");
  AtomicFile file(folder / "x");
  file.commit();
  fs::create_directory(folder / (".y." + pid + ".tmp"));
  AtomicFolder output(folder / "y");
  output.commit();
  EXPECT_TRUE(fs::is_directory(folder / "y"));
}

TEST(AtomicFile, BadPlaces) {
  const TemporaryFolder folder;
  EXPECT_EQ(test::error_of([&] { AtomicFile(folder / ""); })->code(), ErrorCode::kFailed);
  EXPECT_EQ(test::error_of([&] { AtomicFile(folder / "no/x"); })->code(), ErrorCode::kFailed);
  EXPECT_EQ(test::error_of([] { AtomicFile(""); })->code(), ErrorCode::kUsage);
  EXPECT_EQ(folder.names(), Names{});
}

void write_folder(AtomicFolder& output, std::string_view text) {
  OutputFile file(output.path_of("config"));
  file.write(text);
  file.close();
}

TEST(AtomicFolder, AppearsOnCommitOnly) {
  const TemporaryFolder folder;
  AtomicFolder output(folder / "m/");
  write_folder(output, "new");
  EXPECT_FALSE(fs::exists(folder / "m"));
  output.commit();
  EXPECT_EQ(content(folder / "m/config"), "new");
  EXPECT_EQ(folder.names(), Names{"m"});
}

TEST(AtomicFolder, ReplacesAWholeOldFolder) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "m/deep");
  put(folder / "m/deep/stale", "old");
  AtomicFolder output(folder / "m");
  write_folder(output, "new");
  output.commit();
  EXPECT_FALSE(fs::exists(folder / "m/deep"));
  EXPECT_EQ(content(folder / "m/config"), "new");
  EXPECT_EQ(folder.names(), Names{"m"});
}

TEST(AtomicFolder, ErrorLeavesTheOldFolderAndNothingElse) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "m");
  put(folder / "m/config", "old");
  {
    AtomicFolder output(folder / "m");
    write_folder(output, "new");
  }
  EXPECT_EQ(content(folder / "m/config"), "old");
  EXPECT_EQ(folder.names(), Names{"m"});
}

TEST(AtomicFolder, FailedCommitPutsTheOldFolderBack) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "m");
  put(folder / "m/config", "old");
  {
    AtomicFolder output(folder / "m");
    fs::remove_all(output.path_of(""));  // somebody cleans up too eagerly
    EXPECT_EQ(test::error_of([&] { output.commit(); })->code(), ErrorCode::kFailed);
  }
  EXPECT_EQ(content(folder / "m/config"), "old");
  EXPECT_EQ(folder.names(), Names{"m"});
}

TEST(AtomicFolder, DoesNotReplaceAFile) {
  const TemporaryFolder folder;
  put(folder / "m", "a file");
  EXPECT_EQ(test::error_of([&] { AtomicFolder(folder / "m"); })->code(), ErrorCode::kFailed);
  EXPECT_EQ(content(folder / "m"), "a file");
  EXPECT_EQ(folder.names(), Names{"m"});
}

}  // namespace
}  // namespace halfbyte
