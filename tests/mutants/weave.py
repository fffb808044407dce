# SPDX-License-Identifier: Apache-2.0
#
# Makes copies of the layer's sources with every fault of mutants.toml in them, each behind a switch
# that is read when the program starts:
#
#     python3 weave.py --table mutants.toml --source REPOSITORY --out FOLDER
#
# FOLDER gets the touched files under their own names (layer/vk/...), to be found before the real
# ones, and mutant_names.inc for switch.cpp. Lines keep their numbers.
#
# A place is found by its text, white space aside, and must be there exactly once: if the layer's
# text moves on, the build stops here and says which entry has to follow.

import argparse
import pathlib
import re
import sys

import table


def find_once(text, wanted, what):
    """Returns the span of `wanted` in `text`, where white space may differ."""
    pattern = r"\s+".join(re.escape(word) for word in wanted.split())
    spans = [match.span() for match in re.finditer(pattern, text)]
    if len(spans) != 1:
        raise table.TableError(f"{what} is there {len(spans)} times instead of once:\n  {wanted}")
    return spans[0]


def place_of(text, edit):
    """Returns the span of an edit's original text."""
    what = f"{edit.mutant.name}: text in {edit.file}"
    if not edit.context:
        return find_once(text, edit.original, what)
    begin, end = find_once(text, edit.context, what)
    first, last = find_once(text[begin:end], edit.original, f"{what}, inside of its context,")
    return begin + first, begin + last


def is_statement(edit):
    return edit.original.endswith((";", "}"))


def switch(edit, body):
    """Returns the text in which `body`, which may hold other switches, has the fault beside it.

    The replacement goes on one line, so that lines keep their numbers.
    """
    chosen = f"TESSERA_MUTANT({edit.mutant.number})"
    replacement = " ".join(edit.replacement.split())
    if not is_statement(edit):
        return f"({chosen} ? ({replacement}) : ({body}))"
    if not replacement:
        return f"if (!{chosen}) {{ {body} }}"
    return f"if ({chosen}) {{ {replacement} }} else {{ {body} }}"


def weave(text, edits):
    """Returns `text` with all edits in it. One may lie within another, or on the same place."""
    places = sorted(((*place_of(text, edit), edit) for edit in edits),
                    key=lambda place: (place[0], -place[1]))

    def render(begin, end, inside):
        out = []
        at = begin
        while inside:
            first, last, edit = inside[0]
            nested = [place for place in inside[1:] if place[0] < last]
            for place in nested:
                if place[1] > last:
                    raise table.TableError(f"{edit.mutant.name} and {place[2].mutant.name} "
                                           "overlap, and neither is within the other")
            out += [text[at:first], switch(edit, render(first, last, nested))]
            at = last
            inside = inside[1 + len(nested):]
        out.append(text[at:end])
        return "".join(out)

    return render(0, len(text), places)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--table", required=True)
    parser.add_argument("--source", required=True, type=pathlib.Path)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    options = parser.parse_args()
    mutants = table.read(options.table)
    by_file = {}
    for mutant in mutants:
        for edit in mutant.edits:
            by_file.setdefault(edit.file, []).append(edit)
    complaints = []
    for file, edits in by_file.items():
        text = (options.source / file).read_text(encoding="utf-8")
        for edit in edits:
            try:
                place_of(text, edit)
            except table.TableError as error:
                complaints.append(str(error))
        if complaints:
            continue
        woven = weave(text, edits)
        target = options.out / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(woven, encoding="utf-8")
    if complaints:
        raise table.TableError("\n".join(complaints) + f"\nLet {options.table} follow the layer.")
    names = "".join(f'    "{mutant.name}",\n' for mutant in mutants)
    # What an earlier table touched would go on to hide the real files.
    for stale in (options.out / "layer").rglob("*.*"):
        if stale.relative_to(options.out).as_posix() not in by_file:
            stale.unlink()
    (options.out / "mutant_names.inc").write_text(names, encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except (table.TableError, OSError) as error:
        sys.exit(f"weave: {error}")
