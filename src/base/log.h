// Where messages for a person go. The library never prints: it hands lines to a sink it is given.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace halfbyte {

enum class LogLevel { kInfo, kWarning };
// May be empty (then nothing is reported).
using LogSink = std::function<void(LogLevel, std::string_view line)>;

// Reports work done: `done` of `total` units (bytes, tensors, tokens) of `what`. May be empty.
using ProgressSink =
    std::function<void(std::string_view what, std::uint64_t done, std::uint64_t total)>;

}  // namespace halfbyte
