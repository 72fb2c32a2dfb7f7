// The configuration that all kernels here use: palette 1, eight tiles of 16 rows of 64 bytes.
// Included inside an anonymous namespace.

class TileConfig {
 public:
  // The configuration is an operand of its own: g++ 12 takes _tile_loadconfig to read 8 bytes, and
  // drops the stores to the others.
  TileConfig() {
    struct alignas(64) Config {
      std::uint8_t palette = 1;
      std::uint8_t start_row = 0;
      std::uint8_t reserved[14] = {};
      std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    };
    const Config config;
    static_assert(sizeof(config) == 64);
    asm volatile("ldtilecfg %0" : : "m"(config) : "memory");
  }
  ~TileConfig() { _tile_release(); }
  TileConfig(const TileConfig&) = delete;
  TileConfig& operator=(const TileConfig&) = delete;

  // g++ 12's tile loads do not say that they read memory: stores must not move past them.
  static HALFBYTE_INLINE void order_memory() { asm volatile("" : : : "memory"); }
};
