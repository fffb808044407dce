#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes result_codes.inc: the errors that each command may return, from the registry (vk.xml).

    result_codes.py VK_XML            prints the table
    result_codes.py VK_XML --check    compares it with the file; exit status 1 if they differ

Commands are those that the mock driver offers. The few that are newer than the packaged registry are
listed below by hand, from the registry at 1.4.360.
"""
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

HERE = pathlib.Path(__file__).parent
COMMANDS = HERE.parent / "driver" / "src" / "commands.h"
TABLE = HERE / "result_codes.inc"

BOTH = ["VK_ERROR_OUT_OF_HOST_MEMORY", "VK_ERROR_OUT_OF_DEVICE_MEMORY"]
NEWER = {
    "vkMapMemory2": BOTH + ["VK_ERROR_MEMORY_MAP_FAILED"],
    "vkUnmapMemory2": ["VK_ERROR_MEMORY_MAP_FAILED"],
    "vkCreateTensorARM": BOTH,
    "vkBindTensorMemoryARM": BOTH,
    "vkCreateDataGraphPipelineSessionARM": BOTH,
    "vkBindDataGraphPipelineSessionMemoryARM": BOTH,
}


def registry_errors(path):
    """Returns {command: [error]} of all commands, aliases under both names."""
    errors = dict(NEWER)
    aliases = {}
    for command in ElementTree.parse(path).getroot().iter("command"):
        if command.get("alias"):
            aliases[command.get("name")] = command.get("alias")
        elif command.findtext("proto/type") == "VkResult":
            # Some return VK_INCOMPLETE besides success, and no error.
            codes = [code for code in command.get("errorcodes", "").split(",") if code]
            # Allowed for every command in later registries; no driver returns them for what is valid.
            codes = [c for c in codes if c not in ("VK_ERROR_UNKNOWN", "VK_ERROR_VALIDATION_FAILED")]
            errors[command.find("proto/name").text] = codes
    for alias, name in aliases.items():
        if name in errors:
            errors[alias] = errors[name]
    return errors


def table(path):
    offered = re.findall(r"^\s+X\((\w+),", COMMANDS.read_text(), re.MULTILINE)
    errors = registry_errors(path)
    lines = ["// SPDX-License-Identifier: Apache-2.0",
             "// Made by result_codes.py from the registry; do not edit.",
             "// clang-format off"]
    for name in sorted("vk" + command for command in offered):
        if name in errors:
            lines.append('{"%s", {%s}},' % (name, ", ".join(errors[name])))
    return "\n".join(lines + ["// clang-format on", ""])


def main():
    made = table(sys.argv[1])
    if "--check" not in sys.argv[2:]:
        sys.stdout.write(made)
    elif made != TABLE.read_text():
        sys.exit("result_codes.inc is not what result_codes.py makes of " + sys.argv[1])


main()
