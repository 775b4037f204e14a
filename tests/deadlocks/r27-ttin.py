#!/usr/bin/python3
"""A stage in the background reads the terminal, and was stopped for it (SIGTTIN)."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

import pty
r, w = pipe()
master, slave = os.openpty()
# The session's leader has the terminal; its background job reads it.
leader = python("""
import termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
if os.fork() == 0:
    os.setpgid(0, 0)
    os.execvp("cat", ["cat"])
os.close(1)
signal.pause()
""", stdin=slave, stdout=w, apart=True)
sink = start(["sort"], stdin=r)
stopped = lambda: [p for p in children(leader) if state(p) == "T"]
until(stopped, "the background job is stopped")
until_asleep(sink, *PIPE_READ)
stands(stopped()[0], [sink])
