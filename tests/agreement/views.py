# SPDX-License-Identifier: Apache-2.0
"""What each reading command says in numbers, in one form, so that all can be compared.

A view is the output of one command. From it come tallies: numbers by what they are of (a memory type,
a heap, a device, all devices, all live devices) and by name ("app.live", "pooled.block_bytes"). The
totals of `stat --json` are what all of them are held to. What a view leaves out counts as 0.
"""
import collections
import csv
import io
import json
import re
import subprocess

SIDES = ("live", "live_bytes", "allocations", "frees", "failed", "peak_bytes")
POOL = ("live", "live_bytes", "allocations", "blocks", "block_bytes", "free_bytes",
        "largest_free_bytes")
LIVE = ("app.live", "app.live_bytes")
BOTH = LIVE + ("driver.live", "driver.live_bytes")
POOLED = ("pooled.live", "pooled.live_bytes")
BLOCKS = ("pooled.blocks", "pooled.block_bytes")
PASSED = ("passed.live", "passed.live_bytes")


class Tally:
    """Numbers of one scope: "type", "heap", "device", "all" or "live". `names` are those of which the
    view says something, be it that there are none."""

    def __init__(self, scope, *names):
        self.scope = scope
        self.names = names
        self.numbers = collections.Counter()

    def add(self, name, number, device=None, index=None):
        if name not in self.names:
            raise KeyError(name)
        self.numbers[(device, index, name)] += number


