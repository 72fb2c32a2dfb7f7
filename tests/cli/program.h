// Running the built program as a user does: arguments in, exit code, stdout and stderr out.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "support/files.h"

namespace halfbyte::test {

struct Outcome {
  int exit = -1;  // 128 + the signal's number where one ended the program
  std::string out;
  std::string err;

  Json json() const { return parse_json(out, "stdout"); }
  std::vector<Json> json_lines() const;
};

std::vector<std::string> lines_of(const std::string& text);

class Program {
 public:
  // Waits for its end. `input` is what it reads from stdin.
  Outcome run(const std::vector<std::string>& arguments, const std::string& input = "") const;
  // Starts it and gives its process id; finish() waits for it.
  int start(const std::vector<std::string>& arguments, const std::string& input = "") const;
  Outcome finish(int process) const;

 private:
  TemporaryFolder folder_;
};

// Any command line of the shell.
Outcome shell(const std::string& command);

}  // namespace halfbyte::test
