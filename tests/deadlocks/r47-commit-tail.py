#!/usr/bin/python3
"""Upstream is done, end-of-file was read, and `zfs receive` commits (a stand-in sleeps in vfork)."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

r, w = pipe()
zfs = c_program("halt", "zfs")
receive = start([zfs, "receive", "-u", "tank/home"], stdin=r, env={**os.environ, "HALT": "d-eof"})
source = start(["echo", "a stream"], stdout=w)
reap(source)
until(lambda: state(receive) == "D", "zfs is in state D")
stands(receive, [receive], severity="info")
