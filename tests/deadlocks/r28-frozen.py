#!/usr/bin/python3
"""The middle stage is in a cgroup that is frozen."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

need_root()
roots = [p for p in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified") if os.path.exists(p + "/cgroup.controllers")]
place, freeze, thaw, frozen = "", None, None, None
try:
    if roots:
        place = f"{roots[0]}/museum-{os.getpid()}"
        os.mkdir(place)
        file, on, off = place + "/cgroup.freeze", "1", "0"
        frozen = lambda: "frozen 1" in read(place + "/cgroup.events")
    else:
        place = f"/sys/fs/cgroup/freezer/museum-{os.getpid()}"
        os.mkdir(place)
        file, on, off = place + "/freezer.state", "FROZEN", "THAWED"
        frozen = lambda: read(file).strip() == "FROZEN"
except OSError as problem:
    skip(f"no cgroup of our own: {problem}")


def end():
    with open(file, "w") as f:
        f.write(off)
    for pid in read(place + "/cgroup.procs").split():
        kill(int(pid))
    until(lambda: not read(place + "/cgroup.procs").split(), "the cgroup is empty")
    os.rmdir(place)


at_end(end)
a, b = pipe(), pipe()
source = start(["yes"], stdout=a[1])
middle = start(["cat"], stdin=a[0], stdout=b[1])
sink = start(["cat"], stdin=b[0])
with open(place + "/cgroup.procs", "w") as f:
    f.write(str(middle))
with open(file, "w") as f:
    f.write(on)
until(frozen, "it is frozen")
until_asleep(source, *PIPE_WRITE)
until_asleep(sink, *PIPE_READ)
stands(middle, [source])
