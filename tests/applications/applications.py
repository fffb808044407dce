# SPDX-License-Identifier: Apache-2.0
#
# Runs real applications, bare and with the layer, and compares what they show, print and return.
#
#     applications.py --build FOLDER [--driver MANIFEST] [--list] [--only NAME] [FOLDER]
#
# Each application is run twice without the layer, which tells what of it changes by itself, and once
# with it. It is not to tell the difference: the same exit code, the same output where that does not
# change by itself, the same picture likewise. Exit codes: 0 no difference, 1 a difference, 2 wrong
# arguments, 77 with --only: it is not installed, or does not run here without the layer either.
#
# FOLDER may hold other applications, as executable files or as descriptions (*.app) in JSON:
#     {"command": ["program", "argument"], "window": true, "seconds": 5, "environment": {"A": "b"}}

import argparse
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

LAYER = "VK_LAYER_TESSERA_suballocator"
TIME_LIMIT_S = 90


@dataclasses.dataclass
class Application:
    name: str
    command: list[str]
    what: str = ""
    window: bool = False   # it needs a display; what it shows is compared
    seconds: float = 0     # it does not end by itself: how long to wait for its picture
    output: bool = False   # what it prints is compared
    still: bool = False    # what it shows does not move, however late it comes
    environment: dict[str, str] = dataclasses.field(default_factory=dict)


VIDEO = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=10:duration=1"]


def ffmpeg(name, graph, what, sources=1):
    return Application(
        f"ffmpeg_{name}",
        ["ffmpeg", "-hide_banner", "-loglevel", "error", "-init_hw_device", "vulkan=gpu:0",
         "-filter_hw_device", "gpu"] + VIDEO * sources +
        ["-filter_complex", graph, "-f", "framemd5", "-"], what, output=True)


# Zink takes a processor for a device only if it is told to render in software.
ZINK = {"MESA_LOADER_DRIVER_OVERRIDE": "zink", "GALLIUM_DRIVER": "zink",
        "LIBGL_ALWAYS_SOFTWARE": "1"}

# BUILD stands for the folder of the project's own programs.
APPLICATIONS = [
    Application("vulkaninfo", ["vulkaninfo", "--summary"], "asks for everything"),
    Application("vkcube", ["vkcube", "--c", "60"], "presents 60 frames", window=True, output=True),
    ffmpeg("scale", "format=yuv420p,hwupload,scale_vulkan=w=160:h=120,hwdownload,format=yuv420p",
           "imports and exports"),
    ffmpeg("blur", "format=yuv420p,hwupload,avgblur_vulkan,gblur_vulkan,hwdownload,format=yuv420p",
           "imports and exports, three planes"),
    ffmpeg("flip", "format=yuv420p,hwupload,hflip_vulkan,vflip_vulkan,transpose_vulkan,hwdownload,"
           "format=yuv420p", "imports and exports"),
    ffmpeg("overlay", "[0]format=yuv420p,hwupload[a];[1]format=yuv420p,hwupload[b];"
           "[a][b]overlay_vulkan=x=20:y=20,hwdownload,format=yuv420p", "two sources", sources=2),
    Application("mpv", ["mpv", "--no-config", "--vo=gpu", "--gpu-api=vulkan",
                        "--gpu-context=x11vk", "--no-osc", "--no-audio", "--pause",
                        "--geometry=320x240+0+0", "av://lavfi:testsrc2=size=320x240"],
                "shows a still picture", window=True, seconds=4, still=True),
    Application("vkd3d_triangle", ["vkd3d-triangle"], "Direct3D 12 on Vulkan", window=True,
                seconds=4, still=True),
    Application("vkd3d_gears", ["vkd3d-gears"], "Direct3D 12 on Vulkan, moving", window=True,
                seconds=4),
    Application("zink_glxinfo", ["glxinfo", "-B"], "OpenGL on Vulkan", window=True, output=True,
                environment=ZINK),
    Application("zink_glxgears", ["glxgears"], "OpenGL on Vulkan: every allocation has an address",
                window=True, seconds=4, environment=ZINK),
    Application("zink_es2gears", ["es2gears_x11"], "OpenGL ES on Vulkan", window=True, seconds=4,
                environment=ZINK),
    Application("qtquick", ["/usr/lib/qt6/bin/qml", "SOURCE/still.qml"], "Qt Quick on Vulkan",
                window=True, seconds=5, still=True,
                environment={"QSG_RHI_BACKEND": "vulkan", "QT_QPA_PLATFORM": "xcb"}),
    Application("supertuxkart", ["supertuxkart", "--render-driver=vulkan", "--demo-mode=1",
                                 "--no-start-screen", "--track=lighthouse", "--numkarts=2",
                                 "--windowed", "--screensize=640x480"],
                "a game, moving", window=True, seconds=25),
    Application("hundred_devices", ["BUILD/lifecycle_app", "devices", "100"],
                "a hundred devices in one process", output=True),
    Application("map_first", ["BUILD/memory_stress", "--threads", "4", "--operations", "4000"],
                "maps before it binds, frees while mapped", output=True),
]


