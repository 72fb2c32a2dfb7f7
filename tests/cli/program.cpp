#include "program.h"

#include <cstdlib>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace halfbyte::test {

namespace {

void redirect(const std::string& path, int flags, int descriptor) {
  const int file = ::open(path.c_str(), flags, 0600);
  if (file < 0 || ::dup2(file, descriptor) < 0) ::_exit(99);
}

int exit_code(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<Json> Outcome::json_lines() const {
  std::vector<Json> values;
  for (const std::string& line : lines_of(out)) values.push_back(parse_json(line, "stdout"));
  return values;
}

int Program::start(const std::vector<std::string>& arguments, const std::string& input) const {
  folder_.put("in", input);
  std::vector<std::string> all = {HALFBYTE_PROGRAM};
  all.insert(all.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& argument : all) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const std::string in = folder_ / "in";
  const std::string out = folder_ / "out";
  const std::string err = folder_ / "err";
  const int process = ::fork();
  if (process != 0) return process;
  redirect(in, O_RDONLY, 0);
  redirect(out, O_WRONLY | O_CREAT | O_TRUNC, 1);
  redirect(err, O_WRONLY | O_CREAT | O_TRUNC, 2);
  ::execv(HALFBYTE_PROGRAM, argv.data());
  ::_exit(98);
}

Outcome Program::finish(int process) const {
  int status = 0;
  ::waitpid(process, &status, 0);
  return {exit_code(status), read_file(folder_ / "out"), read_file(folder_ / "err")};
}

Outcome Program::run(const std::vector<std::string>& arguments, const std::string& input) const {
  return finish(start(arguments, input));
}

Outcome shell(const std::string& command) {
  const TemporaryFolder folder;
  const int status = std::system(
      fmt::format("( {} ) > {} 2> {}", command, folder / "out", folder / "err").c_str());
  return {exit_code(status), read_file(folder / "out"), read_file(folder / "err")};
}

}  // namespace halfbyte::test