class Tool:
    """The command, in an environment."""

    def __init__(self, path, environment):
        self.path = path
        self.environment = environment

    def run(self, *words):
        return subprocess.run([self.path, *map(str, words)], env=self.environment, check=False,
                              capture_output=True, text=True, timeout=120)

    def read(self, *words, codes=(0,)):
        """Standard output; what the command says besides, or another exit code, is a failure."""
        done = self.run(*words)
        if done.returncode not in codes or done.stderr:
            raise AssertionError(f"{words} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def json(self, *words, **options):
        return json.loads(self.read(*words, **options))


def only(items):
    (item,) = items
    return item


# ---- totals ----------------------------------------------------------------------------------------


def device_tallies(devices):
    """Of an array `devices` in schema 1, one tally for each scope."""
    names = [f"{side}.{key}" for side in ("app", "driver") for key in SIDES]
    names += [f"pooled.{key}" for key in POOL] + list(PASSED) + ["passed.allocations"]
    tallies = {scope: Tally(scope, *names) for scope in ("type", "heap", "device", "all", "live")}
    for device in devices:
        for entry in device["memory_types"]:
            numbers = {f"{side}.{key}": entry[side][key] for side in ("app", "driver")
                       for key in SIDES}
            numbers |= {f"pooled.{key}": entry["pooled"][key] for key in POOL}
            for key in ("live", "live_bytes", "allocations"):
                numbers[f"passed.{key}"] = sum(one[key] for one in entry["pass_through"].values())
            for name, number in numbers.items():
                tallies["type"].add(name, number, device["id"], entry["index"])
                tallies["heap"].add(name, number, device["id"], entry["heap"])
                tallies["device"].add(name, number, device["id"])
                tallies["all"].add(name, number)
                if device["state"] == "live":
                    tallies["live"].add(name, number)
    return tallies


def invariants(totals):
    """What holds of totals by themselves, at rest. Returns: sentences on what does not."""
    said = []
    numbers = totals["type"].numbers
    for device, index, name in list(numbers):
        if name != "app.live":
            continue

        def of(key, at=(device, index)):
            return numbers[(*at, key)]
        for left, right in (("app.live", ("pooled.live", "passed.live")),
                            ("app.live_bytes", ("pooled.live_bytes", "passed.live_bytes")),
                            ("driver.live", ("pooled.blocks", "passed.live")),
                            ("driver.live_bytes", ("pooled.block_bytes", "passed.live_bytes"))):
            if of(left) != sum(of(key) for key in right):
                said.append(f"device {device} type {index}: {left} {of(left)} is not the sum of "
                            f"{ {key: of(key) for key in right} }")
        for side in ("app", "driver"):
            if of(f"{side}.live") != of(f"{side}.allocations") - of(f"{side}.frees"):
                said.append(f"device {device} type {index}: {side}.live is not its allocations "
                            "without its frees")
    return said


# ---- the other views, each with the tallies that it gives ------------------------------------------


def same_schema(devices):
    return [tally for scope, tally in device_tallies(devices).items() if scope == "type"]


def stat(tool, source):
    return same_schema(only(tool.json("stat", source, "--json")["processes"])["devices"])


def stat_detail(tool, source):
    process = only(tool.json("stat", source, "--detail=1", "--json")["processes"])
    recorded = Tally("device", "app.live", "pooled.blocks")
    for device in process["devices"]:
        recorded.add("app.live", device["recorded"]["allocations"], device["id"])
        recorded.add("pooled.blocks", device["recorded"]["blocks"], device["id"])
        expect_none(device["recorded"]["moving"], "moving records")
    return [*same_schema(process["devices"]), recorded]


def expect_none(number, what):
    if number:
        raise AssertionError(f"{number} {what}")


def records(tool, source):
    """The records of the reader, as `export json` shows each of them."""
    process = only(tool.json("export", "json", source)["processes"])
    tally = Tally("type", *LIVE, *POOLED, *BLOCKS, *PASSED)
    for device in process["detail"]["devices"]:
        expect_none(device["moving"], "moving records")
        expect_none(sum(device["unrecorded"].values()), "unrecorded")
        for one in device["allocations"]:
            where = "pooled" if one["passed_through"] is None else "passed"
            if where == "pooled" and one["block"] is None:
                raise AssertionError(f"a pooled allocation without a block: {one}")
            for side in ("app", where):
                tally.add(f"{side}.live", 1, device["id"], one["type"])
                tally.add(f"{side}.live_bytes", one["size_bytes"], device["id"], one["type"])
        for one in device["blocks"]:
            tally.add("pooled.blocks", 1, device["id"], one["type"])
            tally.add("pooled.block_bytes", one["bytes"], device["id"], one["type"])
    return [*same_schema(process["devices"]), tally]


def export_csv(tool, source):
    tally = Tally("type", *LIVE, *POOLED, *PASSED)
    for row in csv.DictReader(io.StringIO(tool.read("export", "csv", source))):
        place = int(row["device"]), int(row["type"])
        for side in ("app", "passed" if row["passed_through"] else "pooled"):
            tally.add(f"{side}.live", 1, *place)
            tally.add(f"{side}.live_bytes", int(row["size_bytes"]), *place)
    return [tally]


METRICS = {
    "tessera_memory_allocations": "{side}.live", "tessera_memory_bytes": "{side}.live_bytes",
    "tessera_memory_peak_bytes": "{side}.peak_bytes",
    "tessera_allocations_total": "{side}.allocations", "tessera_frees_total": "{side}.frees",
    "tessera_failed_allocations_total": "{side}.failed", "tessera_pool_slots": "pooled.live",
    "tessera_pool_slot_bytes": "pooled.live_bytes", "tessera_pool_blocks": "pooled.blocks",
    "tessera_pool_block_bytes": "pooled.block_bytes",
    "tessera_pool_free_bytes": "pooled.free_bytes",
    "tessera_pool_largest_free_bytes": "pooled.largest_free_bytes",
    "tessera_passed_through_allocations": "passed.live",
    "tessera_passed_through_bytes": "passed.live_bytes",
    "tessera_passed_through_allocations_total": "passed.allocations",
}


def prometheus(tool, source):
    names = [name.format(side=side) for side in ("app", "driver") for name in METRICS.values()]
    tally = Tally("type", *dict.fromkeys(names))
    for line in tool.read("export", "prometheus", source).splitlines():
        metric, labels, value = (re.fullmatch(r"(\w+)\{(.*)\} (\S+)", line) or
                                 re.fullmatch("(#)()(.*)", line)).groups()
        if metric in METRICS:
            label = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels))
            tally.add(METRICS[metric].format(side=label.get("side")), int(value),
                      int(label["device"]), int(label["type"]))
    return [tally]


def vma(tool, source):
    tally = Tally("type", *BOTH)
    for device in only(tool.json("stat", source, "--json")["processes"])["devices"]:
        document = tool.json("export", "vma", source, "--device", device["id"])
        for heap in document["MemoryInfo"].values():
            for name, memory_type in heap["MemoryPools"].items():
                index = int(name.removeprefix("Type "))
                stats = memory_type["Stats"]
                for key, name_here in zip(BOTH, ("AllocationCount", "AllocationBytes", "BlockCount",
                                                 "BlockBytes")):
                    tally.add(key, stats[name_here], device["id"], index)
    return [tally]


