"""Writes tests/data/formats/ with the reference libraries (pip: gguf, safetensors, numpy).

python3 tools/make_format_fixtures.py tests/data/formats
"""
import pathlib
import sys

import gguf
import numpy as np
from safetensors.numpy import save_file

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
ramp = np.arange(12, dtype=np.float32).reshape(3, 4)
blocks = gguf.quants.quantize(np.linspace(-1, 1, 64, dtype=np.float32).reshape(2, 32),
                              gguf.GGMLQuantizationType.Q8_0)

writer = gguf.GGUFWriter(out / "python.gguf", "llama")
for kind, value in [("uint8", 200), ("int8", -5), ("uint16", 60000), ("int16", -300), ("uint32", 4000000000),
                    ("int32", -70000), ("uint64", 2**63 + 1), ("int64", -2**40), ("float32", 0.5), ("float64", 0.1),
                    ("bool", True), ("string", "h\u00e4lf")]:
    getattr(writer, "add_" + kind)("test." + kind, value)
writer.add_array("test.strings", ["a", "", "\u00e9\u00e9"])
writer.add_array("test.ints", [1, -2, 3])
writer.add_array("test.floats", [0.25, -1.5])
writer.add_array("test.bools", [True, False])
writer.add_tensor("ramp", ramp)
writer.add_tensor("half", ramp.astype(np.float16)[:1])
writer.add_tensor("blocks", blocks, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

writer = gguf.GGUFWriter(out / "split.gguf", "llama", split_max_tensors=2)
for i in range(5):
    writer.add_tensor(f"t{i}", np.full((2, 3), i, dtype=np.float32))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

save_file({"ramp": ramp, "half": ramp.astype(np.float16)[:1], "ids": np.array([[1, -2]], dtype=np.int64),
           "scalar": np.array(7.0, dtype=np.float32), "empty": np.zeros((0, 3), dtype=np.float32)},
          out / "python.safetensors", metadata={"format": "np"})
