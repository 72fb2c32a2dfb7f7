// Our own threads: a parallel region runs one function on every thread, with barriers inside it.
//
// Waiting spins briefly and then sleeps on a futex, so that another process on the same cores is
// not starved and does not starve us. Thread 0 is the caller.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace halfbyte {

// [begin, end) of `count` items for part `index` of `parts`, in multiples of `grain`.
struct Range {
  std::size_t begin = 0;
  std::size_t end = 0;
};
Range split_range(std::size_t count, std::size_t parts, std::size_t index, std::size_t grain = 1);

// A word that threads wait on.
class Waiter {
 public:
  // With `spins`, each thread has a core of its own.
  explicit Waiter(bool spins) : spins_(spins) {}
  std::uint32_t load() const { return value_.load(std::memory_order_acquire); }
  // Returns when the value is no longer `old`: spins for a while, then sleeps; sleeps soon where
  // threads are more than cores, and where this thread last waited for one on its own core.
  void wait_while(std::uint32_t old);
  // Sets the value and wakes who sleeps on it (no system call where nobody does).
  void set(std::uint32_t value);

 private:
  bool spin_while(std::uint32_t old) const;
  void sleep_while(std::uint32_t old);

  alignas(64) std::atomic<std::uint32_t> value_{0};
  std::atomic<std::uint32_t> sleepers_{0};
  std::atomic<int> setter_core_{-1};
  const bool spins_;
};

// A reusable barrier and work counters for the threads of one region.
class Team {
 public:
  explicit Team(std::size_t size);
  std::size_t size() const { return size_; }
  // All threads of the region meet here. Writes before it are seen by all after it.
  void barrier();
  // The next item of a shared counter (dynamic scheduling). reset_counter is called by one thread
  // between barriers.
  std::size_t next() { return counter_.fetch_add(1, std::memory_order_relaxed); }
  void reset_counter() { counter_.store(0, std::memory_order_relaxed); }

 private:
  std::size_t size_;
  alignas(64) std::atomic<std::uint32_t> arrived_{0};
  Waiter phase_;
  alignas(64) std::atomic<std::size_t> counter_{0};
};

class ThreadPool {
 public:
  // threads >= 1; 0 means the cores that this process may use. Fails with kFailed where the system
  // does not give that many.
  explicit ThreadPool(std::size_t threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  std::size_t size() const;
  // Runs work(thread, team) on every thread, and returns when all are done. The first exception is
  // rethrown here; work that uses team.barrier() must not throw.
  void run(const std::function<void(std::size_t thread, Team& team)>& work);
  // Splits [0, count) into chunks of `grain` items that threads take as they become free; calls
  // body(begin, end). Results must not depend on which thread takes what.
  void parallel_for(std::size_t count, std::size_t grain,
                    const std::function<void(std::size_t begin, std::size_t end)>& body);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace halfbyte
