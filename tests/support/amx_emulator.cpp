// Sources: Intel SDM vol. 2, ch. 2.3 (VEX), 2.10 (AMX exceptions) and the pages of the
// instructions.
#include "support/amx_emulator.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <tuple>

#if defined(__x86_64__) && defined(__linux__)
#include <csignal>

#include <ucontext.h>
#include <unistd.h>
#include <xmmintrin.h>
#endif

namespace halfbyte::test {

bool amx_needs_emulation() {
  return !detect_cpu_features().has(CpuFeature::amx_int8);
}

CpuFeatures features_to_test() {
  CpuFeatures features = detect_cpu_features();
  // Only a hint: what it selects runs everywhere.
  if (features.has(CpuFeature::avx2))
    features.bits |= static_cast<std::uint32_t>(CpuFeature::read_streams);
  if (!features.has(CpuFeature::avx512bf16) || !install_amx_emulator()) return features;
  features.bits |= static_cast<std::uint32_t>(CpuFeature::amx_int8);
  features.bits |= static_cast<std::uint32_t>(CpuFeature::amx_bf16);
  return features;
}

#if defined(__x86_64__) && defined(__linux__)
namespace {

// Everything below runs inside a signal handler: no allocation, no locks, no stdio.

constexpr unsigned kTiles = 8, kMaxRows = 16, kMaxColsb = 64, kPairs = kMaxColsb / 4;

// What LDTILECFG reads and STTILECFG writes.
struct TileConfig {
  std::uint8_t palette;
  std::uint8_t start_row;
  std::uint8_t reserved[14];
  std::uint16_t colsb[16];
  std::uint8_t rows[16];
};
static_assert(sizeof(TileConfig) == 64);

struct Tile {
  alignas(64) std::uint8_t row[kMaxRows][kMaxColsb];
};

struct TileState {
  TileConfig config;  // palette 0: not configured
  Tile tiles[kTiles];
};

// In the initial block of thread locals, since others may be allocated at their first use.
TileState& tile_state() {
  __attribute__((tls_model("initial-exec"))) static thread_local constinit TileState state = {};
  return state;
}

// Decoding.

enum class Form { memory, none, tile, rows_of_memory, three_tiles };
enum Prefix : unsigned { kNone = 0, k66 = 1, kF3 = 2, kF2 = 3 };
struct Instruction;
using Action = void (*)(const Instruction&, TileState&);
struct Operation {
  const char* name;
  unsigned opcode;
  Prefix prefix;
  Form form;
  Action run;
};

struct Instruction {
  const Operation* operation;
  const std::uint8_t* begin;
  const std::uint8_t* end;
  unsigned reg, rm, vvvv;  // tiles, where they are
  std::uint64_t address;   // base + displacement
  std::uint64_t stride;    // index * scale
};

// Saying what is wrong.

class Message {
 public:
  Message& operator<<(const char* text) {
    while (*text != '\0' && size_ < sizeof(text_)) text_[size_++] = *text++;
    return *this;
  }
  Message& operator<<(unsigned value) {
    char digits[12] = {};
    char* first = digits + sizeof(digits) - 1;
    do *--first = static_cast<char>('0' + value % 10);
    while ((value /= 10) != 0);
    return *this << first;
  }
  // Bytes from `at` on, without touching the next page, which may not be there.
  Message& bytes(const std::uint8_t* at, unsigned count) {
    const auto left = 4096 - (reinterpret_cast<std::uintptr_t>(at) & 4095);
    for (unsigned i = 0; i < count && i < left; ++i) {
      const char* hex = "0123456789abcdef";
      const char text[] = {' ', hex[at[i] >> 4], hex[at[i] & 15], '\0'};
      *this << text;
    }
    return *this;
  }
  void write() {
    *this << "\n";
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text_, size_);
  }

