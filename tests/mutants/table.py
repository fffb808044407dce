# SPDX-License-Identifier: Apache-2.0
#
# The table of deliberate faults, read and checked: what weave.py builds, caught.py runs and
# document.py prints. The form of mutants.toml is written at its top.

import dataclasses
import pathlib
import re
import tomllib


class TableError(Exception):
    """What is wrong with the table, in one sentence."""


@dataclasses.dataclass
class Edit:
    """One place of the layer's text that a fault replaces."""

    mutant: "Mutant"
    file: str
    original: str
    context: str
    replacement: str


@dataclasses.dataclass
class Mutant:
    number: int  # from 1; 0 is the layer as it is
    name: str
    fault: str
    rows: list[str]
    tests: list[str]
    unit_tests: list[str]
    edits: list[Edit]


KEYS = {"name", "fault", "rows", "tests", "unit_tests", "edit", "file", "original", "context", "replacement"}


def _edit(mutant, entry):
    for key in ("file", "original", "replacement"):
        if not isinstance(entry.get(key), str):
            raise TableError(f"{mutant.name}: '{key}' is missing")
    if not entry["original"].strip():
        raise TableError(f"{mutant.name}: 'original' is empty")
    return Edit(mutant, entry["file"], entry["original"].strip(),
                entry.get("context", "").strip(), entry["replacement"].strip())


def read(path):
    """Returns the mutants of the table. Raises TableError if it is not as it should be."""
    document = tomllib.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    mutants = []
    names = set()
    for number, entry in enumerate(document.get("mutant", []), start=1):
        name = entry.get("name", "")
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in names:
            raise TableError(f"mutant {number}: the name '{name}' is not a new identifier")
        names.add(name)
        for key in entry:
            if key not in KEYS:
                raise TableError(f"{name}: unknown key '{key}'")
        for key in ("fault", "rows"):
            if not entry.get(key):
                raise TableError(f"{name}: '{key}' is missing")
        if not entry.get("tests") and not entry.get("unit_tests"):
            raise TableError(f"{name}: 'tests' is missing")
        mutant = Mutant(number, name, " ".join(entry["fault"].split()), entry["rows"],
                        entry.get("tests", []), entry.get("unit_tests", []), [])
        mutant.edits = [_edit(mutant, edit) for edit in entry.get("edit", [entry])]
        mutants.append(mutant)
    return mutants
