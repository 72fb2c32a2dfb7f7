// What a product of bfloat16 tiles is asked to do (generic/linear_bf16.inl and attention_bf16.inl
// ask). An ISA's tiles.inl answers with a class:
//
//   Tiles()          sets the CPU's tile registers up, where there are such; ~Tiles() gives them
//                    back
//   Tiles::kRows     rows computed together, a divisor or a multiple of kBf16Rows
//   Tiles::multiply  does a Job; where given other work, beside(), does some of that in between
//
// Included inside an anonymous namespace.

constexpr std::size_t kStepInputs = kBf16Inputs;             // inputs a step
constexpr std::size_t kStepWords = kStepInputs * kPanel;     // bfloat16 of a panel's step
constexpr std::size_t kTileWords = kStepInputs * kBf16Rows;  // bfloat16 of a row block's step

// One product: rows [0, rows) of a times `panels` panels into y.
struct Job {
  const std::uint16_t* a;  // the first row's block and step
  std::size_t a_block;     // words from a block of kBf16Rows rows to the next
  std::size_t rows;        // that exist, at most Tiles::kRows
  const std::uint16_t* b;
  std::size_t b_panel;  // words from a panel to the next
  std::size_t panels;   // 1 or 2
  std::size_t steps;
  float* y;
  std::size_t stride;
  std::size_t columns;  // that exist, at most 16 * panels
  bool add;             // y holds the sum of earlier inputs
};
