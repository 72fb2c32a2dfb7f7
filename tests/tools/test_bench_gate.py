#!/usr/bin/env python3
"""The arithmetic and the parsing of tools/bench_gate.py; nothing is built or timed."""
import json
import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import bench_gate  # noqa: E402


class Gate(unittest.TestCase):
    def test_list(self):
        text = "# comment\n\n  # another\nhalfbyte bench {model} -p 8\nbench_kernels --benchmark_filter=^a\\.(b|c)$\n"
        self.assertEqual(bench_gate.parse_list(text), [["halfbyte", "bench", "{model}", "-p", "8"],
                                                       ["bench_kernels", "--benchmark_filter=^a\\.(b|c)$"]])
        with self.assertRaisesRegex(bench_gate.Failure, "line 2: rm"):
            bench_gate.parse_list("\nrm -rf x\n")

    def test_the_list_that_ships(self):
        self.assertGreater(len(bench_gate.parse_list((ROOT / "bench" / "gate.list").read_text())), 2)

    def test_speeds(self):
        body = {"prefill": {"tok_s_median": 10.0}, "decode": {"tok_s_median": 2.0}, "threads": 1}
        self.assertEqual(bench_gate.speeds_of("halfbyte", json.dumps(body)), {"prefill": 10.0, "decode": 2.0})
        body = {"benchmarks": [{"name": "a", "run_type": "iteration", "real_time": 4.0},
                               {"name": "a_mean", "run_type": "aggregate", "real_time": 4.0}]}
        self.assertEqual(bench_gate.speeds_of("bench_kernels", json.dumps(body)), {"a": 0.25})
        self.assertEqual(bench_gate.speeds_of("bench_kernels", "\n"), {})

    def test_ratios_pair_by_pair(self):
        pairs = [({"a": 10.0, "gone": 1.0}, {"a": 11.0, "new": 1.0}), ({"a": 20.0}, {"a": 10.0})]
        self.assertEqual(bench_gate.ratios_of(pairs), {"a": [1.1, 0.5]})

    def test_the_median_decides(self):
        ratios = {"one bad pair": [1.0, 0.2, 1.0], "slow": [0.89, 0.85, 1.2], "at the limit": [0.9], "fast": [2.0]}
        lines, lost = bench_gate.verdict(ratios, 0.10)
        self.assertEqual(lost, ["slow"])
        self.assertEqual([line.endswith("SLOWER") for line in lines], [False, True, False, False])
        self.assertIn("0.890  (0.850 to 1.200)  slow", lines[1])


if __name__ == "__main__":
    unittest.main()
