# SPDX-License-Identifier: Apache-2.0
#
# Runs the tests that are named for a fault, with the woven layer in place of the real one:
#
#     python3 caught.py --table mutants.toml --program layer_test --layer FOLDER --unit UNIT NAME...
#     python3 caught.py --table mutants.toml --program layer_test --layer FOLDER --unit UNIT --control
#
# UNIT has the pool's own tests with the woven pool linked in.
#
# With names of faults: every test named for each of them must fail, or die, while that fault is
# switched on. A test that does not end has not caught anything. With --control: all tests that are
# named for any fault must pass in the woven layer while none is switched on, so that what fails
# does so because of its fault.

import argparse
import os
import subprocess
import sys

import table

# A run takes a tenth of a second; a fault may make it wait for what does not come.
TIME_LIMIT_S = 30


def run(options, program, tests, mutant):
    """Returns the exit status of the program, or None if it had to be stopped, and what it said."""
    environment = dict(os.environ, TESSERA_TEST_LAYER_DIR=options.layer,
                       TESSERA_TEST_MUTANT=mutant)
    command = [program, "--gtest_filter=" + ":".join(tests), "--gtest_color=no",
               "--gtest_fail_fast"]
    if not mutant:
        command.pop()
    try:
        result = subprocess.run(command, env=environment, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, errors="replace",
                                timeout=TIME_LIMIT_S if mutant else 4 * TIME_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return None, ""
    return result.returncode, result.stdout


def missed(options, mutant):
    """Returns a sentence for each named test that did not catch the fault."""
    complaints = []
    for program, test in ([(options.program, test) for test in mutant.tests] +
                          [(options.unit, test) for test in mutant.unit_tests]):
        status, output = run(options, program, [test], mutant.name)
        if "there is no mutant" in output:
            complaints.append(f"the woven layer does not know {mutant.name}: build it again")
        elif f"[ RUN      ] {test}" not in output and status is not None:
            complaints.append(f"there is no test {test}")
        elif status is None:
            complaints.append(f"{test} did not end within {TIME_LIMIT_S} s")
        elif status == 0:
            complaints.append(f"{test} passes although {mutant.fault[0].lower()}"
                              f"{mutant.fault[1:]}")
    return complaints


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--table", required=True)
    parser.add_argument("--program", required=True)
    parser.add_argument("--layer", required=True)
    parser.add_argument("--unit", required=True)
    parser.add_argument("--control", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    mutants = {mutant.name: mutant for mutant in table.read(options.table)}
    if options.control:
        all_mutants = mutants.values()
        for program, tests in (
                (options.program, {test for mutant in all_mutants for test in mutant.tests}),
                (options.unit, {test for mutant in all_mutants for test in mutant.unit_tests})):
            status, output = run(options, program, sorted(tests), "")
            if status != 0:
                sys.exit(f"without any fault, the woven layer fails:\n{output}")
        return
    complaints = []
    for name in options.names or mutants:
        if name not in mutants:
            sys.exit(f"there is no mutant '{name}' in {options.table}")
        for complaint in missed(options, mutants[name]):
            complaints.append(f"{name}: {complaint}")
    if complaints:
        sys.exit("\n".join(complaints))


if __name__ == "__main__":
    main()
