#include "runtime/attend.h"

#include <algorithm>

namespace halfbyte {

namespace {

constexpr std::uint64_t kRowGrain = 8;       // rows that kernels compute side by side
constexpr std::uint64_t kUnitQueries = 256;  // rows x heads that share a decoded key
constexpr std::uint64_t kUnitsOfThread = 4;  // at least, so that all end at about the same time

// KV heads x chunks of keys, each taken by the thread whose share of all keys its middle lies in:
// every thread reads one stretch of the cache.
void attend_by_keys(const AttentionOps& ops, const AttentionArgs& args, const AttentionParts& parts,
                    const AttentionThread& thread) {
  const std::uint64_t group = args.heads / args.kv_heads;
  const std::uint64_t first = parts.first_chunk * kAttentionChunk;
  const std::uint64_t keys = std::min(args.length, first + parts.chunks * kAttentionChunk) - first;
  for (std::uint64_t unit = 0; unit < args.kv_heads * parts.chunks; ++unit) {
    const std::uint64_t kv = unit / parts.chunks;
    const std::uint64_t begin = unit % parts.chunks * kAttentionChunk;
    const std::uint64_t end = std::min(keys, begin + kAttentionChunk);
    const std::uint64_t middle = 2 * kv * keys + begin + end;
    if (middle * thread.team.size() / (2 * args.kv_heads * keys) != thread.index) continue;
    ops.part(args, kv * group, (kv + 1) * group, parts.first_chunk + begin / kAttentionChunk, parts,
             thread.scratch);
  }
  thread.team.barrier();
  const Range heads = split_range(args.heads, thread.team.size(), thread.index);
  ops.merge(args, heads.begin, heads.end, parts);
}

// KV heads x blocks of rows, taken by whoever is free: the last rows first, which see most.
void attend_by_rows(const AttentionOps& ops, const AttentionArgs& args,
                    const AttentionThread& thread) {
  const std::uint64_t group = args.heads / args.kv_heads;
  const std::uint64_t tiles = (args.rows + kRowGrain - 1) / kRowGrain;
  const std::uint64_t wanted =
      std::max((args.rows * group + kUnitQueries - 1) / kUnitQueries,
               (kUnitsOfThread * thread.team.size() + args.kv_heads - 1) / args.kv_heads);
  const std::uint64_t blocks = std::clamp<std::uint64_t>(wanted, 1, tiles);
  const std::uint64_t units = blocks * args.kv_heads;
  for (std::uint64_t unit = thread.team.next(); unit < units; unit = thread.team.next()) {
    const std::uint64_t head = unit % args.kv_heads * group;
    const Range rows = split_range(args.rows, blocks, blocks - 1 - unit / args.kv_heads, kRowGrain);
    ops.rows(args, head, head + group, rows.begin, rows.end, thread.scratch);
  }
  thread.team.barrier();
  if (thread.index == 0) thread.team.reset_counter();
}

}  // namespace

std::uint64_t attention_parts_floats(std::uint64_t rows, std::uint64_t heads,
                                     std::uint64_t head_dim, std::uint64_t length) {
  const std::uint64_t chunks = (length + kAttentionChunk - 1) / kAttentionChunk;
  return std::min(rows, kSharedKeysRows) * heads * chunks * attention_part_floats(head_dim);
}

void attend(const AttentionOps& ops, const AttentionArgs& args, const AttentionThread& thread) {
  AttentionParts parts = attention_parts(args);
  if (args.rows > kSharedKeysRows || thread.team.size() == 1) {
    attend_by_rows(ops, args, thread);
  } else if (parts.chunks <= 1) {
    // Few keys: each head is short work.
    const Range heads = split_range(args.heads, thread.team.size(), thread.index);
    ops.rows(args, heads.begin, heads.end, 0, args.rows, thread.scratch);
  } else {
    parts.data = thread.parts;
    attend_by_keys(ops, args, parts, thread);
  }
}

}  // namespace halfbyte
