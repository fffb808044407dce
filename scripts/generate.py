#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the lists that the layer and its tests have from the registry (vk.xml).

    generate.py VK_XML            writes them
    generate.py VK_XML --check    compares them with the files; exit status 1 if they differ
    generate.py VK_XML --device-commands     prints all commands of devices, for a test
    generate.py VK_XML --newer OLD_VK_XML    prints, for newer_vulkan.txt, what the older one lacks

The lists are what the given registry says and what newer_vulkan.txt adds, so that they are the same
with any headers between 1.3.239 and those that the text file was made of. Headers that are newer
still make the check fail: then decide about each command and structure that it names, add it to
newer_vulkan.txt, and run the first form.
"""
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
NEWER = ROOT / "scripts" / "newer_vulkan.txt"
EXTENSIONS = ROOT / "layer" / "vk" / "generated" / "known_extensions.inc"
COMMANDS = ROOT / "tests" / "unit" / "vk" / "generated" / "memory_commands.inc"
QUERIES = ROOT / "tests" / "unit" / "vk" / "generated" / "requirement_queries.inc"
STRUCTURES = ROOT / "tests" / "unit" / "vk" / "generated" / "chained_structures.inc"

HANDLE = "VkDeviceMemory"
# What an allocation, a mapping or a bind may be extended by.
DEVICE_HANDLES = {"VkDevice", "VkQueue", "VkCommandBuffer"}
PARENTS = ["VkMemoryAllocateInfo", "VkMemoryMapInfo", "VkMemoryUnmapInfo", "VkBindBufferMemoryInfo",
           "VkBindImageMemoryInfo", "VkMappedMemoryRange", "VkBindSparseInfo"]


def is_vulkan(element, attribute):
    """Whether an element is there for Vulkan, and not for Vulkan SC alone."""
    apis = element.get(attribute)
    return apis is None or "vulkan" in apis.split(",")


class Registry:
    """What the lists need to know of one vk.xml, with every alias under its own name."""

    def __init__(self, path):
        root = ElementTree.parse(path).getroot()
        self.extensions = [e for e in root.iter("extension") if is_vulkan(e, "supported")]
        self.values = self._structure_type_values(root)
        self.members, self.extends, self.types = {}, {}, {}
        self.commands = {}
        self.aliases = {}
        self.first = {}
        for element in root.iter("type"):
            if element.get("category") == "struct" and is_vulkan(element, "api"):
                self._add_structure(element)
        for element in root.iter("command"):
            if element.get("alias"):
                self.aliases[element.get("name")] = element.get("alias")
            elif element.find("proto/name") is not None and is_vulkan(element, "api"):
                parameters = [p for p in element.findall("param") if is_vulkan(p, "api")]
                types = {p.findtext("type") for p in parameters}
                self.first[element.findtext("proto/name")] = parameters[0].findtext("type")
                self.commands[element.findtext("proto/name")] = types
        self.offered = self._offered(root)
        self.carriers = self._carriers()

    def _add_structure(self, element):
        name = element.get("name")
        if element.get("alias"):
            self.aliases[name] = element.get("alias")
            return
        members = [m for m in element.findall("member") if is_vulkan(m, "api")]
        self.members[name] = {m.findtext("type") for m in members}
        self.extends[name] = set(filter(None, (element.get("structextends") or "").split(",")))
        for member in members:
            if member.findtext("name") == "sType" and member.get("values"):
                self.types[name] = member.get("values")

    def _structure_type_values(self, root):
        values = {e.get("name"): int(e.get("value")) for e in root.findall("enums/enum")
                  if (e.get("value") or "").isdecimal()}
        for holder in list(root.iter("feature")) + list(root.iter("extension")):
            for enum in holder.iter("enum"):
                if enum.get("extends") == "VkStructureType" and enum.get("offset"):
                    number = int(enum.get("extnumber") or holder.get("number"))
                    values[enum.get("name")] = 10**9 + (number - 1) * 1000 + int(enum.get("offset"))
        return values

    def _offered(self, root):
        """All names that some version or extension of Vulkan brings in."""
        holders = [f for f in root.iter("feature") if is_vulkan(f, "api")] + self.extensions
        return {e.get("name") for h in holders for e in h.findall("require/*")}

    def _carriers(self):
        """Structures that lead to a memory object: as a member, nested, or by their chain."""
        found = {HANDLE}
        while True:
            more = {name for name, types in self.members.items() if types & found}
            more |= {p for name in found for p in self.extends.get(name, ()) if p in self.members}
            if more <= found:
                return found
            found |= more

    def resolve(self, name):
        while name in self.aliases:
            name = self.aliases[name]
        return name

    def memory_commands(self):
        direct = {c for c, types in self.commands.items() if types & self.carriers}
        every = direct | {a for a in self.aliases if self.resolve(a) in direct}
        return every & self.offered

    def device_commands(self):
        """Commands that vkGetDeviceProcAddr answers for."""
        direct = {c for c, handle in self.first.items() if handle in DEVICE_HANDLES}
        every = direct | {a for a in self.aliases if self.resolve(a) in direct}
        return every & self.offered

    def requirement_queries(self):
        """Commands that answer with the size and alignment of memory."""
        answer = "VkMemoryRequirements"
        answers = {answer} | {name for name, types in self.members.items() if answer in types}
        direct = {c for c, types in self.commands.items()
                  if {self.resolve(t) for t in types if t} & answers}
        every = direct | {a for a in self.aliases if self.resolve(a) in direct}
        return every & self.offered

    def known_extensions(self):
        """Returns {name: whether it brings in a way for memory to be named}."""
        reaching = self.memory_commands() | {s for s in self.members if HANDLE in self.members[s]}
        known = {}
        for extension in self.extensions:
            if extension.get("type") == "device":
                names = {e.get("name") for e in extension.findall("require/*")}
                known[extension.get("name")] = any(
                    n in reaching or self.resolve(n) in reaching for n in names if n)
        return known

    def chained_structures(self):
        """Returns {(parent, structure): value of its sType}."""
        return {(parent, name): self.values[self.types[name]]
                for name, parents in self.extends.items() for parent in parents
                if parent in PARENTS and name in self.offered}


def read_newer():
    """Returns (extensions, commands, queries, structures) of newer_vulkan.txt, in Registry's forms."""
    extensions, commands, queries, structures = {}, set(), set(), {}
    for line in NEWER.read_text().splitlines():
        word = line.split()
        if not word or word[0].startswith("#"):
            continue
        if word[0] == "extension" and word[2:] in ([], ["memory"]):
            extensions[word[1]] = len(word) == 3
        elif word[0] == "command" and len(word) == 2:
            commands.add(word[1])
        elif word[0] == "query" and len(word) == 2:
            queries.add(word[1])
        elif word[0] == "structure" and len(word) == 4:
            structures[word[1], word[2]] = int(word[3])
        else:
            sys.exit("newer_vulkan.txt: cannot read: " + line)
    return extensions, commands, queries, structures


