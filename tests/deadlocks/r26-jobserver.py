#!/usr/bin/python3
"""Four makes wait for a token of the jobserver in read, as make 4.2 does; a client was killed and took them along."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

r, w = pipe()
thief = start(["dd", "bs=1", "count=2", f"if=/dev/fd/{r}", "of=/dev/null"], keep=(r,), close=False)
os.write(w, b"++")
reap(thief)
script = """
open("/proc/self/comm", "w").write("make")
if os.fork() == 0:
    os._exit(2)
os.read(int(sys.argv[1]), 1)
"""
makes = [python(script, r, keep=(r, w), close=False) for _ in range(4)]
os.close(r)
os.close(w)
for make in makes:
    until(lambda: comm(make) == "make", "it is called make")
    until_asleep(make, *PIPE_READ)
    until(lambda: any(state(p) == "Z" for p in children(make)), "a job of it has ended")
stands([0, *makes], makes[:1])
