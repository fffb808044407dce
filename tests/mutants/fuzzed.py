# SPDX-License-Identifier: Apache-2.0
#
# fuzzed.txt: what fuzzing caught when it was last run over all faults. One line for each:
#
#     operations 20000
#     <fault> <description> <seed>
#
# Lines that begin with # are comments.

import dataclasses
import pathlib

COMMENT = """# SPDX-License-Identifier: Apache-2.0
#
# Written by fuzz_mutants.py --record: which faults the fuzzer notices, on which device of the mock
# driver and with which seed, within so many operations.
"""


@dataclasses.dataclass
class Finding:
    description: str
    seed: int


@dataclasses.dataclass
class Record:
    operations: int
    findings: dict[str, Finding]


def read(path):
    record = Record(0, {})
    for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "operations":
            record.operations = int(words[1])
        else:
            record.findings[words[0]] = Finding(words[1], int(words[2]))
    return record


def write(path, record):
    lines = [f"{name} {finding.description} {finding.seed}\n"
             for name, finding in record.findings.items()]
    pathlib.Path(path).write_text(COMMENT + f"operations {record.operations}\n" + "".join(lines),
                                  encoding="utf-8")
