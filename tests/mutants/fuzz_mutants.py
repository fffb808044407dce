# SPDX-License-Identifier: Apache-2.0
#
# Runs the fuzzer against the deliberate faults. It knows none of them: it compares what a random
# valid program may observe with what it does observe, on devices that the mock driver describes.
#
#     python3 fuzz_mutants.py --table mutants.toml --fuzzed fuzzed.txt --fuzzer tessera_fuzz
#                             --layer FOLDER [--record] [--seeds N] [--operations N] [NAME...]
#
# Without --record it repeats what fuzzed.txt says: each fault that is listed there must be noticed
# again, with the recorded seed or, since the fuzzer's programs change when it learns something new,
# with one of the next few. Without any fault the same runs must pass. With --record it looks for
# every fault in the table, on all descriptions and with several seeds, and writes fuzzed.txt anew.

import argparse
import os
import subprocess
import sys

import fuzzed
import table

# What differs in what it can show: granules, atoms, alignments, limits, handles, failures.
DESCRIPTIONS = [f"preset:{name}" for name in (
    "noncoherent", "discrete", "granularity64k", "images64k", "odd_sizes", "images2m",
    "few_objects", "budget", "lookalike_handles", "recycled_handles", "many_types", "small_heaps",
    "lavapipe_like")] + [
        '{"base":"discrete","add_extensions":["VK_ARM_tensors","VK_NV_ray_tracing",'
        '"VK_KHR_video_queue"]}']
TIME_LIMIT_S = 60
MORE_SEEDS = 5


def fails(options, mutant, description, seed):
    """Whether the fuzzer complains, or dies. One that does not end has noticed nothing."""
    environment = dict(os.environ, TESSERA_FUZZ_LAYER_DIR=options.layer,
                       TESSERA_TEST_MUTANT=mutant)
    command = [options.fuzzer, "--description", description, "--seed", str(seed),
               "--operations", str(options.operations), "--quiet"]
    try:
        result = subprocess.run(command, env=environment, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, timeout=TIME_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    return result.returncode != 0


def look(options, mutants):
    record = fuzzed.Record(options.operations, {})
    for name in mutants:
        for seed, description in ((s, d) for s in range(1, options.seeds + 1)
                                  for d in DESCRIPTIONS):
            if fails(options, name, description, seed):
                record.findings[name] = fuzzed.Finding(description, seed)
                break
        finding = record.findings.get(name)
        print(f"{name}: {f'{finding.description}, seed {finding.seed}' if finding else 'missed'}",
              flush=True)
    return record


def repeat(options, record, names):
    """Returns the faults that were noticed once and are not any more."""
    lost = []
    for name in names:
        finding = record.findings[name]
        if not any(fails(options, name, finding.description, seed)
                   for seed in range(finding.seed, finding.seed + MORE_SEEDS)):
            lost.append(name)
    return lost


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--table", required=True)
    parser.add_argument("--fuzzed", required=True)
    parser.add_argument("--fuzzer", required=True)
    parser.add_argument("--layer", required=True)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--operations", type=int, default=0)
    parser.add_argument("--at-least", type=int, default=0)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    record = fuzzed.read(options.fuzzed) if os.path.exists(options.fuzzed) else fuzzed.Record(0, {})
    options.operations = options.operations or record.operations or 8000

    # The same fuzzer must be content with the same layer while no fault is on.
    for description in sorted({found.description for found in record.findings.values()}
                              or set(DESCRIPTIONS)):
        if fails(options, "", description, 1):
            sys.exit(f"the fuzzer complains about {description} although no fault is on")
    if options.record:
        names = options.names or [mutant.name for mutant in table.read(options.table)]
        seen = look(options, names)
        if options.names:
            record.findings = {name: finding for name, finding in record.findings.items()
                               if name not in names} | seen.findings
        else:
            record = seen
        record.operations = options.operations
        fuzzed.write(options.fuzzed, record)
        print(f"{len(record.findings)} noticed")
    else:
        lost = repeat(options, record, options.names or list(record.findings))
        if lost:
            sys.exit(f"not noticed any more: {', '.join(lost)}")
    if len(record.findings) < options.at_least:
        sys.exit(f"fuzzing notices {len(record.findings)} faults, {options.at_least} are wanted")


if __name__ == "__main__":
    main()
