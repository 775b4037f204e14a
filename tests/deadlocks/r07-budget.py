#!/usr/bin/python3
"""A user has spent his budget on big pipes; the pipe of his next pipeline has two pages."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

import resource
limit = int(read("/proc/sys/fs/pipe-user-pages-soft") or 0)
if not 0 < limit <= 65536:
    skip(f"pipe-user-pages-soft is {limit}")
user = os.geteuid() or 64738  # nobody has that number
as_user = {} if os.geteuid() else dict(user=user, group=user, extra_groups=[])
os.chmod(folder, 0o755)
script = """
import resource
soft = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
kept, pages = [], 0
while True:
    r, w = os.pipe()
    size = fcntl.fcntl(w, 1032)
    if size <= 8192:
        break
    kept.append((r, w))
    try:
        fcntl.fcntl(w, 1031, 1 << 20)
    except OSError:
        pass
if sys.argv[2] == "hog":
    source = subprocess.Popen(["yes"], stdout=w, stderr=subprocess.DEVNULL)
    sink = subprocess.Popen(["pv", "-q", "-L", "4k"], stdin=r, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(r)
    os.close(w)
    signal.pause()
"""
need("pv")
hog = python(script, limit, "hog", **as_user)
until(lambda: len([p for p in children(hog) if comm(p) in ("yes", "pv")]) == 2, "the pipeline in the small pipe")
stages = children(hog)
yes = [p for p in stages if comm(p) == "yes"][0]
until_asleep(yes, *PIPE_WRITE)
stands(yes, [yes], severity="warning", moving=True)
