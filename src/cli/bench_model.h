// Timing a model: prompts read and tokens written after any number of others.
#pragma once

#include <cstdint>
#include <vector>

#include "base/json.h"
#include "cli/bench_limits.h"
#include "cli/options.h"
#include "runtime/profile.h"
#include "runtime/session.h"

namespace halfbyte {

struct BenchOptions {
  std::string model;
  std::uint64_t prompt = 512;
  std::uint64_t generate = 128;
  std::uint64_t repetitions = 5;
  std::uint64_t depth = 0;
  std::uint64_t batch = 1;  // sequences that decode together
  bool machine = false;
  bool ops = false;
  std::string plot;
  RuntimeOptions runtime;

  std::uint64_t longest() const { return std::max(prompt, generate + 1); }  // after the depth
};

double median(std::vector<double> values);

// Tokens a second of every repetition; decode: of all sequences.
struct Rates {
  std::vector<double> prefill;
  std::vector<double> decode;
};

class Bench {
 public:
  // A session with room for `context` tokens. Both must outlive the bench.
  Bench(const BenchOptions& options, const Model& model, std::uint64_t context);

  double first_token();  // seconds
  Rates measure(std::uint64_t depth);
  // What `measure` does from now on is timed step by step, too.
  void set_profile(Profile* profile);

  // What the command reports of a phase: its speed, and what that is of the limits.
  Json prefill_json(const std::vector<double>& rates, std::uint64_t depth,
                    const Limits& limits) const;
  Json decode_json(const std::vector<double>& rates, std::uint64_t depth,
                   const Limits& limits) const;
  const Session& session() const { return session_; }

 private:
  void start_at(std::uint64_t depth);
  double prefill(std::uint64_t depth);
  double decode(std::uint64_t depth);
  double decode_batch(std::uint64_t depth);
  void start(Phase phase);
  void stop();

  const BenchOptions& options_;
  const Model& model_;
  Session session_;
  std::vector<float> logits_;
  Profile* profile_ = nullptr;
};

// The rows of a profile: [{phase, class, op, calls, ms, share}].
Json ops_json(const Profile& profile);

}  // namespace halfbyte
