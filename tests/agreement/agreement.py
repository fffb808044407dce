# SPDX-License-Identifier: Apache-2.0
"""Holds all that the command says of one moment to one set of numbers, to the byte.

usage: agreement.py (--list | --only NAME) [--build FOLDER]

An application on the mock driver does what it is told and rests; then the numbers of every reading
command, the application's own account and the driver's own count are compared. The layer's helper
goes on for a moment: it counts what threads freed of each other's, and gives blocks back. So this is
tried again, a bounded number of times, until all agree and nothing changed meanwhile; what never
agrees fails. Exit code 0: all agree.
"""
import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import views

TRIES = 40
PAUSE_S = 0.25
LEAKED = 123


class Application:
    """resting_application, started through a command that keeps its standard input and output."""

    def __init__(self, bench, *words):
        self.process = subprocess.Popen(
            [bench.tool.path, *words, "--", bench.application, "preset:discrete"],
            env=bench.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise AssertionError(f"it did not start: {self.process.communicate()[1]}")
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        self.pid = views.only(children.read_text(encoding="ascii").split())

    def say(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise AssertionError(f"it ended at '{command}': {self.process.communicate()[1]}")
        return answer

    def count(self):
        return json.loads(self.say("count"))["devices"]

    def work(self, *commands):
        for command in commands:
            self.say(command)

    def finish(self, command):
        """Returns: what its starter ended with."""
        self.say(command)
        self.process.communicate(timeout=60)
        return self.process.returncode

    def destroy(self):
        if self.process.poll() is None:
            self.process.kill()
            try:
                os.kill(int(self.pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()


class Bench:
    """A runtime folder of its own and, at the end, no application that runs."""

    def __init__(self, build):
        self.folder = tempfile.TemporaryDirectory()
        programs = pathlib.Path(build, "bin").absolute()
        self.environment = {name: value for name, value in os.environ.items()
                            if not name.startswith(("VK_", "TESSERA_", "ENABLE_TESSERA"))}
        self.environment |= {"XDG_RUNTIME_DIR": self.folder.name, "LC_ALL": "C.UTF-8"}
        self.tool = views.Tool(str(programs / "tessera"), self.environment)
        self.application = str(programs / "resting_application")
        self.applications = []

    def start(self, *words):
        self.applications.append(Application(self, *words))
        return self.applications[-1]

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for application in self.applications:
            application.destroy()
        self.folder.cleanup()


def counted(count, totals):
    """Sentences on where the totals are not what application and driver counted themselves."""
    said = []
    for number, device in enumerate(count, start=1):
        for side, types in device.items():
            for index, own in enumerate(types):
                for key, value in own.items():
                    told = totals["type"].numbers[(number, index, f"{side}.{key}")]
                    if told != value:
                        said.append(f"device {number} type {index}: {side}.{key} is {told}, "
                                    f"and {value} by its own count")
    return said


def compare(tool, source, which, count=None):
    """Returns: sentences on all that disagrees about one source, and its totals."""
    process = views.only(tool.json("stat", source, "--json")["processes"])
    totals = views.device_tallies(process["devices"])
    said = views.invariants(totals)
    if count is not None:
        said += counted(count, totals)
    for view in which:
        try:
            said += views.differences(view.__name__, view(tool, source), totals)
        except AssertionError as error:
            said.append(f"{view.__name__}: {error}")
    return said, totals


def expect(said, where):
    if said:
        raise AssertionError(f"{where}:\n  " + "\n  ".join(said[:40]))


def agree_at_rest(bench, application, which, where):
    """Compares until all agree and nothing changed meanwhile. Returns: the count of that moment."""
    said = []
    for _ in range(TRIES):
        before = application.count()
        said, totals = compare(bench.tool, application.pid, which, before)
        _, after = compare(bench.tool, application.pid, ())
        if not said and application.count() == before and same(totals, after):
            return before
        time.sleep(PAUSE_S)
    raise AssertionError(f"{where}:\n  " + "\n  ".join(said[:40] or ["it never stood still"]))


def same(one, other):
    return one["type"].numbers == other["type"].numbers


FILES = views.OF_TOTALS + views.OF_RECORDS
PROCESSES = FILES + views.OF_PROCESSES
TOTALS = views.OF_TOTALS + views.OF_PROCESSES

# Pooled and passed through, by one thread and by several, freed by whoever did not make it.
LIFE = ("grow 1 60 1", "grow 2 80 4", "dedicate 3", "large 200000000", "shrink 3 3", "grow 4 20 2")


def total(count, side, key):
    return sum(entry[key] for device in count for entry in device[side])


# ---- the situations --------------------------------------------------------------------------------


def at_events(bench):
    """Everything is recorded from the start; it is looked at after each step, and after its end."""
    application = bench.start("run", "--quiet", "--level", "events", "--stacks", "all")
    count = agree_at_rest(bench, application, PROCESSES, "before the first allocation")
    for step in LIFE:
        application.work(step)
        count = agree_at_rest(bench, application, PROCESSES, f"after '{step}'")
    if total(count, "app", "live") < 100 or total(count, "driver", "live") < 5:
        raise AssertionError(f"too little is left to compare: {count}")
    application.finish("leave")
    expect(compare(bench.tool, application.pid, PROCESSES, count)[0], "after its end")


def at_totals(bench):
    """Without records, all that tells totals."""
    application = bench.start("run", "--quiet", "--level", "totals")
    application.work(*LIFE)
    count = agree_at_rest(bench, application, TOTALS, "at totals")
    application.finish("leave")
    expect(compare(bench.tool, application.pid, TOTALS, count)[0], "after its end")


def level_raised(bench):
    """What was made before the level rose is recorded as well, and after it falls and rises again."""
    application = bench.start("run", "--quiet", "--level", "totals")
    application.work(*LIFE)
    for level in ("full", "events", "totals", "full"):
        bench.tool.read("level", application.pid, level)
        which = TOTALS if level == "totals" else PROCESSES
        agree_at_rest(bench, application, which, f"as the level became {level}")
        application.work("shrink 5 4", "grow 6 60 4", "dedicate 2")
        agree_at_rest(bench, application, which, f"after changes at {level}")
    application.finish("end")


def several_devices(bench):
    """Two devices, of which each view tells the numbers apart."""
    application = bench.start("run", "--quiet", "--level", "full")
    application.work("grow 1 30 2", "device", *LIFE)
    count = agree_at_rest(bench, application, PROCESSES, "on two devices")
    if count[0] == count[1]:
        raise AssertionError("the two devices hold the same, and nothing is compared")
    application.finish("leave")
    expect(compare(bench.tool, application.pid, PROCESSES, count)[0], "after its end")


def recorded(bench):
    """A recording of all of it, from the start: its last state, and its events added up."""
    path = bench.path("all.rec")
    application = bench.start("record", "--quiet", "-o", path)
    application.work("device", *LIFE)
    count = agree_at_rest(bench, application, PROCESSES, "while it is recorded")
    application.finish("leave")
    said, in_file = compare(bench.tool, path, FILES, count)
    expect(said, "of the recording")
    said, in_segment = compare(bench.tool, application.pid, PROCESSES, count)
    expect(said, "of what it left")
    if not same(in_file, in_segment):
        raise AssertionError("the recording and the segment disagree")


def recorded_from_outside(bench):
    """Of a process that runs at totals: it is asked for more, and gets back what it had."""
    path = bench.path("some.rec")
    application = bench.start("run", "--quiet", "--level", "totals")
    application.work(*LIFE)
    recorder = subprocess.Popen([bench.tool.path, "record", "--quiet", "-o", path, application.pid],
                                env=bench.environment)
    deadline = time.monotonic() + 30
    while level_of(bench, application) != "events":
        if time.monotonic() > deadline:
            raise AssertionError("the recorder did not raise the level")
        time.sleep(0.02)
    application.work("shrink 5 4", "grow 6 60 4")
    count = agree_at_rest(bench, application, PROCESSES, "while it is recorded")
    recorder.send_signal(signal.SIGINT)
    if recorder.wait(60) != 0:
        raise AssertionError(f"the recorder ended with {recorder.returncode}")
    expect(compare(bench.tool, path, FILES, count)[0], "of the recording")
    if level_of(bench, application) != "totals":
        raise AssertionError("the level is not what it was")
    application.finish("end")


def level_of(bench, application):
    document = bench.tool.json("level", application.pid, "--json")
    return views.only({device["level"] for device in document["devices"]})


def everything_freed(bench):
    """Of an application that gives everything back nothing is left anywhere."""
    path = bench.path("clean.rec")
    application = bench.start("record", "--quiet", "-o", path)
    application.work(*LIFE)
    application.finish("end")
    for source, which in ((path, FILES), (application.pid, PROCESSES)):
        said, totals = compare(bench.tool, source, which)
        expect(said, source)
        numbers = totals["all"].numbers
        left = {name: number for (_, _, name), number in numbers.items()
                if name.endswith((".live", ".live_bytes", "blocks", "block_bytes")) and number}
        if left or numbers[(None, None, "app.allocations")] < 200:
            raise AssertionError(f"left: {left}, of {numbers}")


def device_destroyed_with_memory(bench):
    """What was left on a destroyed device is told; of blocks there is nothing, free or not."""
    application = bench.start("run", "--quiet", "--level", "full")
    application.work(*LIFE)
    count = agree_at_rest(bench, application, PROCESSES, "at rest")
    application.finish("forget")
    said, totals = compare(bench.tool, application.pid,
                           (views.stat, views.prometheus, views.export_csv, views.leaks))
    expect(said, "of a device that was destroyed")
    numbers = totals["all"].numbers
    in_blocks = {name: numbers[(None, None, name)] for name in (
        "driver.live", "pooled.block_bytes", "pooled.free_bytes", "pooled.largest_free_bytes")}
    left = total(count, "app", "live") - total(count, "app", "live") // 2
    if any(in_blocks.values()) or not 0 < numbers[(None, None, "app.live")] <= left:
        raise AssertionError(f"{numbers[(None, None, 'app.live')]} of {left} left: {in_blocks}")


# ---- every command on every kind of source, in every form ------------------------------------------

# What a command ends with: on a process that runs, on one that ended with memory left, on a recording.
# None: it takes no such thing.
READING = (
    (("stat",), 0, 0, 0),
    (("stat", "--detail"), 0, 0, 0),
    (("map",), 0, 0, 0),
    (("leaks",), 0, LEAKED, LEAKED),
    (("report", "-o", "-"), 0, 0, 0),
    (("export", "json"), 0, 0, 0),
    (("export", "csv"), 0, 0, 0),
    (("export", "vma"), 0, 0, 0),
    (("export", "perfetto"), 0, 0, 0),
    (("export", "prometheus"), 0, 0, 0),
    (("diff",), 0, 0, 0),
    (("top", "--count", "1"), 0, 0, 2),
    (("level",), 0, 0, 2),
)
# Of its output one form only.
ONE_FORM = ("export",)


def refuses(done, what):
    """A refusal prints no result, and one sentence that says why."""
    if done.stdout or not done.stderr.startswith("tessera: "):
        return [f"{what}: refused with '{done.stdout[:80]}' and '{done.stderr[:80]}'"]
    return []


def judge(bench, words, source, code, form):
    """Sentences on what is wrong with one command on one source."""
    arguments = [*words, source, *([source] if words[0] == "diff" else []), *form]
    done = bench.tool.run(*arguments)
    what = " ".join(arguments)
    if done.returncode != code:
        return [f"{what}: {done.returncode} and not {code}: {done.stderr.strip()[:200]}"]
    if code not in (0, LEAKED):
        return refuses(done, what)
    if not done.stdout.strip() or done.stderr:
        return [f"{what}: {len(done.stdout)} characters, and '{done.stderr[:200]}'"]
    if form or words[:2] in (("export", "json"), ("export", "vma"), ("export", "perfetto")):
        try:
            json.loads(done.stdout)
        except ValueError as error:
            return [f"{what}: {error}"]
    return []


def every_command(bench):
    """Exit codes, forms and totals of all reading commands; that these agree the views tell."""
    path = bench.path("all.rec")
    ended = bench.start("record", "--quiet", "-o", path, "--stacks", "all")
    live = bench.start("run", "--quiet", "--level", "events")
    counts = []
    for application in (live, ended):
        application.work(*LIFE)
        counts.append(agree_at_rest(bench, application, PROCESSES, "at rest"))
    ended.finish("leave")
    sources = (live.pid, ended.pid, path)
    said = []
    for words, *codes in READING:
        for form in ((),) if words[0] in ONE_FORM else ((), ("--json",)):
            for source, code in zip(sources, codes):
                said += judge(bench, words, source, code, form)
    expect(said, "commands")
    expect(ps_lists(bench, live, ended), "ps")
    # Since then the helper may have given back what idled.
    counts[0] = agree_at_rest(bench, live, PROCESSES, "at rest again")
    for source, which, count in zip(sources, (PROCESSES, PROCESSES, FILES), (*counts, counts[1])):
        expect(compare(bench.tool, source, which, count)[0], source)


def ps_lists(bench, *applications):
    text = bench.tool.read("ps")
    told = {str(one["pid"]) for one in bench.tool.json("ps", "--json")["processes"]}
    return [f"ps misses {one.pid}" for one in applications
            if one.pid not in told or one.pid not in text]


def no_such_source(bench):
    """Of what is not there each command says so, with code 3, in either form."""
    missing = str(2 ** 22 + 1)  # beyond what a pid can be
    garbage = bench.path("garbage.rec")
    pathlib.Path(garbage).write_bytes(b"neither a segment nor a recording" * 100)
    said = []
    for words, *_ in READING:
        for form in ((),) if words[0] in ONE_FORM else ((), ("--json",)):
            for source in (missing, garbage, bench.path("nothing.rec")):
                takes_files = words[0] not in ("top", "level")
                code = 3 if takes_files or source == missing else 2
                said += judge(bench, words, source, code, form)
    expect(said, "commands")


SITUATIONS = (at_events, at_totals, level_raised, several_devices, recorded, recorded_from_outside,
              everything_freed, device_destroyed_with_memory, every_command, no_such_source)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/dev", help="a build folder of the project")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--only", choices=[one.__name__ for one in SITUATIONS])
    options = parser.parse_args()
    if options.list:
        print("\n".join(one.__name__ for one in SITUATIONS))
        return 0
    failed = 0
    for situation in SITUATIONS:
        if options.only not in (None, situation.__name__):
            continue
        with Bench(options.build) as bench:
            try:
                situation(bench)
                print(f"{situation.__name__}: agrees", flush=True)
            except AssertionError as error:
                print(f"{situation.__name__}: {error}", flush=True)
                failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
