#include "base/thread_pool.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"

namespace halfbyte {

namespace {

// Longer than it takes to wake a thread that sleeps, which some virtual machines do slowly: where
// one has slept, the other waits that long for it, and must not fall asleep, too. Shorter than a
// time slice.
constexpr auto kSpinTime = std::chrono::microseconds(300);
constexpr int kFewSpins = 32;

void pause_core() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

std::size_t usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof(set), &set) == 0) {
    return static_cast<std::size_t>(std::max(1, CPU_COUNT(&set)));
  }
  return std::max(1u, std::thread::hardware_concurrency());
}

// Of this thread: that whom it last waited for ran on its core. Whoever it waits for next cannot
// even run until it sleeps.
bool& shares_core() {
  thread_local bool shares = false;
  return shares;
}

}  // namespace

// True once the value is no longer `old`.
bool Waiter::spin_while(std::uint32_t old) const {
  const auto spin = [&] {
    for (int i = 0; i < kFewSpins; ++i) {
      if (load() != old) return true;
      pause_core();
    }
    return false;
  };
  if (spin()) return true;
  if (!spins_ || shares_core()) return false;
  const auto end = std::chrono::steady_clock::now() + kSpinTime;
  while (std::chrono::steady_clock::now() < end) {
    if (spin()) return true;
  }
  return false;
}

void Waiter::sleep_while(std::uint32_t old) {
  // Sequentially consistent with set(): either the sleeper is seen there, or the new value here.
  sleepers_.fetch_add(1, std::memory_order_seq_cst);
  while (value_.load(std::memory_order_seq_cst) == old) {
    ::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&value_), FUTEX_WAIT_PRIVATE, old,
              nullptr, nullptr, 0);
  }
  sleepers_.fetch_sub(1, std::memory_order_relaxed);
}

void Waiter::wait_while(std::uint32_t old) {
  const int core = ::sched_getcpu();  // -1 where the system does not say
  if (!spin_while(old)) sleep_while(old);
  shares_core() = core >= 0 && core == setter_core_.load(std::memory_order_relaxed);
}

void Waiter::set(std::uint32_t value) {
  setter_core_.store(::sched_getcpu(), std::memory_order_relaxed);
  value_.store(value, std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst) == 0) return;
  ::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&value_), FUTEX_WAKE_PRIVATE, INT32_MAX,
            nullptr, nullptr, 0);
}

Range split_range(std::size_t count, std::size_t parts, std::size_t index, std::size_t grain) {
  const std::size_t units = (count + grain - 1) / grain;
  const std::size_t begin = units * index / parts * grain;
  const std::size_t end = units * (index + 1) / parts * grain;
  return {std::min(begin, count), std::min(end, count)};
}

Team::Team(std::size_t size) : size_(size), phase_(size <= usable_cores()) {}

void Team::barrier() {
  if (size_ == 1) return;
  const std::uint32_t phase = phase_.load();
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
    arrived_.store(0, std::memory_order_relaxed);
    phase_.set(phase + 1);
  } else {
    phase_.wait_while(phase);
  }
}

struct ThreadPool::Impl {
  explicit Impl(std::size_t size)
      : team(size), generation(size <= usable_cores()), done(size <= usable_cores()) {
    try {
      for (std::size_t i = 1; i < size; ++i) threads.emplace_back([this, i] { serve(i); });
    } catch (const std::exception& refusal) {
      end_threads();
      fail_io("", fmt::format("cannot start {} threads: {}", size, refusal.what()));
    }
  }
  ~Impl() { end_threads(); }

  void end_threads() {
    stop = true;
    work = nullptr;
    generation.set(generation.load() + 1);
    for (std::thread& thread : threads) thread.join();
  }

  void serve(std::size_t index) {
    std::uint32_t seen = 0;
    while (true) {
      generation.wait_while(seen);
      ++seen;
      if (stop) return;
      call(index);
      if (running.fetch_sub(1, std::memory_order_acq_rel) == 1) done.set(seen);
    }
  }

  void call(std::size_t index) {
    try {
      (*work)(index, team);
    } catch (...) {
      const std::lock_guard lock(error_mutex);
      if (!error) error = std::current_exception();
    }
  }

  Team team;
  std::vector<std::thread> threads;
  const std::function<void(std::size_t, Team&)>* work = nullptr;
  std::atomic<bool> stop = false;
  Waiter generation;  // of regions started
  Waiter done;        // of regions ended
  alignas(64) std::atomic<std::uint32_t> running{0};
  std::mutex error_mutex;
  std::exception_ptr error;
};

ThreadPool::ThreadPool(std::size_t threads)
    : impl_(std::make_unique<Impl>(threads == 0 ? usable_cores() : threads)) {}

ThreadPool::~ThreadPool() = default;

std::size_t ThreadPool::size() const {
  return impl_->team.size();
}

void ThreadPool::run(const std::function<void(std::size_t, Team&)>& work) {
  Impl& impl = *impl_;
  impl.work = &work;
  impl.error = nullptr;
  impl.team.reset_counter();
  if (!impl.threads.empty()) {
    impl.running.store(static_cast<std::uint32_t>(impl.threads.size()), std::memory_order_relaxed);
    impl.generation.set(impl.generation.load() + 1);
  }
  impl.call(0);
  if (!impl.threads.empty()) {
    const std::uint32_t current = impl.generation.load();
    while (impl.done.load() != current) impl.done.wait_while(current - 1);
  }
  if (impl.error) std::rethrow_exception(impl.error);
}

void ThreadPool::parallel_for(std::size_t count, std::size_t grain,
                              const std::function<void(std::size_t, std::size_t)>& body) {
  const std::size_t chunks = (count + grain - 1) / grain;
  if (chunks <= 1 || size() == 1) {
    if (count > 0) body(0, count);
    return;
  }
  run([&](std::size_t, Team& team) {
    for (std::size_t i = team.next(); i < chunks; i = team.next()) {
      body(i * grain, std::min(count, (i + 1) * grain));
    }
  });
}

}  // namespace halfbyte