def make_lists(registry):
    """Returns {path: text}."""
    extensions, commands, queries, structures = read_newer()
    for name, carries in registry.known_extensions().items():
        extensions[name] = carries or extensions.get(name, False)
    commands |= registry.memory_commands()
    queries |= registry.requirement_queries()
    structures |= registry.chained_structures()

    def text(lines):
        head = ["// SPDX-License-Identifier: Apache-2.0",
                "// Made by scripts/generate.py from the registry; do not edit.",
                "// clang-format off"]
        return "\n".join(head + lines + ["// clang-format on", ""])

    return {
        EXTENSIONS: text(['{"%s", %s},' % (name, str(extensions[name]).lower())
                          for name in sorted(extensions)]),
        COMMANDS: text(['"%s",' % name for name in sorted(commands)]),
        QUERIES: text(['"%s",' % name for name in sorted(queries)]),
        STRUCTURES: text(['{"%s", "%s", %d},' % (*key, structures[key])
                          for key in sorted(structures)]),
    }


def print_newer(registry):
    """What a registry has beyond the one that the project is built with at least, 1.3.239."""
    base = Registry(sys.argv[3])
    old = base.known_extensions()
    for name, carries in sorted(registry.known_extensions().items()):
        if old.get(name) != carries:
            print("extension", name, *["memory"] * carries)
    for name in sorted(registry.memory_commands() - base.memory_commands()):
        print("command", name)
    for name in sorted(registry.requirement_queries() - base.requirement_queries()):
        print("query", name)
    for (parent, name), value in sorted(registry.chained_structures().items()):
        if (parent, name) not in base.chained_structures():
            print("structure", parent, name, value)


def main():
    registry = Registry(sys.argv[1])
    if sys.argv[2:3] == ["--newer"]:
        print_newer(registry)
        return
    if sys.argv[2:3] == ["--device-commands"]:
        print("\n".join('"%s",' % name for name in sorted(registry.device_commands())))
        return
    wrong = []
    for path, made in make_lists(registry).items():
        there = path.read_text() if path.exists() else ""
        if sys.argv[2:3] != ["--check"]:
            path.write_text(made)
        elif there != made:
            wrong.append(str(path.relative_to(ROOT)))
            lines = set(made.splitlines()) ^ set(there.splitlines())
            wrong += ["  decide about it: " + line for line in sorted(lines)]
    if wrong:
        sys.exit("not what generate.py makes of %s:\n%s" % (sys.argv[1], "\n".join(wrong)))


main()
