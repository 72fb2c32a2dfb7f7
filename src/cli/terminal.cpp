#include "cli/terminal.h"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"

namespace halfbyte {

namespace {

using Clock = std::chrono::steady_clock;

// A signal handler can reach nothing but a global.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables)
volatile std::sig_atomic_t g_interrupts = 0;

void on_interrupt(int) {
  g_interrupts = g_interrupts + 1;
  if (g_interrupts > 1) ::_exit(static_cast<int>(ErrorCode::kInterrupted));
}

bool live_progress() {
  const char* no_color = std::getenv("NO_COLOR");
  const bool plain = no_color != nullptr && *no_color != '\0';
  return !plain && ::isatty(STDERR_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0;
}

class Bar {
 public:
  void show(std::string_view what, std::uint64_t done, std::uint64_t total) {
    if (total == 0) return;
    const auto now = Clock::now();
    if (done == 0 || what != what_) start(what, now);
    const bool last = done >= total;
    if (!last && now - drawn_ < std::chrono::milliseconds(100)) return;
    drawn_ = now;
    const double seconds = std::chrono::duration<double>(now - start_).count();
    const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0.0;
    draw(done, total, rate);
    if (last) std::fputs("\r\033[K", stderr);
    std::fflush(stderr);
  }

 private:
  void start(std::string_view what, Clock::time_point now) {
    what_ = what;
    start_ = now;
  }
  void draw(std::uint64_t done, std::uint64_t total, double rate) const {
    constexpr std::uint64_t kWidth = 30;
    const auto share = static_cast<double>(done) / static_cast<double>(total);
    const auto filled = static_cast<std::size_t>(share * kWidth);
    const bool bytes = total > (1u << 24);
    const std::string speed = bytes ? human_bytes(static_cast<std::uint64_t>(rate)) + "/s"
                                    : fmt::format("{:.1f}/s", rate);
    const double left = rate > 0 ? static_cast<double>(total - done) / rate : 0.0;
    const std::string line = fmt::format(
        "\r\033[K{} [{}{}] {:3.0f} %  {}  {:.0f} s left", what_, std::string(filled, '='),
        std::string(kWidth - filled, ' '), share * 100, speed, left);
    std::fputs(line.c_str(), stderr);
  }

  std::string what_;
  Clock::time_point start_;
  Clock::time_point drawn_;
};

}  // namespace

void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void print_line(std::string_view text) {
  print(text);
  print("\n");
}

void print_error(std::string_view line) {
  std::fflush(stdout);
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fputc('\n', stderr);
}

void print_json(const Json& value) {
  print_line(value.dump(-1, ' ', false, Json::error_handler_t::replace));
  std::fflush(stdout);
}

void flush_output() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
    fail_io("", "cannot write to standard output");
}

bool is_terminal_out() {
  return ::isatty(STDOUT_FILENO) != 0;
}
bool is_terminal_in() {
  return ::isatty(STDIN_FILENO) != 0;
}

std::string read_stdin() {
  std::string text;
  char buffer[65536];
  while (const std::size_t n = std::fread(buffer, 1, sizeof(buffer), stdin)) text.append(buffer, n);
  return text;
}

bool read_line(std::string& line) {
  return static_cast<bool>(std::getline(std::cin, line));
}

void install_interrupt_handler() {
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  // No SA_RESTART: a read that waits for the user returns.
  ::sigaction(SIGINT, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

bool was_interrupted() {
  return g_interrupts > 0;
}
void clear_interrupt() {
  g_interrupts = 0;
}

void check_interrupt() {
  if (was_interrupted()) throw Error(ErrorCode::kInterrupted, "", "interrupted");
}

ProgressSink progress_bar() {
  if (!live_progress())
    return [](std::string_view, std::uint64_t, std::uint64_t) { check_interrupt(); };
  auto bar = std::make_shared<Bar>();
  return [bar](std::string_view what, std::uint64_t done, std::uint64_t total) {
    check_interrupt();
    bar->show(what, done, total);
  };
}

LogSink stderr_log() {
  return [](LogLevel level, std::string_view line) {
    print_error(level == LogLevel::kWarning ? fmt::format("halfbyte: warning: {}", line)
                                            : std::string(line));
  };
}

std::string human_bytes(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1000.0 && unit < 4) {
    value /= 1000.0;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes)
                   : fmt::format("{:.{}f} {}", value, value < 10 ? 2 : 1, kUnits[unit]);
}

std::uint64_t peak_rss_bytes() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace halfbyte
