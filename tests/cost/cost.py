# SPDX-License-Identifier: Apache-2.0
"""Measures what the layer costs apart from time and compares it with limits.toml.

usage: cost.py KIND --bench tessera_bench --host-bytes cost_host_bytes [--counts-instructions 0|1]

KIND is a table of limits.toml. Prints each figure beside its limit and its goal; fails if one is
above its limit. Exit code 77: this cannot be measured here.

Limits hold for the layer without its helper thread: what that does depends on how fast the machine
is at the moment. Where it matters, the figure with the helper stands beside, and nothing compares it.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import tomllib

SKIPPED = 77
SEEDS = range(1, 6)
# Long enough that every slot was replaced often; short enough for valgrind.
FEW_PAIRS, MANY_PAIRS = 20_000, 120_000
TURNOVERS = 12
# What the helper changes.
HELPED = ("driver_calls", "overhead")


class Costs:
    """One method for each kind of figure; all take an entry of limits.toml."""

    def __init__(self, options):
        self.options = options

    def bench(self, entry, pairs, seed=1):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder, "out.json")
            subprocess.run(
                self.command(entry, pairs, seed) + ["--json", out],
                check=True,
                stdout=subprocess.DEVNULL,
            )
            (outcome,) = json.loads(out.read_text())
        return outcome

    def command(self, entry, pairs, seed=1):
        return [
            self.options.bench,
            "--driver=mock",
            "--contender=tessera",
            f"--scenario={entry['scenario']}",
            f"--live={entry['live']}",
            f"--pairs={pairs}",
            f"--seed={seed}",
        ]

    def instructions(self, entry):
        return (self.collected(entry, MANY_PAIRS) - self.collected(entry, FEW_PAIRS)) / (
            MANY_PAIRS - FEW_PAIRS
        )

    def collected(self, entry, pairs):
        valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
        done = subprocess.run(
            valgrind + self.command(entry, pairs), check=True, capture_output=True, text=True
        )
        return int(re.search(r"Collected\s*:\s*(\d+)", done.stderr).group(1))

    def driver_calls(self, entry):
        return self.bench(entry, MANY_PAIRS)["driver_calls_per_1000_pairs"]

    def host_bytes(self, entry):
        command = [self.options.host_bytes, str(entry["live"])]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def overhead(self, entry):
        pairs = max(1000, entry["live"] * TURNOVERS // 1000 * 1000)
        figure = entry.get("figure", "overhead_ratio")
        return statistics.mean(self.bench(entry, pairs, seed)[figure] for seed in SEEDS)


def reason_to_skip(options):
    if options.kind != "instructions":
        return None
    if not options.counts_instructions:
        return "instructions are counted in an optimised build of g++ only"
    if shutil.which("valgrind") is None:
        return "valgrind is not installed"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind")
    parser.add_argument("--bench", required=True)
    parser.add_argument("--host-bytes", required=True)
    parser.add_argument("--counts-instructions", type=int, default=1)
    options = parser.parse_args()
    reason = reason_to_skip(options)
    if reason:
        print(f"skipped: {reason}")
        return SKIPPED

    # What the user has set for the layer must not change what it costs.
    for name in [name for name in os.environ if name.startswith("TESSERA_")]:
        del os.environ[name]
    table = tomllib.loads(pathlib.Path(__file__).with_name("limits.toml").read_text())[options.kind]
    failed = False
    for name, entry in table["of"].items():
        os.environ["TESSERA_HELPER"] = "off"
        value = getattr(Costs(options), options.kind)(entry)
        limit = entry["today"] * (1 + table["margin"]) + table.get("slack", 0)
        verdict = "ok" if value <= limit else "ABOVE THE LIMIT"
        if value < entry["today"] * (1 - table["margin"]):
            verdict = "ok, lower the limit"
        failed |= value > limit
        beside = ""
        if options.kind in HELPED:
            os.environ["TESSERA_HELPER"] = "on"
            beside = f"  with the helper {getattr(Costs(options), options.kind)(entry):.3f}"
        print(
            f"{name:20} {value:9.3f}  limit {limit:9.3f}  goal {entry['goal']:6}  {verdict}{beside}"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
