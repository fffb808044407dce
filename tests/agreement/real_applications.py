# SPDX-License-Identifier: Apache-2.0
"""Holds what the command says of real applications to what reached the driver.

usage: real_applications.py --build FOLDER --driver MANIFEST [--only NAME]

Each runs at the level `events` with a layer below ours that counts VkDeviceMemory objects. It is
stopped (SIGSTOP) in the middle of its work; then the numbers of every reading command are compared
with each other and with that layer's. A stop may fall into a call that is half done: then it goes on
for a moment and is stopped again, a bounded number of times. Prints a table. Exit codes: 0 all agree,
1 something does not, 77 with --only: it is not installed.
"""
import argparse
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "applications"))

import agreement  # noqa: E402
import applications  # noqa: E402
import views  # noqa: E402

OURS = "VK_LAYER_TESSERA_suballocator"
COUNTER = "VK_LAYER_TESSERA_test_driver_count"
KEYS = ("live", "live_bytes", "allocations", "frees")
TYPES = 32  # in the counter's file, for each device
START_S = 60
STOPS = 40
WORK_S = 0.3
MOMENTS = 3

# What ends by itself is told to go on, so that there is a middle to stop in.
CHOSEN = {
    "naive_scene": applications.Application(
        "naive_scene", ["BUILD/naive_scene", "--resources", "1500", "--frames", "10000"]),
    "vkcube": applications.Application("vkcube", ["vkcube"], window=True),
    "ffmpeg_scale": applications.Application(
        "ffmpeg_scale",
        ["ffmpeg", "-hide_banner", "-loglevel", "error", "-init_hw_device", "vulkan=gpu:0",
         "-filter_hw_device", "gpu", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=10",
         "-vf", "format=yuv420p,hwupload,scale_vulkan=w=160:h=120,hwdownload,format=yuv420p",
         "-f", "null", "-"]),
} | {one.name: one for one in applications.APPLICATIONS
     if one.name in ("vkd3d_triangle", "vkd3d_gears", "zink_glxgears")}


def driver_count(folder, pid):
    """What the layer below counted, as the answer of resting_application has it."""
    data = pathlib.Path(folder, f"count.{pid}").read_bytes()
    (devices,) = struct.unpack_from("<Q", data)
    count = []
    for device in range(devices):
        entries = [struct.unpack_from("<4Q", data, 8 + 32 * (device * TYPES + index))
                   for index in range(TYPES)]
        count.append({"driver": [dict(zip(KEYS, entry)) for entry in entries]})
    return count


class Stopped:
    """A process that does nothing while this is entered."""

    def __init__(self, pid):
        self.pid = int(pid)

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)
        tasks = pathlib.Path(f"/proc/{self.pid}/task")
        while any((task / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "T"
                  for task in tasks.iterdir()):
            time.sleep(0.001)

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGCONT)


def descends(pid, ancestor):
    """Whether a process was started by another, which still runs, or by one that this one started."""
    while pid > 1 and pid != ancestor:
        try:
            stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return False
        pid = int(stat.rpartition(")")[2].split()[1])
    return pid == ancestor


def publisher(tool, starter):
    """The pid of the process that allocates, once there is one. Others on this machine, which are
    nobody's business here, are listed as well."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and starter.poll() is None:
        for process in tool.json("ps", "--json")["processes"]:
            totals = views.device_tallies(process["devices"])
            if (process["state"] == "live" and descends(process["pid"], starter.pid) and
                    totals["live"].numbers[(None, None, "app.live")]):
                return str(process["pid"])
        time.sleep(0.1)
    raise AssertionError("it never allocated")


def at_moments(tool, pid, folder):
    """Compares at some moments. Returns: a row of the table."""
    row = ""
    for _ in range(MOMENTS):
        for _ in range(STOPS):
            time.sleep(WORK_S)
            with Stopped(pid):
                count = driver_count(folder, pid)
                said, totals = agreement.compare(tool, pid, agreement.PROCESSES, count)
            if not said:
                break
        agreement.expect(said, "stopped")
        all_of_it = totals["all"].numbers
        row = " | ".join(f"{all_of_it[(None, None, name)]:,}" for name in (
            "app.live", "app.live_bytes", "driver.live", "driver.live_bytes", "passed.live"))
    return row


def look_at(application, options):
    command = [word.replace("BUILD", str(options.programs)) for word in application.command]
    if shutil.which(command[0]) is None or (application.window and not shutil.which("Xvfb")):
        return None
    with tempfile.TemporaryDirectory() as folder:
        environment = applications.bare_environment(options, folder) | application.environment | {
            "VK_INSTANCE_LAYERS": f"{OURS}:{COUNTER}",
            "VK_ADD_LAYER_PATH": str(options.programs.parent / "test_layers"),
            "DRIVER_COUNT_FILE": os.path.join(folder, "count")}
        tool = views.Tool(str(options.programs / "tessera"), environment)
        display = applications.Display().__enter__() if application.window else None
        if display is not None:
            environment["DISPLAY"] = display.name
        starter = subprocess.Popen(
            [tool.path, "run", "--quiet", "--level", "events", "--stacks", "16", "--", *command],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        pid = None
        try:
            pid = publisher(tool, starter)
            return at_moments(tool, pid, folder)
        finally:
            if pid is not None and starter.poll() is None:
                os.kill(int(pid), signal.SIGKILL)
            if starter.poll() is None and pid is None:
                starter.terminate()
            starter.wait()
            if display is not None:
                display.__exit__()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, help="a build folder of the project")
    parser.add_argument("--driver", required=True, help="manifest of the Vulkan driver to use")
    parser.add_argument("--only", choices=CHOSEN)
    options = parser.parse_args()
    options.programs = pathlib.Path(options.build, "bin").absolute()
    print("application | live | bytes | driver's objects | bytes | passed through")
    code = 77 if options.only else 0
    for name, application in CHOSEN.items():
        if options.only not in (None, name):
            continue
        try:
            row = look_at(application, options)
            print(f"{name} | {row or 'not installed'}", flush=True)
            code = 0 if row and code == 77 else code
        except AssertionError as error:
            print(f"{name} | {error}", flush=True)
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
