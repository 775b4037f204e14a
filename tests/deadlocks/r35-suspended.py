#!/usr/bin/python3
"""`zfs receive` in uninterruptible sleep before the end of its input, as on a suspended pool (a stand-in sleeps in vfork)."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

r, w = pipe()
zfs = c_program("halt", "zfs")
receive = start([zfs, "receive", "-u", "tank/home"], stdin=r, env={**os.environ, "HALT": "d-read"})
writer = start(["cat", "/dev/zero"], stdout=w)
until(lambda: state(receive) == "D", "zfs is in state D")
until_asleep(writer, *PIPE_WRITE)
# After half a minute it is called stuck; before, the doctor only warns.
stands(receive, [writer], severity=["warning", "stuck"], also=["R34"])