def perfetto(tool, source):
    """The last value of each counter."""
    document = tool.json("export", "perfetto", source)
    device_of = {}
    last = {}
    for event in document["traceEvents"]:
        if event["ph"] == "M" and event["name"] == "process_name":
            found = re.search(r", device (\d+): ", event["args"]["name"])
            device_of[event["pid"]] = int(found.group(1))
        elif event["ph"] == "C":
            last[(event["pid"], event["name"])] = event["args"]
    tally = Tally("heap", *BOTH)
    for (pid, name), values in last.items():
        found = re.fullmatch(r"heap (\d+) (bytes|allocations)", name)
        if found:
            key = "live_bytes" if found.group(2) == "bytes" else "live"
            for side in ("app", "driver"):
                tally.add(f"{side}.{key}", values[side], device_of[pid], int(found.group(1)))
    return [tally]


def drawn(tool, source):
    """`map`: rows, and what lies in them."""
    tally = Tally("type", *LIVE, "pooled.live", "pooled.free_bytes", *BLOCKS, *PASSED,
                  "driver.live", "driver.live_bytes")
    for device in tool.json("map", source, "--json")["devices"]:
        expect_none(device["moving"] + device["unrecorded"], "records that the map lacks")
        for row in device["rows"]:
            place = device["id"], row["type"]
            tally.add("driver.live", 1, *place)
            tally.add("driver.live_bytes", row["bytes"], *place)
            tally.add("app.live", row["allocations"], *place)
            spans = collections.Counter()
            for span in row["spans"]:
                spans[span["kind"]] += span["bytes"]
            if spans.total() != row["bytes"]:
                raise AssertionError(f"spans of {spans.total()} bytes in {row['bytes']}")
            used = spans.total() - spans["free"] - spans["padding"]
            tally.add("app.live_bytes", used, *place)
            if row["kind"] == "block":
                tally.add("pooled.live", row["allocations"], *place)
                tally.add("pooled.blocks", 1, *place)
                tally.add("pooled.block_bytes", row["bytes"], *place)
                tally.add("pooled.free_bytes", spans["free"], *place)
            else:
                tally.add("passed.live", 1, *place)
                tally.add("passed.live_bytes", row["bytes"], *place)
    return [tally]


def leaks(tool, source):
    """Code 123 says that there are some: it is not so while the process runs."""
    process = only(tool.json("leaks", source, "--json", codes=(0, 123))["processes"])
    listed = Tally("type", *LIVE)
    grouped = Tally("type", *LIVE, "passed.live")
    for entry in process["leaks"]:
        if entry["in_groups"] != entry["count"]:
            raise AssertionError(f"{entry['in_groups']} of {entry['count']} are in groups")
        for one in entry["memory_types"]:
            listed.add("app.live", one["count"], entry["device"], one["memory_type"])
            listed.add("app.live_bytes", one["bytes"], entry["device"], one["memory_type"])
        for one in entry["groups"]:
            place = entry["device"], one["memory_type"]
            grouped.add("app.live", one["count"], *place)
            grouped.add("app.live_bytes", one["bytes"], *place)
            grouped.add("passed.live", one["passed_through"], *place)
    return [*same_schema(process["devices"]), listed, grouped]


def top(tool, pid):
    process = only(tool.json("top", pid, "--json", "--count", 1)["processes"])
    tally = Tally("live", *BOTH)
    for side in ("app", "driver"):
        tally.add(f"{side}.live", process[side]["live"])
        tally.add(f"{side}.live_bytes", process[side]["bytes"])
    return [tally]


def listed(tool, pid):
    """`ps`"""
    processes = tool.json("ps", "--json")["processes"]
    return same_schema(only(one for one in processes if str(one["pid"]) == str(pid))["devices"])


