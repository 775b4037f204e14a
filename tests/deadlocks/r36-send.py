#!/usr/bin/python3
"""`zfs send` in uninterruptible sleep while a worker of it fills the pipe; the reader does not read
(a stand-in sleeps in vfork)."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

r, w = pipe()
zfs = c_program("halt", "zfs")
send = start([zfs, "send", "tank/home@today"], stdout=w, env={**os.environ, "HALT": "d-write"})
reader = start(["sleep", 1000], stdin=r)
until(lambda: state(send) == "D", "zfs is in state D")
until(lambda: any(sleeps_in(p, *PIPE_WRITE) for p in children(send)), "its worker writes")
stands(reader, [send])