@dataclasses.dataclass
class Run:
    code: int
    output: str
    picture: str
    errors: str


class Display:
    """An X server without a screen."""

    def __enter__(self):
        read, write = os.pipe()
        self.server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", "640x480x24", "-nolisten", "tcp"],
            pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as lines:
            self.name = ":" + lines.readline().strip()
        return self

    def __exit__(self, *_):
        self.server.terminate()
        self.server.wait()

    def picture(self):
        """A hash of the pixels, without the header, which holds a time."""
        shot = subprocess.run(["import", "-display", self.name, "-window", "root", "rgb:-"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        pixels = shot.stdout
        if len(set(pixels)) < 2:
            return "nothing"
        return hashlib.sha256(pixels).hexdigest()[:16]


# How long a picture that was seen before is waited for, on a machine that is busy.
PATIENCE_S = 20


def wait_for_picture(display, process, seconds, wanted):
    """The picture `wanted` as soon as it is there. Without one, or if it does not come at all, the
    last picture once it stands still, or after so many seconds."""
    last = "nothing"
    if wanted:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and process.poll() is None and last != wanted:
            time.sleep(0.5)
            last = display.picture()
        return last
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        time.sleep(0.5)
        now = display.picture()
        if now != "nothing" and now == last and time.monotonic() > end - seconds / 2:
            break
        last = now
    return last


def run(application, command, environment, wanted=""):
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as output:
        display = Display().__enter__() if application.window else None
        try:
            if display is not None:
                environment = environment | {"DISPLAY": display.name}
            process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL,
                                       stdout=output, stderr=errors, start_new_session=True)
            picture = ""
            if application.seconds:
                picture = wait_for_picture(display, process, application.seconds, wanted)
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(TIME_LIMIT_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        finally:
            if display is not None:
                display.__exit__()
        output.seek(0)
        errors.seek(0)
        return Run(process.returncode, output.read().decode(errors="replace"), picture,
                   errors.read().decode(errors="replace"))


# What whoever runs this may set: other shapes of the layer's engine.
SHAPES = ("TESSERA_HELPER", "TESSERA_SHARDS", "TESSERA_RECYCLE")


def bare_environment(options, folder):
    environment = {name: value for name, value in os.environ.items()
                   if name in SHAPES or
                   not name.startswith(("VK_", "TESSERA_", "ENABLE_TESSERA", "MANGOHUD"))}
    for name in ("HOME", "XDG_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        path = os.path.join(folder, name.lower())
        os.makedirs(path, 0o700, exist_ok=True)
        environment[name] = path
    environment |= {"VK_ICD_FILENAMES": options.driver, "VK_DRIVER_FILES": options.driver,
                    "LC_ALL": "C.UTF-8"}
    return environment


def allocations(stats):
    """What the application asked for, and what the driver was asked for."""
    asked = made = placement_failures = 0
    for process in json.loads(pathlib.Path(stats).read_text(encoding="utf-8"))["processes"]:
        for device in process["devices"]:
            for memory_type in device["memory_types"]:
                asked += memory_type["app"]["allocations"]
                made += memory_type["driver"]["allocations"]
                placement_failures += memory_type["placement_failures"]
    return asked, made, placement_failures


def compare(application, options):
    """One row of the table, and whether there was a difference. None: it does not run here."""
    command = [word.replace("BUILD", options.programs).replace("SOURCE", options.source)
               for word in application.command]
    if shutil.which(command[0]) is None:
        return f"{command[0]} is not installed", None
    if application.window and (shutil.which("Xvfb") is None or shutil.which("import") is None):
        return "Xvfb or import (imagemagick) is not installed", None
    with tempfile.TemporaryDirectory() as folder:
        environment = bare_environment(options, folder) | application.environment
        first = run(application, command, environment)
        wanted = first.picture if application.still else ""
        second = run(application, command, environment, wanted)
        if first.code != second.code:
            return f"bare it ends with {first.code} and with {second.code}", None
        if first.code not in (0, -signal.SIGTERM) or first.picture == "nothing":
            return f"bare it ends with {first.code}: {first.errors.strip()[-200:]}", None
        stats = os.path.join(folder, "stats.json")
        layered = run(application,
                      [options.command, "run", "--stats", stats, "--layer-dir", options.layer,
                       "--"] + command if options.layer_flag else
                      [options.command, "run", "--stats", stats, "--"] + command,
                      environment, wanted if second.picture == wanted else "")
        differences = []
        code = layered.code - 128 - 128 if layered.code > 128 else layered.code
        ended = {0, signal.SIGTERM, -signal.SIGTERM, 128 + signal.SIGTERM}
        same_code = layered.code == first.code or (layered.code in ended and first.code in ended)
        if not same_code:
            differences.append(f"exit code {layered.code}, bare {first.code} ({code}): "
                               f"{layered.errors.strip()[-300:]}")
        if application.output and first.output == second.output and \
                layered.output != first.output:
            differences.append("another output")
        steady = first.picture == second.picture
        if steady and layered.picture != first.picture:
            # Two runs may agree by chance: what the application shows bare as well, or another picture
            # still, says nothing about the layer.
            third = run(application, command, environment, layered.picture)
            steady = third.picture == first.picture
        if steady and layered.picture != first.picture:
            differences.append(f"another picture: {layered.picture}, bare {first.picture}")
        if not steady and layered.picture == "nothing":
            differences.append("no picture")
        asked, made, failures = allocations(stats) if os.path.exists(stats) else (0, 0, 0)
        if asked == 0 and application.name != "vulkaninfo":
            differences.append("the layer saw no allocation")
        if failures:
            differences.append(f"{failures} binds failed for placement")
        seen = "exit code"
        if application.output:
            seen += ", output" + ("" if first.output == second.output else " (changes by itself)")
        if application.seconds:
            seen += ", picture" + ("" if steady else " (changes by itself)")
        row = f"{seen}: {'; '.join(differences) or 'the same'} | {asked} | {made}"
        return row, bool(differences)


def others(folder):
    for path in sorted(pathlib.Path(folder).iterdir()):
        if path.suffix == ".app":
            described = json.loads(path.read_text(encoding="utf-8"))
            yield Application(path.stem, described["command"], window=described.get("window", False),
                              seconds=described.get("seconds", 0), output=True,
                              environment=described.get("environment", {}))
        elif path.is_file() and os.access(path, os.X_OK):
            yield Application(path.name, [str(path.resolve())], output=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, help="a build folder of the project")
    parser.add_argument("--driver", default="", help="manifest of the Vulkan driver to use")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("folder", nargs="?")
    options = parser.parse_args()
    options.programs = os.path.join(os.path.abspath(options.build), "bin")
    options.command = os.path.join(options.programs, "tessera")
    options.layer = os.path.join(os.path.abspath(options.build), "layer")
    options.layer_flag = False
    options.source = os.path.dirname(os.path.abspath(__file__))
    if not options.driver:
        found = sorted(pathlib.Path("/usr/share/vulkan/icd.d").glob("lvp_icd*.json"))
        options.driver = str(found[0]) if found else ""
    applications = APPLICATIONS + (list(others(options.folder)) if options.folder else [])
    if options.list:
        print("\n".join(application.name for application in applications))
        return 0
    chosen = [a for a in applications if not options.only or a.name == options.only]
    if not chosen:
        parser.error(f"there is no {options.only}")
    print("application | what is compared | allocations asked for | made", flush=True)
    worst = 77 if options.only else 0
    for application in chosen:
        row, differs = compare(application, options)
        if differs is None:
            row = f"not run: {row}"
        elif options.only:
            worst = 0
        print(f"{application.name} | {row}", flush=True)
        if differs:
            worst = 1
    return worst


if __name__ == "__main__":
    sys.exit(main())
