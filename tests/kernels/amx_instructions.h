// AMX instructions as functions, compiled apart with the flags for them; x86-64 only. The data of a
// caller is in memory when they run, which intrinsics alone do not see to with g++ 12: _tile_loadd
// and _tile_loadconfig do not tell the compiler what they read.
#pragma once

#include <cstddef>
#include <cstdint>

namespace halfbyte::test {

struct AmxConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t colsb[16] = {};
  std::uint8_t rows[16] = {};
  friend bool operator==(const AmxConfig&, const AmxConfig&) = default;
};
static_assert(sizeof(AmxConfig) == 64);

void amx_ldtilecfg(const AmxConfig& config);
void amx_sttilecfg(AmxConfig& config);
void amx_tilerelease();

// Tiles are 0 to 7, strides in bytes.
void amx_tilezero(int tile);
void amx_tileloadd(int tile, const void* data, std::ptrdiff_t stride);
void amx_tileloaddt1(int tile, const void* data, std::ptrdiff_t stride);
void amx_tilestored(int tile, void* data, std::ptrdiff_t stride);

// Tile 0 += tile 1 * tile 2, and the same with other registers.
enum class AmxDot { ssd, sud, usd, uud, bf16 };
void amx_dot_012(AmxDot dot);
void amx_dot_765(AmxDot dot);
void amx_dot_354(AmxDot dot);
// With a tile that occurs twice, which is not allowed.
void amx_dot_011();

// One function a pair of registers: loads tile 3 from base + displacement with index * scale
// between rows, and stores it to `out`, 64 bytes a row. Order of registers: rax rbx rcx rdx rsi rdi
// rbp r8 to r15.
constexpr int kAmxRegisters = 15;
struct AmxAddressing {
  int scale, displacement;
};
constexpr AmxAddressing kAmxAddressings[] = {{1, 0}, {2, 40}, {4, -128}, {8, 0x1234}};
constexpr int kAmxAddressingCount = 4;
using AmxLoadStore = void (*)(const void* base, std::ptrdiff_t index, void* out);
AmxLoadStore amx_load_store(int base, int index, int addressing);
// The same of ldtilecfg and sttilecfg, at base + displacement, and + index * scale if `index`.
using AmxConfigCopy = void (*)(const void* base, std::ptrdiff_t index, void* out);
AmxConfigCopy amx_config_copy(int base, int addressing, bool index);

// Forms that fit no table. Through the stack pointer: `in` is copied to the stack, loaded to tile 3
// and stored on the stack again with rows 64 apart, and copied to `out`; 1024 bytes each.
extern "C" void amx_through_stack(const void* in, void* out);
// ldtilecfg relative to the instruction, and sttilecfg so.
extern "C" void amx_rip_relative(AmxConfig* out);
extern const AmxConfig kAmxRipRelative;
// Tile 3 from this address without a base register, and without an index register (all rows are
// one).
constexpr std::uintptr_t kAmxLowAddress = 0x20000000;
extern "C" void amx_load_without_base(std::ptrdiff_t stride);
extern "C" void amx_load_without_index(const void* base);

void undefined_instruction();
void unknown_vex_instruction();

}  // namespace halfbyte::test
