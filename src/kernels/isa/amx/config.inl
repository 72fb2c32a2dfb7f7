// The configuration that all kernels here use: palette 1, eight tiles of 64 bytes a row. A product
// has its sums in tiles 0 to 3, two by two, its inputs in 4 and 5 and its weights in 6 and 7.
// Included inside an anonymous namespace.

class TileConfig {
 public:
  TileConfig() : TileConfig(16, 16) {}
  // With so many rows in the first tile of inputs and its sums, and in the second.
  //
  // The configuration is an operand of its own: g++ 12 takes _tile_loadconfig to read 8 bytes, and
  // drops the stores to the others.
  TileConfig(std::uint8_t first, std::uint8_t second) {
    struct alignas(64) Config {
      std::uint8_t palette = 1;
      std::uint8_t start_row = 0;
      std::uint8_t reserved[14] = {};
      std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      std::uint8_t rows[16] = {};
    };
    const Config config = {.rows = {first, first, second, second, first, second, 16, 16}};
    static_assert(sizeof(config) == 64);
    asm volatile("ldtilecfg %0" : : "m"(config) : "memory");
  }
  ~TileConfig() { _tile_release(); }
  TileConfig(const TileConfig&) = delete;
  TileConfig& operator=(const TileConfig&) = delete;

  // g++ 12's tile loads do not say that they read memory: stores must not move past them.
  static HALFBYTE_INLINE void order_memory() { asm volatile("" : : : "memory"); }
};
