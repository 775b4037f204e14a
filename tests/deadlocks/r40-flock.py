#!/usr/bin/python3
"""A stage waits for a lock that another process has held for long."""
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from exhibit import *

open("lock", "w").close()
holder = start(["flock", "-F", "lock", "sleep", 1000], apart=True)
until(lambda: comm(holder) == "sleep", "the lock is taken")
r, w = pipe()
writer = start(["yes"], stdout=w)
waiter = start(["flock", "lock", "cat"], stdin=r)
until(lambda: f"-> FLOCK  ADVISORY  WRITE {waiter} " in read("/proc/locks"), "/proc/locks tells of the waiter")
until_asleep(writer, *PIPE_WRITE)
stands(holder, [writer])
