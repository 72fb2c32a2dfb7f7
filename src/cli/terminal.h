// The only code that prints, and what goes to a terminal: JSON, messages, progress, interruption.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/log.h"

namespace halfbyte {

void print(std::string_view text);        // stdout
void print_line(std::string_view text);   // stdout
void print_error(std::string_view line);  // stderr
void print_json(const Json& value);       // stdout, one line; broken UTF-8 becomes U+FFFD
void flush_output();                      // fails with kFailed where stdout is gone

bool is_terminal_out();  // stdout is a terminal
bool is_terminal_in();
// All of stdin; a line of it (false at its end).
std::string read_stdin();
bool read_line(std::string& line);

// SIGINT sets a flag; a second one ends the program at once.
void install_interrupt_handler();
bool was_interrupted();
void clear_interrupt();
// Fails with kInterrupted if it was.
void check_interrupt();

// A progress bar with rate and time left on a terminal's stderr, nothing elsewhere. Checks for
// interruption, too.
ProgressSink progress_bar();
LogSink stderr_log();

// "77.1 MB", "1.52 GB".
std::string human_bytes(std::uint64_t bytes);
// Peak resident memory of this process.
std::uint64_t peak_rss_bytes();

}  // namespace halfbyte