 private:
  char text_[256];
  std::size_t size_ = 0;
};

// `fault`: what hardware would raise. `tile`: which one is meant, or kTiles.
[[noreturn]] void violation(const Instruction& instruction, const char* fault, const char* what,
                            unsigned tile = kTiles) {
  Message message;
  message << "amx emulator: " << instruction.operation->name << ": ";
  if (tile < kTiles) message << "tile " << tile << ": ";
  message << what << " (" << fault << " on hardware); bytes";
  message.bytes(instruction.begin, static_cast<unsigned>(instruction.end - instruction.begin));
  message.write();
  std::abort();
}

// What the instructions do.

// A tile that is about to be used, with its shape checked.
struct UsedTile {
  Tile& data;
  unsigned rows, colsb;
};
UsedTile use(const Instruction& instruction, TileState& state, unsigned tile) {
  if (state.config.palette == 0) violation(instruction, "#UD", "no configuration is loaded");
  const unsigned rows = state.config.rows[tile], colsb = state.config.colsb[tile];
  if (rows == 0) violation(instruction, "#UD", "not configured", tile);
  return {state.tiles[tile], rows, colsb};
}
UsedTile use_dwords(const Instruction& instruction, TileState& state, unsigned tile) {
  const UsedTile used = use(instruction, state, tile);
  if (used.colsb % 4 != 0) violation(instruction, "#UD", "bytes a row not a multiple of 4", tile);
  return used;
}

void check_config(const Instruction& instruction, const TileConfig& config) {
  const auto refuse = [&](const char* what, unsigned tile = kTiles) {
    violation(instruction, "#GP", what, tile);
  };
  if (config.palette != 1) refuse("palette neither 0 nor 1");
  // Hardware takes it, to go on with an instruction that a page fault stopped. No kernel wants
  // that.
  if (config.start_row != 0) refuse("start_row, which is not emulated,");
  for (const std::uint8_t byte : config.reserved) {
    if (byte != 0) refuse("reserved byte set");
  }
  for (unsigned tile = 0; tile < 16; ++tile) {
    const unsigned rows = config.rows[tile], colsb = config.colsb[tile];
    if (tile >= kTiles && (rows != 0 || colsb != 0)) refuse("more than 8 tiles");
    if (rows > kMaxRows) refuse("more than 16 rows", tile);
    if (colsb > kMaxColsb) refuse("more than 64 bytes a row", tile);
    if ((rows == 0) != (colsb == 0)) refuse("rows or bytes a row 0, but not both", tile);
  }
}

void ldtilecfg(const Instruction& instruction, TileState& state) {
  TileConfig config;
  std::memcpy(&config, reinterpret_cast<const void*>(instruction.address + instruction.stride),
              sizeof(config));
  if (config.palette != 0) check_config(instruction, config);
  state = {};
  if (config.palette != 0) state.config = config;
}

void sttilecfg(const Instruction& instruction, TileState& state) {
  std::memcpy(reinterpret_cast<void*>(instruction.address + instruction.stride), &state.config,
              sizeof(state.config));
}

void tilerelease(const Instruction&, TileState& state) {
  state = {};
}

void tilezero(const Instruction& instruction, TileState& state) {
  use(instruction, state, instruction.reg).data = {};
}

void tileload(const Instruction& instruction, TileState& state) {
  const UsedTile tile = use_dwords(instruction, state, instruction.reg);
  tile.data = {};
  for (unsigned row = 0; row < tile.rows; ++row) {
    const auto from = instruction.address + row * instruction.stride;
    std::memcpy(tile.data.row[row], reinterpret_cast<const void*>(from), tile.colsb);
  }
}

void tilestored(const Instruction& instruction, TileState& state) {
  const UsedTile tile = use_dwords(instruction, state, instruction.reg);
  for (unsigned row = 0; row < tile.rows; ++row) {
    const auto to = instruction.address + row * instruction.stride;
    std::memcpy(reinterpret_cast<void*>(to), tile.data.row[row], tile.colsb);
  }
}

// c[m][n] += a[m][k] * b[k][n], each element of a and b being 4 bytes or 2 bf16.
struct Product {
  UsedTile c, a, b;
};
Product use_product(const Instruction& instruction, TileState& state) {
  const auto [c, a, b] = std::tuple(instruction.reg, instruction.rm, instruction.vvvv);
  if (c == a || c == b || a == b) violation(instruction, "#UD", "the same tile twice");
  const Product tiles = {use_dwords(instruction, state, c), use_dwords(instruction, state, a),
                         use_dwords(instruction, state, b)};
  if (tiles.c.rows != tiles.a.rows) violation(instruction, "#UD", "rows of sum and first differ");
  if (tiles.c.colsb != tiles.b.colsb) {
    violation(instruction, "#UD", "bytes a row of sum and second differ");
  }
  if (tiles.a.colsb / 4 != tiles.b.rows) {
    violation(instruction, "#UD", "bytes a row of first are not 4 * rows of second");
  }
  return tiles;
}

// Sums wrap around.
template <class A, class B>
void dot_int8(const Instruction& instruction, TileState& state) {
  const Product tiles = use_product(instruction, state);
  for (unsigned m = 0; m < tiles.c.rows; ++m) {
    std::uint32_t sums[kPairs];
    std::memcpy(sums, tiles.c.data.row[m], sizeof(sums));
    for (unsigned k = 0; k < tiles.b.rows; ++k) {
      A a[4];
      B b[kPairs][4];
      std::memcpy(a, tiles.a.data.row[m] + 4 * k, sizeof(a));
      std::memcpy(b, tiles.b.data.row[k], sizeof(b));
      for (unsigned n = 0; n < kPairs; ++n) {  // zero from colsb on
        const int sum = a[0] * b[n][0] + a[1] * b[n][1] + a[2] * b[n][2] + a[3] * b[n][3];
        sums[n] += static_cast<std::uint32_t>(sum);
      }
    }
    std::memcpy(tiles.c.data.row[m], sums, sizeof(sums));
  }
}

float without_denormal(float value) {
  return std::fpclassify(value) == FP_SUBNORMAL ? std::copysign(0.0f, value) : value;
}

// a * b + c rounded once, denormal results flushed, where the product fits a float but for its
// exponent: rounding such a sum to double first changes nothing (Figueroa, When is double rounding
// innocuous?).
float multiply_add(float a, float b, float c) {
  const double sum = double{a} * double{b} + double{c};
  // Less than 2^-126 even if rounded to 24 bits of any exponent.
  if (std::fabs(sum) < 0x1.ffffffp-127) return std::copysign(0.0f, static_cast<float>(sum));
  return static_cast<float>(sum);
}

float bf16(std::uint16_t bits) {
  return without_denormal(std::bit_cast<float>(std::uint32_t{bits} << 16));
}

// The products of the even and of the odd elements are summed apart, each from 0 on, then both are
// added and the sum goes to c. Payloads of NaN may differ from hardware's.
void tdpbf16ps(const Instruction& instruction, TileState& state) {
  const Product tiles = use_product(instruction, state);
  const unsigned columns = tiles.c.colsb / 4;
  for (unsigned m = 0; m < tiles.c.rows; ++m) {
    float sums[kPairs][2] = {};
    for (unsigned k = 0; k < tiles.b.rows; ++k) {
      std::uint16_t a[2], b[kPairs][2];
      std::memcpy(a, tiles.a.data.row[m] + 4 * k, sizeof(a));
      std::memcpy(b, tiles.b.data.row[k], sizeof(b));
      for (unsigned n = 0; n < columns; ++n) {
        for (unsigned i = 0; i < 2; ++i)
          sums[n][i] = multiply_add(bf16(a[i]), bf16(b[n][i]), sums[n][i]);
      }
    }
    float c[kPairs];
    std::memcpy(c, tiles.c.data.row[m], sizeof(c));
    for (unsigned n = 0; n < columns; ++n) {
      const float both = multiply_add(1.0f, sums[n][0], sums[n][1]);
      c[n] = multiply_add(1.0f, without_denormal(c[n]), both);
    }
    std::memcpy(tiles.c.data.row[m], c, sizeof(c));
  }
}

// The instructions, all VEX.128.0F38.W0.
constexpr Operation kOperations[] = {
    {"ldtilecfg", 0x49, kNone, Form::memory, ldtilecfg},
    {"sttilecfg", 0x49, k66, Form::memory, sttilecfg},
    {"tilerelease", 0x49, kNone, Form::none, tilerelease},
    {"tilezero", 0x49, kF2, Form::tile, tilezero},
    {"tileloadd", 0x4B, kF2, Form::rows_of_memory, tileload},
    {"tileloaddt1", 0x4B, k66, Form::rows_of_memory, tileload},
    {"tilestored", 0x4B, kF3, Form::rows_of_memory, tilestored},
    {"tdpbf16ps", 0x5C, kF3, Form::three_tiles, tdpbf16ps},
    {"tdpbuud", 0x5E, kNone, Form::three_tiles, dot_int8<std::uint8_t, std::uint8_t>},
    {"tdpbusd", 0x5E, k66, Form::three_tiles, dot_int8<std::uint8_t, std::int8_t>},
    {"tdpbsud", 0x5E, kF3, Form::three_tiles, dot_int8<std::int8_t, std::uint8_t>},
    {"tdpbssd", 0x5E, kF2, Form::three_tiles, dot_int8<std::int8_t, std::int8_t>},
};

// The fields of a three byte VEX prefix, an opcode and a ModRM byte. Extension bits are 8 or 0.
struct Fields {
  unsigned r, x, b, map, w, vvvv, l, prefix, opcode, mod, reg, rm;
};
Fields fields_of(const std::uint8_t* at) {
  const unsigned first = at[1], second = at[2], modrm = at[4];
  return {.r = (~first >> 4) & 8,
          .x = (~first >> 3) & 8,
          .b = (~first >> 2) & 8,
          .map = first & 31,
          .w = second >> 7,
          .vvvv = (~second >> 3) & 15,
          .l = (second >> 2) & 1,
          .prefix = second & 3,
          .opcode = at[3],
          .mod = modrm >> 6,
          .reg = (modrm >> 3) & 7,
          .rm = modrm & 7};
}

bool fits(Form form, const Fields& fields) {
  const bool memory = fields.mod != 3;
  switch (form) {
    case Form::memory:
      return memory && fields.reg == 0 && fields.vvvv == 0;
    case Form::none:
      return !memory && fields.reg == 0 && fields.rm == 0 && fields.vvvv == 0;
    case Form::tile:
      return !memory && fields.r == 0 && fields.rm == 0 && fields.vvvv == 0;
    case Form::rows_of_memory:
      return memory && fields.rm == 4 && fields.r == 0 && fields.vvvv == 0;  // SIB
    case Form::three_tiles:
      return !memory && fields.r == 0 && fields.b == 0 && fields.vvvv < kTiles;
  }
  return false;
}

const Operation* operation_of(const Fields& fields) {
  if (fields.map != 2 || fields.w != 0 || fields.l != 0) return nullptr;
  for (const Operation& operation : kOperations) {
    const bool same = operation.opcode == fields.opcode && operation.prefix == fields.prefix;
    if (same && fits(operation.form, fields)) return &operation;
  }
  return nullptr;
}

std::uint64_t general_register(const greg_t* registers, unsigned number) {
  constexpr int kOrder[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                            REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  return static_cast<std::uint64_t>(registers[kOrder[number]]);
}

// Reads a displacement and moves behind it.
template <class T>
std::uint64_t displacement(const std::uint8_t*& at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  at += sizeof(value);
  return static_cast<std::uint64_t>(std::int64_t{value});
}

// `instruction.end` is behind ModRM, and moves behind the operand.
void read_memory_operand(const Fields& fields, const greg_t* registers, Instruction& instruction) {
  unsigned base = fields.rm;
  if (fields.rm == 4) {  // SIB
    const unsigned sib = *instruction.end++;
    const unsigned index = ((sib >> 3) & 7) | fields.x;
    if (index != 4) instruction.stride = general_register(registers, index) << (sib >> 6);
    base = sib & 7;
  }
  const bool displacement_only = fields.mod == 0 && base == 5;
  if (!displacement_only) instruction.address = general_register(registers, base | fields.b);
  if (fields.mod == 1) instruction.address += displacement<std::int8_t>(instruction.end);
  if (fields.mod == 2 || displacement_only) {
    instruction.address += displacement<std::int32_t>(instruction.end);
  }
  if (displacement_only && fields.rm == 5) {  // relative to the next instruction
    instruction.address += reinterpret_cast<std::uint64_t>(instruction.end);
  }
}

// False if it is not one of ours.
bool decode(const std::uint8_t* at, const greg_t* registers, Instruction& instruction) {
  if (at[0] != 0xC4) return false;  // the shorter VEX prefix cannot name map 0F38
  const Fields fields = fields_of(at);
  instruction = {operation_of(fields), at, at + 5, fields.reg, fields.rm, fields.vvvv, 0, 0};
  if (instruction.operation == nullptr) return false;
  if (fields.mod != 3) read_memory_operand(fields, registers, instruction);
  return true;
}

void die_of_it(const siginfo_t& info, const std::uint8_t* at) {
  ::signal(SIGILL, SIG_DFL);
  if (info.si_code <= 0) {  // somebody sent it, so it would not come again by itself
    ::raise(SIGILL);
    return;
  }
  Message message;
  (message << "amx emulator: illegal instruction; bytes").bytes(at, 15).write();
}

void handle(int, siginfo_t* info, void* context) {
  greg_t* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const auto* at = reinterpret_cast<const std::uint8_t*>(registers[REG_RIP]);
  Instruction instruction;
  if (info->si_code <= 0 || !decode(at, registers, instruction)) return die_of_it(*info, at);
  _mm_setcsr(0x1F80);  // AMX does not heed it. Returning restores it, and all vector registers.
  instruction.operation->run(instruction, tile_state());
  registers[REG_RIP] = static_cast<greg_t>(reinterpret_cast<std::uintptr_t>(instruction.end));
}

bool install() {
  struct sigaction action = {};
  action.sa_sigaction = handle;
  action.sa_flags =
      SA_SIGINFO;  // and no SA_NODEFER: an illegal instruction in here ends the program
  return ::sigaction(SIGILL, &action, nullptr) == 0;
}

}  // namespace

bool install_amx_emulator() {
  static const bool installed = !amx_needs_emulation() || install();
  return installed;
}

#else

bool install_amx_emulator() {
  return false;
}

#endif

}  // namespace halfbyte::test