def diff(tool, source):
    """With itself: nothing changed, and both columns have the totals."""
    tallies = []
    for device in tool.json("diff", source, source, "--json")["devices"]:
        kept = Tally("device", "app.live")
        kept.add("app.live", device["kept"]["count"], device["before"])
        if device["groups"] or device["came"]["count"] or device["went"]["count"]:
            raise AssertionError(f"a difference to itself: {device['groups']}")
    for moment in (0, 1):
        for scope, key in (("type", "memory_types"), ("heap", "heaps")):
            tally = Tally(scope, *BOTH, "app.allocations", "app.frees")
            tallies.append(tally)
            for device in tool.json("diff", source, source, "--json")["devices"]:
                for entry in device[key]:
                    place = device["before"], entry["index"]
                    for side in ("app", "driver"):
                        change = entry[side]["after" if moment else "before"]
                        tally.add(f"{side}.live", change["count"], *place)
                        tally.add(f"{side}.live_bytes", change["bytes"], *place)
                    for name in ("allocations", "frees"):
                        tally.add(f"app.{name}", entry[name][moment], *place)
    return tallies


def report(tool, source):
    model = tool.json("report", source, "--json")
    summary = Tally("all", *[f"{side}.{key}" for side in ("app", "driver")
                             for key in ("live", "live_bytes", "allocations", "failed")],
                    "pooled.allocations", "pooled.blocks", "pooled.free_bytes")
    for side in ("app", "driver"):
        for key in ("live", "live_bytes", "allocations", "failed"):
            summary.add(f"{side}.{key}", model["summary"][side][key])
    summary.add("pooled.allocations", model["summary"]["pooled_allocations"])
    summary.add("pooled.blocks", model["summary"]["blocks"])
    summary.add("pooled.free_bytes", model["summary"]["block_free_bytes"])
    return [*same_schema(model["process"]["devices"]), summary, *report_parts(model),
            *report_timeline(model)]


def report_parts(model):
    blocks = Tally("type", *LIVE, *BLOCKS, *POOLED, *PASSED)
    if model["map"]["left_out"]:
        raise AssertionError("the map of the report is not whole")
    for block in model["map"]["blocks"]:
        place = block["device"], block["type"]
        side = "passed" if block["number"] is None else "pooled"
        in_slots = sum(slot[3] for slot in block["slots"]), sum(slot[2] for slot in block["slots"])
        if in_slots != (block["allocations"], block["used_bytes"]):
            raise AssertionError(f"slots of {in_slots}: {block}")
        for one in ("app", side):
            blocks.add(f"{one}.live", block["allocations"], *place)
            blocks.add(f"{one}.live_bytes", block["used_bytes"], *place)
        if side == "pooled":
            blocks.add("pooled.blocks", 1, *place)
            blocks.add("pooled.block_bytes", block["bytes"], *place)
    parts = [blocks]
    for entries, count, size in ((model["map"]["uses"], "allocations", "bytes"),
                                 (model["sizes"], "live", "live_bytes")):
        tally = Tally("all", *LIVE)
        parts.append(tally)
        for one in entries:
            tally.add("app.live", one[count])
            tally.add("app.live_bytes", one[size])
    if model["holders"]["left_out"]:
        return parts  # there are only the largest of them
    # Several memory types may be in one.
    holders = Tally("device", *LIVE)
    for one in model["holders"]["top"]:
        holders.add("app.live", one["count"], one["device"])
        holders.add("app.live_bytes", one["bytes"], one["device"])
    return parts + [holders]


def report_timeline(model):
    """Where each curve ends."""
    tally = Tally("heap", *BOTH)
    for heap in model["timeline"]["heaps"]:
        for name, key in (("app.live", "app_live"), ("app.live_bytes", "app_bytes"),
                          ("driver.live", "driver_live"), ("driver.live_bytes", "driver_bytes")):
            curve = heap[key]
            tally.add(name, curve["last"][-1] if curve["last"] else curve["first"],
                      heap["device"], heap["heap"])
    return [tally]


# What needs no more than totals, what needs a record of each allocation, and what takes processes
# only.
OF_TOTALS = (stat, prometheus)
OF_RECORDS = (stat_detail, records, export_csv, vma, perfetto, drawn, leaks, diff, report)
OF_PROCESSES = (listed, top)


def differences(name, tallies, totals):
    """Sentences on where a view's tallies are not the totals."""
    said = []
    for tally in tallies:
        wanted = totals[tally.scope].numbers
        keys = {key for key in wanted if key[2] in tally.names} | set(tally.numbers)
        for key in sorted(keys, key=str):
            if tally.numbers[key] != wanted[key]:
                said.append(f"{name}: {key[2]} of device {key[0]}, {tally.scope} {key[1]}, is "
                            f"{tally.numbers[key]} and in stat {wanted[key]}")
    return said
