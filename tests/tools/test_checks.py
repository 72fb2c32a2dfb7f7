#!/usr/bin/env python3
"""The checks of tools/ find what they are for: each case is a tree of one or two files and the fault it must give."""
import pathlib
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

TOOLS = pathlib.Path(__file__).resolve().parent.parent.parent / "tools"
sys.path.insert(0, str(TOOLS))
import check_tidy  # noqa: E402
HEADER = "// A header.\n#pragma once\n"

# (check, files, what the output must contain; "" for a clean tree)
CASES = (
    ("includes", {"src/tensor/a.h": '#include "base/b.h"\n', "src/base/b.h": HEADER}, ""),
    ("includes", {"src/base/b.h": '#include "tensor/a.h"\n', "src/tensor/a.h": HEADER}, "base may not include tensor"),
    ("includes", {"src/kernels/k.h": '#include "formats/f.h"\n', "src/formats/f.h": HEADER}, "kernels may not include formats"),
    ("includes", {"src/runtime/r.h": '#include "base/b.h"\n', "src/base/b.h": HEADER}, ""),
    ("includes", {"src/base/a.h": '// #include "cli/c.h"\n#include "base/none.h"\n'}, "src/base/a.h:2"),
    ("includes", {"tests/model/t.cpp": '#include "runtime/r.h"\n', "src/runtime/r.h": HEADER}, "model may not include runtime"),
    ("includes", {"tests/base/t.cpp": '#include "support/s.h"\n', "tests/support/s.h": HEADER}, ""),
    ("includes", {"src/kernels/k.cpp": '#include "kernels/isa/avx2/v.h"\n', "src/kernels/isa/avx2/v.h": HEADER}, "belongs to kernels/isa/avx2"),
    ("includes", {"src/kernels/isa/avx2/k.cpp": '#include "kernels/isa/avx2/v.h"\n', "src/kernels/isa/avx2/v.h": HEADER}, ""),
    ("includes", {"src/kernels/isa/vnni/k.cpp": '#include "kernels/isa/avx2/v.h"\n', "src/kernels/isa/avx2/v.h": HEADER}, "belongs to"),
    ("includes", {"src/kernels/isa/vnni/k.cpp": '#include "kernels/isa/avx2/v.inl"\n', "src/kernels/isa/avx2/v.inl": HEADER}, ""),
    ("includes", {"src/base/a.cpp": "#include <b.cpp>\n"}, "source file"),
    ("includes", {"include/halfbyte/h.h": "#include <fmt/core.h>\n"}, "standard library only"),
    ("layout", {"src/base/a.h": HEADER, "src/base/a.cpp": "int x;\n"}, ""),
    ("layout", {"src/base/b.cpp": "int x;\n"}, "open with a comment"),
    ("layout", {"src/misc/a.h": HEADER}, "src/misc: not a room"),
    ("layout", {"src/base/BigName.h": HEADER}, "snake_case"),
    ("layout", {"src/base/a.h": "// A header.\n"}, "#pragma once"),
    ("layout", {"src/base/a.h": HEADER + "\n" * 600}, "602 lines"),
    ("layout", {"src/base/a.h": HEADER + "#include <immintrin.h>\n"}, "intrinsics belong"),
    ("layout", {"src/base/a.h": HEADER + "#ifdef __AVX2__\n"}, "instruction sets belong"),
    ("layout", {"src/kernels/isa/avx2/a.h": HEADER + "#include <immintrin.h>\n"}, ""),
    ("layout", {"src/base/a.h": HEADER + 'void f() { std::printf("x"); }\n'}, "never prints"),
    ("layout", {"src/base/a.h": HEADER + 'void f() { std::snprintf("x"); }\n'}, ""),
    ("layout", {"src/base/a.h": HEADER + "void f() { std::abort(); }\n"}, "never ends the process"),
    ("layout", {"src/base/a.h": HEADER + "// printf() and abort() are not called\n"}, ""),
    ("layout", {"src/base/a.h": HEADER + 'auto x = std::getenv("X");\n'}, "reads the environment"),
    ("layout", {"src/cli/a.h": HEADER + 'auto x = std::getenv("X");\n'}, ""),
    ("layout", {"docs/a.md": "see " + "/ho" + "me/me/x\n"}, "a path of some machine"),
    ("layout", {"docs/a.md": "see /usr/share/x and a/b/c\n"}, ""),
)

# (files besides, a.cpp, b.cpp, whether clang-tidy may look at both together)
TOGETHER = (
    ({}, "int f(int x) {", "int g(int x) {", True),
    ({}, "int f(int x) {", "int f(int y) {", False),
    ({}, "int f(int x) {", "int f(float x) {", True),
    ({}, "int f(int x,\n      float* y) {", "int f(int x, float* z) {", False),
    ({}, "struct S {", "struct S {", False),
    ({}, "constexpr int kOne = 1;", "constexpr int kOne = 1;", False),
    ({"f.h": "int f(int x = 1);"}, '#include "f.h"\nint f(int x) {', '#include "f.h"\n', True),
    ({"s.h": "struct S {"}, '#include "s.h"\n', "struct S {", False),
    ({"s.h": "struct S {"}, "struct S {", '#include "s.h"\n', False),
    ({"f.inl": "int f(int x) {"}, '#include "f.inl"\n', '#include "f.inl"\n', False),
)


class Checks(unittest.TestCase):
    def test_cases(self):
        for check, files, expected in CASES:
            with self.subTest(check=check, files=files), tempfile.TemporaryDirectory() as folder:
                for name, text in files.items():
                    path = pathlib.Path(folder, name)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(text)
                run = subprocess.run([sys.executable, TOOLS / f"check_{check}.py", folder],
                                     capture_output=True, text=True, check=False)
                self.assertEqual(run.returncode, 1 if expected else 0, run.stdout + run.stderr)
                self.assertIn(expected, run.stdout)

    def test_files_of_other_names_are_tidied_together(self):
        for others, a, b, expected in TOGETHER:
            with self.subTest(a=a, b=b), tempfile.TemporaryDirectory() as folder:
                for name, text in {**others, "a.cpp": a, "b.cpp": b}.items():
                    pathlib.Path(folder, name).write_text(text)
                with unittest.mock.patch.object(check_tidy, "SRC", pathlib.Path(folder)):
                    jobs = [check_tidy.Job(pathlib.Path(folder, name), ["-O3"], None) for name in ("a.cpp", "b.cpp")]
                    self.assertEqual(len(check_tidy.batches_of(jobs)), 1 if expected else 2)

    def test_options_of_a_room_do_not_part_files(self):
        with tempfile.TemporaryDirectory() as folder:
            jobs = []
            for name, option in (("a.cpp", "-DA"), ("b.cpp", "-Ib"), ("c.cpp", "-mavx2")):
                path = pathlib.Path(folder, name)
                path.write_text("")
                jobs.append(check_tidy.Job(path, ["-O3", option], None))
            self.assertEqual([len(batch) for batch in check_tidy.batches_of(jobs)], [2, 1])


if __name__ == "__main__":
    unittest.main()
