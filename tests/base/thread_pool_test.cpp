// The thread pool: every thread once, barriers, chunks, exceptions.
#include "base/thread_pool.h"

#include <chrono>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"

namespace halfbyte {
namespace {

const std::vector<std::size_t> kSizes = {1, 2, 3, 8};

TEST(SplitRange, CoversEverythingOnceInGrains) {
  for (std::size_t count : {0u, 1u, 7u, 64u, 1000u}) {
    for (std::size_t parts : {1u, 2u, 3u, 16u}) {
      for (std::size_t grain : {1u, 4u, 32u}) {
        std::size_t end = 0;
        for (std::size_t i = 0; i < parts; ++i) {
          const Range range = split_range(count, parts, i, grain);
          EXPECT_EQ(range.begin, end);
          EXPECT_LE(range.begin, range.end);
          EXPECT_TRUE(range.end % grain == 0 || range.end == count);
          end = range.end;
        }
        EXPECT_EQ(end, count);
      }
    }
  }
}

TEST(ThreadPool, HasAtLeastOneThread) {
  EXPECT_GE(ThreadPool().size(), 1u);
  EXPECT_EQ(ThreadPool(3).size(), 3u);
}

TEST(ThreadPool, EachThreadRunsOnce) {
  for (const std::size_t size : kSizes) {
    ThreadPool pool(size);
    for (int repeat = 0; repeat < 200; ++repeat) {
      std::vector<int> calls(size, 0);
      pool.run([&](std::size_t thread, Team& team) {
        EXPECT_EQ(team.size(), size);
        ++calls[thread];
      });
      EXPECT_EQ(calls, std::vector<int>(size, 1));
    }
  }
}

// Each round reads what the neighbour wrote in the round before.
TEST(ThreadPool, BarrierOrdersWrites) {
  for (const std::size_t size : kSizes) {
    ThreadPool pool(size);
    std::vector<std::size_t> now(size, 0);
    std::vector<std::size_t> next(size, 0);
    constexpr std::size_t kRounds = 500;
    pool.run([&](std::size_t thread, Team& team) {
      for (std::size_t round = 0; round < kRounds; ++round) {
        next[thread] = now[(thread + 1) % size] + 1;
        team.barrier();
        now[thread] = next[thread];
        team.barrier();
      }
    });
    EXPECT_EQ(now, std::vector<std::size_t>(size, kRounds));
  }
}

// The waits that sleep, not only those that spin.
TEST(ThreadPool, WaitsForASlowThread) {
  ThreadPool pool(3);
  for (std::size_t slow = 0; slow < 3; ++slow) {
    std::atomic<int> before = 0;
    std::atomic<int> after = 0;
    pool.run([&](std::size_t thread, Team& team) {
      if (thread == slow) std::this_thread::sleep_for(std::chrono::milliseconds(20));
      ++before;
      team.barrier();
      EXPECT_EQ(before, 3);
      if (thread == slow) std::this_thread::sleep_for(std::chrono::milliseconds(20));
      ++after;
    });
    EXPECT_EQ(after, 3);
  }
}

// Threads that share a core, or outnumber the cores, let each other run.
TEST(ThreadPool, BarriersWhereThreadsShareCores) {
  cpu_set_t all;
  ASSERT_EQ(::sched_getaffinity(0, sizeof(all), &all), 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int core = 0; core < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++core)
    if (CPU_ISSET(core, &all)) CPU_SET(core, &one);
  const auto rounds_take = [](ThreadPool& pool) {
    const auto start = std::chrono::steady_clock::now();
    pool.run([](std::size_t, Team& team) {
      for (int round = 0; round < 1000; ++round) team.barrier();
    });
    return std::chrono::steady_clock::now() - start;
  };
  ThreadPool outnumbering(static_cast<std::size_t>(CPU_COUNT(&all)) + 6);
  EXPECT_LT(rounds_take(outnumbering), std::chrono::seconds(20));
  ThreadPool pair(2);
  pair.run([&](std::size_t, Team&) { ::sched_setaffinity(0, sizeof(one), &one); });
  EXPECT_LT(rounds_take(pair), std::chrono::seconds(10));
  ASSERT_EQ(::sched_setaffinity(0, sizeof(all), &all), 0);
}

TEST(ThreadPool, SharedCounterGivesEachItemOnce) {
  ThreadPool pool(4);
  std::vector<int> taken(1000, 0);
  pool.run([&](std::size_t thread, Team& team) {
    for (int pass = 0; pass < 2; ++pass) {
      for (std::size_t i = team.next(); i < taken.size(); i = team.next()) ++taken[i];
      team.barrier();
      if (thread == 0) team.reset_counter();
      team.barrier();
    }
  });
  EXPECT_EQ(taken, std::vector<int>(1000, 2));
}

TEST(ThreadPool, ParallelForCoversEverythingOnce) {
  for (const std::size_t size : kSizes) {
    ThreadPool pool(size);
    for (const std::size_t count : {0u, 1u, 31u, 32u, 1000u}) {
      for (const std::size_t grain : {1u, 32u, 5000u}) {
        std::vector<int> seen(count, 0);
        pool.parallel_for(count, grain, [&](std::size_t begin, std::size_t end) {
          EXPECT_LT(begin, end);
          for (std::size_t i = begin; i < end; ++i) ++seen[i];
        });
        EXPECT_EQ(seen, std::vector<int>(count, 1));
      }
    }
  }
}

TEST(ThreadPool, RethrowsAndGoesOn) {
  ThreadPool pool(3);
  for (std::size_t thrower = 0; thrower < 3; ++thrower) {
    EXPECT_THROW(pool.run([&](std::size_t thread, Team&) {
      if (thread == thrower) throw std::out_of_range("boom");
    }),
                 std::out_of_range);
    int sum = 0;
    pool.parallel_for(1, 1, [&](std::size_t, std::size_t) { ++sum; });
    EXPECT_EQ(sum, 1);
  }
}

TEST(ThreadPool, ManyExceptionsBecomeOne) {
  ThreadPool pool(4);
  EXPECT_THROW(
      pool.parallel_for(100, 1, [](std::size_t, std::size_t) { throw std::runtime_error("each"); }),
      std::runtime_error);
  pool.run([](std::size_t, Team&) {});  // the old exception is gone
}

TEST(ThreadPool, EndsWithoutHavingWorked) {
  for (int i = 0; i < 50; ++i) ThreadPool pool(4);
}

// Sanitizers reserve more address space than the limit leaves.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(ThreadPoolDeathTest, TooManyThreadsAreAnError) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const auto start = [] {
    const rlimit limit{rlim_t{256} << 20, rlim_t{256} << 20};
    ::setrlimit(RLIMIT_AS, &limit);
    try {
      ThreadPool pool(1000);
    } catch (const Error& error) {
      ::_exit(static_cast<int>(error.code()));
    }
    ::_exit(0);
  };
  EXPECT_EXIT(start(), testing::ExitedWithCode(1), "");
}
#endif

}  // namespace
}  // namespace halfbyte
