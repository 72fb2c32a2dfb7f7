// halfbyte as a library: open a model, continue text, answer a conversation.
//
// Only types of the standard library. Faults of files, arguments and memory are thrown as
// std::exception, whose what() is one line: what is wrong, where, and what to do.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace halfbyte {

struct EngineOptions {
  std::size_t threads = 0;    // 0: the cores that this process may use
  std::uint64_t context = 0;  // tokens; 0: what fits, at most 4096
  std::string isa;            // CPU features up to this level only ("avx2"); "": all there are
};

struct TextOptions {
  std::uint64_t max_tokens = 256;
  float temperature = 0.8f;  // 0: always the likeliest token
  std::uint32_t top_k = 40;
  float top_p = 0.95f;
  float min_p = 0.05f;
  float repeat_penalty = 1.0f;
  std::uint64_t seed = 0;  // same seed, same text
  std::vector<std::string> stop;
};

struct Message {
  std::string role;  // "system", "user", "assistant"
  std::string content;
};

// One model and one sequence. Not for several threads at once; it runs on threads of its own.
class Engine {
 public:
  // A folder as published, a .gguf file or a bundle.
  explicit Engine(const std::string& model, const EngineOptions& options = {});
  ~Engine();
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;

  // Called with each piece of text, in whole characters; returning false ends the reply.
  using Sink = std::function<bool(std::string_view piece)>;

  // Continues `text` as it stands.
  std::string complete(const std::string& text, const TextOptions& options = {},
                       const Sink& sink = {});
  // The next message of a conversation, through the model's own chat template. Throws where it has
  // none.
  std::string reply(const std::vector<Message>& conversation, const TextOptions& options = {},
                    const Sink& sink = {});

  std::vector<std::int32_t> tokenize(std::string_view text) const;
  std::string detokenize(const std::vector<std::int32_t>& ids) const;
  std::uint64_t context() const;  // tokens that fit

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace halfbyte
