#include "amx_instructions.h"

#if defined(__x86_64__)
#include <immintrin.h>

// The functions of the tables: 128 bytes each, one behind the other, in the order of the loops.
// They come from the assembler, so that the bytes are not the emulator's own idea of them.
// Arguments: rdi base, rsi index, rdx out.
__asm__(R"(
  .macro amx_enter base, index
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    push %rdx
    push %rdi
    push %rsi
    pop %\index
    pop %\base
  .endm
  .macro amx_leave
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
  .endm
  .macro amx_load_stores displacement, scale
    .irp base, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
    .irp index, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
      .p2align 7
      amx_enter \base, \index
      tileloadd \displacement(%\base, %\index, \scale), %tmm3
      pop %rdx
      mov $64, %ecx
      tilestored %tmm3, (%rdx, %rcx, 1)
      amx_leave
    .endr
    .endr
  .endm
  .macro amx_config_copies displacement, scale
    .irp base, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
      .p2align 7
      amx_enter \base, rax
      ldtilecfg \displacement(%\base)
      pop %\base
      sub $\displacement, %\base
      sttilecfg \displacement(%\base)
      amx_leave
      .p2align 7
      amx_enter \base, rax
      ldtilecfg \displacement(%\base, %rax, \scale)
      pop %\base
      sub $\displacement, %\base
      neg %rax
      lea (%\base, %rax, \scale), %\base
      neg %rax
      sttilecfg \displacement(%\base, %rax, \scale)
      amx_leave
    .endr
  .endm

  .text
  .p2align 7
kAmxLoadStoreTable:
  amx_load_stores 0, 1
  amx_load_stores 40, 2
  amx_load_stores -128, 4
  amx_load_stores 0x1234, 8
  .p2align 7
kAmxConfigCopyTable:
  amx_config_copies 0, 1
  amx_config_copies 40, 2
  amx_config_copies -128, 4
  amx_config_copies 0x1234, 8

  .p2align 4
  .globl amx_through_stack
amx_through_stack:
    mov %rsi, %rdx
    sub $2560, %rsp
    mov %rdi, %rsi
    lea 16(%rsp), %rdi
    mov $1024, %ecx
    rep movsb
    mov $64, %ecx
    tileloaddt1 16(%rsp, %rcx, 1), %tmm3
    tilestored %tmm3, 1300(%rsp, %rcx, 1)
    lea 1300(%rsp), %rsi
    mov %rdx, %rdi
    mov $1024, %ecx
    rep movsb
    add $2560, %rsp
    ret

  .p2align 4
  .globl amx_rip_relative
amx_rip_relative:
    ldtilecfg amx_constant_config(%rip)
    sttilecfg amx_stored_config(%rip)
    lea amx_stored_config(%rip), %rsi
    mov $64, %ecx
    rep movsb
    ret

  .globl amx_load_without_base
amx_load_without_base:
    tileloadd 0x20000000(, %rdi, 1), %tmm3
    ret

  .globl amx_load_without_index
amx_load_without_index:
    tileloadd 32(%rdi), %tmm3
    ret

  .data
  .p2align 6
amx_constant_config:
  .byte 1
  .zero 15
  .short 64, 4, 8, 12, 16, 20, 24, 60
  .zero 16
  .byte 16, 1, 2, 3, 4, 5, 6, 15
  .zero 8
amx_stored_config:
  .zero 64
  .text
)");

extern "C" const char kAmxLoadStoreTable[], kAmxConfigCopyTable[];

namespace halfbyte::test {

const AmxConfig kAmxRipRelative = {
    .colsb = {64, 4, 8, 12, 16, 20, 24, 60},
    .rows = {16, 1, 2, 3, 4, 5, 6, 15},
};

AmxLoadStore amx_load_store(int base, int index, int addressing) {
  const int entry = (addressing * kAmxRegisters + base) * kAmxRegisters + index;
  return reinterpret_cast<AmxLoadStore>(
      reinterpret_cast<std::uintptr_t>(kAmxLoadStoreTable + 128 * entry));
}

// The first register, rax, is the index of this table.
AmxConfigCopy amx_config_copy(int base, int addressing, bool index) {
  const int entry = (addressing * (kAmxRegisters - 1) + base - 1) * 2 + (index ? 1 : 0);
  return reinterpret_cast<AmxConfigCopy>(
      reinterpret_cast<std::uintptr_t>(kAmxConfigCopyTable + 128 * entry));
}

void amx_ldtilecfg(const AmxConfig& config) {
  __asm__ volatile("ldtilecfg %0" ::"m"(config) : "memory");
}
void amx_sttilecfg(AmxConfig& config) {
  __asm__ volatile("sttilecfg %0" : "=m"(config));
}
void amx_tilerelease() {
  _tile_release();
}

// The number of a tile is a constant of the instruction.
#define AMX_FOR_TILE(tile, name, ...) \
  switch (tile) {                     \
    case 0:                           \
      name(0, __VA_ARGS__);           \
      break;                          \
    case 1:                           \
      name(1, __VA_ARGS__);           \
      break;                          \
    case 2:                           \
      name(2, __VA_ARGS__);           \
      break;                          \
    case 3:                           \
      name(3, __VA_ARGS__);           \
      break;                          \
    case 4:                           \
      name(4, __VA_ARGS__);           \
      break;                          \
    case 5:                           \
      name(5, __VA_ARGS__);           \
      break;                          \
    case 6:                           \
      name(6, __VA_ARGS__);           \
      break;                          \
    default:                          \
      name(7, __VA_ARGS__);           \
  }

#define AMX_ZERO(tile, unused) _tile_zero(tile)
void amx_tilezero(int tile) {
  AMX_FOR_TILE(tile, AMX_ZERO, 0)
}
void amx_tileloadd(int tile, const void* data, std::ptrdiff_t stride) {
  AMX_FOR_TILE(tile, _tile_loadd, data, stride)
}
void amx_tileloaddt1(int tile, const void* data, std::ptrdiff_t stride) {
  AMX_FOR_TILE(tile, _tile_stream_loadd, data, stride)
}
void amx_tilestored(int tile, void* data, std::ptrdiff_t stride) {
  AMX_FOR_TILE(tile, _tile_stored, data, stride)
}

#define AMX_DOT(c, a, b)       \
  switch (dot) {               \
    case AmxDot::ssd:          \
      _tile_dpbssd(c, a, b);   \
      break;                   \
    case AmxDot::sud:          \
      _tile_dpbsud(c, a, b);   \
      break;                   \
    case AmxDot::usd:          \
      _tile_dpbusd(c, a, b);   \
      break;                   \
    case AmxDot::uud:          \
      _tile_dpbuud(c, a, b);   \
      break;                   \
    case AmxDot::bf16:         \
      _tile_dpbf16ps(c, a, b); \
      break;                   \
  }
void amx_dot_012(AmxDot dot) {
  AMX_DOT(0, 1, 2)
}
void amx_dot_765(AmxDot dot) {
  AMX_DOT(7, 6, 5)
}
void amx_dot_354(AmxDot dot) {
  AMX_DOT(3, 5, 4)
}
void amx_dot_011() {
  __asm__ volatile(".byte 0xC4, 0xE2, 0x73, 0x5E, 0xC1");  // the assembler refuses tdpbssd 1, 1, 0
}

void undefined_instruction() {
  __asm__ volatile("ud2");
}
void unknown_vex_instruction() {
  __asm__ volatile(".byte 0xC4, 0xE2, 0x7B, 0x5C, 0xFF, 0x90");  // opcode of tdpfp16ps, vvvv = tmm0
}

}  // namespace halfbyte::test

#endif
